"""What the documents show runs: every Python block, in order, and prints what stands below it."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest
from typer.main import get_command

from axw.cli.app import app

ROOT = Path(__file__).parent.parent
RUN = ("README.md", "docs/rows.md")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


def blocks(name: str) -> list[tuple[int, str, str]]:
    """(line, language, text) of every fenced block."""
    text = (ROOT / name).read_text()
    return [(text.count("\n", 0, found.start()) + 1, *found.groups()) for found in BLOCK.finditer(text)]


@pytest.mark.parametrize("name", RUN)
def test_python_blocks_run_in_order_and_print_what_is_shown(name, tmp_path, monkeypatch):
    """A text block that directly follows a Python block is part of what that one printed."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    printed, ran = None, 0
    for line, language, text in blocks(name):
        if language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile("\n" * line + text, f"{name}", "exec"), names)  # noqa: S102 (this repository's own documents)
            printed, ran = out.getvalue(), ran + 1
        elif language == "text" and printed is not None:
            assert text.strip() in printed, f"{name}, line {line}: the text shown is not what was printed:\n{printed}"
            printed = None
    assert ran


@pytest.mark.parametrize("name", [*RUN, "CONTRIBUTING.md", "docs/design.md", "benchmarks/README.md", "SECURITY.md"])
def test_links_lead_to_files(name):
    here = (ROOT / name).parent
    links = [link for link in LINK.findall((ROOT / name).read_text()) if not link.startswith(("http", "mailto"))]
    assert [link for link in links if not (here / link).exists()] == []


def test_the_two_set_up_commands_stand_alone():
    """`.ci/run` reads them from the README."""
    shell = [text.strip() for _, language, text in blocks("README.md") if language == "sh"]
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
