"""Who may be read, found by key: what a few new rows read of a large memory costs work in proportion to what they read.

`relation.index(memory)` is made once, when the memory is; `index.cut(asking)` gives a few rows of the memory, among which are all
that the asking rows may read, and the relation over those. A over them is a part of A over the whole memory, so A X is the same.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from axw.relations.keys import same_kinds, whole_numbers

if TYPE_CHECKING:
    from axw.relations.base import Relation, Rows


class Cut(NamedTuple):
    """places (r,) of rows of the memory, rising; the relation gives over them what it gives over all."""

    places: np.ndarray
    relation: Relation


class RowIndex(ABC):
    """What one relation finds its rows by, in one memory."""

    @abstractmethod
    def cut(self, asking: Rows) -> Cut:
        """The part of the memory that these rows may read. Raises `DataError` for keys of another kind, as the relation does."""


class KeyIndex:
    """The place of each of u different keys; 7, 7.0 and numpy's 7 are one key."""

    def __init__(self, keys: pd.Series) -> None:
        whole = whole_numbers(keys)
        self._whole = whole is not None
        self._index = pd.Index(keys if whole is None else whole)
        # One key of each kind tells whether others can be compared with them.
        self._examples = keys.groupby(keys.map(type), sort=False).first() if len(keys) else keys
        self._index.get_indexer(self._index[:1])  # the hash table is made now, and not by the first row that asks

    def places(self, keys: pd.Series, where: str) -> np.ndarray:
        """int64 (n,), -1 where a key (Python objects, None for a missing one) is not there."""
        same_kinds(keys, self._examples, where)
        if self._whole:
            whole = [_whole(key) for key in keys]
            there = np.array([key is not None and -(2**63) <= key < 2**63 for key in whole], dtype=bool)
            found = np.full(len(keys), -1, np.int64)
            known = np.array([key for key, here in zip(whole, there, strict=True) if here], dtype=np.int64)
            found[there] = self._index.get_indexer(pd.Index(known))
            return found
        found = self._index.get_indexer(pd.Index(keys, dtype=object))
        return np.where(keys.isna().to_numpy(), -1, found).astype(np.int64)


def _whole(key: Any) -> int | None:
    """The key as a whole number; None where it is none."""
    if not isinstance(key, Real | Decimal) or not math.isfinite(key):
        return None
    whole = int(math.floor(key))
    return whole if key == whole else None


class Members:
    """The rows of each group: code (n,) is the group of a row, -1 for none."""

    def __init__(self, code: np.ndarray, groups: int) -> None:
        self._start = np.concatenate([[0], np.cumsum(np.bincount(code[code >= 0], minlength=groups))])
        self._rows = np.argsort(code, kind="stable")[int((code < 0).sum()) :]

    def of(self, groups: np.ndarray) -> np.ndarray:
        """The rows of those groups, -1 left out, each group once."""
        groups = np.unique(groups[groups >= 0])
        size = self._start[groups + 1] - self._start[groups]
        first = np.repeat(self._start[groups] - np.cumsum(size) + size, size)
        return np.asarray(self._rows[first + np.arange(int(size.sum()))])
