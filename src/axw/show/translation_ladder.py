"""A ladder for translation as a page that stands alone."""

from __future__ import annotations

from axw.ladders.translation_result import COLUMNS, TranslationLadder
from axw.show.ladder import LadderDisplay
from axw.show.page import section, table
from axw.show.text_ladder import About


def translation_page(ladder: TranslationLadder, about: About) -> str:
    """The ladder as one HTML page: which rungs pay, BLEU against time, the table, and the command that makes it again."""
    rows = [[cell(row) for cell in COLUMNS.values()] for row in ladder.rows]
    rungs = [
        section("Rungs", table(list(COLUMNS), rows, ("rung", "Δ BLEU [95 % CI] of"))),
        section("Quality against cost", LadderDisplay.from_estimator(ladder).markup()),
    ]
    return about.page(verdict(ladder), rungs, "", ladder.notes())


def verdict(ladder: TranslationLadder) -> str:
    """The best rung, and which are better than what they extend."""
    best = ladder.best
    paid = [row.rung for row in ladder.rows if row.pays]
    said = f"The most BLEU has {best.rung}: {best.bleu.mean:.2f}."
    return f"{said} Better than the rung it extends: {', '.join(paid)}." if paid else f"{said} No rung pays."
