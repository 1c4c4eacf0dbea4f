"""Batches of sentences of about one length, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from axw.data.randomness import generator
from axw.data.sentences import Sentences
from axw.data.vocabulary import PAD
from axw.errors import UsageError


def batches_by_length(
    lengths: np.ndarray, tokens: int, *, seed: int, epoch: int, most: int | None = None, noise: float = 1.0
) -> list[np.ndarray]:
    """The numbers of the sentences of each batch; every sentence is in exactly one. A function of the arguments alone.

    A batch of b sentences holds at most  b * (longest of them) <= tokens  on each side, padding counted (Vaswani et al. 2017,
    section 5.1); a sentence that is longer is a batch of its own. Sentences are sorted by their length plus up to `noise`
    random tokens, so that batches differ from epoch to epoch; then the order of the batches is shuffled.

    lengths   (n,) integers, or (n, 2) for pairs: sorted by the first side, within that by the second; count BOS and EOS
    most      most sentences in a batch
    Raises `UsageError`.
    """
    lengths = _checked(lengths, tokens, most, noise)
    random = generator("batches", (seed, epoch))
    order = _order(lengths, noise, random)
    # The longer side decides, for the budget holds on each of them. An empty sentence costs a token, not nothing.
    longest = np.maximum(lengths.max(axis=1), 1)[order]
    batches, start, n = [], 0, len(order)
    while start < n:
        room = max(1, tokens // int(longest[start]))
        window = np.maximum.accumulate(longest[start : start + min(room, most or room)])
        fits = int(np.searchsorted(window * np.arange(1, len(window) + 1), tokens, side="right"))
        end = start + max(1, fits)
        batches.append(order[start:end])
        start = end
    return [batches[i] for i in random.permutation(len(batches))]


def _order(lengths: np.ndarray, noise: float, random: np.random.Generator) -> np.ndarray:
    n, sides = lengths.shape
    first = np.floor(lengths[:, 0] + noise * random.random(n)).astype(np.int64)
    second = lengths[:, sides - 1] * (sides - 1) + noise * random.random(n)
    # Up and down in turn: where one length ends and the next begins, the other side does not jump.
    return np.lexsort((np.where(first % 2 == 0, second, -second), first))


def _checked(lengths: np.ndarray, tokens: int, most: int | None, noise: float) -> np.ndarray:
    lengths = np.asarray(lengths)
    shape = lengths.shape
    if lengths.ndim == 1:
        lengths = lengths[:, None]
    if lengths.ndim != 2 or lengths.shape[1] not in (1, 2) or not np.issubdtype(lengths.dtype, np.integer):
        raise UsageError(
            f"lengths are {lengths.dtype} {shape}; allowed: integers (n,), or (n, 2) for pairs.",
            "In batches_by_length.",
            "Give sentences.lengths, or np.stack([source.lengths, target.lengths], axis=1).",
        )
    if lengths.min(initial=0) < 0:
        raise UsageError(f"A length is {lengths.min()}; allowed: 0 or more.", "In batches_by_length.")
    for name, value in (("tokens", tokens), ("most", most)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1):
            raise UsageError(f"{name}={value!r}; allowed: a whole number, 1 or more.", "In batches_by_length.")
    if not 0.0 <= noise < float("inf"):
        raise UsageError(f"noise={noise}; allowed: 0 or more.", "In batches_by_length.", "1.0 is usual.")
    return lengths


def pad(
    sentences: Sentences,
    index: Sequence[int] | np.ndarray,
    *,
    before: Sequence[int] = (),
    after: Sequence[int] = (),
) -> np.ndarray:
    """(b n) int64: row i is `before`, sentence index[i], `after`, and then PAD up to the longest row.

    `pad(target, batch, before=(BOS,), after=(EOS,))` is what a decoder reads and says. Raises `UsageError`.
    """
    taken = sentences.take(index)
    lengths = taken.lengths
    around = len(before) + len(after)
    width = int(lengths.max(initial=0)) + around
    out = np.full((len(taken), width), PAD, np.int64)
    columns = np.arange(width)
    out[:, : len(before)] = before
    behind = (len(before) + lengths)[:, None]
    out[(columns >= len(before)) & (columns < behind)] = taken.ids
    if after:
        np.put_along_axis(out, behind + np.arange(len(after)), np.asarray(after, np.int64)[None], axis=1)
    return out
