"""The weights of a linear model of a table as a plain value: what each column of Z adds to the output, by block.

weights   unit, outputs [name], blocks [{block, columns, sizes [..]}], lines [{block, column, weights [one an output]}]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from axw.models.tables.explanation import OWN
from axw.models.tables.linear import Column

ODDS = "What one more of a column adds to the log-odds, or to the score of a class; numbers are counted in standard deviations."
UNITS = "What one more of a column adds to the answer, in its unit; numbers are counted in standard deviations."


def weights_of(columns: Sequence[Column], W: np.ndarray, outputs: Sequence[str], unit: str) -> dict[str, Any]:
    """W (p c), in the unit of the outputs, of the columns (p) of Z. A block: the row's own columns, or what a relation reads."""
    blocks = [column.relation or OWN for column in columns]
    lines = [
        {"block": block, "column": column.name, "weights": w}
        for block, column, w in zip(blocks, columns, W.tolist(), strict=True)
    ]
    sizes = []
    for block in dict.fromkeys(blocks):
        mine = W[[other == block for other in blocks]]
        sizes.append({"block": block, "columns": len(mine), "sizes": np.sqrt(np.square(mine).sum(0)).tolist()})
    return {"unit": unit, "outputs": list(outputs), "blocks": sizes, "lines": lines}
