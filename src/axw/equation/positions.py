"""Where a row stands in its sentence: added to X, turned into queries and keys, or added to the scores.

sinusoids   added to X                               Vaswani et al. 2017, section 3.5
rotate      queries and keys turned by their place   Su et al. 2021 (RoPE), eq. 34
alibi       -slope |i - j| added to the scores       Press et al. 2022
buckets     one learnt number for each distance      Raffel et al. 2020, section 2.1
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from axw.equation.scores import QueryKey


def sinusoids(n: int, d: int, start: int = 0) -> Float[Tensor, "n d"]:
    """P[t, 2i] = sin(t / 10000^(2i / d)), P[t, 2i + 1] = cos of the same; t from `start`. float32."""
    place = torch.arange(start, start + n, dtype=torch.float64)[:, None]
    angle = place * torch.exp(torch.arange(0, d, 2, dtype=torch.float64) * (-math.log(10000.0) / d))
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :d].float()


def turns(n: int, k: int, start: int = 0, device: torch.device | None = None) -> Float[Tensor, "2 n k"]:
    """By what a row at place t = start .. start + n - 1 is turned: [cos, cos] and [-sin, sin] of t / 10000^(2i / k). float32."""
    place = torch.arange(start, start + n, device=device, dtype=torch.float32)[:, None]
    angle = place * torch.exp(torch.arange(0, k, 2, device=device, dtype=torch.float32) * (-math.log(10000.0) / k))
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)])


def turned(X: Float[Tensor, "*b n k"], by: Float[Tensor, "2 #n k"]) -> Float[Tensor, "*b n k"]:
    """[x cos - y sin, y cos + x sin] of rows X = [x, y]; `by` are their `turns`, in the type of X."""
    return torch.addcmul(X * by[0], X.roll(X.shape[-1] // 2, -1), by[1])


class _Turn(torch.autograd.Function):
    """`turned`, whose gradient is turned back: a third of the work of the gradients of its parts."""

    @staticmethod
    def forward(context: Any, X: Tensor, by: Tensor) -> Tensor:
        context.save_for_backward(by)
        return turned(X, by)

    @staticmethod
    def backward(context: Any, G: Tensor) -> tuple[Tensor, None]:
        (by,) = context.saved_tensors
        return turned(G, torch.stack([by[0], -by[1]])), None


def rotate(X: Float[Tensor, "b h n k"], start: int = 0) -> Float[Tensor, "b h n k"]:
    """Each pair (x_i, x_{i + k/2}) turned by the angle t / 10000^(2i / k), t = start .. start + n - 1, so that the product of a
    query at place s and a key at place t depends on s - t alone. k must be even."""
    by = turns(X.shape[2], X.shape[-1], start, X.device).to(X.dtype)
    return cast(Tensor, _Turn.apply(X, by))  # type: ignore[no-untyped-call]


class Rotary(QueryKey):
    """S = R_i (X_i Q) . R_j (X_j K) / sqrt(k): the query-key score with both sides turned by their places (`rotate`).

    `start` is the place of the first row: 0 for a whole sentence, t for a word that follows t others.
    """

    def keys(self, X: Float[Tensor, "b m e"], start: int = 0) -> Float[Tensor, "b h m k"]:
        return rotate(super().keys(X), start)

    def queries(self, X: Float[Tensor, "b n d"], start: int = 0) -> Float[Tensor, "b h n k"]:
        return rotate(super().queries(X), start)

    def forward(
        self, X: Float[Tensor, "b n d"], keys: Float[Tensor, "b h m k"], start: int = 0
    ) -> Float[Tensor, "b h n m"]:
        return self.queries(X, start) @ keys.mT


def distances(n: int, m: int, start: int = 0, device: torch.device | None = None) -> Int[Tensor, "n m"]:
    """j - i: how far row j, to be read, stands behind (+) or before (-) row i, that asks; asking rows start at place `start`."""
    return torch.arange(m, device=device) - torch.arange(start, start + n, device=device)[:, None]


def alibi(heads: int, n: int, m: int, start: int = 0) -> Float[Tensor, "1 h n m"]:
    """-2^(-8 (head + 1) / heads) |i - j|: each head forgets distance at a rate of its own (Press et al. 2022, section 3)."""
    slopes = 2.0 ** (-8.0 * torch.arange(1, heads + 1) / heads)
    return -slopes[:, None, None] * distances(n, m, start).abs().float()[None, None]


class DistanceBias(nn.Module):
    """One learnt number for each head and each bucket of distances, added to the scores; shared by the layers of a stack.

    Small distances have a bucket each, larger ones share buckets that grow with the logarithm, up to `longest` (Raffel et al.
    2020, section 2.1: 32 buckets, 128). `both`: distances of both signs, as in an encoder; otherwise only what came before.
    """

    def __init__(self, heads: int, *, both: bool, buckets: int = 32, longest: int = 128) -> None:
        super().__init__()
        self.both, self.buckets, self.longest = both, buckets, longest
        self.weight = nn.Parameter(torch.zeros(buckets, heads))

    def forward(self, n: int, m: int, start: int = 0) -> Float[Tensor, "1 h n m"]:
        return self.weight[self.bucket(distances(n, m, start, self.weight.device))].permute(2, 0, 1)[None]

    def bucket(self, distance: Int[Tensor, "n m"]) -> Int[Tensor, "n m"]:
        """The bucket of each distance, 0 .. buckets - 1."""
        count = self.buckets // 2 if self.both else self.buckets
        base = (distance > 0).long() * count if self.both else torch.zeros_like(distance)
        far = distance.abs() if self.both else (-distance).clamp_min(0)
        exact = count // 2
        grown = exact + (far.clamp_min(1).float() / exact).log() / math.log(self.longest / exact) * (count - exact)
        return base + torch.where(far < exact, far, grown.long().clamp_max(count - 1))
