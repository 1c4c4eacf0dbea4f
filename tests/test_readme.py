"""What the documents show runs: every Python block and every command, in order, and prints what stands below it.

python -m tests.test_readme [PAGE...]       write what is printed now, and the pictures that are drawn, into the documents
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from typer.main import get_command

from axw.cli.app import app
from tests.documents import ROOT, SHELL, pictures, play, shell, steps
from tests.workshop import write_texts

# Played in the default run, up to their `<!-- slow -->`.
RUN = ("README.md", "docs/equation.md", "docs/rows.md", "docs/lending.md")
# Played to the end by `pytest -m slow tests/test_readme.py`, as .ci/run does.
SLOW = (
    "docs/equation.md",
    "docs/words.md",
    "docs/translation.md",
    "docs/parsing.md",
    "docs/pictures.md",
    "docs/scale.md",
)
SLOW += (
    "docs/ladder.md",
    "docs/serving.md",
    "docs/exports.md",
    "docs/index.md",
    "docs/results/citation.md",
    "docs/results/row_attention.md",
)
SLOW += ("docs/results/slx.md",)
PAGES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
ROOT_PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md", "examples/README.md"]
# Their Python is interfaces and sketches, to be read: `docs/design.md` says so at its top.
SKETCHES = ("docs/design.md",)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
HINT = "What is shown is not what is printed now; `python -m tests.test_readme` writes it:"
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


def ending(shown: str, printed: str) -> str:
    """The end of what was printed, from the line on that begins what is shown; numbers aside."""
    first = NUMBER.sub("#", (shown.splitlines() or [""])[0])
    lines = printed.rstrip("\n").splitlines()
    starts = [at for at, line in enumerate(lines) if NUMBER.sub("#", line) == first]
    return "\n".join(lines[starts[-1] :]) + "\n" if starts else printed


@pytest.mark.parametrize(
    ("name", "slow"),
    [(name, False) for name in RUN] + [pytest.param(name, True, marks=pytest.mark.slow) for name in SLOW],
)
def test_a_page_runs_in_order_and_prints_what_is_shown(name, slow, tmp_path, monkeypatch):
    """A text block that follows a Python block is the end of what that one printed.

    Another build of a library may change the last digit of a number, and with it where a line is broken.
    """
    write_texts(tmp_path)
    for step, printed in play(name, tmp_path, monkeypatch, slow=slow):
        shown, now = step.text, ending(step.text, printed)
        assert NUMBER.sub("#", shown).split() == NUMBER.sub("#", now).split(), f"{HINT}\n{now}"
        numbers = [[float(found) for found in NUMBER.findall(text)] for text in (shown, now)]
        assert numbers[0] == pytest.approx(numbers[1], rel=0.01, abs=0.003), f"{HINT}\n{now}"
    if slow:
        assert [picture for picture in pictures(name) if not (tmp_path / Path(picture).name).exists()] == []


@pytest.mark.parametrize("name", [name for name in [*ROOT_PAGES, *PAGES] if name not in (*SLOW, *SKETCHES)])
def test_every_command_that_is_shown_is_one(name, tmp_path, monkeypatch):
    """Those of pages that are not played are looked at: each option is one that the command has, each file is there."""
    for step in steps(name):
        if step.kind in SHELL:
            shell(step, tmp_path, monkeypatch, run=False)


@pytest.mark.parametrize("name", [name for name in PAGES if name not in (*RUN, *SLOW, *SKETCHES)])
def test_python_that_is_shown_is_played(name):
    assert [step.line for step in steps(name) if step.kind == "python"] == [], "name the page in RUN or SLOW"


@pytest.mark.parametrize("name", [*ROOT_PAGES, *PAGES])
def test_links_lead_to_files(name):
    here = (ROOT / name).parent
    links = [link for link in LINK.findall((ROOT / name).read_text()) if not link.startswith(("http", "mailto"))]
    assert [link for link in links if not (here / link).exists()] == []


def test_the_two_set_up_commands_stand_alone():
    """`.ci/run` reads them from the README."""
    shell = [step.text.strip() for step in steps("README.md") if step.kind == "sh"]
    assert "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/axw demo" in shell
    assert ".venv/bin/pip install '.[test]' && .venv/bin/pytest" in shell


def test_the_map_names_every_rung():
    from axw.ladders import table_rungs
    from axw.relations import SameValue

    text = (ROOT / "README.md").read_text().replace("`", "")
    assert [
        r.name for r in table_rungs("classification", [SameValue("family")], 0)[1:] if f"| {r.name}" not in text
    ] == []


def test_commands_shown_exist():
    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    shown = set(re.findall(r"^axw (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert shown == known


def test_pictures_need_nothing_from_elsewhere():
    for path in (ROOT / "docs/img").rglob("*.svg"):
        picture = path.read_text()
        assert picture.startswith("<svg ") and "<script" not in picture and "href" not in picture


def write(names: list[str]) -> None:
    """Put what the Python blocks print now into the text blocks below them, and their pictures beside the page."""
    for name in names:
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            write_texts(Path(folder))
            played = play(name, Path(folder), patch, slow=name in SLOW)
            found = [(*step.span, ending(step.text, printed)) for step, printed in played]
            for picture in pictures(name):
                target = ROOT / "docs" / picture
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(Path(folder) / target.name, target)
        text = (ROOT / name).read_text()
        for start, stop, now in reversed(found):
            text = text[:start] + now + text[stop:]
        (ROOT / name).write_text(text)


if __name__ == "__main__":
    write(sys.argv[1:] or sorted({*RUN, *SLOW}))
