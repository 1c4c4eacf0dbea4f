"""What MkDocs is told while it builds the guide: a few small steps, and no file of the guide is changed.

- A picture that `axw` drew is put into the page itself, so that it follows the reader's choice of light or dark.
- Formulas in ```math blocks become MathML, which browsers draw without a script.
- The columns of docstrings stay columns.
- Pages that live elsewhere in the repository (README of the benchmarks, CHANGELOG) are shown in the site as they are.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

from axw.show.style import CHART, DARK, LIGHT, scoped

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = {"benchmarks.md": "benchmarks/README.md", "changelog.md": "CHANGELOG.md"}
PICTURE = re.compile(r'<img alt="([^"]*)" src="([^"]*?)(img/[\w/-]+\.svg)" ?/?>')
# A docstring lays parameters out in columns: two blanks or more in a paragraph of several lines.
ALIGNED = re.compile(r"<p>((?:(?!</?p>).)*?\S {2,}\S(?:(?!</?p>).)*?)</p>", re.DOTALL)
MATH = re.compile(r"^```math\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[([^\]]+)\]\((?!http|mailto|#)([^)#\s]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that live elsewhere, and the colours of the pictures, made from those of the reports."""
    for name, path in ELSEWHERE.items():
        files.append(File.generated(config, name, content=relinked(path, config)))
    style = (
        f".axw-picture{{{LIGHT}}}[data-md-color-scheme=slate] .axw-picture{{{DARK}}}"
        + scoped(CHART, ".axw-picture").partition(".axw-picture{padding")[0]
    )
    files.append(File.generated(config, "css/pictures.css", content=style))
    return files


def relinked(path: str, config: Any) -> str:
    """The page with links that hold from docs/: what is not in the guide is named, and not linked."""
    here = (ROOT / path).parent

    def link(found: re.Match[str]) -> str:
        text, target, part = found[1], (here / found[2]).resolve(), found[3] or ""
        docs = Path(config["docs_dir"])
        return f"[{text}]({target.relative_to(docs)}{part})" if target.is_relative_to(docs) else text

    return LINK.sub(link, (ROOT / path).read_text(encoding="utf-8"))


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Formulas become MathML."""
    return MATH.sub(lambda found: f'<div class="math">{convert(found[1].strip(), display="block")}</div>', markdown)


def on_page_content(content: str, page: Any, config: Any, **_: Any) -> str:
    """Pictures that were drawn become part of the page; docstrings keep their columns."""
    if page.file.src_path == "api.md":
        content = ALIGNED.sub(r'<p class="aligned">\1</p>', content)

    def inline(found: re.Match[str]) -> str:
        path = Path(config["docs_dir"]) / found[3]
        svg = re.sub(r"<style>.*?</style>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        svg = svg.replace('<rect width="100%" height="100%" style="fill:var(--ground)"/>', "")
        caption = html.unescape(found[1])
        return f'<figure class="axw-picture">{svg}<figcaption>{html.escape(caption)}</figcaption></figure>'

    return PICTURE.sub(inline, content)
