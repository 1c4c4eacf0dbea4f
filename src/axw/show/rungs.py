"""What the picture of a ladder is drawn from, the same of every kind: names, cost, value, interval, and which rung to use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from axw.errors import UsageError, did_you_mean
from axw.ladders.result import Ladder
from axw.ladders.translation_result import TranslationLadder
from axw.ladders.words_result import WordsLadder


class Rungs(NamedTuple):
    """One entry a rung, the simplest first; `below`: the name of what it adds one thing to."""

    names: Sequence[str]
    cost: Sequence[float]
    value: Sequence[float]
    interval: Sequence[tuple[float, float]]
    below: Sequence[str | None]
    chosen: str | None
    measure: str


def rungs_of(ladder: Ladder | WordsLadder | TranslationLadder, question: str | None = None) -> Rungs:
    """Of a ladder of tables one question, None = the first. `UsageError` for a question that was not asked."""
    if isinstance(ladder, Ladder):
        return _of_tables(ladder, question)
    if question is not None:
        raise UsageError(
            f"There is no question {question!r}: a ladder for text asks one.", "question", "Leave it away."
        )
    return _of_words(ladder) if isinstance(ladder, WordsLadder) else _of_translation(ladder)


def _of_tables(ladder: Ladder, question: str | None) -> Rungs:
    names = [asked.name for asked in ladder.questions]
    asked = names[0] if question is None else question
    if asked not in names:
        raise UsageError(f"There is no question {asked!r}.", "question", did_you_mean(asked, names))
    cells = [row.cells[asked] for row in ladder.rows]
    return Rungs(
        [row.rung for row in ladder.rows],
        [cell.seconds for cell in cells],
        [cell.loss.mean for cell in cells],
        [(cell.loss.low, cell.loss.high) for cell in cells],
        [cell.compared.below if cell.compared else None for cell in cells],
        ladder.choices[asked].rung,
        f"{ladder.primary.replace('_', ' ')}, lower is better",
    )


def _of_words(ladder: WordsLadder) -> Rungs:
    """A rung that failed is named, and has no point."""
    rows, nothing = ladder.rows, (math.nan, math.nan)
    return Rungs(
        [row.rung.strip() for row in rows],
        [row.seconds for row in rows],
        [row.measures.get("nats_per_word", math.nan) for row in rows],
        [row.interval or nothing for row in rows],
        [row.below and row.below.strip() for row in rows],
        ladder.use["rung"] or None,
        "nats per hidden word, lower is better",
    )


def _of_translation(ladder: TranslationLadder) -> Rungs:
    """Where a rung has no interval, a point alone."""
    bleu = [row.bleu for row in ladder.rows]
    return Rungs(
        [row.rung for row in ladder.rows],
        [row.seconds for row in ladder.rows],
        [each.mean for each in bleu],
        [(each.mean, each.mean) if math.isnan(each.low) else (each.low, each.high) for each in bleu],
        [row.below for row in ladder.rows],
        ladder.best.rung,
        "BLEU, higher is better",
    )
