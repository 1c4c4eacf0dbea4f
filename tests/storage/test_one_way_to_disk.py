"""Every write goes through a `Disk`, so the tests that let a disk fail or die leave no write out."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import axw
from axw.errors import ModelError
from axw.storage import read_folder, write_folder

SOURCE = Path(axw.__file__).parent
# A TemporaryFile has no name and is gone when it is closed. The command line tries places out, copies stdin aside and
# writes crash files: nothing that a run or a model keeps.
SCRATCH = SOURCE / "cli"
METHODS = {"write_text", "write_bytes", "mkdir", "rmdir", "unlink", "symlink_to", "hardlink_to", "touch"}
FUNCTIONS = re.compile(
    r"os\.(open|write|rename|renames|replace|remove|unlink|rmdir|mkdir|makedirs|truncate|ftruncate|fsync|link|symlink)"
    r"|shutil\.(rmtree|move|copy\w*)|tempfile\.(?!TemporaryFile|gettempdir)\w+"
)
FILES = {"disk", "files", "folder", "storage", "self._disk", "disk_module"}


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def writes(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        owner, _, last = name.rpartition(".")
        mode = [
            a.value
            for a in (*node.args[1:2], *(k.value for k in node.keywords if k.arg == "mode"))
            if isinstance(a, ast.Constant)
        ]
        opens = name in ("open", "io.open") and any(isinstance(m, str) and set(m) & set("wax+") for m in mode)
        if opens or FUNCTIONS.fullmatch(name) or (last in METHODS and owner and owner not in FILES):
            found.append(f"{node.lineno}: {name}")
    return found


def test_nothing_writes_past_the_disk() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{write}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path != SOURCE / "storage" / "disk.py" and path.parent != SCRATCH
        for write in writes(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found


@pytest.mark.parametrize(
    "code", ["open(p, 'w')", "open(p, mode='ab')", "Path(p).write_text('')", "os.replace(a, b)", "shutil.rmtree(p)"]
)
def test_the_search_finds(code: str) -> None:
    assert writes(ast.parse(code))


@pytest.mark.parametrize(
    "code", ["open(p)", "open(p, 'rb')", "write_text(p, '')", "disk.unlink(p)", "text.replace('a', 'b')"]
)
def test_the_search_does_not_find(code: str) -> None:
    assert not writes(ast.parse(code))


SAVE = """
import sys
from axw.storage import write_folder
write_folder(sys.argv[1], {"a": b"new" * 9, "b": b""}, meta={}, replace=True)
"""


def strace_works() -> bool:
    if shutil.which("strace") is None:
        return False
    done = subprocess.run(["strace", "-e", "inject=fsync:error=EIO", "true"], capture_output=True)
    return done.returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not strace_works(), reason="needs strace and the right to trace")
@pytest.mark.parametrize("call", ["fsync", "rename,renameat,renameat2", "mkdir,mkdirat", "unlink,unlinkat,rmdir"])
def test_kill_9_at_a_system_call(tmp_path: Path, call: str) -> None:
    """The same promise, watched from outside of Python."""
    model = tmp_path / "model"
    for n in range(1, 40):
        shutil.rmtree(model, ignore_errors=True)
        write_folder(model, {"a": b"old"}, meta={})
        inject = ["strace", "-f", "-o", "/dev/null", "-e", f"inject={call}:signal=SIGKILL:when={n}"]
        done = subprocess.run([*inject, sys.executable, "-B", "-c", SAVE, str(model)], capture_output=True, text=True)
        try:
            found = read_old_or_new(model)
        except ModelError as error:
            raise AssertionError(f"{call} {n}: {done.stderr}") from error
        assert found in (b"old", b"new" * 9)
        if done.returncode == 0:
            break
    assert done.returncode == 0 and found == b"new" * 9 and n > 1


def read_old_or_new(model: Path) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_folder(model).read("a")
