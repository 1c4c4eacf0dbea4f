"""Help is quick, imports nothing heavy, and its examples run."""

import io
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import typer

from axw.cli import main
from axw.cli.app import app

SCRIPT = """
import sys
from axw.cli import main
code = main(sys.argv[1:])
heavy = sorted({"torch", "numpy", "pandas", "scipy", "sklearn", "pyarrow", "rich"} & set(sys.modules))
print("heavy:", heavy, file=sys.stderr)
sys.exit(code)
"""


def pages(command=None, path=()):
    """(words of the command, its help text) of every page."""
    command = typer.main.get_command(app) if command is None else command
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from pages(below, (*path, name))


PAGES = [path for path, _ in pages()]
EXAMPLES = [
    (path, line.strip().replace("\\\n", " "))
    for path, command in pages()
    for line in (command.epilog or "").splitlines()
    if line.startswith("  axw ")
]


@pytest.mark.parametrize("words", [*PAGES, ("--version",), ("nope",)], ids=" ".join)
def test_help_imports_nothing_heavy(words):
    asked = [*words] if words in (("--version",), ("nope",)) else [*words, "--help"]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *asked], capture_output=True, text=True)
    assert done.stderr.endswith("heavy: []\n")
    assert done.returncode == (2 if words == ("nope",) else 0)


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_every_page_ends_with_examples(words, capsys):
    assert main([*words, "--help"]) == 0
    page = capsys.readouterr().out
    command = dict(pages())[words]
    if not hasattr(command, "commands") or not words:
        examples = page[page.index("Examples:") :].splitlines()[1:]
        assert len(examples) >= 3
        assert all(line.startswith("    axw ") for line in examples)


# What makes a training of hours one of a second; the rest of each example is run as it stands.
SMALL = "--steps 2 --set train.evaluate_every=2 --set batch_tokens=300 --set vocabulary=300 --set longest=60"
SMALLER = {
    "words": f"{SMALL} --set network.d_model=16 --set network.layers=1",
    "translation": f"{SMALL} --set transformer.d_model=16 --set transformer.layers=1 --set luong.d_model=16",
    "trees": f"{SMALL} --set transformer.d_model=16 --set transformer.layers=1 --set luong.d_model=16",
}
SENTENCES = [
    f"the {a} {b} in the {c}." for a in ("dog", "man", "sun") for b in ("sits", "runs") for c in ("snow", "park")
]


@pytest.fixture(scope="module")
def workshop(titanic, tmp_path_factory):
    """A folder in which the examples run: the data that the pages speak of, and the first model of each page of `axw fit`."""
    folder = tmp_path_factory.mktemp("workshop")
    for name in ("train.csv", "test.csv"):
        (folder / name).write_bytes((titanic / name).read_bytes())
    for name in ("corpus.txt", "valid.txt", "train.de", "train.en", "valid.de", "valid.en"):
        (folder / name).write_text("".join(f"{line}\n" for line in SENTENCES * 3), encoding="utf-8")
    trees = [f"(S (NP (DT the) (NN {b})) (VP (VBZ sits)) (. .))" for b in ("dog", "man", "sun", "cat")]
    for name in ("train.mrg", "valid.mrg"):
        (folder / name).write_text("".join(f"{tree}\n" for tree in trees * 6), encoding="utf-8")
    (folder / "sentences").write_text("the man sits .\nthe dog in the park sits .\n", encoding="utf-8")
    for wanted in ("family.axw", "words.run", "de-en.run", "trees.run"):
        line = next(line for path, line in EXAMPLES if path[:1] == ("fit",) and f"--save {wanted}" in line)
        with pytest.MonkeyPatch.context() as patch:
            assert run(line, folder, patch) == 0
    return folder


def run(line, folder, monkeypatch):
    """One example as a shell would run it, in this process; a training is made small, and the run that it makes is new."""
    words = shlex.split(line)
    if words[1] == "fit" and words[2] in SMALLER:
        shutil.rmtree(folder / words[words.index("--save") + 1], ignore_errors=True)
        words += shlex.split(SMALLER[words[2]])
    monkeypatch.chdir(folder)
    if "<" in words:
        place = words.index("<")
        data = (folder / words[place + 1]).read_bytes()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        words = words[:place]
    return main(words[1:])


def lines(slow=False):
    """The examples, each once; those of whole ladders take a while."""
    return sorted({line for _, line in EXAMPLES if (line.split()[1] in ("demo", "ladder")) == slow})


@pytest.mark.slow
@pytest.mark.parametrize("line", lines(slow=True))
def test_slow_examples_run(line, workshop, monkeypatch, capsys):
    assert run(line, workshop, monkeypatch) == 0, capsys.readouterr().err
    assert capsys.readouterr().out


@pytest.mark.parametrize("line", lines())
def test_examples_run(line, workshop, monkeypatch, capsys):
    assert run(line, workshop, monkeypatch) == 0, capsys.readouterr().err
    wrote = re.search(r"-o (\S+)", line)
    assert (workshop / wrote[1]).stat().st_size if wrote else capsys.readouterr().out
