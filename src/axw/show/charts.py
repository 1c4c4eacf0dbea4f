"""The charts: what is drawn, from plain numbers. Each has its numbers in a table on the page as well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from axw.show.svg import Anchor, Svg


class Step(NamedTuple):
    """One rung in the ladder chart: what it costs and how well it does, with the interval of that.

    below  number of the rung that it extends; a line joins the two
    """

    number: int
    name: str
    cost: float
    value: float
    low: float
    high: float
    chosen: bool
    below: int | None = None


class Bin(NamedTuple):
    """One bin of a calibration curve: what was said, what came true, its interval, and how many rows."""

    predicted: float
    observed: float
    low: float
    high: float
    rows: int


class Part(NamedTuple):
    """One signed part of a sum. under: what stands below the label in small letters, such as the values that it is made of."""

    label: str
    value: float
    under: str = ""

    def words(self) -> str:
        """All of it in one line."""
        return f"{self.label}: {self.under}" if self.under else self.label


def ladder_chart(steps: Sequence[Step], *, measure: str, cost: str, title: str) -> Svg:
    """Quality against cost: one numbered point a rung, its interval as a bar, joined with the rung that it extends."""
    svg = Svg(720, 360, title=title, description=f"Across: {cost}, a logarithmic scale. Up: {measure}.")
    left, right, top, bottom = 62.0, 700.0, 30.0, 308.0
    drawn = [step for step in steps if all(map(math.isfinite, (step.cost, step.value, step.low, step.high)))]
    if not drawn:
        svg.text(360, 170, "There is nothing to draw: no rung has a finite value.", "soft", "middle", most=80)
        return svg
    costs = [max(step.cost, 1e-4) for step in drawn]
    middle = math.sqrt(min(costs) * max(costs))  # at least a decade wide, so that equal costs look equal
    cheap, dear = min(*costs, middle / math.sqrt(10)), max(*costs, middle * math.sqrt(10))
    x_ticks = [tick for tick in decades(cheap, dear) if cheap <= tick <= dear]
    y_ticks = even_ticks(min(step.low for step in drawn), max(step.high for step in drawn))
    x_low, x_high = math.log10(cheap) - 0.08, math.log10(dear) + 0.08
    y_low, y_high = y_ticks[0], y_ticks[-1]

    def x_of(value: float) -> float:
        return left + (math.log10(max(value, 1e-4)) - x_low) / (x_high - x_low) * (right - left)

    def y_of(value: float) -> float:
        return bottom - (value - y_low) / (y_high - y_low) * (bottom - top)

    svg.text(left - 50, 16, measure, "soft")
    for tick in y_ticks:
        svg.line(left, y_of(tick), right, y_of(tick), "grid")
        svg.text(left - 8, y_of(tick) + 4, short(tick), "tick", "end")
    for tick in x_ticks:
        svg.line(x_of(tick), bottom, x_of(tick), bottom + 5, "axis")
        svg.text(x_of(tick), bottom + 20, short(tick), "tick", "middle")
    svg.line(left, bottom, right, bottom, "axis")
    svg.text((left + right) / 2, bottom + 42, cost, "soft", "middle", most=80)
    places = {step.number: (x_of(step.cost), y_of(step.value)) for step in drawn}
    for step in drawn:
        if step.below in places:
            svg.path([places[step.below], places[step.number]], "steps")
    _points(svg, [(x_of(step.cost), y_of(step.value), y_of(step.low), y_of(step.high), step) for step in drawn])
    return svg


def _points(svg: Svg, places: Sequence[tuple[float, float, float, float, Step]]) -> None:
    """All intervals first, then the numbered points; one that would hide an earlier one moves aside on a leader."""
    for x, _, low, high, step in places:
        svg.line(x, low, x, high, "interval chosen" if step.chosen else "interval")
    taken: list[tuple[float, float]] = []
    for x, y, _, _, step in sorted(places, key=lambda place: (not place[4].chosen, place[4].number)):
        free_x, free_y = _aside(x, y, taken)
        taken.append((free_x, free_y))
        if (free_x, free_y) != (x, y):
            svg.line(x, y, free_x, free_y, "leader")
        hint = f"{step.number}. {step.name}: {short(step.value)} [{short(step.low)}, {short(step.high)}]"
        svg.circle(free_x, free_y, 9, "point chosen" if step.chosen else "point", hint)
        svg.text(free_x, free_y + 4, step.number, "on", "middle")


def _aside(x: float, y: float, taken: Sequence[tuple[float, float]]) -> tuple[float, float]:
    for distance in range(12):
        for side in (1, -1):
            here = (x + side * 21 * ((distance + 1) // 2) * (distance > 0), y + 21 * (distance // 2) * side)
            if all(math.hypot(here[0] - a, here[1] - b) >= 20 for a, b in taken) and 70 < here[0] < 695:
                return here
    return x, y


def calibration_chart(bins: Sequence[Bin], *, title: str) -> Svg:
    """What was said against what came true, on the diagonal where both agree; below, how many rows each bin holds.

    Fewer than 100 rows say too little, and the chart says so instead.
    """
    svg = Svg(420, 400, title=title, description="Across: predicted probability. Up: share that came true.")
    total = sum(part.rows for part in bins)
    if total < 100:
        svg.text(210, 180, f"Too few rows for a calibration curve: {total} of 100.", "soft", "middle", most=80)
        return svg
    left, right, top, bottom, floor = 52.0, 400.0, 34.0, 300.0, 352.0

    def x_of(value: float) -> float:
        return left + value * (right - left)

    def y_of(value: float) -> float:
        return bottom - value * (bottom - top)

    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        svg.line(left, y_of(tick), right, y_of(tick), "grid")
        svg.text(left - 8, y_of(tick) + 4, short(tick), "tick", "end")
        svg.text(x_of(tick), floor + 16, short(tick), "tick", "middle")
    svg.path([(x_of(0), y_of(0)), (x_of(1), y_of(1))], "even")
    most = max(part.rows for part in bins)
    for part in bins:
        x, height = x_of(part.predicted), 40 * part.rows / most
        svg.rect(x - 7, floor - height, 14, height, "count", f"{part.rows} rows")
        svg.line(x, y_of(part.low), x, y_of(part.high), "interval")
        svg.circle(
            x, y_of(part.observed), 5, "point", f"said {short(part.predicted)}, came true {short(part.observed)}"
        )
    svg.text((left + right) / 2, floor + 36, "predicted probability", "soft", "middle")
    svg.text(left - 44, 12, "came true", "soft")
    return svg


def bar_chart(bars: Sequence[tuple[str, float]], *, title: str, unit: str) -> Svg:
    """One bar a label, its number beside it: how many rows read none, one, two, ... others."""
    height = 26.0
    svg = Svg(720, 12 + height * max(len(bars), 1), title=title, description=f"Bars: {unit}.")
    most = max((value for _, value in bars), default=0.0) or 1.0
    for i, (label, value) in enumerate(bars):
        y = 6 + i * height
        svg.text(150, y + 16, label, "soft", "end", most=22)
        svg.rect(160, y + 3, 460 * value / most, height - 8, "bar", f"{label}: {short(value)} {unit}")
        svg.text(168 + 460 * value / most, y + 16, short(value), "number")
    return svg


def contribution_chart(parts: Sequence[Part], *, title: str, unit: str) -> Svg:
    """Signed parts of one sum as bars to both sides of zero: blue pushes up, orange pushes down."""
    height = 26.0
    svg = Svg(860, 12 + height * max(len(parts), 1), title=title, description=f"Bars: {unit}, signed.")
    most = max((abs(part.value) for part in parts), default=0.0) or 1.0
    zero, reach = 610.0, 160.0
    svg.line(zero, 0, zero, svg.height, "axis")
    for i, part in enumerate(parts):
        y, length = 6 + i * height, reach * abs(part.value) / most
        svg.text(375, y + 16, part.label, "soft", "end", most=50)
        anchor: Anchor = "start" if part.value >= 0 else "end"
        start = zero if part.value >= 0 else zero - length
        kind = "more" if part.value >= 0 else "less"
        svg.rect(start, y + 3, length, height - 8, kind, f"{part.label}: {signed(part.value)}")
        edge = zero + length + 8 if part.value >= 0 else zero - length - 8
        svg.text(edge, y + 16, signed(part.value), "number", anchor)
    return svg


def short(value: float) -> str:
    """A number for a reader: whole where it is whole, four significant digits where it is not."""
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.4g}"


def signed(value: float) -> str:
    """`+0.31` or `−0.31`, with a minus sign that is as wide as the plus."""
    return f"{value:+.3f}".replace("-", "\u2212")


def even_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers a fixed step apart that enclose [low, high]."""
    size = max(abs(low), abs(high))
    if high - low <= 1e-9 * size:
        low, high = low - 0.05 * (size or 1.0), high + 0.05 * (size or 1.0)
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = 3 - math.floor(math.log10(step))
    return [round(step * i, digits) for i in range(first, last + 1)]


def decades(low: float, high: float) -> list[float]:
    """Round numbers for a logarithmic axis: powers of ten, with 2 and 5 between them where the range is short."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    ticks = [round(f * 10.0**p, 12) for p in range(first, last + 1) for f in factors]
    inside = [tick for tick in ticks if low / 1.3 <= tick <= high * 1.3]
    return inside or [10.0**first, 10.0**last]
