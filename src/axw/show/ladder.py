"""Quality against cost, rung by rung, with intervals; and whether probabilities are what they say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from axw.errors import DataError, UsageError, did_you_mean
from axw.measures import calibration_bins, calibration_error
from axw.show.charts import Bin, Step, calibration_chart, ladder_chart, short
from axw.show.escaping import visible
from axw.show.faces import Display, Drawing, column, fit, texts
from axw.show.heat import PAGE
from axw.show.page import Twin
from axw.show.svg import Svg

if TYPE_CHECKING:
    from axw.ladders.result import Ladder
    from axw.ladders.translation_result import TranslationLadder
    from axw.ladders.words_result import WordsLadder


class LadderDisplay(Display):
    """Each rung: what it costs, how well it does, and the interval of that."""

    schema = "axw.ladder_display/1"

    @classmethod
    def from_estimator(cls, ladder: Ladder | WordsLadder | TranslationLadder, *, question: str | None = None) -> Self:
        """A ladder of words or of translation, or one question of a ladder of tables; None = the first.

        `UsageError` for a question that was not asked.
        """
        from axw.show.rungs import rungs_of

        found = rungs_of(ladder, question)
        plain = (found.names, found.cost, found.value, found.interval)
        return cls.from_predictions(*plain, below=found.below, chosen=found.chosen, measure=found.measure)

    @classmethod
    def from_predictions(
        cls,
        names: Sequence[str],
        cost: Sequence[float],
        value: Sequence[float],
        interval: Sequence[tuple[float, float]],
        *,
        below: Sequence[str | None] | None = None,
        chosen: str | None = None,
        measure: str = "loss, lower is better",
    ) -> Self:
        """From plain lists, one entry a rung, the simplest first.

        below   the name of the rung that each extends, which a line joins it with; None = none
        `DataError` for lists of other lengths.
        """
        rungs, under = texts(names, "names"), [None] * len(names) if below is None else list(below)
        lengths = (len(cost), len(value), len(interval), len(under))
        if set(lengths) != {len(rungs)}:
            raise DataError(
                f"There are {len(rungs)} names, and {', '.join(map(str, lengths))} costs, values, intervals and rungs below.",
                "In LadderDisplay.",
                "Give one of each for every rung.",
            )
        if chosen is not None and chosen not in rungs:
            raise UsageError(f"There is no rung {chosen!r}.", "chosen", did_you_mean(chosen, rungs))
        lines = [
            {"number": i, "name": name, "cost": c, "value": v, "low": low, "high": high, "below": lower}
            for i, (name, c, v, (low, high), lower) in enumerate(
                zip(rungs, cost, value, interval, under, strict=True), 1
            )
        ]
        return cls(
            {"schema": cls.schema, "measure": measure, "cost": "seconds to fit", "chosen": chosen, "rungs": lines}
        )

    def title(self) -> str:
        chosen = self._value["chosen"]
        return f"{len(self._value['rungs'])} rungs" + (f"; the one to use: {chosen}" if chosen else "")

    def drawings(self) -> list[Drawing]:
        value = self._value
        numbers = {r["name"]: r["number"] for r in value["rungs"]}
        steps = [
            Step(
                r["number"],
                r["name"],
                _nan(r["cost"]),
                _nan(r["value"]),
                _nan(r["low"]),
                _nan(r["high"]),
                r["name"] == value["chosen"],
                numbers.get(r.get("below")),
            )
            for r in value["rungs"]
        ]
        chart = ladder_chart(steps, measure=value["measure"], cost=f"{value['cost']}, logarithmic", title=self.title())
        _legend(chart, steps)
        twin = Twin(["", "rung", "cost", "value", "low", "high"], self._rows(), words=("rung",))
        return [Drawing(chart, twin)]

    def lines(self, width: int) -> Iterable[str]:
        wide = width - 46
        yield f"{column('', 4)}{column('rung', wide)} {'seconds':>9} {'value':>9}  interval"
        for number, rung, cost, quality, low, high in self._rows():
            mark = "*" if rung == self._value["chosen"] else " "
            yield f"{mark}{number:>2} {column(rung, wide)} {cost:>9} {quality:>9}  [{low}, {high}]"

    def to_frame(self) -> pd.DataFrame:
        """One row a rung: number, name, cost, value, low, high, below."""
        return pd.DataFrame.from_records(self._value["rungs"])

    def draw(self, ax: Any) -> None:
        for r in self._value["rungs"]:
            if any(r[key] is None for key in ("cost", "value", "low", "high")):
                continue
            bars = [[r["value"] - r["low"]], [r["high"] - r["value"]]]
            colour = "tab:orange" if r["name"] == self._value["chosen"] else "tab:blue"
            ax.errorbar([r["cost"]], [r["value"]], yerr=bars, fmt="o", color=colour)
            ax.annotate(visible(r["name"], 30).replace("$", r"\$"), (r["cost"], r["value"]), fontsize=8)
        ax.set_xscale("log")
        ax.set_xlabel(self._value["cost"])
        ax.set_ylabel(self._value["measure"])

    def _rows(self) -> list[tuple[Any, ...]]:
        keys = ("cost", "value", "low", "high")
        return [
            (r["number"], r["name"], *("" if r[key] is None else short(r[key]) for key in keys))
            for r in self._value["rungs"]
        ]


class CalibrationDisplay(Display):
    """Of the rows of which a class was said with probability p, is a share of p of that class?"""

    schema = "axw.calibration/1"

    @classmethod
    def from_estimator(cls, model: Any, X: Any, y: Any, *, bins: int = 10) -> Self:
        """Of a classifier on rows that it did not learn from."""
        return cls.from_predictions(y, model.predict_proba(X), classes=model.classes_, bins=bins)

    @classmethod
    def from_predictions(cls, y: Any, P: Any, *, classes: Any = None, bins: int = 10) -> Self:
        """From answers y (n) and probabilities P (n c), or (n) of the second of two classes; `classes` None = 0, 1, ...

        Bins of equal count, each with a 95 % interval (Wilson 1927); the error is that of Guo et al. 2017, eq. 3.
        """
        chances, truth = np.asarray(P, dtype=float), np.asarray(y)
        if chances.ndim == 1:
            chances = np.stack([1 - chances, chances], 1)
        names = np.arange(chances.shape[1]) if classes is None else np.asarray(classes)
        if len(truth) != len(chances) or len(names) != chances.shape[1] or not np.isin(truth, names).all():
            raise DataError(
                f"y has {len(truth)} answers and P the shape {chances.shape}; allowed: a row for each answer, a"
                " column for each class that is answered.",
                "In CalibrationDisplay.",
                "Give the probabilities of the same rows, and their classes.",
            )
        codes = (truth[:, None] == names[None, :]).argmax(1)
        return cls.from_confidences(chances.max(1, initial=0.0), chances.argmax(1) == codes, bins=bins)

    @classmethod
    def from_confidences(cls, confidence: Any, right: Any, *, bins: int = 10) -> Self:
        """From the probability (n) of each first guess, and whether it was right (n)."""
        said, hits = np.asarray(confidence, dtype=float), np.asarray(right, dtype=bool)
        if said.shape != hits.shape or said.ndim != 1:
            raise DataError(
                f"confidence has shape {said.shape} and right {hits.shape}; allowed: one number for each guess in both.",
                "In CalibrationDisplay.",
                "Give as many of both.",
            )
        lines = []
        if len(said):
            found = calibration_bins(np.where(hits, 0, 1), said[:, None], bins)
            for mean, share, n in zip(found.confidence, found.right, found.n, strict=True):
                low, high = _wilson(float(share), int(n))
                lines.append({"said": mean, "true": share, "low": low, "high": high, "rows": int(n)})
        error = calibration_error(np.where(hits, 0, 1), said[:, None], bins)
        return cls({"schema": cls.schema, "error": error, "rows": len(said), "bins": lines})

    def title(self) -> str:
        error = self._value["error"]
        return (
            "Calibration of no rows"
            if error is None
            else f"Calibration error {error:.3f} over {self._value['rows']} rows"
        )

    def drawings(self) -> list[Drawing]:
        bins = [Bin(b["said"], b["true"], b["low"], b["high"], b["rows"]) for b in self._value["bins"]]
        rows = [(f"{b.predicted:.3f}", f"{b.observed:.3f}", f"{b.low:.3f}", f"{b.high:.3f}", b.rows) for b in bins]
        twin = Twin(["said", "came true", "low", "high", "rows"], rows)
        chart = calibration_chart(bins, title=self.title())
        chart.width = PAGE  # as it is: a narrow picture would be blown up to the width of the page
        return [Drawing(chart, twin)]

    def lines(self, width: int) -> Iterable[str]:
        yield f"{'said':>8} {'came true':>10} {'rows':>7}"
        for b in self._value["bins"]:
            yield f"{b['said']:>8.3f} {b['true']:>10.3f} {b['rows']:>7} {'#' * round(24 * b['true'])}"

    def to_frame(self) -> pd.DataFrame:
        """One row a bin: said, true, low, high, rows."""
        return pd.DataFrame.from_records(self._value["bins"], columns=["said", "true", "low", "high", "rows"])

    def draw(self, ax: Any) -> None:
        bins = self._value["bins"]
        ends = [[max(b["true"] - b["low"], 0) for b in bins], [max(b["high"] - b["true"], 0) for b in bins]]
        ax.plot([0, 1], [0, 1], linestyle=":", color="gray")
        ax.errorbar([b["said"] for b in bins], [b["true"] for b in bins], yerr=ends, fmt="o")
        ax.set_xlabel("said")
        ax.set_ylabel("came true")


def _legend(chart: Svg, steps: Sequence[Step]) -> None:
    """The names of the numbered points, in two columns below the chart."""
    top, chart.width = chart.height + 14, PAGE
    for at, step in enumerate(steps):
        name = fit(f"{step.number}  {step.name}", 46)
        chart.text(62 + 400 * (at % 2), top + 20 * (at // 2), name, "pick" if step.chosen else "soft", most=60)
    chart.height = top + 20 * -(-len(steps) // 2)


def _wilson(share: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), which stays between 0 and 1."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _nan(value: float | None) -> float:
    return math.nan if value is None else float(value)
