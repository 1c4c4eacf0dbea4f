"""Rows that are alike: A = the k greatest of cos(x_i, x_j), a relation that is computed from the columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array

from axw.errors import DataError, ResourceError, UsageError
from axw.relations.given import Given, SparseGiven

MOST_ALIKE = 30_000
"""Rows among which the nearest are looked for: every pair is compared once."""
_CELLS = 4_000_000


def alike(X: np.ndarray, memory: np.ndarray, itself: np.ndarray, k: int = 15) -> SparseGiven:
    """A[i, j] = max(0, cos(x_i, x_j)) where j is among the k nearest of i, or i is near enough to be among those of j.

    X (n d) rows that ask, memory (m d), itself (n,) the place of an asking row in the memory or -1; no row reads itself. A row
    gets the same neighbours whether it is asked alone or with others. Raises `ResourceError` beyond MOST_ALIKE rows.
    """
    if k < 1:
        raise UsageError(f"k is {k}; allowed: at least 1.", "alike", "Give k=15, for example.")
    if len(memory) > MOST_ALIKE:
        raise ResourceError(
            f"The nearest of {len(memory):,} rows are looked for among all pairs; at most {MOST_ALIKE:,} rows are compared.",
            "alike",
            "Give a relation, or fit on a sample of the rows.",
        )
    if X.shape[1:] != memory.shape[1:]:
        raise DataError(
            f"X has {X.shape[1:]} columns, the memory {memory.shape[1:]}.", "alike", "Give the same columns."
        )
    k = min(k, max(1, len(memory) - 1))
    if X is memory and (itself == np.arange(len(X))).all():
        return SparseGiven(_among(_unit(X), itself, k), itself)
    asks, reads = _unit(X), _unit(memory)
    everyone = np.arange(len(memory))
    near = np.concatenate([np.zeros(0), *(_kth(c, k) for c in _cosines(reads, reads, everyone))])
    rows, columns, data, start = [], [], [], 0
    for cosine in _cosines(asks, reads, itself):
        own = _kth(cosine, k)
        # What both sides compute may differ in its last bits.
        row, column = np.nonzero((cosine >= np.minimum(own[:, None], near[None, :]) - 1e-9) & (cosine > 1e-9))
        rows.append(row + start)
        columns.append(column)
        data.append(cosine[row, column])
        start += len(cosine)
    if not rows:
        return SparseGiven(csr_array((len(X), len(memory))), itself)
    cells = (np.concatenate(data), (np.concatenate(rows), np.concatenate(columns)))
    A = csr_array(cells, shape=(len(X), len(memory)))
    A.sort_indices()
    return SparseGiven(A, itself)


def _among(X: np.ndarray, itself: np.ndarray, k: int) -> csr_array:
    """The same where the memory asks itself: the k nearest of each row, then both ways."""
    near, cosines = [np.zeros((0, k), np.int64)], [np.zeros((0, k))]
    for cosine in _cosines(X, X, itself):
        near.append(np.argpartition(cosine, -k, axis=1)[:, -k:])
        cosines.append(np.take_along_axis(cosine, near[-1], axis=1))
    rows, data = np.repeat(np.arange(len(X)), k), np.concatenate(cosines).ravel()
    A = csr_array((np.maximum(data, 0.0), (rows, np.concatenate(near).ravel())), shape=(len(X), len(X)))
    A = csr_array(A.maximum(A.T))
    A.sort_indices()
    return A


class Joined(Given):
    """A = sum of weight_r A_r over relations between the same rows."""

    def __init__(self, parts: list[tuple[Given, float]]) -> None:
        first = parts[0][0]
        if any(part.shape != first.shape or weight <= 0 for part, weight in parts):
            raise UsageError(
                f"The relations are {[part.shape for part, _ in parts]} with weights {[weight for _, weight in parts]}.",
                "Joined",
                "Give relations between the same rows, and weights above 0.",
            )
        self.parts, self.shape, self.itself = tuple(parts), first.shape, first.itself
        self._once = _added(parts)

    def sum(self, X: np.ndarray) -> np.ndarray:
        total = np.zeros((self.shape[0], np.asarray(X).shape[1]))
        for part, weight in self._once:
            read = part.sum(X)
            total += read if weight == 1 else weight * read
        return total

    def degree(self) -> np.ndarray:
        return np.asarray(sum(weight * part.degree() for part, weight in self.parts))

    def csr(self) -> csr_array:
        total = csr_array(self.shape)
        for part, weight in self.parts:
            total = total + weight * part.csr()
        total.sort_indices()
        return total

    def count(self, among: np.ndarray | None = None) -> np.ndarray:
        return SparseGiven(self.csr(), self.itself).count(among)

    def reading(self, places: np.ndarray) -> Joined:
        return Joined([(part.reading(places), weight) for part, weight in self.parts])

    def _nth(self, rows: np.ndarray, nth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return SparseGiven(self.csr(), self.itself)._nth(rows, nth)


def _added(parts: list[tuple[Given, float]]) -> list[tuple[Given, float]]:
    """The same sum with all sparse matrices added up beforehand: a product with each would read X as often."""
    sparse = [(part, weight) for part, weight in parts if isinstance(part, SparseGiven)]
    if len(sparse) < 2:
        return parts
    total = sum((weight * part.csr() for part, weight in sparse[1:]), sparse[0][1] * sparse[0][0].csr())
    whole = csr_array(total)
    whole.sort_indices()
    return [
        (SparseGiven(whole, sparse[0][0].itself), 1.0),
        *(one for one in parts if not isinstance(one[0], SparseGiven)),
    ]


def _unit(X: np.ndarray) -> np.ndarray:
    values = np.asarray(X, dtype=np.float64)
    norm = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.where(norm > 0, norm, 1.0))


def _cosines(asks: np.ndarray, reads: np.ndarray, itself: np.ndarray) -> Iterator[np.ndarray]:
    """Blocks of cosines (rows m), a row's with itself at -1."""
    step = max(1, _CELLS // max(1, len(reads)))
    for start in range(0, len(asks), step):
        cosine = asks[start : start + step] @ reads.T
        own = itself[start : start + step]
        cosine[np.flatnonzero(own >= 0), own[own >= 0]] = -1.0
        yield cosine


def _kth(cosine: np.ndarray, k: int) -> np.ndarray:
    """The k-th greatest of each row."""
    return np.asarray(np.partition(cosine, -k, axis=1)[:, -k]) if cosine.shape[1] >= k else np.full(len(cosine), -1.0)
