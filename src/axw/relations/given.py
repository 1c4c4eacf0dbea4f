"""A that is given, as an operator: row i of the rows that ask reads row j of the memory.

    Y = A X W        A (n m) is never formed where it would be large: `sum` is A X, `mean` is D^-1 A X

A has no diagonal: no row reads itself, whatever the relation says. Rows are the same where their ids are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from axw.errors import DataError, ResourceError, UsageError
from axw.relations.product import all_finite, product

MOST_BYTES = 2 * 2**30
"""What `csr` and `neighbours` may fill at most: beyond it they refuse, and say what it would have taken."""
_CELLS = 2_000_000


class Neighbours(NamedTuple):
    """The rows that each row reads, padded to k columns: index, weight and mask, each (n k).

    index   int64, places in the memory, rising along a row; 0 where the mask is False
    weight  float64, A[i, index]; 0 where the mask is False
    mask    True where there is a row that is read
    """

    index: np.ndarray  # type: ignore[assignment]  # the field's name, not tuple.index
    weight: np.ndarray
    mask: np.ndarray


class Given(ABC):
    """A (n m) between n rows that ask and m rows that may be read.

    itself (n,)  the place of the asking row in the memory, -1 where it is not there; A[i, itself[i]] is always 0
    """

    shape: tuple[int, int]
    itself: np.ndarray

    @property
    def square(self) -> bool:
        """The asking rows are the memory, in the same order: A may be applied to what A gave."""
        n, m = self.shape
        return n == m and bool((self.itself == np.arange(n)).all())

    @abstractmethod
    def sum(self, X: np.ndarray) -> np.ndarray:
        """A X (n d) for X (m d), in single precision where X is. Raises `DataError` for another number of
        rows, and for NaN or infinity in a row that is read."""

    @abstractmethod
    def degree(self) -> np.ndarray:
        """Sum of the weights of the rows that each row reads, A 1 (n,)."""

    @abstractmethod
    def count(self, among: np.ndarray | None = None) -> np.ndarray:
        """Number of rows that each row reads, int64 (n,); `among` (m,) is True for the rows of the memory that count."""

    @abstractmethod
    def _nth(self, rows: np.ndarray, nth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(index, weight) of the nth row that row `rows` reads, in the order of the memory; element by element."""

    @abstractmethod
    def reading(self, places: np.ndarray) -> Given:
        """A (n k) of the same asking rows over the k rows of the memory at `places`, in their order."""

    def mean(self, X: np.ndarray) -> np.ndarray:
        """D^-1 A X (n d): the weighted mean of the rows read; 0 for a row that reads nothing."""
        degree = self.degree()
        total = self.sum(X)
        total /= np.where(degree > 0, degree, 1.0)[:, None].astype(total.dtype)
        return total

    def neighbours(self, most: int = 64) -> Neighbours:
        """The rows that each row reads, padded; k = min(most, the greatest count), and at least 1.

        Of c > most rows an evenly spaced sample is kept, the rows number floor(t c / most) for t = 0 ... most - 1 in the order of
        the memory: the same at every run. Raises `ResourceError` where the answer would fill more than `MOST_BYTES`.
        """
        if most < 1:
            raise UsageError(f"most is {most}; allowed: at least 1.", "neighbours(most)")
        n, count = self.shape[0], self.count()
        k = max(1, min(most, int(count.max(initial=0))))
        refuse_above(n * k * 17, f"{n:,} rows x {k:,} neighbours", "Ask for fewer neighbours: neighbours(most=64).")
        index, weight = np.zeros((n, k), np.int64), np.zeros((n, k))
        mask = np.arange(k) < np.minimum(count, k)[:, None]
        for start in range(0, n, max(1, _CELLS // k)):
            part = slice(start, start + max(1, _CELLS // k))
            row, slot = np.nonzero(mask[part])
            row += start
            nth = np.where(count[row] > k, slot * count[row] // k, slot)
            index[row, slot], weight[row, slot] = self._nth(row, nth)
        return Neighbours(index, weight, mask)

    def csr(self) -> csr_array:
        """A as a sparse matrix (n m), indices sorted. Raises `ResourceError` where it would fill more than `MOST_BYTES`."""
        count = self.count()
        pairs = int(count.sum())
        refuse_above(pairs * 12, f"{pairs:,} pairs of rows", "Use sum, mean or neighbours, which never form A.")
        indptr = np.concatenate([[0], np.cumsum(count)])
        indices, data = np.empty(pairs, np.int32), np.empty(pairs)
        for start in range(0, pairs, _CELLS):
            place = np.arange(start, min(start + _CELLS, pairs))
            row = np.searchsorted(indptr, place, side="right") - 1
            indices[place], data[place] = self._nth(row, place - indptr[row])
        return csr_array((data, indices, indptr.astype(np.int32)), shape=self.shape)

    def _checked(self, X: np.ndarray) -> np.ndarray:
        """X (m d) as float32 where it is that, else as float64."""
        values = np.asarray(X)
        values = values if values.dtype == np.float32 else values.astype(np.float64, copy=False)
        if values.ndim != 2 or len(values) != self.shape[1]:
            raise DataError(
                f"X has shape {values.shape}; A reads {self.shape[1]} rows, so X must be ({self.shape[1]}, d).",
                "A X",
                "Give one row of X for each row of the memory.",
            )
        if not all_finite(values):
            bad = int((~np.isfinite(values)).any(1).sum())
            raise DataError(
                f"{bad} rows of X hold NaN or infinity.", "A X", "Fill missing values before rows are read."
            )
        return values


class FactoredGiven(Given):
    """A = M N' less itself, with M (n g) and N (m g) the group of each row: rows of one group read each other.

    A X = M (N' X) - X_itself, without a pair ever being formed: in O((n + m) d), times log2 of the size of the group for a
    row that is in it. What it is less by is left out rather than taken off, so no bit of a row's own label comes back to it.

    asking (n,)  the group of each asking row, -1 for none;  memory (m,)  the same for the memory
    """

    def __init__(self, asking: np.ndarray, memory: np.ndarray, itself: np.ndarray) -> None:
        self.shape, self.itself = (len(asking), len(memory)), itself
        self.asking, self.memory = asking, memory
        groups = int(max(asking.max(initial=-1), memory.max(initial=-1))) + 1
        size = np.bincount(memory[memory >= 0], minlength=groups)
        self._of_groups = (groups, len(memory))
        self._start = np.concatenate([[0], np.cumsum(size)])
        self._members = np.argsort(memory, kind="stable")[len(memory) - int(size.sum()) :]
        self._place = np.empty(len(memory), np.int64)  # of a row of the memory among the members
        self._place[self._members] = np.arange(len(self._members))
        self._size = np.append(size, 0)  # one more, which -1 finds: a row without a group reads nobody
        # True where the group that the row reads holds the row itself; it does not where its key has changed since.
        self._inside = (itself >= 0) & (asking >= 0) & (memory[itself] == asking) if len(memory) else itself >= 0

    def sum(self, X: np.ndarray) -> np.ndarray:
        values = self._checked(X)
        read = np.zeros((self.shape[0], values.shape[1]), values.dtype)
        outside = np.flatnonzero((self.asking >= 0) & ~self._inside)
        if len(outside):
            N = csr_array((np.ones(len(self._members)), self._members, self._start), shape=self._of_groups)
            read[outside] = (N @ values)[self.asking[outside]]
        if self._inside.any():
            others = _others(values[self._members], self._start)
            read[self._inside] = others[self._place[self.itself[self._inside]]]
        return read

    def degree(self) -> np.ndarray:
        return np.asarray(self.count(), dtype=np.float64)

    def count(self, among: np.ndarray | None = None) -> np.ndarray:
        if among is None:
            return np.asarray(self._size[self.asking] - self._inside, dtype=np.int64)
        known = self.memory[among & (self.memory >= 0)]
        size = np.append(np.bincount(known, minlength=len(self._size) - 1), 0)
        own = self._inside & among[self.itself] if len(among) else self._inside
        return np.asarray(size[self.asking] - own, dtype=np.int64)

    def reading(self, places: np.ndarray) -> FactoredGiven:
        return FactoredGiven(self.asking, self.memory[places], _moved(self.itself, places, self.shape[1]))

    def _nth(self, rows: np.ndarray, nth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        start = self._start[self.asking[rows]]
        if self._inside.any():
            own = np.where(self._inside[rows], self._place[self.itself[rows]] - start, len(self.memory))
            nth = nth + (nth >= own)
        return self._members[start + nth], np.ones(len(rows))


def _others(values: np.ndarray, start: np.ndarray) -> np.ndarray:
    """For each row (p d) the sum of the other rows of its group; group g is the rows start[g] to start[g + 1].

    As in a tournament: in each round a row meets the sum of the block beside its own, then the two become one block.
    """
    count, first = np.diff(start), start[:-1]
    group = np.repeat(np.arange(len(count)), count)
    block = np.arange(len(values)) - first[group]
    total, sums = np.zeros_like(values), values
    while count.max(initial=0) > 1:
        beside = block ^ 1
        met = np.flatnonzero(beside < count[group])
        total[met] += sums[first[group[met]] + beside[met]]
        place = np.arange(len(sums)) - np.repeat(first, count)
        sums = np.add.reduceat(sums, np.flatnonzero(place % 2 == 0))
        block, count = block >> 1, (count + 1) // 2
        first = np.concatenate([[0], np.cumsum(count)[:-1]])
    return total


class SparseGiven(Given):
    """A as a sparse matrix; entries are positive, indices sorted, and A[i, itself[i]] is taken out."""

    def __init__(self, A: csr_array, itself: np.ndarray) -> None:
        self.shape, self.itself = (int(A.shape[0]), int(A.shape[1])), itself
        self._A = _without_itself(A, itself)
        self._even = bool((self._A.data == 1).all())

    def sum(self, X: np.ndarray) -> np.ndarray:
        if 4 * self._A.nnz < self.shape[1] == len(X):  # few rows are read: no other needs to be looked at
            read, column = np.unique(self._A.indices, return_inverse=True)
            few = csr_array((self._A.data, column, self._A.indptr), shape=(self.shape[0], len(read)))
            return SparseGiven(few, np.full(self.shape[0], -1)).sum(np.asarray(X)[read])
        return product(self._A, self._checked(X), even=self._even)

    def degree(self) -> np.ndarray:
        return (
            np.diff(self._A.indptr).astype(np.float64) if self._even else np.asarray(self._A @ np.ones(self.shape[1]))
        )

    def count(self, among: np.ndarray | None = None) -> np.ndarray:
        if among is None:
            return np.asarray(np.diff(self._A.indptr), dtype=np.int64)
        if among.all():
            return self.count()
        pattern = csr_array((np.ones(self._A.nnz), self._A.indices, self._A.indptr), shape=self.shape)
        return np.asarray(pattern @ among.astype(np.float64)).astype(np.int64)

    def csr(self) -> csr_array:
        return self._A.copy()

    def reading(self, places: np.ndarray) -> SparseGiven:
        A, m = self._A, self.shape[1]
        column = np.full(m, -1, A.indices.dtype)
        column[places] = np.arange(len(places))
        column = column[A.indices]
        keep = column >= 0
        kept = np.append(0, np.cumsum(keep, dtype=A.indptr.dtype))
        cut = csr_array((A.data[keep], column[keep], kept[A.indptr]), shape=(self.shape[0], len(places)))
        if (np.diff(places) < 0).any():
            cut.sort_indices()
        return SparseGiven(cut, _moved(self.itself, places, m))

    def _nth(self, rows: np.ndarray, nth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        place = self._A.indptr[rows].astype(np.int64) + nth
        return self._A.indices[place].astype(np.int64), self._A.data[place]


def _moved(itself: np.ndarray, places: np.ndarray, m: int) -> np.ndarray:
    """`itself` in a memory of the rows at `places` alone."""
    column = np.full(m + 1, -1, np.int64)  # one more, which -1 finds
    column[places] = np.arange(len(places))
    return np.asarray(column[itself])


def from_pairs(
    reader: np.ndarray, read: np.ndarray, weight: np.ndarray | None, shape: tuple[int, int], itself: np.ndarray
) -> SparseGiven:
    """A[reader, read] = sum of the weights of the pairs, or 1 without weights, in an order of its own.

    Pairs are sorted by reader, read and weight before they are added, so that their order changes no bit of the answer.
    """
    bits = max(shape[1] - 1, 1).bit_length()
    cell = (reader.astype(np.int64) << bits) | read  # one number a pair: rows first, then columns
    if weight is None:
        cell.sort()
    else:
        order = np.argsort(cell)
        cell, weight = cell[order], weight[order]
    first = np.append(np.ones(min(len(cell), 1), bool), cell[1:] != cell[:-1])
    starts = np.flatnonzero(first) if weight is not None else np.zeros(0, np.int64)
    cell = cell if first.all() else cell[first]
    data = np.ones(len(cell)) if weight is None else _added(weight, starts)
    small = np.int32 if max(len(cell), shape[1]) < 2**31 else np.int64
    indptr = np.concatenate([[0], np.cumsum(np.bincount(cell >> bits, minlength=shape[0]))])
    indices = (cell & ((1 << bits) - 1)).astype(small)
    return SparseGiven(csr_array((data, indices, indptr.astype(small)), shape=shape), itself)


def _added(weight: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The sum of the weights of each run of equal pairs, the smallest first. Two may be added in either order."""
    if not len(starts):
        return np.zeros(0)
    run = np.diff(np.append(starts, len(weight)))
    at = np.flatnonzero(np.repeat(run > 2, run))
    weight[at] = weight[at[np.lexsort((weight[at], np.repeat(np.arange(len(run)), run)[at]))]]
    return np.asarray(np.add.reduceat(weight, starts))


def _without_itself(A: csr_array, itself: np.ndarray) -> csr_array:
    keep = (A.indices != np.repeat(itself.astype(A.indices.dtype), np.diff(A.indptr))) & (A.data > 0)
    if keep.all():
        return A
    row = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row[keep], minlength=A.shape[0]))]).astype(A.indptr.dtype)
    return csr_array((A.data[keep], A.indices[keep], indptr), shape=A.shape)


def refuse_above(size: int, what: str, todo: str) -> None:
    """`ResourceError` before anything of more than `MOST_BYTES` is filled."""
    if size > MOST_BYTES:
        raise ResourceError(
            f"{what} would fill {size / 2**30:,.1f} GiB; at most {MOST_BYTES / 2**30:,.0f} GiB are filled.", "A", todo
        )
