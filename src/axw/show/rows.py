"""Why a row of a table got its answer: the waterfall of contributions, the rows that it read, and what each was worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from axw.errors import DataError
from axw.models.tables.explanation import COUNT, OWN, Explanation, said
from axw.show.agreement import agreement_note, rank_correlation
from axw.show.charts import Part, signed
from axw.show.escaping import visible
from axw.show.faces import CAUTION, Display, Drawing, column, fit
from axw.show.page import Twin
from axw.show.waterfall import MOST_UNDER, Read, ring, waterfall

MOST_BARS = 10  # bars of one output; the rest is summed
MOST_ROWS = 20  # rows in one display; a page is to be looked at
MOST_LEFT_OUT = 12  # rows that are left out one by one: those that are read most
BASE = "(base)"


class RowsDisplay(Display):
    """The JSON of an `Explanation`, and for the rows that each row read most, how the output changes without them.

    The bars of one output add up to it; what is too small for a bar of its own is one bar together with the rest. A bar says
    which value it comes from: "age = 39", and of a row that was read those of its values that count most.
    """

    schema = "axw.explanation/1"

    @classmethod
    def from_estimator(cls, model: Any, X: Any, *, left_out: bool = True) -> Self:
        """`model.explain(X)` for at most 20 rows, each row that was read most then left out of the memory.

        left_out   False saves that time: one prediction for each row that is left out. `DataError` for too many rows.
        """
        if len(X) > MOST_ROWS:
            raise DataError(
                f"X has {len(X)} rows; allowed: 1 to {MOST_ROWS}, for a picture is to be looked at.",
                "In RowsDisplay.from_estimator.",
                "Give fewer rows: X.head(3).",
            )
        value = model.explain(X).to_json()
        if left_out:
            for place, row in enumerate(value["rows"]):
                row["left_out"] = _left_out(model, X, place, row)
        return cls(value)

    @classmethod
    def from_predictions(cls, explanation: Explanation | Mapping[str, Any]) -> Self:
        """From an `Explanation` or its JSON, of this program or of another."""
        return cls(explanation.to_json() if isinstance(explanation, Explanation) else explanation)

    def only(self, outputs: Sequence[str]) -> Self:
        """The same of those outputs alone."""
        value = self.to_json()
        for row in value["rows"]:
            row["outputs"] = {output: number for output, number in row["outputs"].items() if output in outputs}
            for part in ("contributions", "left_out"):
                if part in row:
                    row[part] = [line for line in row[part] if line["output"] in outputs]
        return type(self)(value)

    # ------------------------------------------------------------------------------------------------------------ faces

    @property
    def rows(self) -> list[dict[str, Any]]:
        return list(self._value["rows"])

    def title(self) -> str:
        rows = self.rows
        if len(rows) != 1:
            return f"Why {len(rows)} rows got their answers"
        said = ", ".join(f"{output}: {signed(value)}" for output, value in rows[0]["outputs"].items())
        return f"Row {rows[0]['id']}: {said}"

    def notes(self) -> list[str]:
        return [
            self._value["exact"],
            *([self._agreement()] if any("left_out" in row for row in self.rows) else [CAUTION]),
        ]

    def _agreement(self) -> str:
        found = [agreement for row in self.rows if (agreement := agreement_of(row)) is not None]
        return agreement_note(float(np.mean(found)) if found else None, "row")

    def drawings(self) -> list[Drawing]:
        return [drawing for row in self.rows[:MOST_ROWS] for drawing in row_drawings(row)]

    def lines(self, width: int) -> Iterable[str]:
        for row in self.rows[:MOST_ROWS]:
            for output, value in row["outputs"].items():
                yield f"row {row['id']}: {output}: {signed(value)}, the sum of"
                base, parts = steps_of(lines_of(row, output))
                for part in [Part("base", base), *parts]:
                    bar = ("+" if part.value >= 0 else "-") * min(round(8 * abs(part.value)), 12)
                    yield f"  {signed(part.value):>9}  {column(part.label, width - 28)} {bar}"
                    if part.under:
                        yield f"  {'':>9}    {part.under}"
            for line in row.get("left_out", []):
                yield f"  without row {line['read']}: {line['output']} changes by {signed(-line['drop'])}"

    def to_frame(self) -> pd.DataFrame:
        """The contributions: row, output, relation, read, feature, weight, contribution, column, value."""
        records = [{"row": row["id"], **line} for row in self.rows for line in row["contributions"]]
        names = ["row", "output", "relation", "read", "feature", "weight", "contribution", "column", "value"]
        lines = [{"column": "", "value": "", **record} for record in records]  # another program's may have neither
        return pd.DataFrame.from_records(lines, columns=names)

    def draw(self, ax: Any) -> None:
        """The waterfall of the first output of the first row."""
        row = self.rows[0]
        output = next(iter(row["outputs"]))
        base, parts = steps_of(lines_of(row, output))
        left = np.cumsum([base, *(part.value for part in parts)])[:-1]
        colours = ["tab:blue" if part.value >= 0 else "tab:orange" for part in parts]
        ax.barh(range(len(parts)), [part.value for part in parts], left=left, color=colours)
        named = ["\n".join(visible(line, 44) for line in (part.label, part.under) if line) for part in parts]
        ax.set_yticks(range(len(parts)), [name.replace("$", r"\$") for name in named])
        ax.axvline(base, linestyle=":", color="gray")
        ax.axvline(row["outputs"][output], linestyle="--", color="gray")
        ax.invert_yaxis()
        ax.set_xlabel(visible(output, 60).replace("$", r"\$"))


def row_drawings(row: Mapping[str, Any]) -> list[Drawing]:
    """One waterfall an output, then the ring of the rows that were read, with what each is worth left out."""
    shown = []
    for output, value in row["outputs"].items():
        base, parts = steps_of(lines_of(row, output))
        if parts:
            title = f"Row {row['id']}: {output} is {signed(value)}, the sum of"
            lines = [(part.words(), signed(part.value)) for part in [Part("base", base), *parts]]
            twin = Twin(["part", "contribution"], lines, words=("part",))
            shown.append(Drawing(waterfall(base, parts, value, title=title, unit=output), twin))
    reads = reads_of(row)
    if reads:
        title = f"Row {row['id']} read {len(reads)} rows"
        shown.append(Drawing(ring(str(row["id"]), reads, title=title), _reads_table(row, reads)))
    return shown


def _reads_table(row: Mapping[str, Any], reads: Sequence[Read]) -> Twin:
    output = next(iter(row["outputs"]))
    drops = {str(line["read"]): line["drop"] for line in row.get("left_out", []) if line["output"] == output}
    lines = [
        (
            read.label,
            read.relation,
            read.cells,
            f"{read.weight:.3f}",
            signed(read.value),
            "" if (drop := drops.get(read.label)) is None else signed(drop),
        )
        for read in reads
    ]
    headings = ["row read", "relation", "what stands there", "weight", "adds", "lost without it"]
    return Twin(headings, lines, words=("row read", "relation", "what stands there"))


def lines_of(row: Mapping[str, Any], output: str) -> list[Mapping[str, Any]]:
    return [line for line in row["contributions"] if line["output"] == output]


def steps_of(lines: Sequence[Mapping[str, Any]], most: int = MOST_BARS) -> tuple[float, list[Part]]:
    """The base, and the parts that lead from it to the output."""
    base = sum(float(line["contribution"]) for line in lines if line["feature"] == BASE and line["relation"] == OWN)
    return base, bars_of([line for line in lines if line["feature"] != BASE or line["relation"] != OWN], most)


def bars_of(lines: Sequence[Mapping[str, Any]], most: int = MOST_BARS) -> list[Part]:
    """One part a column of the row itself, one a row that it read; the smallest are summed into the last.

    Both say the values: "age = 39", and under a row that was read those of its values that count most.
    """
    grouped: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for line in lines:
        grouped.setdefault(_bar_of(line), []).append(line)
    bars = [
        Part(label, sum(float(line["contribution"]) for line in mine), under or _cells(mine))
        for (label, under), mine in grouped.items()
    ]
    ranked = sorted(bars, key=lambda bar: -abs(bar.value))
    if len(ranked) > most:
        rest = ranked[most:]
        label = f"{len(rest)} {'other' if len(rest) == 1 else 'others together'}"
        ranked = [*ranked[:most], Part(label, sum(bar.value for bar in rest))]
    return ranked


def _bar_of(line: Mapping[str, Any]) -> tuple[str, str]:
    """The label of the bar that a line belongs to, and what stands under it where that is known without the other lines."""
    feature, value = str(line["feature"]), str(line.get("value", ""))
    if line["relation"] == OWN:
        return said(feature, str(line.get("column", "")), value), ""
    if line["read"] not in ("", None):
        return f"row {line['read']}, {line['relation']}", ""
    if feature == COUNT:
        return f"how many are read{f' = {value}' if value else ''}, {line['relation']}", ""
    return f"{feature}, {line['relation']}", value


def _cells(lines: Sequence[Mapping[str, Any]]) -> str:
    """What stands in a row that was read: the values that count most, as many as there is room for; "" for a row itself."""
    sums: dict[str, float] = {}
    for line in lines:
        if line["relation"] != OWN and line["read"] not in ("", None) and line.get("column"):
            text = said(str(line["feature"]), str(line["column"]), str(line.get("value", "")))
            sums[text] = sums.get(text, 0.0) + float(line["contribution"])
    shown: list[str] = []
    for text in sorted(sums, key=lambda text: -abs(sums[text])):
        if len(", ".join([*shown, text])) > MOST_UNDER - 3:
            return ", ".join([*shown, "\u2026"]) if shown else fit(text, MOST_UNDER)
        shown.append(text)
    return ", ".join(shown)


def reads_of(row: Mapping[str, Any]) -> list[Read]:
    """Rows that were read for the first output, by relation: the greatest weight of its columns, the sum of what they add."""
    if not row["outputs"]:
        return []
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for line in lines_of(row, next(iter(row["outputs"]))):
        if line["relation"] != OWN and line["read"] not in ("", None):
            found.setdefault((str(line["read"]), str(line["relation"])), []).append(line)
    reads = [
        Read(
            *key,
            max(abs(float(line["weight"])) for line in lines),
            sum(float(line["contribution"]) for line in lines),
            _cells(lines),
        )
        for key, lines in found.items()
    ]
    return sorted(reads, key=lambda read: -read.weight)


def agreement_of(row: Mapping[str, Any]) -> float | None:
    """Rank correlation of the weights with how much the first output changes without each row that was read."""
    if not row["outputs"]:
        return None
    output = next(iter(row["outputs"]))
    drops = {str(line["read"]): abs(line["drop"]) for line in row.get("left_out", []) if line["output"] == output}
    weights: dict[str, float] = {}
    for read in reads_of(row):
        weights[read.label] = weights.get(read.label, 0.0) + read.weight
    both = [label for label in drops if label in weights]
    return rank_correlation([weights[label] for label in both], [drops[label] for label in both])


def _left_out(model: Any, X: Any, place: int, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    from axw.models.leave_one_out import rows_left_out

    named = dict.fromkeys(
        line["read"]
        for line in sorted(row["contributions"], key=lambda line: -abs(line["weight"]))
        if line["relation"] != OWN and line["read"] not in ("", None)
    )
    read = list(named)[:MOST_LEFT_OUT]
    one = X.iloc[[place]] if hasattr(X, "iloc") else X[place : place + 1]
    drops = rows_left_out(model, one, read)
    return [
        {"read": identity, "output": output, "drop": drop}
        for identity, line in zip(read, drops.tolist(), strict=True)
        for output, drop in zip(row["outputs"], line, strict=True)
    ]
