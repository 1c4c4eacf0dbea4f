"""Span corruption (Raffel et al. 2020, T5, arXiv 1910.10683, section 3.1.4): spans are taken out, and are what has to be said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from axw.data.masking import checked, is_piece, smallest
from axw.data.randomness import Seed, generator
from axw.data.vocabulary import BOS, EOS, PAD
from axw.errors import UsageError


class SpansToFill(NamedTuple):
    """source (b m): the text, one sentinel for each span; target (b n): BOS, sentinel, span, sentinel, span, ..., EOS."""

    source: np.ndarray
    target: np.ndarray


def fill_spans(
    ids: np.ndarray,
    pieces: range,
    *,
    seed: Seed,
    sentinels: Sequence[int],
    ratio: float = 0.15,
    mean: float = 3.0,
) -> SpansToFill:
    """Take spans out of each row of ids (b n): of p pieces, round(ratio p) in round(round(ratio p) / mean) spans.

    That is `random_spans_noise_mask` of T5: both numbers at least 1 and at least one piece is left; the row begins with text
    and ends with a span; every way to cut the text and the spans is as likely as any other. A row of one piece loses it.
    What is not in `pieces` (names, padding) stays in the source.

    sentinels   ids of extra tokens, "<extra_0>" first; the first span of each row gets the first
    Raises `UsageError`, also where there are more spans than sentinels.
    """
    ids = checked(ids, ratio, 1.0, 0.0)
    if mean < 1.0:
        raise UsageError(f"mean={mean}; allowed: 1 or more.", "In fill_spans.", "3.0 is usual.")
    random = generator("fill spans", seed)
    open_ = is_piece(ids, pieces)
    counts = open_.sum(axis=1)
    taken = noise_mask(counts, ratio, mean, random)  # over the pieces alone, as if nothing else stood there
    begins = taken & ~np.pad(taken, ((0, 0), (1, 0)))[:, :-1]
    inside = np.arange(taken.shape[1]) < counts[:, None]
    noise, starts = np.zeros_like(open_), np.zeros_like(open_)
    noise[open_], starts[open_] = taken[inside], begins[inside]
    number = np.cumsum(starts, axis=1)
    most = int(number.max(initial=0))
    if most > len(sentinels):
        raise UsageError(
            f"A row has {most} spans, and there are {len(sentinels)} sentinels.",
            "In fill_spans.",
            "Learn the vocabulary with more extra tokens, or cut the text into shorter rows.",
        )
    sentinel = np.concatenate([[PAD], np.asarray(sentinels, np.int64)])[number]
    source = _left(np.where(starts, sentinel, ids), (~noise | starts) & (ids != PAD))
    said = np.stack([sentinel, ids], axis=2).reshape(len(ids), -1)
    kept = np.stack([starts, noise], axis=2).reshape(len(ids), -1)
    edge = np.ones((len(ids), 1), np.int64)
    said = np.concatenate([BOS * edge, said, EOS * edge], axis=1)
    return SpansToFill(source, _left(said, np.concatenate([edge > 0, kept, edge > 0], axis=1)))


def noise_mask(counts: np.ndarray, ratio: float, mean: float, random: np.random.Generator) -> np.ndarray:
    """(b, max(counts, 1)) which of the `counts` (b,) pieces of each row are taken out; see `fill_spans`."""
    length = np.maximum(counts, 2)
    noise = np.clip(np.rint(length * ratio).astype(np.int64), 1, length - 1)
    spans = np.maximum(np.rint(noise / mean).astype(np.int64), 1)
    spans = np.minimum(spans, length - noise)  # each span has text before it
    text_parts = _cut(length - noise, spans, random)
    noise_parts = _cut(noise, spans, random)
    parts = np.stack([text_parts, noise_parts], axis=2).reshape(len(counts), text_parts.shape[1] * 2)
    # Text and spans in turn: where one ends the next begins, so a place behind an odd number of ends is in a span.
    ends = np.cumsum(parts, axis=1)
    width = int(counts.max(initial=1))
    turns = np.zeros((len(counts), max(width, 2) + 1), np.int64)
    rows = np.broadcast_to(np.arange(len(counts))[:, None], ends.shape)
    np.add.at(turns, (rows, np.minimum(ends, turns.shape[1] - 1)), parts > 0)
    mask = np.cumsum(turns, axis=1)[:, :width] % 2 == 1
    mask[counts == 1, 0] = True
    return mask & (np.arange(width) < counts[:, None])


def _cut(items: np.ndarray, parts: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(b, max(parts)) sizes of `parts` (b,) parts that hold `items` (b,) together, none empty; 0 behind the last."""
    gaps = np.arange(int(items.max(initial=1)) - 1) < (items - 1)[:, None]
    cuts = smallest(gaps, parts - 1, random)
    part = np.concatenate([np.zeros((len(items), 1), np.int64), np.cumsum(cuts, axis=1)], axis=1)
    sizes = np.zeros((len(items), int(parts.max(initial=1))), np.int64)
    rows, columns = np.nonzero(np.arange(part.shape[1]) < items[:, None])
    np.add.at(sizes, (rows, part[rows, columns]), 1)
    return sizes


def _left(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The kept values of each row beside each other, PAD behind them."""
    lengths = kept.sum(axis=1)
    out = np.full((len(values), int(lengths.max(initial=0))), PAD, np.int64)
    out[np.arange(out.shape[1]) < lengths[:, None]] = values[kept]
    return out
