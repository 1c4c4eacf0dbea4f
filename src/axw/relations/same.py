"""Rows with the same value read each other: the same ticket, the same household."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from axw.relations.base import KeyCounts, Relation, Rows, Saved, column, column_names
from axw.relations.given import FactoredGiven
from axw.relations.keys import coded, examples, itself, joined, same_kinds, together


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


def _variants(values: pd.Series) -> list[str]:
    """Texts that are the same as another once blanks and upper case are taken away, all of them."""
    texts = sorted({value for value in values if isinstance(value, str)})
    plain = np.array([" ".join(text.split()).casefold() for text in texts], dtype=object)
    alike = pd.Series(plain).duplicated(keep=False).to_numpy() if texts else np.zeros(0, bool)
    order = sorted(np.flatnonzero(alike), key=lambda at: (plain[at], texts[at]))
    return [texts[at] for at in order]
