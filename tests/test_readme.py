"""What the documents show runs: every Python block, in order, and prints what stands below it.

python tests/test_readme.py        write what is printed now into the documents
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from axw.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
RUN = ("README.md", "docs/rows.md", "docs/lending.md")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
HINT = "What is shown is not what is printed now; `python tests/test_readme.py` writes it:"
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


def blocks(name: str) -> list[re.Match[str]]:
    """Every fenced block: group 1 is its language, group 2 its text."""
    return list(BLOCK.finditer((ROOT / name).read_text()))


def shown_and_printed(name: str) -> Iterator[tuple[re.Match[str], str]]:
    """Run the Python blocks in order: each text block that follows one, and what that one printed."""
    names: dict[str, object] = {}
    printed = None
    for block in blocks(name):
        language, text = block.groups()
        if language == "python":
            out, line = io.StringIO(), block.string.count("\n", 0, block.start(2))
            with contextlib.redirect_stdout(out):
                exec(compile("\n" * line + text, name, "exec"), names)  # noqa: S102 (this repository's own documents)
            printed = out.getvalue()
        elif language == "text" and printed is not None:
            yield block, printed
            printed = None


def ending(shown: str, printed: str) -> str:
    """The end of what was printed, from the line on that begins what is shown; numbers aside."""
    first = NUMBER.sub("#", shown.splitlines()[0])
    lines = printed.rstrip("\n").splitlines()
    starts = [at for at, line in enumerate(lines) if NUMBER.sub("#", line) == first]
    return "\n".join(lines[starts[-1] :]) + "\n" if starts else printed


@pytest.mark.parametrize("name", RUN)
def test_python_blocks_run_in_order_and_print_what_is_shown(name, tmp_path, monkeypatch):
    """A text block that follows a Python block is the end of what that one printed.

    Another build of a library may change the last digit of a number, and with it where a line is broken.
    """
    monkeypatch.chdir(tmp_path)
    compared = 0
    for block, printed in shown_and_printed(name):
        shown, now = block[2], ending(block[2], printed)
        assert NUMBER.sub("#", shown).split() == NUMBER.sub("#", now).split(), f"{HINT}\n{now}"
        numbers = [[float(found) for found in NUMBER.findall(text)] for text in (shown, now)]
        assert numbers[0] == pytest.approx(numbers[1], rel=0.01, abs=0.003), f"{HINT}\n{now}"
        compared += 1
    assert compared


@pytest.mark.parametrize("name", [*RUN, "CONTRIBUTING.md", "docs/design.md", "benchmarks/README.md", "SECURITY.md"])
def test_links_lead_to_files(name):
    here = (ROOT / name).parent
    links = [link for link in LINK.findall((ROOT / name).read_text()) if not link.startswith(("http", "mailto"))]
    assert [link for link in links if not (here / link).exists()] == []


def test_the_two_set_up_commands_stand_alone():
    """`.ci/run` reads them from the README."""
    shell = [block[2].strip() for block in blocks("README.md") if block[1] == "sh"]
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


def test_the_picture_needs_nothing_from_elsewhere():
    picture = (ROOT / "docs/img/ladder.svg").read_text()
    assert picture.startswith("<svg ") and "<script" not in picture and "href" not in picture


def write() -> None:
    """Put what the Python blocks print now into the text blocks below them."""
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in RUN:
            found = [(*block.span(2), ending(block[2], printed)) for block, printed in shown_and_printed(name)]
            text = (ROOT / name).read_text()
            for start, stop, now in reversed(found):
                text = text[:start] + now + text[stop:]
            (ROOT / name).write_text(text)
        os.chdir(home)


if __name__ == "__main__":
    write()
