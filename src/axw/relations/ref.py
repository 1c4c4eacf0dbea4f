"""A column that holds the id of another row: a spouse, a parent, a co-applicant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from axw.relations.base import KeyCounts, Relation, Rows, Saved, column, column_names
from axw.relations.given import SparseGiven, from_pairs
from axw.relations.keys import examples, itself, objects, places, same_kinds


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
