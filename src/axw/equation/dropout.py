"""Dropout that costs little on a CPU: fresh bits for every number, drawn eight numbers to a word."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

LEVELS = 128  # 7 bits of a byte decide, the eighth takes the carry
_MANY = 1 << 14  # words: from here on, starting a generator costs less than it saves
_LOW = 0x7F7F7F7F7F7F7F7F
_ONES = 0x0101010101010101


def dropout(X: Tensor, p: float, training: bool = True) -> Tensor:
    """Y[i] = X[i] M[i] / (1 - q), M[i] = 1 with probability 1 - q, else 0, independent, drawn anew (Srivastava et al. 2014).

    q is p rounded to a multiple of 1/128, and the scale is 1 / (1 - q) exactly, so that E[Y] = X. X of any shape. The bits come
    from PyTorch's own generator, or from one that it seeds. On a CPU this is several times faster than `F.dropout`, which draws
    one double for each number; elsewhere, and where p is too near 0 or 1 to be a multiple of 1/128, it is `F.dropout`.
    """
    if not training or p == 0.0:
        return X
    level = level_of(p)
    if X.device.type != "cpu" or level is None:
        return F.dropout(X, p, training)
    return cast(Tensor, _Dropout.apply(X, level))  # type: ignore[no-untyped-call]


def trains_here(X: Tensor, p: float) -> bool:
    """Whether functions with a backward pass of their own are for X: training, on a CPU, with a p that 1/128ths can express."""
    return torch.is_grad_enabled() and X.device.type == "cpu" and level_of(p) is not None


def level_of(p: float) -> int | None:
    """The multiple of 1/128 that p is rounded to; None for a p above 0 that would be rounded to 0 or to 1."""
    level = round(p * LEVELS)
    return level if p == 0.0 or 0 < level < LEVELS else None


def kept(count: int, level: int) -> Tensor:
    """`count` numbers 0 or 1 (int8), each 0 with probability level / 128, independent.

    A 64-bit word holds eight bytes of 7 random bits. Adding 128 - level to a byte sets its top bit exactly where the 7 bits are
    at least `level`; no byte's sum exceeds 255, so none carries into its neighbour.
    """
    words = _bits(-(-count // 8))
    words.bitwise_and_(_LOW).add_(_ONES * (LEVELS - level)).bitwise_right_shift_(7).bitwise_and_(_ONES)
    return words.view(torch.int8)[:count]


def _bits(count: int) -> Tensor:
    """(count,) words of 64 random bits. Where they are many, PyTorch's generator seeds one of NumPy's (SFC64, Doty-Humphrey),
    which makes a word in half the time."""
    if count < _MANY:
        return torch.empty(count, dtype=torch.int64).random_()
    seed = int(torch.empty((), dtype=torch.int64).random_())
    return torch.from_numpy(np.random.SFC64(seed).random_raw(count)).view(torch.int64)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, X: Tensor, level: int) -> Tensor:
        mask = kept(X.numel(), level).view(X.shape)
        ctx.save_for_backward(mask)
        ctx.scale = LEVELS / (LEVELS - level)
        return _masked(X, mask, ctx.scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return _masked(gradient, mask, ctx.scale), None


def only_kept(X: Tensor, mask: Tensor) -> Tensor:
    """X * mask. The bits of a bfloat16, times 0 or 1 as an integer, are those of 0 or of the number itself: a product of
    integers is one fast pass, where bfloat16 times int8 converts."""
    if X.dtype == torch.bfloat16:
        return (X.contiguous().view(torch.int16) * mask).view(torch.bfloat16)
    return X * mask


def drop_in_place(X: Tensor, mask: Tensor) -> Tensor:
    """`only_kept`, written over X."""
    (X.view(torch.int16) if X.dtype == torch.bfloat16 else X).mul_(mask)
    return X


def _masked(X: Tensor, mask: Tensor, scale: float) -> Tensor:
    """X * mask * scale; the scale is multiplied in float32, then rounded once."""
    return only_kept(X, mask).mul_(scale)
