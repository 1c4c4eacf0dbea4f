"""A ladder for words as a page that stands alone."""

from __future__ import annotations

from axw.ladders.words_result import WordsLadder
from axw.ladders.words_text import HEAD, cells_of, key_of, notes_of, seeds_of
from axw.show.ladder import LadderDisplay
from axw.show.page import facts, paragraph, section, table
from axw.show.text_ladder import About

OF_THE_BARS = (
    "A bar is the 95 % interval of one rung alone, by bootstrap over the lines. What decides is the difference to the rung below"
    " on the same lines, whose interval is much narrower."
)


def words_page(ladder: WordsLadder, about: About) -> str:
    """The ladder as one HTML page: which rung to use, the table, nats against seconds, the data, and how to make it again."""
    rows = [cells_of(number, row) for number, row in enumerate(ladder.rows, 1)]
    chosen = next((i for i, row in enumerate(ladder.rows) if row.rung.strip() == ladder.use["rung"]), None)
    over = seeds_of(ladder)
    rungs = [
        section("Rungs", table(HEAD, rows, ("rung",), chosen) + paragraph(key_of(ladder), "small")),
        section(
            "Quality against cost", LadderDisplay.from_estimator(ladder).markup() + paragraph(OF_THE_BARS, "small soft")
        ),
        section("Over seeds", table(("rung", "Δ [95 % CI]"), over, ("rung",)) if over else ""),
    ]
    data = section("Data", facts({label: f"{value:,}" for label, value in ladder.data.items()}))
    return about.page(ladder.use["why"], rungs, data, notes_of(ladder))
