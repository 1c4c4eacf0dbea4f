"""An explanation as one page: the answer first, then the rows that were read and the columns that counted.

Drawn from the JSON of an `Explanation` (`axw.explanation/1`) and nothing else. The bars of one output add up to it: what is
too small for a bar of its own is one bar together with the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from axw.show.charts import Part, contribution_chart, signed
from axw.show.escaping import name
from axw.show.page import page, paragraph, picture, section, table

MOST_BARS = 10  # bars of one output; the rest is summed
MOST_ROWS = 20  # rows on one page; a page is to be looked at
CAUTION = "Attention shows where the model looked, not why."


def explanation_page(explanation: Mapping[str, Any], title: str) -> str:
    """One section a row of the table: its outputs, and for each the signed parts that add up to it."""
    rows = explanation["rows"]
    parts = [f"<h1>{name(title)}</h1>\n", *(_row(row) for row in rows[:MOST_ROWS])]
    if len(rows) > MOST_ROWS:
        parts.append(paragraph(f"Shown are the first {MOST_ROWS} of {len(rows)} rows; the JSON holds all.", "soft"))
    parts.append(section("Notes", paragraph(explanation["exact"]) + paragraph(CAUTION)))
    return page(title, "".join(parts))


def _row(row: Mapping[str, Any]) -> str:
    said = ""
    for output, value in row["outputs"].items():
        lines = [line for line in row["contributions"] if line["output"] == output]
        bars = bars_of(lines)
        finding = f"{output}: {signed(value)}"
        if bars:
            chart = contribution_chart(bars, title=f"Row {row['id']}: {finding}, the sum of", unit=f"part of {output}")
            twin = table(["part", "contribution"], [(bar.label, signed(bar.value)) for bar in bars], words=("part",))
            said += f"<h3>{name(finding)}</h3>\n{picture(chart, twin)}"
        else:
            said += f"<h3>{name(finding)}</h3>\n" + paragraph("Nothing was read and no column counted.", "soft")
    if not any(line["relation"] != "own row" for line in row["contributions"]):
        said += paragraph("No related rows: the answer rests on the row's own columns.", "soft")
    return section(f"Row {row['id']}", said)


def bars_of(lines: Sequence[Mapping[str, Any]], most: int = MOST_BARS) -> list[Part]:
    """One part a column of the row itself, one a row that it read; the smallest are summed into the last."""
    sums: dict[str, float] = {}
    for line in lines:
        if line["relation"] == "own row":
            label = str(line["feature"])
        elif line["read"] in ("", None):
            label = f"{line['feature']}, {line['relation']}"
        else:
            label = f"row {line['read']}, {line['relation']}"
        sums[label] = sums.get(label, 0.0) + float(line["contribution"])
    ranked = sorted(sums.items(), key=lambda item: -abs(item[1]))
    shown = [Part(label, value) for label, value in ranked[:most]]
    if len(ranked) > most:
        shown.append(Part(f"{len(ranked) - most} others together", sum(value for _, value in ranked[most:])))
    return shown
