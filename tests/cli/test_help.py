"""Help is quick, imports nothing heavy, and its examples run."""

import re
import subprocess
import sys

import pytest
import typer

from axw.cli import main
from axw.cli.app import app
from tests.workshop import run, write_texts

SCRIPT = """
import contextlib, io, sys
from axw.cli import main
for line in sys.stdin.read().splitlines():
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = main(line.split())
    heavy = sorted({"torch", "numpy", "pandas", "scipy", "sklearn", "pyarrow", "rich"} & set(sys.modules))
    print(code, *heavy)
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


def test_help_imports_nothing_heavy():
    """All pages in one process: what one of them imports would still be there for the next."""
    asked = [" ".join([*path, "--help"]) for path in PAGES] + ["--version", "nope"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input="\n".join(asked), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["0"] * (len(PAGES) + 1) + ["2"], done.stdout


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_every_page_ends_with_examples(words, capsys):
    assert main([*words, "--help"]) == 0
    page = capsys.readouterr().out
    command = dict(pages())[words]
    if not hasattr(command, "commands") or not words:
        examples = page[page.index("Examples:") :].splitlines()[1:]
        assert len(examples) >= 3
        assert all(line.startswith("    axw ") for line in examples)


@pytest.fixture(scope="module")
def workshop(titanic, tmp_path_factory):
    """A folder in which the examples run: the data that the pages speak of, and the first model of each page of `axw fit`."""
    folder = tmp_path_factory.mktemp("workshop")
    for name in ("train.csv", "test.csv"):
        (folder / name).write_bytes((titanic / name).read_bytes())
    write_texts(folder)
    for wanted in ("family.axw", "words.run", "de-en.run", "trees.run"):
        line = next(line for path, line in EXAMPLES if path[:1] == ("fit",) and f"--save {wanted}" in line)
        with pytest.MonkeyPatch.context() as patch:
            assert run(line, folder, patch) == 0
    return folder


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
