"""The files around the code say the same as the code: versions, licences, and that the public CI does what .ci/run does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import axw

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW = (ROOT / ".github/workflows/ci.yml").read_text()


def test_the_public_ci_does_what_the_script_does():
    script = (ROOT / ".ci/run").read_text()
    steps = re.findall(r"^(?:\.venv/bin/)?((?:ruff|mypy|pytest|\.ci/)\S*.*)$", script, re.MULTILINE)
    assert len(steps) >= 6
    assert [step for step in steps if step not in WORKFLOW] == []
    assert "- run: pytest\n" in WORKFLOW and "axw demo" in WORKFLOW


def test_the_public_ci_tests_every_version_that_is_named():
    named = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)}
    assert set(re.findall(r'"(3\.\d+)"', WORKFLOW)) == named


def test_the_citation_says_the_version_and_the_licence():
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == axw.__version__
    assert re.search(r"^license: (.*)$", citation, re.MULTILINE)[1] == PROJECT["license"]


def test_every_sample_says_where_it_is_from_and_under_which_licence():
    samples = ROOT / "src/axw/data/samples"
    bundled = [path for path in samples.iterdir() if path.suffix not in (".py", ".md") and path.is_file()]
    assert bundled
    for path in bundled:
        assert "icence" in (samples / f"{path.name.partition('.')[0]}.ORIGIN.md").read_text()
        assert path.name.partition(".")[0] in (ROOT / "README.md").read_text()


def test_the_site_names_every_page_of_the_guide():
    site = (ROOT / "mkdocs.yml").read_text()
    pages = [str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page not in site] == [], "add it to nav in mkdocs.yml"


def test_what_is_only_built_is_not_kept():
    assert {"/site/", "dist/"} <= set((ROOT / ".gitignore").read_text().split())
