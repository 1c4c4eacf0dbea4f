"""Hiding pieces of text, to be guessed: single pieces, whole words, spans. Functions of ids, settings and seed alone.

With seed=(seed, epoch, batch) the masks of a run are new in every epoch (Liu et al. 2019, arXiv 1907.11692); with a fixed seed
they are the same for every model that is compared.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from axw.data.randomness import Seed, generator
from axw.data.vocabulary import MASK
from axw.errors import UsageError


class Masked(NamedTuple):
    """ids (b n) int64, some of them hidden; positions (t,) into ids.reshape(-1), rising; targets (t,): what stood there."""

    ids: np.ndarray
    positions: np.ndarray
    targets: np.ndarray


def mask_words(
    ids: np.ndarray,
    pieces: range,
    *,
    seed: Seed,
    ratio: float = 0.15,
    words: np.ndarray | None = None,
    hidden: float = 0.8,
    swapped: float = 0.1,
) -> Masked:
    """Choose a share `ratio` of the pieces of each row, one at least; of those 80 % become MASK, 10 % a random piece, 10 % stay.

    Devlin et al. 2019 (arXiv 1810.04805), section 3.1. The number of pieces in a row is ratio * (its pieces), rounded up or
    down at random so that it holds on average, and not less than 1.

    ids       (b n) of which only those in `pieces` are chosen: `vocabulary.piece_ids`; names and padding never are
    words     (b n) the number of each piece's word, `vocabulary.word_numbers(ids)`: then whole words are chosen
    hidden, swapped   the shares that become MASK and a random piece
    Raises `UsageError`.
    """
    ids = checked(ids, ratio, hidden, swapped)
    random = generator("mask words", seed)
    open_ = is_piece(ids, pieces)
    groups = np.broadcast_to(np.arange(ids.shape[1]), ids.shape) if words is None else _same_shape(words, ids)
    groups = np.maximum(groups, 0)
    there = np.zeros((len(ids), int(groups.max(initial=-1)) + 1), bool)
    rows, columns = np.nonzero(open_)
    there[rows, groups[rows, columns]] = True
    chosen = smallest(there, share(there.sum(axis=1), ratio, random), random)
    targets = np.take_along_axis(chosen, groups, axis=1) & open_ if chosen.size else open_
    return _replaced(ids, targets, pieces, hidden, swapped, random)


def mask_spans(
    ids: np.ndarray,
    pieces: range,
    *,
    seed: Seed,
    ratio: float = 0.15,
    mean: float = 3.0,
    longest: int = 10,
    hidden: float = 0.8,
    swapped: float = 0.1,
) -> Masked:
    """As `mask_words`, but pieces beside each other are hidden: spans of geometric length l ~ Geo(1 / mean), at most `longest`.

    Joshi et al. 2020 (SpanBERT, arXiv 1907.10529), section 3.1. Spans begin anywhere that is not hidden yet, until the row has
    its share; the last one is cut to what is missing. A span that runs over the end of the row goes on at its beginning, so
    that the first pieces are hidden as often as any others.
    """
    ids = checked(ids, ratio, hidden, swapped)
    if mean < 1.0 or longest < 1:
        raise UsageError(
            f"mean={mean}, longest={longest}; allowed: 1 or more each.", "In mask_spans.", "Use 3.0 and 10."
        )
    random = generator("mask spans", seed)
    open_ = is_piece(ids, pieces)
    missing = share(open_.sum(axis=1), ratio, random)
    targets = np.zeros_like(open_)
    count = np.maximum(open_.sum(axis=1), 1)[:, None]
    place = np.cumsum(open_, axis=1) - 1  # among the pieces of the row
    while (missing > 0).any():
        begin = np.where(open_ & ~targets, random.random(ids.shape), -1.0).argmax(axis=1)
        length = np.minimum(random.geometric(1.0 / mean, len(ids)), longest)
        length = np.minimum(length, missing)
        behind = (place - np.take_along_axis(place, begin[:, None], axis=1)) % count
        span = (behind < length[:, None]) & open_
        missing = missing - (span & ~targets).sum(axis=1)
        targets |= span
    return _replaced(ids, targets, pieces, hidden, swapped, random)


def is_piece(ids: np.ndarray, pieces: range) -> np.ndarray:
    """Where text stands, and no name, extra token or padding."""
    return (ids >= pieces.start) & (ids < pieces.stop)


def share(counts: np.ndarray, ratio: float, random: np.random.Generator) -> np.ndarray:
    """ratio * counts (b,), rounded up or down at random, at least 1 where there is something and at most all."""
    number = np.floor(ratio * counts + random.random(len(counts))).astype(np.int64)
    return np.minimum(np.maximum(number, 1), counts)


def smallest(there: np.ndarray, number: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """For each row of `there` (b n), `number` (b,) of the True places, every choice as likely as any other."""
    draws = np.where(there, random.random(there.shape), 2.0)
    rank = draws.argsort(axis=1).argsort(axis=1)
    return (rank < number[:, None]) & there


def checked(ids: np.ndarray, ratio: float, hidden: float, swapped: float) -> np.ndarray:
    """The ids as int64 (b n), or `UsageError`."""
    ids = np.asarray(ids)
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise UsageError(
            f"ids are {ids.dtype} {ids.shape}; allowed: integers (b, n).", "In masking.", "Use axw.data.pad."
        )
    if not 0.0 < ratio < 1.0:
        raise UsageError(f"ratio={ratio}; allowed: above 0, below 1.", "In masking.", "0.15 to 0.4 is usual.")
    if min(hidden, swapped) < 0.0 or hidden + swapped > 1.0 + 1e-9:
        raise UsageError(
            f"hidden={hidden}, swapped={swapped}; allowed: shares that add up to 1 or less.",
            "In masking.",
            "0.8 and 0.1 are usual.",
        )
    return ids.astype(np.int64)


def _same_shape(words: np.ndarray, ids: np.ndarray) -> np.ndarray:
    words = np.asarray(words)
    if words.shape != ids.shape or not np.issubdtype(words.dtype, np.integer):
        raise UsageError(
            f"words are {words.dtype} {words.shape}, ids {ids.shape}; allowed: an integer for each id.",
            "In mask_words.",
            "Give vocabulary.word_numbers(ids).",
        )
    return words


def _replaced(
    ids: np.ndarray, targets: np.ndarray, pieces: range, hidden: float, swapped: float, random: np.random.Generator
) -> Masked:
    positions = np.flatnonzero(targets)
    flat = ids.reshape(-1)
    true = flat[positions]
    draw = random.random(len(positions))
    other = random.integers(pieces.start, pieces.stop, len(positions)) if len(positions) else true
    said = np.where(draw < hidden, MASK, np.where(draw < hidden + swapped, other, true))
    shown = flat.copy()
    shown[positions] = said
    return Masked(shown.reshape(ids.shape), positions, true)
