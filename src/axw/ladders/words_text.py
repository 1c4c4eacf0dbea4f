"""A ladder for words as a table for a terminal."""

from __future__ import annotations

from textwrap import wrap

from axw.ladders.statistics import Interval
from axw.ladders.words_result import WordsLadder, WordsRow

HEAD = ("rung", "weights", "nats/word", "nats/byte", "accuracy", "Δ [95 % CI]", "pays?")
_KEY = (
    "At the same hidden words of the validation lines. Δ: nats per word minus those of the rung below (negative = better); "
    "intervals over the lines{seeds}, corrected for the number of rungs. A rung pays where all of {it} below 0."
)


def words_text(ladder: WordsLadder, width: int = 100) -> str:
    """The table, the notes, and last which rung to use."""
    cells = [[str(cell) for cell in cells_of(number, row)] for number, row in enumerate(ladder.rows, 1)]
    wide = [max(len(head), *(len(row[i]) for row in cells)) for i, head in enumerate(HEAD)]
    wide[0] = max(12, min(wide[0], width - sum(wide[1:]) - 2 * (len(HEAD) - 1)))
    lines = [_line(list(HEAD), wide), "-" * (sum(wide) + 2 * (len(HEAD) - 1)), *(_line(row, wide) for row in cells)]
    data = "  ".join(f"{name}: {value:,}" for name, value in ladder.data.items())
    blocks = ["\n".join(wrap(data, width)), "\n".join(line.rstrip() for line in lines)]
    if over := seeds_of(ladder):
        blocks.append("\n".join(["Δ over seeds", *(f"  {name:<22} {interval}" for name, interval in over)]))
    blocks += ["\n".join(wrap(text, width)) for text in (key_of(ladder), *notes_of(ladder), ladder.use["why"])]
    return "\n\n".join(blocks) + "\n"


def cells_of(number: int, row: WordsRow) -> tuple[str, ...]:
    """One row of the table."""
    label = f"{number:>2} {row.rung}"
    if row.failed:
        return (label, f"{row.parameters:,}", "", "", "", "", "failed")
    m = row.measures
    paid = {True: "yes", False: "no", None: ""}[row.pays]
    return (
        label,
        f"{row.parameters:,}",
        f"{m['nats_per_word']:.3f}",
        f"{m['nats_per_byte']:.4f}",
        f"{m['word_accuracy']:.1%}",
        "" if row.lines is None else shown(row.lines),
        paid,
    )


def seeds_of(ladder: WordsLadder) -> list[tuple[str, str]]:
    return [(row.rung.strip(), shown(row.seeds)) for row in ladder.rows if row.seeds is not None]


def key_of(ladder: WordsLadder) -> str:
    seeds = int(ladder.settings["seeds"])
    many = seeds > 1
    return _KEY.format(
        seeds=f" and over {seeds} seeds" if many else "", it="both intervals is" if many else "the interval is"
    )


def notes_of(ladder: WordsLadder) -> list[str]:
    """What is to be said of the rungs, each once."""
    found: dict[str, list[str]] = {}
    for number, row in enumerate(ladder.rows, 1):
        if row.note:
            found.setdefault(row.note, []).append(str(number))
    return [f"{', '.join(numbers)}: {note}" for note, numbers in found.items()]


def shown(interval: Interval) -> str:
    return f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def _line(texts: list[str], wide: list[int]) -> str:
    parts = []
    for i, (text, space) in enumerate(zip(texts, wide, strict=True)):
        fit = text if len(text) <= space else text[: space - 1] + "…"
        parts.append(fit.ljust(space) if i == 0 else fit.rjust(space))
    return "  ".join(parts)
