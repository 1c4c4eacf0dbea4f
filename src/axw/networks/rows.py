"""The network of a table: each row's own columns, what it reads from other rows, and what is made of both.

    Y = X W  +  sum over parts and heads of A Z V  +  FeedForward([X, A Z V])

A part is one `Attention`: over all remembered rows, or over the rows that one relation lets a row read. A is made from the
columns of both rows; Z holds what a remembered row gives to its readers: a constant, its label, its columns. Given A, the first
two terms are sums over rows and columns, so that an explanation of them is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from axw.equation import Attention, FeedForward, General, Memory, QueryKey, Score, gather, split_heads
from axw.equation.metric import Metric
from axw.errors import UsageError, did_you_mean

SCORES = ("query-key", "metric", "bilinear")
# Standard deviations. What lies further out is read as this far out: else one outlier that is remembered can draw all attention.
FAR = 4.0


class Reachable(NamedTuple):
    """Which remembered rows the asking rows may read, in one part.

    places (n r)           rows of the memory, padded to r; None where all m rows may be read
    mask   (n r) or (n m)  True = may read; None = all of them
    bias   (n r) or (n m)  added to the scores, where there is a softmax: the logarithm of a row's weight; None = equal weights
    weight (n r) or (n m)  times A, where there is none: the row's weight itself; None = equal weights
    itself (n) or None     the place of the asking row in the memory, -1 where it is not there: it is taken off what all rows
                           give, so that a row does not read itself where A is never formed
    share  (n) or None     how much of itself is taken off; None = all
    """

    places: Tensor | None = None
    mask: Tensor | None = None
    bias: Tensor | None = None
    weight: Tensor | None = None
    itself: Tensor | None = None
    share: Tensor | None = None


class RowsToRead(NamedTuple):
    """One question to the network.

    X      (n d)  the asking rows
    M      (m d)  the remembered rows, as the keys see them: their columns, never their labels
    Z      (m e)  the remembered rows, as their readers see them: a constant, their labels, their columns
    parts  who may read whom, one for each part of the network
    """

    X: Tensor
    M: Tensor
    Z: Tensor
    parts: tuple[Reachable, ...]


@dataclass(frozen=True, kw_only=True)
class RowSettings:
    """What a `RowNetwork` is made of.

    score        "query-key" (A = X Q K' M'), "metric" (A = -|X L - M L|²) or "bilinear" (A = X U V' M')
    normalize    as in `equation.normalize`; with "none" the row's own term X W is left out, and Y = A Z V + b alone
    parts        attentions beside each other, one for each relation
    rank, heads  key width of a head, and heads of a part
    feedforward  kind of `FeedForward`, None = none;  width  its hidden width
    """

    score: str = "query-key"
    normalize: str = "softmax-or-nothing"
    parts: int = 1
    rank: int = 2
    heads: int = 1
    feedforward: str | None = None
    width: int = 16


class RowNetwork(nn.Module):
    """d columns ask, e columns are read, c outputs come out."""

    def __init__(self, d: int, e: int, c: int, settings: RowSettings, seed: int = 0) -> None:
        super().__init__()
        self.settings = settings
        self.bias = nn.Parameter(torch.zeros(c))
        self.own = nn.Linear(d, c, bias=False) if settings.normalize != "none" else None
        self.parts = nn.ModuleList(_attention(d, e, c, settings) for _ in range(settings.parts))
        wide = d + settings.parts * settings.heads * c
        kind = settings.feedforward
        self.feedforward = FeedForward(wide, settings.width, kind, out=c) if kind else None
        self._start(torch.Generator().manual_seed(seed))

    def _start(self, generator: torch.Generator) -> None:
        """Own weights at zero, everything else N(0, 0.3): small enough that A starts nearly even."""
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if name.startswith(("bias", "own")):
                    weight.zero_()
                else:
                    weight.normal_(0.0, 0.3, generator=generator)

    def start_near(self, direction: Tensor, spreads: tuple[float, ...]) -> None:
        """Where a metric starts: heads that look at all columns, at the scale spreads[h], and first along `direction` (d).

        `spread` is the mean of |x L - m L|² over pairs of rows of standardised columns: the greater, the fewer rows are read.
        """
        heads, k = self.settings.heads, self.settings.rank
        with torch.no_grad():
            for part in cast(list[Attention], self.parts):
                score, value = cast(Metric, part.score), cast(nn.Linear, part.value)
                L = score.metric.weight.view(heads, k, -1)
                scale = L.new_tensor([spreads[head % len(spreads)] for head in range(heads)]).sqrt()
                L.mul_(scale[:, None, None] / (0.3 * math.sqrt(2 * L.shape[2] * k)))
                L[:, 0] = direction / direction.norm().clamp_min(1e-9) * (scale / math.sqrt(2))[:, None]
                value.weight.zero_()

    def forward(self, rows: RowsToRead) -> Tensor:
        """Y (n c)."""
        return self.output(rows, [read for read, _ in self.read(rows)])

    def output(self, rows: RowsToRead, reads: list[Tensor]) -> Tensor:
        """Y (n c) from what was read by each part: (n h c)."""
        Y = self.bias.expand(len(rows.X), -1)
        if self.own is not None:
            Y = Y + self.own(rows.X)
        for read in reads:
            Y = Y + read.sum(1)
        return Y if self.feedforward is None else Y + self.above(rows, reads)

    def above(self, rows: RowsToRead, reads: list[Tensor]) -> Tensor:
        """FeedForward([X, reads]): the part of Y that is not a sum over rows and columns, (n c)."""
        assert self.feedforward is not None
        return cast(Tensor, self.feedforward(torch.cat([near(rows.X), *(read.flatten(1) for read in reads)], 1)))

    def read(self, rows: RowsToRead) -> list[tuple[Tensor, Tensor | None]]:
        """For each part: what each row read, by head (n h c), and A (n h r) or (n h m); None where A was never formed."""
        return [_read(cast(Attention, part), rows, reach) for part, reach in zip(self.parts, rows.parts, strict=True)]

    def sides(self, part: int, X: Tensor, M: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Queries (h n k) of the rows that ask and keys (h m k) of those remembered, in one part: a score is their product."""
        attention = cast(Attention, self.parts[part])
        asks = X if attention.normalize == "none" else near(X)
        score = cast(QueryKey | Metric | General, attention.score)
        with torch.no_grad():
            return score.queries(asks[None])[0].numpy(), score.keys(M[None])[0].numpy()

    def values(self, part: int) -> Tensor:
        """V of one part (h e c): what a head makes of each column of Z."""
        weight = cast(nn.Linear, cast(Attention, self.parts[part]).value).weight
        return weight.unflatten(0, (self.settings.heads, -1)).transpose(1, 2)


def _attention(d: int, e: int, c: int, settings: RowSettings) -> Attention:
    """One part. Its values are the outputs themselves, one set of weights a head, so nothing is left for `out` to do."""
    if settings.score == "query-key":
        score: Score = QueryKey(d, settings.rank, settings.heads, bias=True)
    elif settings.score == "metric":
        score = Metric(d, settings.rank, settings.heads)
    elif settings.score == "bilinear":
        score = General(d, rank=settings.rank)
    else:
        raise UsageError(f"Unknown score {settings.score!r}.", todo=did_you_mean(settings.score, SCORES))
    value = nn.Linear(e, score.heads * c, bias=False)
    return Attention(score, value, nn.Identity(), normalize=settings.normalize)


def near(X: Tensor) -> Tensor:
    """X, with nothing further out than FAR standard deviations."""
    return X.clamp(-FAR, FAR)


def _read(part: Attention, rows: RowsToRead, reach: Reachable) -> tuple[Tensor, Tensor | None]:
    heads = part.score.heads
    X = rows.X if part.normalize == "none" else near(rows.X)
    memory = Memory(part.score.keys(rows.M[None]), split_heads(part.value(rows.Z[None]), heads))
    if reach.places is not None:
        own = gather(memory, reach.places, reach.mask)
        bias = None if reach.bias is None else reach.bias[:, None, None, :]
        if reach.weight is not None:
            own = own._replace(values=own.values * reach.weight[:, None, :, None])
        read, A = part(X[:, None], own, None, bias)
        A = A[:, :, 0] if reach.weight is None else A[:, :, 0] * reach.weight[:, None]
        return read[:, 0].unflatten(-1, (heads, -1)), A
    mask = None if reach.mask is None else reach.mask[None, None]
    bias = None if reach.bias is None else reach.bias[None, None]
    if part.normalize == "none" and mask is None and bias is None:
        read = part.read(X[None], memory)[0].unflatten(-1, (heads, -1))
        return read if reach.itself is None else read - _itself(part, X, memory, reach)[1], None
    read, A = part(X[None], memory, mask, bias)
    read, A = read[0].unflatten(-1, (heads, -1)), A[0].transpose(0, 1)
    if reach.itself is not None:
        score, value = _itself(part, X, memory, reach)
        read, A = read - value, A.scatter_add(-1, reach.itself.clamp_min(0)[:, None, None].expand(-1, heads, 1), -score)
    return read, A


def _itself(part: Attention, X: Tensor, memory: Memory, reach: Reachable) -> tuple[Tensor, Tensor]:
    """What a row would read of itself without a softmax: A[i, i] (n h 1), A[i, i] V[i] (n h c); 0 where it is not remembered."""
    assert reach.itself is not None
    at, there = reach.itself.clamp_min(0), reach.itself >= 0
    share = there.to(X.dtype) if reach.share is None else reach.share * there
    queries = cast(QueryKey | General, part.score).queries(X[None])[0]
    score = (queries * memory.keys[0][:, at]).sum(-1, keepdim=True) * share[:, None]
    return score.transpose(0, 1), (score * memory.values[0][:, at]).transpose(0, 1)


def merge(members: list[RowNetwork]) -> RowNetwork:
    """The mean of several query-key or metric networks as one: their heads beside each other, their values over their number.

    Its output is the mean of theirs, exactly, so that a model averaged over random starts is still one equation to read.
    """
    count, first = len(members), members[0]
    if count == 1:
        return first
    settings = replace(first.settings, heads=first.settings.heads * count, width=first.settings.width * count)
    part, c = cast(Attention, first.parts[0]), len(first.bias)
    d, e = cast(nn.Linear, first.own).in_features, cast(nn.Linear, part.value).in_features
    merged = RowNetwork(d, e, c, settings).to(first.bias.dtype)
    states = [member.state_dict() for member in members]
    with torch.no_grad():
        for name, weight in merged.state_dict().items():
            each = [state[name] for state in states]
            if name.startswith(("bias", "own")):
                weight.copy_(torch.stack(each).mean(0))
            elif name.startswith("parts"):
                weight.copy_(torch.cat(each) / (count if "value" in name else 1))
            elif name == "feedforward.outer.weight":
                weight.copy_(torch.cat(each, 1) / count)
            else:
                weight.copy_(_merged_inner(each, first.settings, d, c))
    return merged


def _merged_inner(each: list[Tensor], settings: RowSettings, d: int, c: int) -> Tensor:
    """First layer over [X, reads of all members]: each member's hidden units see its own reads, which are count times smaller."""
    count, reads = len(each), settings.heads * c
    rows = each[0].shape[0]
    merged = each[0].new_zeros(count, rows, d + settings.parts * count * reads)
    for member, weight in enumerate(each):
        merged[member, :, :d] = weight[:, :d]
        for part in range(settings.parts):
            start = d + part * count * reads + member * reads
            merged[member, :, start : start + reads] = count * weight[:, d + part * reads : d + (part + 1) * reads]
    # A gated kind keeps gate and value below each other: all gates first, then all values.
    halves = merged.unflatten(1, (rows // settings.width, settings.width))
    return halves.transpose(0, 1).flatten(0, 2)
