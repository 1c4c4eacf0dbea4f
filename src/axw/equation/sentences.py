"""Attention among the rows of short sentences by fewer and larger operations: the same Y as `Attention.read`.

Rows that are asked, compared and read by one attention, or by the attentions of several layers, are multiplied by all their
matrices at once: [Q K V] = X [W_q W_k W_v]. The matrices stay parameters of their own. In training A X is `softmax_read`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from axw.equation import kernels
from axw.equation.attention import Attention, join
from axw.equation.dropout import trains_here
from axw.equation.memory import Memory
from axw.equation.positions import Rotary, rotate
from axw.equation.scores import BilinearScore, QueryKey, split_heads
from axw.equation.softmax_kernel import softmax_read


def read(
    attention: Attention,
    X: Float[Tensor, "b n d"],
    memory: Memory,
    mask: Bool[Tensor, "#b #h #n #m"] | None = None,
    bias: Float[Tensor, "#b #h #n #m"] | None = None,
) -> Float[Tensor, "b n o"]:
    """`attention.read(X, memory, mask, bias)`."""
    score = attention.score
    if (
        not _at_once(attention, X, memory.keys.shape[2])
        or isinstance(score, Rotary)
        or not isinstance(score, BilinearScore)
    ):
        return attention.read(X, memory, mask, bias)
    if type(score) is QueryKey:
        queries, scale = split_heads(score.query(X), score.heads), 1 / math.sqrt(score.k)
    else:
        queries, scale = score.queries(X), 1.0
    return _finish(attention, queries, memory, join(memory.mask, mask), bias, scale)


def read_own(
    attention: Attention,
    X: Float[Tensor, "b n d"],
    mask: Bool[Tensor, "#b #h #n #m"] | None = None,
    bias: Float[Tensor, "#b #h #n #m"] | None = None,
) -> Float[Tensor, "b n o"]:
    """`attention.read(X, attention.remember(X, mask), None, bias)`: rows that read each other."""
    score = attention.score
    if not _at_once(attention, X, X.shape[1]) or not _merges(attention):
        return read(attention, X, attention.remember(X), mask, bias)
    assert isinstance(score, QueryKey)
    queries, keys, values = heads_of(X, [score.query, score.key, cast(nn.Linear, attention.value)], [score.heads] * 3)
    if isinstance(score, Rotary):
        queries, keys = rotate(queries), rotate(keys)
    return _finish(attention, queries, Memory(keys, values), mask, bias, 1 / math.sqrt(score.k))


def remember_all(
    attentions: Sequence[Attention], X: Float[Tensor, "b m d"], mask: Bool[Tensor, "#b #h #n #m"] | None = None
) -> tuple[Memory, ...]:
    """`attention.remember(X, mask)` of each."""
    if not all(_merges(attention) and type(attention.score) is QueryKey for attention in attentions):
        return tuple(attention.remember(X, mask) for attention in attentions)
    scores = [cast(QueryKey, attention.score) for attention in attentions]
    layers = [side for one, score in zip(attentions, scores, strict=True) for side in (score.key, one.value)]
    sides = heads_of(X, cast("list[nn.Linear]", layers), [score.heads for score in scores for _ in range(2)])
    return tuple(Memory(keys, values, mask) for keys, values in zip(sides[::2], sides[1::2], strict=True))


def heads_of(X: Float[Tensor, "b n d"], layers: Sequence[nn.Linear], heads: Sequence[int]) -> tuple[Tensor, ...]:
    """What each layer makes of X, by one product, and cut into so many heads: (b h n k) each."""
    weight = torch.cat([layer.weight for layer in layers])
    bias = None if layers[0].bias is None else torch.cat([layer.bias for layer in layers])
    shapes = [(h, layer.out_features // h) for h, layer in zip(heads, layers, strict=True)]
    return cast("tuple[Tensor, ...]", _Apart.apply(F.linear(X, weight, bias), shapes))  # type: ignore[no-untyped-call]


class _Apart(torch.autograd.Function):
    """(b n w) -> (b h n k) for each (h, k), w being the sum of all h k. Each lies in one piece, and so does the gradient of what
    they were cut from: whatever is done to them goes through memory in its order, and nothing is copied once more."""

    @staticmethod
    def forward(ctx: Any, R: Tensor, shapes: list[tuple[int, int]]) -> tuple[Tensor, ...]:
        ctx.of = R.shape
        ctx.shapes = shapes
        return tuple(part.contiguous() for part in _parts(R, shapes))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        dR = gradients[0].new_empty(ctx.of)
        for part, gradient in zip(_parts(dR, ctx.shapes), gradients, strict=True):
            part.copy_(gradient)
        return dR, None


def _parts(R: Tensor, shapes: list[tuple[int, int]]) -> list[Tensor]:
    """Views of R (b n w), (b h n k) each."""
    sides = R.split([h * k for h, k in shapes], -1)
    return [side.unflatten(-1, shape).transpose(1, 2) for side, shape in zip(sides, shapes, strict=True)]


def _at_once(attention: Attention, X: Tensor, m: int) -> bool:
    """Whether A X is `softmax_read`. Of long rows A is not formed, unless it is to be dropped from."""
    dropped = attention.dropout if attention.training else 0.0
    forms = dropped > 0 or attention.score.heads * X.shape[1] * m <= kernels.EXPLICIT_CELLS
    return attention.normalize == "softmax" and forms and trains_here(X, dropped)


def _merges(attention: Attention) -> bool:
    """Whether queries, keys and values are plain products, all with biases or all without."""
    score, value = attention.score, attention.value
    if not isinstance(score, QueryKey) or type(value) is not nn.Linear:
        return False
    return len({layer.bias is None for layer in (score.query, score.key, value)}) == 1


def _finish(
    attention: Attention, queries: Tensor, memory: Memory, mask: Tensor | None, bias: Tensor | None, scale: float
) -> Tensor:
    dropped = attention.dropout if attention.training else 0.0
    Y = softmax_read(queries, memory.keys, memory.values, mask, bias, scale=scale, dropout=dropped)
    return cast(Tensor, attention.out(Y))
