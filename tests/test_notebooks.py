"""The notebooks run from top to bottom, hold the outputs of such a run, and are small.

python -m tests.test_notebooks       run them in Jupyter and keep what they show (pip install nbclient ipykernel)
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
MOST_BYTES = 120_000
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
RULE = re.compile(r"-{4,}")  # the line under a table's head is as wide as the times below it
SECONDS = re.compile(r"\d\S* (m?s|min)\b")


def cells(path: Path) -> list[dict]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def run(source: str, names: dict) -> tuple[str, str]:
    """What a cell prints, and what it shows: the value of its last line, where that is an expression."""
    tree, shown = ast.parse(source), None
    last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(tree, "cell", "exec"), names)  # noqa: S102 (this repository's own notebooks)
        shown = eval(compile(last, "cell", "eval"), names) if last is not None else None  # noqa: S307
    return out.getvalue(), "" if shown is None else repr(shown)


def kept(cell: dict) -> str:
    """What the notebook has printed below a cell."""
    return "".join("".join(output["text"]) for output in cell["outputs"] if output.get("name") == "stdout")


def words(text: str) -> list[str]:
    """The words of a text: numbers, which another machine may round otherwise, are one word."""
    return RULE.sub("---", NUMBER.sub("#", SECONDS.sub("#", text))).split()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::axw.errors.DataWarning")  # a notebook shows them beside the cell
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_prints_what_it_holds(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AXW_DATA", str(tmp_path))
    names: dict = {}
    for number, cell in enumerate(cells(path), 1):
        printed, _ = run("".join(cell["source"]), names)
        assert words(printed) == words(kept(cell)), (
            f"cell {number}; `python -m tests.test_notebooks` writes it:\n{printed}"
        )


# What each prints once it has come through the real data.
REAL = {
    "loans": r"about 800 rows learned from and 200 tested",
    "citations": r"A X W, smoothed: 0\.8\d\d of the test papers",
    "translator": r"BLEU \d.*\|tok:13a\|[\s\S]*is   A group of men are loading cotton onto a truck",
}


@pytest.mark.data
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::axw.errors.DataWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_real_data(path, tmp_path, monkeypatch):
    if not Path(os.environ.get("AXW_DATA", ""), "multi30k").is_dir():
        pytest.skip("AXW_DATA does not lead to the data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AXW_MINUTES", "0.2")
    names: dict = {}
    printed = "".join(run("".join(cell["source"]), names)[0] for cell in cells(path))
    assert re.search(REAL[path.stem], printed), printed
    assert "left out" not in printed


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_whole_and_small(path):
    assert path.stat().st_size < MOST_BYTES
    for number, cell in enumerate(cells(path), 1):
        assert cell["execution_count"] == number, "run it from top to bottom"
        assert not [
            output for output in cell["outputs"] if output["output_type"] == "error" or output.get("name") == "stderr"
        ]


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["citations", "loans", "translator"]


def write() -> None:
    """Run all in Jupyter, and keep what they print and show, without times and the names of the machine."""
    import tempfile

    import nbformat
    from nbclient import NotebookClient

    os.environ["AXW_DATA"] = "/nowhere"
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        with tempfile.TemporaryDirectory() as folder:
            NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}}).execute()
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            cell.metadata.pop("execution", None)
            cell["outputs"] = [output for output in cell["outputs"] if output.get("name") != "stderr"]
        notebook.metadata["language_info"] = {"name": "python"}
        path.write_text(nbformat.writes(notebook, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
