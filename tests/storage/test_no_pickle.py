"""No file that axw reads can run code: nothing in the package could, and hostile files do not."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import axw

SOURCE = Path(axw.__file__).parent
MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "shelve", "marshal", "yaml", "jsonpickle"}
CALLS = {
    "torch.load",
    "torch.save",
    "torch.jit.load",
    "torch.package",
    "torch.hub",
    "joblib.load",
    "joblib.dump",
    "yaml.load",
    "os.system",
    "os.popen",
    "np.load",
    "numpy.load",
    "pd.read_pickle",
    "pandas.read_pickle",
}
NAMES = {"eval", "exec", "__import__"}


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def offences(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            found += [f"{line}: import {a.name}" for a in node.names if a.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            full = {module} | {f"{module}.{a.name}" for a in node.names}
            if module.split(".")[0] in MODULES or full & CALLS:
                found.append(f"{line}: from {module}")
        elif isinstance(node, ast.Attribute) and (dotted(node) in CALLS or node.attr in ("read_pickle", "to_pickle")):
            found.append(f"{line}: {dotted(node)}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES:
            found.append(f"{line}: {node.func.id}")
        elif isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle", "trust_remote_code"):
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                found.append(f"{node.value.lineno}: {node.arg}")
    return found


def test_nothing_in_the_package_can_run_a_file() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{offence}"
        for path in sorted(SOURCE.rglob("*.py"))
        for offence in offences(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "import numpy, _pickle as p",
        "import joblib\njoblib.load('x')",
        "from joblib import load",
        "from torch import load",
        "import torch\ntorch.load('x', weights_only=True)",
        "f = torch.save",
        "torch.jit.load('x')",
        "eval('1')",
        "exec('1')",
        "os.system('x')",
        "subprocess.run('x', shell=True)",
        "np.load('x')",
        "pd.read_pickle('x')",
        "yaml.load('x')",
        "AutoModel.from_pretrained('x', trust_remote_code=True)",
    ],
)
def test_the_search_finds(code: str) -> None:
    assert offences(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "model.eval()",
        "json.load(f)",
        "from joblib import Parallel",
        "x.save()",
        "run(['a'], shell=False)",
        "re.compile('a')",
    ],
)
def test_the_search_does_not_find(code: str) -> None:
    assert not offences(ast.parse(code))


AUDITED = """
import os, sys, warnings
from pathlib import Path
import torch
from axw.errors import AxwError
from axw.learning.checkpoints import Checkpoints
from axw.storage import json_from_bytes, read_folder
from axw.storage.tensors import tensors_from_bytes, tensors_to_bytes

work = Path(sys.argv[1])
tensors_from_bytes(tensors_to_bytes({"W": torch.zeros(1)}))  # what is imported on first use is there now
warnings.simplefilter("ignore")
FORBIDDEN = ("pickle.find_class", "os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen", "socket.connect")

def hook(event, arguments):
    if event in FORBIDDEN:
        print("AUDIT", event, arguments, flush=True)
        os._exit(3)
    if event == "open" and isinstance(arguments[0], (str, bytes)) and not os.fsdecode(arguments[0]).endswith((".py", ".pyc")):
        path, _, flags = arguments
        inside = os.path.abspath(os.fsdecode(path)).startswith(str(work / "in") + os.sep)
        if not inside or (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            print("AUDIT open", path, flags, flush=True)
            os._exit(3)

sys.addaudithook(hook)
refused = 0
for path in sorted((work / "in" / "files").iterdir()):
    folder = read_folder(path)
    for name in folder.names:
        for read in (tensors_from_bytes, lambda data: json_from_bytes(data, "here")):
            try:
                read(folder.read(name))
            except AxwError:
                refused += 1
for path in sorted((work / "in" / "folders").iterdir()):
    try:
        read_folder(path)
    except AxwError:
        refused += 1
for path in sorted((work / "in" / "runs").iterdir()):
    try:
        checkpoint = Checkpoints(path).newest()
        checkpoint.tensors("weights")
    except AxwError:
        refused += 1
print("REFUSED", refused)
"""


def test_hostile_files_run_nothing_open_nothing_outside_and_write_nothing(tmp_path: Path) -> None:
    from axw.storage.folder import fill_folder
    from tests.storage.hostile import folder_with, folders, headers, payloads

    flag, secret = tmp_path / "flag", tmp_path / "secret"
    secret.write_text("of somebody else")
    files = payloads(flag) | headers()
    expected = 0
    for i, data in enumerate(files.values()):
        folder_with(tmp_path / "in" / "files" / f"{i}", "weights.safetensors", data)
        expected += 2
    expected -= 1  # a JSON text that names code is a JSON text; its names mean nothing
    expected += len(folders(tmp_path / "in" / "folders", secret))
    for i, data in enumerate(payloads(flag).values()):
        run = tmp_path / "in" / "runs" / f"{i}"
        run.mkdir(parents=True)
        meta = {"kind": "checkpoint", "step": 1}
        fill_folder(run / "step_00000001", [("weights.safetensors", data), ("state.json", b"{}\n")], meta)
        expected += 1
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.stdout == f"REFUSED {expected}\n", done.stdout[-2000:] + done.stderr[-2000:]
    assert not flag.exists()
