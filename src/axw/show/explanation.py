"""An explanation as one page: the answer first, then the rows that were read and the columns that counted.

Drawn from the JSON of an `Explanation` (`axw.explanation/1`) and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axw.show.charts import signed
from axw.show.escaping import name
from axw.show.faces import plain
from axw.show.page import page, paragraph, picture, section
from axw.show.rows import MOST_ROWS, RowsDisplay, bars_of, row_drawings

__all__ = ["bars_of", "explanation_page"]


def explanation_page(explanation: Mapping[str, Any], title: str) -> str:
    """One section a row of the table: its outputs, and for each the signed parts that add up to it."""
    shown = RowsDisplay.from_predictions(explanation)
    parts = [f"<h1>{name(title)}</h1>\n", *(_row(row) for row in shown.rows[:MOST_ROWS])]
    if len(shown.rows) > MOST_ROWS:
        parts.append(
            paragraph(f"Shown are the first {MOST_ROWS} of {len(shown.rows)} rows; the JSON holds all.", "soft")
        )
    parts.append(section("Notes", "".join(paragraph(note) for note in shown.notes())))
    return page(title, "".join(parts))


def _row(row: Mapping[str, Any]) -> str:
    row = plain(row)
    said = "".join(f"<h3>{name(f'{output}: {signed(value)}')}</h3>\n" for output, value in row["outputs"].items())
    pictures = "".join(f"<div>{picture(drawing.svg, drawing.twin)}</div>\n" for drawing in row_drawings(row))
    said += f'<div class="beside">{pictures}</div>\n' if pictures else ""
    if not row["contributions"]:
        said += paragraph("Nothing was read and no column counted.", "soft")
    if not any(line["relation"] != "own row" for line in row["contributions"]):
        said += paragraph("No related rows: the answer rests on the row's own columns.", "soft")
    return section(f"Row {row['id']}", said)
