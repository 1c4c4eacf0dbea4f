"""A column that holds the id of another row: a spouse, a parent, a co-applicant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from axw.relations.base import KeyCounts, Relation, Rows, Saved, column, column_names
from axw.relations.given import SparseGiven, from_pairs
from axw.relations.index import Cut, KeyIndex, Members, RowIndex
from axw.relations.keys import coded, examples, itself, objects, places, same_kinds


class Ref(Relation):
    """A[i, j] = 1 where row i names row j in that column and, with `both`, where row j names row i.

    both  read in both directions (the default): a spouse is mutual, though only one of the two may have written it down.
          False: only the row that names reads.

    A missing key reads nobody, a row that names itself reads nobody by it, a key that names no row is counted by `check`.
    """

    by_id: ClassVar[bool] = True
    pairwise: ClassVar[bool] = True
    both: bool

    def __init__(self, column: str, *, both: bool = True) -> None:
        names = column_names((column,), "Ref")
        self._set(columns=names, name=column, both=bool(both))

    def given(self, asking: Rows, memory: Rows) -> SparseGiven:
        asks, ids = objects(asking.ids), objects(memory.ids)
        named = objects(column(asking, self.name, self.name))
        same_kinds(named, ids, self._where())
        read = places(named, ids)
        reader = np.flatnonzero(read >= 0)
        read = read[reader]
        if self.both:
            naming = objects(column(memory, self.name, self.name))
            same_kinds(naming, asks, self._where())
            named_by = places(naming, asks)
            back = np.flatnonzero(named_by >= 0)
            reader, read = np.concatenate([reader, named_by[back]]), np.concatenate([read, back])
        return from_pairs(reader, read, None, (len(asks), len(ids)), itself(asking.ids, memory.ids))

    def index(self, memory: Rows) -> RowIndex:
        return _NameIndex(self, memory)

    def counts(self, rows: Rows) -> KeyCounts:
        named, ids = objects(column(rows, self.name, self.name)), objects(rows.ids)
        same_kinds(named, ids, self._where())
        found, there = places(named, ids), named.notna().to_numpy()
        lost = there & (found < 0)
        return KeyCounts(
            keys=int(there.sum()),
            missing=int((~there).sum()),
            dangling=int(lost.sum()),
            itself=int((found == np.arange(len(ids))).sum()),
            dangling_examples=examples(named[lost]),
        )

    def to_config(self) -> Saved:
        return Saved({"kind": "Ref", "column": self.name, "both": self.both}, {})

    @classmethod
    def from_config(cls, config: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Self:
        return cls(config["column"], both=config["both"])

    def __repr__(self) -> str:
        return f"Ref({self.name!r}{'' if self.both else ', both=False'})"

    def _where(self) -> str:
        return f"column {self.name!r} and the ids of the rows, relation {self.name!r}"


class _NameIndex(RowIndex):
    """Rows by their ids, and by the ids that they name."""

    def __init__(self, relation: Ref, memory: Rows) -> None:
        self._relation, ids = relation, objects(memory.ids)
        self._there = np.flatnonzero(ids.notna())
        self._ids = KeyIndex(ids.iloc[self._there].reset_index(drop=True))
        named = coded(column(memory, relation.name, relation.name), relation._where())
        there = named.values.notna().to_numpy()
        self._named = KeyIndex(named.values[there].reset_index(drop=True))
        renumbered = np.append(np.where(there, np.cumsum(there) - 1, -1), -1)
        self._naming = Members(renumbered[named.code], int(there.sum()))

    def cut(self, asking: Rows) -> Cut:
        where = self._relation._where()
        found = self._ids.places(objects(column(asking, self._relation.name, self._relation.name)), where)
        places = self._there[found[found >= 0]]
        if self._relation.both:
            back = self._naming.of(self._named.places(objects(asking.ids), where))
            places = np.concatenate([places, back])
        return Cut(np.unique(places), self._relation)
