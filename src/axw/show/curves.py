"""How a training went: each measure over the steps, of what was learned from and of what was held out."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import pandas as pd

from axw.errors import DataError
from axw.show.charts import even_ticks, short
from axw.show.faces import Display, Drawing, column
from axw.show.page import Twin
from axw.show.svg import Svg
from axw.storage import read_json_lines

FIRST = "loss"
HELD_OUT = "evaluation"
MOST_POINTS = 400  # of a curve; more are drawn as the means of as many stretches
MOST_ROWS = 60  # of a table below a curve


class Curve(NamedTuple):
    """One measure on one split: its points (step, value, seconds), in order."""

    split: str
    name: str
    points: list[list[float]]


class CurvesDisplay(Display):
    """The history of a run: lines of step, split, name, value and seconds."""

    schema = "axw.curves/1"

    @classmethod
    def from_run(cls, folder: str | os.PathLike[str]) -> Self:
        """Of the folder of a run. `ModelError` for a damaged history, `ResourceError` where there is none."""
        return cls.from_predictions(read_json_lines(Path(folder) / "history.jsonl"))

    @classmethod
    def from_predictions(cls, history: Iterable[Mapping[str, Any]]) -> Self:
        """From records {step, split, name, value, seconds}, of this program or of another; a step that was done again, after
        a stop, counts once. `DataError` for a record without these."""
        found: dict[tuple[str, str], dict[float, list[float]]] = {}
        for number, record in enumerate(history, 1):
            try:
                key, step = (str(record["split"]), str(record["name"])), float(record["step"])
                value, seconds = record["value"], float(record.get("seconds", math.nan))
                found.setdefault(key, {})
                if value is not None and math.isfinite(float(value)):
                    found[key][step] = [step, float(value), seconds]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise DataError(
                    f"A record cannot be read: {str(record)[:80]!r}; allowed: step, split, name, value and seconds.",
                    f"In the history, record {number}.",
                    "Give what axw writes to history.jsonl.",
                ) from error
        curves = [
            {"split": split, "name": name, "points": _thinned([points[step] for step in sorted(points)])}
            for (split, name), points in found.items()
            if points
        ]
        return cls({"schema": cls.schema, "curves": curves, "best": _best(curves)})

    # ------------------------------------------------------------------------------------------------------------ faces

    @property
    def curves(self) -> list[Curve]:
        return [Curve(**curve) for curve in self._value["curves"]]

    def title(self) -> str:
        best = self._value["best"]
        if best is None:
            return "Learning curves" if self._value["curves"] else "There is no history to draw."
        return f"The held-out loss is least at step {best['step']:g}: {best['value']:.4g}"

    def drawings(self) -> list[Drawing]:
        names = sorted({curve.name for curve in self.curves}, key=lambda name: (name != FIRST, name))
        best = self._value["best"]
        shown = []
        for name in names:
            mine = [curve for curve in self.curves if curve.name == name]
            at = best["step"] if best is not None and name == FIRST else None
            svg = _chart(mine, name, at, self.title() if name == FIRST else name)
            shown.append(Drawing(svg, _table(mine), "" if name == names[0] else name))
        return shown

    def lines(self, width: int) -> Iterable[str]:
        for curve in self.curves:
            values = [point[1] for point in curve.points]
            yield f"{column(f'{curve.split} {curve.name}', 28)}  {short(values[0])} to {short(values[-1])}"
            yield "  " + _strip(values, width - 2)

    def to_frame(self) -> pd.DataFrame:
        """One row a point: split, name, step, value, seconds."""
        records = [(curve.split, curve.name, *point) for curve in self.curves for point in curve.points]
        return pd.DataFrame.from_records(records, columns=["split", "name", "step", "value", "seconds"])

    def draw(self, ax: Any) -> None:
        for curve in self.curves:
            if curve.name == FIRST:
                ax.plot([p[0] for p in curve.points], [p[1] for p in curve.points], label=curve.split)
        if self._value["best"] is not None:
            ax.axvline(self._value["best"]["step"], linestyle=":", color="gray")
        if ax.get_legend_handles_labels()[0]:
            ax.legend()
        ax.set_xlabel("steps")
        ax.set_ylabel(FIRST)


def _best(curves: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    held = next((c for c in curves if c["name"] == FIRST and c["split"] == HELD_OUT), None)
    if held is None:
        return None
    step, value, _ = min(held["points"], key=lambda point: point[1])
    return {"step": step, "value": value}


def _thinned(points: list[list[float]]) -> list[list[float]]:
    """At most 400 points: the means of stretches of equal length."""
    if len(points) <= MOST_POINTS:
        return points
    ends = [len(points) * k // MOST_POINTS for k in range(MOST_POINTS + 1)]
    parts = [points[a:b] for a, b in zip(ends, ends[1:], strict=False)]
    return [[part[-1][0], sum(p[1] for p in part) / len(part), part[-1][2]] for part in parts]


def _chart(curves: Sequence[Curve], name: str, best: float | None, title: str) -> Svg:
    svg = Svg(860, 330, title=title, description=f"Across: steps, and seconds spent. Up: {name}.")
    left, right, top, bottom = 70.0, 840.0, 34.0, 270.0
    points = [point for curve in curves for point in curve.points]
    x_ticks = even_ticks(min(p[0] for p in points), max(p[0] for p in points))
    y_ticks = even_ticks(min(p[1] for p in points), max(p[1] for p in points))

    def x_of(value: float) -> float:
        return left + (value - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]) * (right - left)

    def y_of(value: float) -> float:
        return bottom - (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (bottom - top)

    for tick in y_ticks:
        svg.line(left, y_of(tick), right, y_of(tick), "grid")
        svg.text(left - 8, y_of(tick) + 4, short(tick), "tick", "end")
    for tick in x_ticks:
        svg.text(x_of(tick), bottom + 20, short(tick), "tick", "middle")
        spent = _seconds_at(points, tick)
        if spent:
            svg.text(x_of(tick), bottom + 35, spent, "tick", "middle")
    svg.text((left + right) / 2, bottom + 54, "steps, and seconds spent", "soft", "middle")
    svg.line(left, bottom, right, bottom, "axis")
    if best is not None:
        svg.line(x_of(best), top, x_of(best), bottom, "best")
    x = left
    for curve in curves:
        kind = "second" if curve.split == HELD_OUT else "first"
        svg.path([(x_of(p[0]), y_of(p[1])) for p in curve.points], kind)
        if len(curve.points) == 1:
            svg.circle(x_of(curve.points[0][0]), y_of(curve.points[0][1]), 4, "point")
        svg.path([(x, 14), (x + 26, 14)], kind)
        svg.text(x + 32, 18, f"{curve.split}, {name}", "soft", most=50)
        x += 230
    return svg


def _seconds_at(points: Sequence[Sequence[float]], step: float) -> str:
    """The time that was spent at a step, of the nearest point; nothing where none is near or the time is not known."""
    reach = max(p[0] for p in points) * 0.05
    near = min(points, key=lambda point: abs(point[0] - step))
    seconds = near[2]
    return "" if abs(near[0] - step) > reach or seconds is None or not math.isfinite(seconds) else f"{seconds:.0f} s"


def _table(curves: Sequence[Curve]) -> Twin:
    rows = []
    for curve in curves:
        step = max(1, -(-len(curve.points) // MOST_ROWS))
        for point in curve.points[::-1][::step][::-1]:
            seconds = "" if point[2] is None else f"{point[2]:.0f}"
            rows.append((curve.split, f"{point[0]:g}", f"{point[1]:.4g}", seconds))
    return Twin(["split", "step", "value", "seconds"], rows, words=("split",))


def _strip(values: Sequence[float], width: int) -> str:
    """The curve as one line of figures from 0, its least value, to 9, its greatest."""
    low, high = min(values), max(values)
    count = min(len(values), width)
    chosen = [values[round(k * (len(values) - 1) / max(count - 1, 1))] for k in range(count)]
    return "".join(str(round(9 * (value - low) / ((high - low) or 1.0))) for value in chosen)
