"""softmax(Q K' c + bias) V with a backward pass of its own: what training on a CPU spends least time in, for short sentences.

Equal to `Attention.forward` of the same rows, which is the plain form. Three things make the difference, besides the passes over
memory that are left out. In a softmax of bfloat16 PyTorch takes about five times as long as in one of float32, forward and
back, so A is float32 between two products. For rows of fewer than 16 cells it calls exp one cell at a time, so these are written
out. And the factors c and 1 / (1 - q) are given to the products, which multiply by them before they round.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from axw.equation.dropout import LEVELS, kept, level_of, only_kept

_SHORT = 16  # float32 numbers in the widest register: PyTorch's softmax works on whole ones


def softmax_read(
    queries: Float[Tensor, "b h n k"],
    keys: Float[Tensor, "b h m k"],
    values: Float[Tensor, "b h m v"],
    mask: Bool[Tensor, "#b #h #n #m"] | None = None,
    bias: Float[Tensor, "#b #h #n #m"] | None = None,
    *,
    scale: float = 1.0,
    dropout: float = 0.0,
) -> Float[Tensor, "b n hv"]:
    """Y = dropout(softmax(scale queries keys' + bias, mask)) values, the heads beside each other.

    `mask` True = may read; a row that may read nothing gets 0. `dropout` as `equation.dropout` draws it.
    """
    found = _SoftmaxRead.apply(queries, keys, values, mask, bias, scale, dropout)  # type: ignore[no-untyped-call]
    return cast(Tensor, found)


class _SoftmaxRead(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None, bias: Tensor | None, scale: float, p: float
    ) -> Tensor:
        (b, h, n, _), m = Q.shape, K.shape[2]
        Q, K, V = (X.reshape(b * h, *X.shape[2:]) for X in (Q, K, V))
        scores = _product(Q, K.mT, scale, _start(mask, bias, (b, h, n, m), Q.dtype))
        A = _softmax(scores.to(_full(Q.dtype)))
        if mask is not None and not bool(mask.any(-1).all()):
            A.view(b, h, n, m).masked_fill_(~mask, 0.0)
        read, drawn, grown = A.to(Q.dtype), None, 1.0
        if level := level_of(p):
            drawn, grown = kept(A.numel(), level).view(A.shape), LEVELS / (LEVELS - level)
            read = only_kept(read, drawn)
        ctx.save_for_backward(Q, K, V, A, read, drawn)
        ctx.shape, ctx.scale, ctx.grown = (b, h, n, m), scale, grown
        ctx.bias = None if bias is None else (bias.shape, bias.dtype)
        return _beside(_product(read, V, grown), b)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dY: Tensor) -> tuple[Tensor | None, ...]:
        Q, K, V, A, read, drawn = ctx.saved_tensors
        (b, h, n, m), scale, grown = ctx.shape, ctx.scale, ctx.grown
        dY = dY.reshape(b, n, h, -1).transpose(1, 2).reshape(b * h, n, -1)
        dV = _product(read.mT, dY, grown)
        dA = _product(dY, V.mT, grown)
        dA = (dA if drawn is None else only_kept(dA, drawn)).to(A.dtype)
        dS = _softmax_back(dA, A)
        to_bias = None
        if ctx.bias is not None and ctx.needs_input_grad[4]:
            shape, kind = ctx.bias
            to_bias = dS.view(b, h, n, m).sum_to_size(shape).to(kind)
        dS = dS.to(Q.dtype)
        dQ, dK = _product(dS, K, scale), _product(dS.mT, Q, scale)
        return (*(X.unflatten(0, (b, h)) for X in (dQ, dK, dV)), None, to_bias, None, None)


def _start(
    mask: Tensor | None, bias: Tensor | None, shape: tuple[int, int, int, int], dtype: torch.dtype
) -> Tensor | None:
    """(b*h n m): what the products are added to; the lowest number there is where nothing may be read."""
    if mask is None and bias is None:
        return None
    added = torch.zeros((), dtype=dtype) if bias is None else bias.to(dtype)
    if mask is not None:
        added = torch.where(mask, added, torch.finfo(dtype).min)
    return torch.empty(shape, dtype=dtype).copy_(added).flatten(0, 1)


def _product(X: Tensor, Z: Tensor, scale: float, start: Tensor | None = None) -> Tensor:
    """scale X Z (+ start, in its place), for each of b*h."""
    if start is not None:
        return start.baddbmm_(X, Z, alpha=scale)
    if scale == 1.0:
        return torch.bmm(X, Z)
    return torch.baddbmm(X.new_empty(1, 1, 1), X, Z, beta=0.0, alpha=scale)


def _beside(Y: Tensor, b: int) -> Tensor:
    """(b*h n v) -> (b n h*v)."""
    return cast(Tensor, Y.unflatten(0, (b, -1)).transpose(1, 2).flatten(2))


def _softmax(S: Tensor) -> Tensor:
    """Over the last axis, in place where rows are short."""
    if S.shape[-1] >= _SHORT:
        return torch.softmax(S, -1)
    E = (S - S.amax(-1, keepdim=True)).exp_()
    return E.div_(E.sum(-1, keepdim=True))


def _softmax_back(dA: Tensor, A: Tensor) -> Tensor:
    """dS = A (dA - sum_j dA_j A_j)."""
    if A.shape[-1] >= _SHORT:
        return cast(Tensor, torch.ops.aten._softmax_backward_data(dA, A, -1, A.dtype))
    D = dA * A
    return D.sub_(A * D.sum(-1, keepdim=True))


def _full(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
