"""Masks: boolean, True = may read, built outside the layers and joined with `&`.

Every mask broadcasts against scores (b h n m). Row i is the row that asks, column j the row that may be read.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int, Real
from torch import Tensor


def padding(lengths: Int[Tensor, " b"], m: int) -> Bool[Tensor, "b 1 1 m"]:
    """True for the first `lengths[b]` of m rows: what follows is padding, which nobody reads."""
    return (torch.arange(m, device=lengths.device) < lengths[:, None])[:, None, None, :]


def causal(n: int, m: int, offset: int = 0, device: torch.device | None = None) -> Bool[Tensor, "1 1 n m"]:
    """Row i reads the rows up to i + offset: what has been said so far (Vaswani et al. 2017, section 3.2.3).

    `offset` is the number of rows that were said before the first asking row.
    """
    ask = torch.arange(n, device=device)[:, None] + offset
    return (torch.arange(m, device=device)[None, :] <= ask)[None, None]


def window(center: Real[Tensor, "b n"], m: int, width: int) -> Bool[Tensor, "b 1 n m"]:
    """Row i reads the rows within D = `width` of its center p: p - D <= j <= p + D (Luong et al. 2015, section 3.2).

    p may lie between two rows, and the window is cut where the memory ends.
    """
    place = torch.arange(m, device=center.device)
    return ((place - center[..., None]).abs() <= width)[:, None]


def others(n: int, device: torch.device | None = None) -> Bool[Tensor, "1 1 n n"]:
    """Every row but itself: needed where the values hold the answers of the rows (leave-one-out)."""
    return ~torch.eye(n, dtype=torch.bool, device=device)[None, None]
