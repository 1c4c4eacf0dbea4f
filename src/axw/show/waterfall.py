"""One answer as the sum that it is, and the ring of rows that were read for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len

from axw.show.charts import Anchor, Part, even_ticks, short, signed
from axw.show.escaping import visible
from axw.show.svg import Svg

MOST_NODES = 24
ROW, UNDER = 26.0, 14.0  # the height of a bar, and of the small line below its label
LABELS = 330.0  # where the labels end
MOST_UNDER = 52  # letters of the small line


class Read(NamedTuple):
    """A row that was read: its name, by which relation, its weight, what it added to the answer, and what stands in it."""

    label: str
    relation: str
    weight: float
    value: float
    cells: str = ""


def waterfall(base: float, parts: Sequence[Part], total: float, *, title: str, unit: str) -> Svg:
    """From the base to the answer: each part begins where the one before it ended."""
    left, right = LABELS, 760.0
    tops = [6 + ROW]
    for part in parts:
        tops.append(tops[-1] + (ROW if not part.under else ROW + UNDER))
    svg = Svg(860, tops[-1] + ROW + 34, title=title)
    svg.description = f"Bars: parts of {unit}, signed, from the base to the answer."
    ends = [base]
    for part in parts:
        ends.append(ends[-1] + part.value)
    ticks = even_ticks(min(*ends, total), max(*ends, total))

    def x_of(value: float) -> float:
        return left + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (right - left)

    bottom = tops[-1] + ROW
    for tick in ticks:
        svg.line(x_of(tick), 4, x_of(tick), bottom, "grid")
        svg.text(x_of(tick), bottom + 16, short(tick).replace("-", "\u2212"), "tick", "middle")
    svg.text(left - 12, 20, "base: before anything is read", "soft", "end")
    svg.text(x_of(base) + 6, 20, signed(base), "number")
    lows = [tops[0] - 5, *(top + ROW - 5 for top in tops)]  # where the bar before ends
    for i, part in enumerate(parts):
        svg.line(x_of(ends[i]), lows[i], x_of(ends[i]), tops[i] + 3, "axis")
        _bar(svg, part, tops[i], x_of(ends[i]), x_of(ends[i + 1]))
    y = tops[-1]
    svg.line(x_of(total), lows[len(parts)], x_of(total), y + 20, "best")
    svg.text(left - 12, y + 16, unit, "pick", "end", most=40)
    svg.text(x_of(total) + 6, y + 16, signed(total), "pick")
    return svg


def _bar(svg: Svg, part: Part, y: float, start: float, end: float) -> None:
    """One part at the height y, from where the one before it ended; what it is made of in small letters below its label."""
    svg.text(LABELS - 12, y + 16, part.label, "soft", "end", most=44)
    if part.under:
        svg.text(LABELS - 12, y + 30, part.under, "tiny", "end", most=MOST_UNDER + 1)
    kind = "more" if part.value >= 0 else "less"
    low, high = min(start, end), max(start, end)
    svg.rect(low, y + 3, max(high - low, 1), ROW - 8, kind, f"{part.words()}: {signed(part.value)}")
    svg.text(high + 6, y + 16, signed(part.value), "number")


def ring(row: str, reads: Sequence[Read], *, title: str) -> Svg:
    """The row in the middle, the rows that it read around it: the wider a line, the more was read; blue adds, orange takes away.

    At most 24 are drawn, those that are read most; the rest is one node.
    """
    ranked = sorted(reads, key=lambda read: (-abs(read.weight), read.label, read.relation))
    drawn, rest = ranked[:MOST_NODES], ranked[MOST_NODES:]
    if rest:
        weight, value = sum(read.weight for read in rest), sum(read.value for read in rest)
        drawn.append(Read(f"{len(rest)} others", "together", weight, value))
    radius = 78.0 + 5.2 * len(drawn)
    x, y = 430.0, radius + 36
    svg = Svg(860, 2 * radius + 72, title=title)
    svg.description = "Lines: rows that were read, as strong as their weight."
    most = max((abs(read.weight) for read in drawn), default=0.0) or 1.0
    for i, read in enumerate(drawn):
        angle = 2 * math.pi * (i + 0.5) / len(drawn) - math.pi / 2
        far = (x + radius * math.cos(angle), y + radius * math.sin(angle))
        stands = f" ({read.cells})" if read.cells else ""
        hint = f"{read.label}, {read.relation}{stands}: weight {read.weight:.3f}, adds {signed(read.value)}"
        _spoke(svg, (x, y), far, abs(read.weight) / most, read.value >= 0, hint)
        anchor: Anchor = "start" if far[0] >= x else "end"
        aside = 13 if anchor == "start" else -13
        svg.text(far[0] + aside, far[1] + 1, read.label, "word", anchor, most=26)
        svg.text(far[0] + aside, far[1] + 15, f"{read.weight:.2f}, {signed(read.value)}", "tiny", anchor)
    wide = 8.6 * min(cell_len(visible(row, 26)), 38) + 16
    svg.rect(x - wide / 2, y - 14, wide, 28, "centre", row)
    svg.text(x, y + 5, row, "on", "middle", most=26)
    return svg


def _spoke(
    svg: Svg, start: tuple[float, float], end: tuple[float, float], strength: float, adds: bool, hint: str
) -> None:
    """A line as a thin triangle, wide where it arrives, so that its width is a number and not a style."""
    (x1, y1), (x2, y2) = start, end
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    half = 0.6 + 4.4 * strength
    across = (-(y2 - y1) / length * half, (x2 - x1) / length * half)
    points = [(x1, y1), (x2 + across[0], y2 + across[1]), (x2 - across[0], y2 - across[1]), (x1, y1)]
    svg.path(points, "spoke more" if adds else "spoke less")
    svg.circle(x2, y2, 8, "node", hint)
