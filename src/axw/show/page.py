"""A page that stands alone: one file, no script, no request to anywhere, light and dark.

Whatever comes from data goes through `escape`; the helpers take words, never markup, except where an argument is called
`markup` and was made by another helper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from axw.show.escaping import escape, name
from axw.show.style import CHART, COLOURS, PAGE
from axw.show.svg import Svg
from axw.storage.beside import VERDICT

# Nothing may be fetched or run from this page, even where a word from the data slipped through as markup.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(title: str, markup: str) -> str:
    """The whole document around the body's markup."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{COLOURS}{PAGE}{CHART}</style>\n</head>\n"
        f"<body>\n<main>\n{markup}\n</main>\n</body>\n</html>\n"
    )


def paragraph(words: object, kind: str = "") -> str:
    return f"<p{_kind(kind)}>{name(words, 2000)}</p>\n"


def head(title: object, markup: str) -> str:
    """How every report begins: its title, and the verdict in a box."""
    return f"<h1>{name(title)}</h1>\n{VERDICT}\n{markup}</div>\n"


def section(title: str, markup: str, level: int = 2) -> str:
    """A part of the page under a heading of that level; nothing where there is nothing to say."""
    return f"<section>\n<h{level}>{name(title)}</h{level}>\n{markup}</section>\n" if markup else ""


def bullets(lines: Iterable[object]) -> str:
    items = "".join(f"<li>{name('; '.join(str(line).split(chr(10))), 2000)}</li>\n" for line in lines)
    return f"<ul>\n{items}</ul>\n" if items else ""


class Twin(NamedTuple):
    """The table that holds the numbers of a picture: its headings, its rows, and which headings stand over words."""

    headings: Sequence[str]
    rows: Sequence[Sequence[object]]
    words: Sequence[str] = ()

    def markup(self) -> str:
        return table(self.headings, self.rows, self.words)


def table(
    headings: Sequence[str], rows: Sequence[Sequence[object]], words: Sequence[str] = (), chosen: int | None = None
) -> str:
    """A table of numbers, but for the columns headed by one of `words`; row number `chosen` stands out."""
    kinds = ["words" if heading in words else "" for heading in headings]
    head = "".join(
        f'<th scope="col"{_kind(kind)}>{name(cell)}</th>' for cell, kind in zip(headings, kinds, strict=True)
    )
    body = ""
    for i, row in enumerate(rows):
        cells = "".join(f"<td{_kind(kind)}>{name(cell, 400)}</td>" for cell, kind in zip(row, kinds, strict=True))
        body += f"<tr{_kind('chosen' if i == chosen else '')}>{cells}</tr>\n"
    return f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n'


def facts(pairs: Mapping[str, object]) -> str:
    items = "".join(f"<dt>{name(key)}</dt><dd>{name(value, 2000)}</dd>\n" for key, value in pairs.items())
    return f"<dl>\n{items}</dl>\n"


def code(text: str) -> str:
    return f"<pre><code>{escape(text, 4000)}</code></pre>\n"


def again(command: str, versions: Mapping[str, str] | None) -> str:
    """What makes the same again: the command to paste, and what it was computed with."""
    return code(command) + (facts({"versions": versions_text(versions)}) if versions else "")


def versions_text(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{program} {version}" for program, version in versions.items())


def picture(svg: Svg, twin: Twin | None) -> str:
    """A chart, and under a fold the table that holds the same numbers."""
    return f'<div class="scroll picture">{svg.to_text()}</div>\n{fold("The same as a table", twin.markup()) if twin else ""}'


def fold(title: str, markup: str) -> str:
    return f"<details><summary>{escape(title)}</summary>\n{markup}</details>\n"


def _kind(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
