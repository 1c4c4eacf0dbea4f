"""A ladder for translation as a page that stands alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from axw.ladders.translation_result import COLUMNS, TranslationLadder
from axw.show.ladder import LadderDisplay
from axw.show.page import again, bullets, head, page, paragraph, section, table
from axw.show.samples_page import looked_part


def translation_page(
    ladder: TranslationLadder,
    title: str,
    command: str,
    findings: Sequence[str] = (),
    looked: Mapping[str, Any] | None = None,
    versions: Mapping[str, str] | None = None,
) -> str:
    """The ladder as one HTML page: which rungs pay, BLEU against time, the table, and the command that makes it again.

    looked   what the best rung made of the measured pairs, as `axw.show.ladder_samples.of_translation_ladder` says it
    """
    rows = [[cell(row) for cell in COLUMNS.values()] for row in ladder.rows]
    parts = [
        head(title, paragraph(verdict(ladder))),
        section("Rungs", table(list(COLUMNS), rows, ("rung", "Δ BLEU [95 % CI] of"))),
        section("Quality against cost", LadderDisplay.from_estimator(ladder).markup()),
        looked_part(looked, 2),
        section("Met in the data", bullets(findings)),
        section("The same again", again(command, versions)),
        section("Notes", bullets(ladder.notes())),
    ]
    return page(title, "".join(parts))


def verdict(ladder: TranslationLadder) -> str:
    """The best rung, and which are better than what they extend."""
    best = ladder.best
    paid = [row.rung for row in ladder.rows if row.pays]
    said = f"The most BLEU has {best.rung}: {best.bleu.mean:.2f}."
    return f"{said} Better than the rung it extends: {', '.join(paid)}." if paid else f"{said} No rung pays."
