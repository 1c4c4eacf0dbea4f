"""Few numbers of rows, each again and again: in bfloat16 a CPU compiles a kernel for every size of a product that is new to it.

That takes up to 18 ms (a vocabulary of 8,000, AMX), and the number of words in a batch is another one each time.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

WHOLE = 128


def whole_blocks(rows: Tensor) -> Tensor:
    """The rows (t ...); where they are more than 128, zeros behind them up to a multiple of that."""
    missing = -len(rows) % WHOLE
    return F.pad(rows, (*[0, 0] * (rows.ndim - 1), 0, missing)) if missing and len(rows) > WHOLE else rows
