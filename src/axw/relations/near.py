"""The nearest rows by a few numbers: districts by latitude and longitude, machines by their settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from axw.errors import DataError, UsageError
from axw.relations.base import KeyCounts, Relation, Rows, Saved, column, column_names
from axw.relations.given import SparseGiven, from_pairs, refuse_above
from axw.relations.keys import itself, kinds, objects


class Near(Relation):
    """A[i, j] = 1 for the k rows j of the memory that are nearest to row i, never itself.

    Distance is Euclidean over the columns, each divided by its standard deviation among the rows of the memory. Of rows
    at one point those that stand first in the memory are read; a tie between points is decided alike at every run. A row
    that misses a number reads nobody and is read by nobody. Meant for a few columns; over many the search is slow.
    """

    k: int

    def __init__(self, columns: Sequence[str] | str, k: int) -> None:
        names = column_names(columns, "Near")
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise UsageError(
                f"Near got k={k!r}; allowed: a whole number of at least 1.", "Near", "Write k=8, for example."
            )
        self._set(columns=names, name=f"near {', '.join(names)}", k=int(k))

    def given(self, asking: Rows, memory: Rows) -> SparseGiven:
        own = itself(asking.ids, memory.ids)
        points, there = self._points(memory)
        asks, asked = self._points(asking)
        shape, nobody = (len(own), len(points)), np.zeros(0, np.int64)
        rows, kept = np.flatnonzero(asked), np.flatnonzero(there)
        if not len(rows) or not len(kept):
            return from_pairs(nobody, nobody, None, shape, own)
        scale = points[kept].std(0)
        scale[scale <= 1e-12 * np.abs(points[kept]).max(0)] = (
            1.0  # one value in all rows: it says nothing of who is near
        )
        place = np.full(len(points), -1)
        place[kept] = np.arange(len(kept))
        slots = np.where(own[rows] >= 0, place[own[rows]], -1)
        reader, read = _nearest(asks[rows] / scale, points[kept] / scale, slots, self.k)
        return from_pairs(rows[reader], kept[read], None, shape, own)

    def counts(self, rows: Rows) -> KeyCounts:
        there = self._points(rows)[1]
        return KeyCounts(keys=int(there.sum()), missing=int((~there).sum()))

    def to_config(self) -> Saved:
        return Saved({"kind": "Near", "columns": list(self.columns), "k": self.k}, {})

    @classmethod
    def from_config(cls, config: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Self:
        return cls(list(config["columns"]), k=config["k"])

    def __repr__(self) -> str:
        return f"Near({list(self.columns)!r}, k={self.k})"

    def _points(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """(points (n d), True where no number is missing (n,))."""
        numbers = [_numbers(column(rows, name, self.name), self.name) for name in self.columns]
        points = np.asarray(np.stack(numbers, axis=1))
        return points, np.asarray(np.isfinite(points).all(1))


def _numbers(values: pd.Series, relation: str) -> np.ndarray:
    numbers = objects(values) if values.dtype == object else values
    if not kinds(numbers) <= {"number"} or isinstance(values.dtype, pd.CategoricalDtype):
        raise DataError(
            f"The column holds values that are not numbers; {relation!r} measures distances.",
            f"column {values.name!r}",
            "Name columns of numbers, or use SameValue for equal values.",
        )
    return np.asarray(pd.Series(numbers).astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan))


def _nearest(asks: np.ndarray, points: np.ndarray, own: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(reader, read): the k points nearest to each asking one, without the point number own[i].

    The tree holds each different point once: a thousand rows at one address would otherwise be one leaf that every
    search goes through. k + 1 different points hold at least k rows besides itself.
    """
    members = np.lexsort(points.T)  # stable: equal points stay in the order of the memory
    first = np.append(True, (np.diff(points[members], axis=0) != 0).any(1))
    different, group = points[members][first], np.empty(len(points), np.int64)
    group[members] = np.cumsum(first) - 1
    size = np.bincount(group)
    start = np.concatenate([[0], np.cumsum(size)])
    place = np.empty(len(points), np.int64)
    place[members] = np.arange(len(points))
    wanted = min(k + 1, len(different))
    refuse_above(len(asks) * wanted * 16, f"{len(asks):,} rows x {k:,} neighbours", "Take a smaller k.")
    order = np.lexsort(
        asks.T
    )  # rows that are near each other ask one after the other: the search is three times as fast
    near = np.empty((len(asks), wanted), np.int64)
    near[order] = cKDTree(different).query(asks[order], k=np.arange(1, wanted + 1))[1]
    readers, reads = [], []
    taken = np.zeros(len(asks), np.int64)
    for slot in range(wanted):
        here = near[:, slot]
        inside = (own >= 0) & (group[own] == here)
        take = np.minimum(size[here] - inside, k - taken)
        reader = np.repeat(np.arange(len(asks)), take)
        nth = np.arange(len(reader)) - np.repeat(np.cumsum(take) - take, take)
        skip = np.where(inside, place[own] - start[here], len(points))
        nth = nth + (nth >= skip[reader])
        readers.append(reader)
        reads.append(members[start[here[reader]] + nth])
        taken += take
    return np.concatenate(readers), np.concatenate(reads)
