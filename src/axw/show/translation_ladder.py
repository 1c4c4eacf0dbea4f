"""A ladder for translation as a page that stands alone."""

from __future__ import annotations

from collections.abc import Sequence

from axw.ladders.translation_result import COLUMNS, TranslationLadder
from axw.show.escaping import name
from axw.show.ladder import LadderDisplay
from axw.show.page import bullets, code, page, paragraph, section, table


def translation_page(ladder: TranslationLadder, title: str, command: str, findings: Sequence[str] = ()) -> str:
    """The ladder as one HTML page: which rungs pay, BLEU against time, the table, and the command that makes it again."""
    rows = [[cell(row) for cell in COLUMNS.values()] for row in ladder.rows]
    parts = [
        f"<h1>{name(title)}</h1>\n",
        f'<div class="verdict" role="note">\n{paragraph(verdict(ladder))}</div>\n',
        section("Rungs", table(list(COLUMNS), rows, ("rung", "Δ BLEU [95 % CI] of"))),
        section("Quality against cost", LadderDisplay.from_estimator(ladder).markup()),
        section("Met in the data", bullets(findings)),
        section("The same again", code(command)),
        section("Notes", bullets(ladder.notes())),
    ]
    return page(title, "".join(parts))


def verdict(ladder: TranslationLadder) -> str:
    """The best rung, and which are better than what they extend."""
    best = max(ladder.rows, key=lambda row: row.bleu.mean)
    paid = [row.rung for row in ladder.rows if row.pays]
    said = f"The most BLEU has {best.rung}: {best.bleu.mean:.2f}."
    return f"{said} Better than the rung it extends: {', '.join(paid)}." if paid else f"{said} No rung pays."
