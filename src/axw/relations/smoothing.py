"""Smoothing: what a row and those near it along a relation have in common, as A X with A made of powers of S.

    S = D^-1/2 (A + I) D^-1/2                                 Kipf and Welling 2017 (arXiv 1609.02907)
    S²GC   (1 - own) (S + S² + ... + S^h) X / h + own X       Zhu and Koniusz 2021, "Simple spectral graph convolution"
    PPR    sum over h of restart (1 - restart)^h S^h X        Gasteiger et al. 2019 (arXiv 1810.05997), personalised PageRank

Each is linear in X. A row that is asked and is not in the memory has a state of its own beside those of the memory: hop by hop it
reads the memory and itself. A row that is in the memory gets what it has there; so old and new rows are one case.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from axw.errors import DataError, UsageError
from axw.relations.given import Given


class Asked(NamedTuple):
    """Rows that ask a memory: `given` (n m) between them, `own` (n d) their columns, in the order of `given`."""

    given: Given
    own: np.ndarray


def states(within: Given, X: np.ndarray, hops: int, asked: Asked | None = None) -> Iterator[np.ndarray]:
    """X, S X, S² X, ..., S^hops X, one after the other: of the memory, or (n d) of the rows that are asked.

    within  A (m m) among the memory;  X (m d) its columns
    """
    if hops < 1:
        raise UsageError(f"hops is {hops}; allowed: at least 1.", "smoothing", "Give hops=2, for example.")
    if not within.square:
        raise UsageError(
            f"A ({within.shape[0]} x {within.shape[1]}) is not among one set of rows, which a second hop needs.",
            "smoothing",
            "Give A among the memory, and the rows that ask as asked=Asked(given, own).",
        )
    memory = np.asarray(X, dtype=np.float64)
    root = _root(within)
    row = None if asked is None else np.asarray(asked.own, dtype=np.float64)
    yield memory if row is None else row
    for _ in range(hops):
        scaled = memory * root
        if asked is not None and row is not None:
            left = _root(asked.given)
            row = left * (asked.given.sum(scaled) + left * row)
        memory = within.sum(scaled)
        memory += scaled
        memory *= root
        yield memory if row is None else row


def s2gc(within: Given, X: np.ndarray, hops: int = 16, own: float = 0.05, asked: Asked | None = None) -> np.ndarray:
    """(1 - own) (S + ... + S^hops) X / hops + own X: near and far hops weigh the same, and the row itself keeps a share."""
    _share("own", own)
    found = states(within, X, hops, asked)
    total = own * next(found)
    for state in found:
        total = total + (1.0 - own) / hops * state
    return total


def personalised_pagerank(
    within: Given, X: np.ndarray, restart: float = 0.1, hops: int = 16, asked: Asked | None = None
) -> np.ndarray:
    """sum over h = 0 ... hops of restart (1 - restart)^h S^h X: a walk from the row that goes home with probability `restart`."""
    _share("restart", restart)
    total = np.zeros(1)
    for hop, state in enumerate(states(within, X, hops, asked)):
        total = total + restart * (1.0 - restart) ** hop * state
    return total


def correct_and_smooth(
    within: Given,
    P: np.ndarray,
    Y: np.ndarray,
    *,
    correct: float = 0.8,
    smooth: float = 0.8,
    hops: int = 50,
) -> np.ndarray:
    """Answers P (m c) mended by the errors on the rows whose label is known, then smoothed (Huang et al. 2020, arXiv 2010.13993).

    E = Y - P where Y (m c) is known and 0 elsewhere (a row of NaN has no label);  E <- (1 - correct) E_0 + correct S E;
    P + s E with s so that a row is mended by as much as the known rows err in the mean;  G_0 = that, with the known labels in
    their places;  G <- (1 - smooth) G_0 + smooth S G. Here S = D^-1/2 A D^-1/2 has no self-loops, as in the paper.
    The known rows get their own label back: their answers are not held-out answers.
    """
    for name, value in (("correct", correct), ("smooth", smooth)):
        _share(name, value)
    if P.shape != Y.shape or len(P) != within.shape[1] or not within.square:
        raise DataError(
            f"P has shape {P.shape}, Y {Y.shape}, A {within.shape}; allowed: P and Y (m, c) for A (m, m).",
            "correct and smooth",
            "Give one row of answers and one of labels for each row of the memory.",
        )
    known = ~np.isnan(Y).any(1)
    labels = np.where(known[:, None], Y, 0.0)
    error = np.where(known[:, None], labels - P, 0.0)
    spread = _spread(within, error, correct, hops)
    typical = np.abs(error[known]).sum(1).mean() if known.any() else 0.0
    size = np.abs(spread).sum(1, keepdims=True)
    scale = np.where(size > 1e-12, typical / np.where(size > 1e-12, size, 1.0), 0.0)
    mended = P + np.minimum(scale, 1.0) * spread
    return _spread(within, np.where(known[:, None], labels, mended), smooth, hops)


def _spread(within: Given, start: np.ndarray, share: float, hops: int) -> np.ndarray:
    degree = within.degree()[:, None]
    root = np.where(degree > 0, np.where(degree > 0, degree, 1.0) ** -0.5, 0.0)
    state = start
    for _ in range(hops):
        # A row that reads nobody keeps what it started with.
        read = np.where(degree > 0, root * within.sum(root * state), start)
        state = (1.0 - share) * start + share * read
    return state


def _root(given: Given) -> np.ndarray:
    """(degree + 1)^-1/2 (n 1): every row reads itself with weight 1."""
    return np.asarray((given.degree() + 1.0) ** -0.5)[:, None]


def _share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise UsageError(f"{name} is {value!r}; allowed: a number from 0 to 1.", "smoothing", f"Give {name}=0.1.")
