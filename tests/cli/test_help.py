"""Help is quick, imports nothing heavy, and its examples run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

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


def ran(words, folder, tmp_path):
    """The example in a folder of its own, with the files and the model that the pages speak of."""
    for name in ("train.csv", "test.csv"):
        if not (tmp_path / name).exists():
            (tmp_path / name).write_bytes((folder / name).read_bytes())
    redirect = words.index("<") if "<" in words else None
    source = (tmp_path / words[redirect + 1]).open("rb") if redirect is not None else subprocess.DEVNULL
    asked = words[1:redirect]
    script = "import sys; from axw.cli import main; sys.exit(main())"
    environment = {"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    return subprocess.run(
        [sys.executable, "-c", script, *asked],
        cwd=tmp_path,
        stdin=source,
        capture_output=True,
        text=True,
        env=environment,
    )


@pytest.fixture(scope="module")
def workshop(titanic, tmp_path_factory):
    """A folder in which the examples run one after the other, the model of `axw fit` there already."""
    folder = tmp_path_factory.mktemp("workshop")
    if ("fit", "table") in PAGES:
        fits = [line for path, line in EXAMPLES if path == ("fit", "table") and "family.axw" in line]
        assert ran(shlex.split(fits[0]), titanic, folder).returncode == 0
    return folder


SLOW = ("demo", "ladder")


@pytest.mark.slow
@pytest.mark.parametrize("line", sorted({line for path, line in EXAMPLES if line.split()[1] in SLOW}))
def test_slow_examples_run(line, titanic, workshop):
    done = ran(shlex.split(line), titanic, workshop)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("line", sorted({line for path, line in EXAMPLES if line.split()[1] not in SLOW}))
def test_examples_run(line, titanic, workshop):
    done = ran(shlex.split(line), titanic, workshop)
    assert done.returncode == 0, done.stderr
    wrote = re.search(r"-o (\S+)", line)
    assert (Path(workshop) / wrote[1]).stat().st_size if wrote else done.stdout
