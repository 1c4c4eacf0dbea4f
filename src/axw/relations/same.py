"""Rows with the same value read each other: the same ticket, the same household."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from axw.relations.base import KeyCounts, Relation, Rows, Saved, column, column_names
from axw.relations.given import FactoredGiven
from axw.relations.index import Cut, KeyIndex, Members, RowIndex
from axw.relations.keys import coded, examples, itself, joined, objects, same_kinds, together


class SameValue(Relation):
    """A[i, j] = 1 where rows i and j have the same values in all those columns, and are not the same row.

    A missing key (None, NaN or blank text in any of the columns) reads nobody: rows are not alike because nothing is
    known of them. A is kept factored, A = M N' less itself, so a group of a million rows costs a million steps, not
    a million squared. Text and numbers are different keys: "007" is not 7, and comparing them is a `DataError`.
    """

    pairwise: ClassVar[bool] = True

    def __init__(self, *columns: str) -> None:
        names = column_names(columns, "SameValue")
        self._set(columns=names, name=f"same {', '.join(names)}")

    def given(self, asking: Rows, memory: Rows) -> FactoredGiven:
        asks, reads = [], []
        for name in self.columns:
            where = f"column {name!r}, relation {self.name!r}"
            right = coded(column(memory, name, self.name), where)
            left = right if asking is memory else coded(column(asking, name, self.name), where)
            same_kinds(left.values, right.values, where)
            left_code, right_code, _ = together(left, right)
            asks.append(left_code)
            reads.append(right_code)
        code = joined([np.concatenate(both) for both in zip(asks, reads, strict=True)])
        n = len(asking.ids)
        return FactoredGiven(code[:n], code[n:], itself(asking.ids, memory.ids))

    def index(self, memory: Rows) -> RowIndex:
        return _GroupIndex(self, memory)

    def counts(self, rows: Rows) -> KeyCounts:
        columns = [coded(column(rows, name, self.name), f"column {name!r}") for name in self.columns]
        missing = int((joined([one.code for one in columns]) < 0).sum())
        variants = [variant for one in columns for variant in _variants(one.values)]
        return KeyCounts(
            keys=len(rows.ids) - missing, missing=missing, variants=len(variants), variant_examples=examples(variants)
        )

    def to_config(self) -> Saved:
        return Saved({"kind": "SameValue", "columns": list(self.columns)}, {})

    @classmethod
    def from_config(cls, config: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Self:
        return cls(*config["columns"])

    def __repr__(self) -> str:
        return f"SameValue({', '.join(map(repr, self.columns))})"


class _GroupIndex(RowIndex):
    """By the column of most different values: what the others say is looked at among the rows that this one leaves."""

    def __init__(self, relation: SameValue, memory: Rows) -> None:
        self._relation = relation
        columns = {name: coded(column(memory, name, relation.name), f"column {name!r}") for name in relation.columns}
        self._name = max(columns, key=lambda name: len(columns[name].values))
        code, values = columns[self._name]
        there = values.notna().to_numpy()
        self._keys = KeyIndex(values[there].reset_index(drop=True))
        renumbered = np.append(np.where(there, np.cumsum(there) - 1, -1), -1)
        self._members = Members(renumbered[code], int(there.sum()))

    def cut(self, asking: Rows) -> Cut:
        where = f"column {self._name!r}, relation {self._relation.name!r}"
        asked = objects(column(asking, self._name, self._relation.name))
        return Cut(np.sort(self._members.of(self._keys.places(asked, where))), self._relation)


def _variants(values: pd.Series) -> list[str]:
    """Texts that are the same as another once blanks and upper case are taken away, all of them."""
    texts = sorted({value for value in values if isinstance(value, str)})
    plain = np.array([" ".join(text.split()).casefold() for text in texts], dtype=object)
    alike = pd.Series(plain).duplicated(keep=False).to_numpy() if texts else np.zeros(0, bool)
    order = sorted(np.flatnonzero(alike), key=lambda at: (plain[at], texts[at]))
    return [texts[at] for at in order]
