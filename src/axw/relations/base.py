"""What a relation is: who may read whom, said by keys, never by the place of a row in a table."""

from __future__ import annotations

import hashlib
import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, NoReturn, Self

import numpy as np
import pandas as pd

from axw.errors import DataError, DataWarning, UsageError, did_you_mean
from axw.relations.given import Given
from axw.relations.index import RowIndex


class Rows(NamedTuple):
    """n rows: who they are, ids (n,), and the columns that relations read their keys from (n rows; its index is ignored)."""

    ids: np.ndarray
    columns: pd.DataFrame


class KeyCounts(NamedTuple):
    """What was counted among the keys of a relation over a table.

    keys        keys, or edges, that there are
    missing     rows or edges without a key: they read nobody
    dangling    keys that name a row which is not there
    duplicates  edges that stand more than once, beyond the first
    itself      keys by which a row would read itself: dropped
    variants    values that differ from another only in upper and lower case or in blanks
    dangling_examples, variant_examples  some of them, written out
    """

    keys: int = 0
    missing: int = 0
    dangling: int = 0
    duplicates: int = 0
    itself: int = 0
    variants: int = 0
    dangling_examples: str = ""
    variant_examples: str = ""


class Saved(NamedTuple):
    """A relation as values: `config` for JSON, and the tables that it names, to be written beside it."""

    config: dict[str, Any]
    tables: dict[str, pd.DataFrame]


class Relation(ABC):
    """A relation between rows. Immutable and shared: clone, copy and deepcopy return itself, == and hash go by content.

    It has no length, shape or array form on purpose: what looks like an array is cut into folds by row.

    name     how it is called in the names of columns: "mean(age | same ticket)"
    columns  the columns of the table that the keys are read from
    by_id    it names rows by their ids, so the rows must have ids of their own
    pairwise A[i, j] depends on the rows i and j alone, so that A over some rows is cut out of A over all of them
    """

    name: str
    columns: tuple[str, ...]
    by_id: ClassVar[bool] = False
    pairwise: ClassVar[bool] = False

    @abstractmethod
    def given(self, asking: Rows, memory: Rows) -> Given:
        """A (n m): row i of `asking` reads row j of `memory`. Raises `DataError` where keys cannot be compared."""

    def index(self, memory: Rows) -> RowIndex | None:
        """What few rows that ask find in that memory, without a look at the rest of it; None where all must be looked at."""
        return None

    @abstractmethod
    def counts(self, rows: Rows) -> KeyCounts:
        """What there is to count among the keys of a whole table. Warns of nothing, refuses nothing."""

    @abstractmethod
    def to_config(self) -> Saved:
        """The relation as values; `relation_from_config(saved.config, saved.tables)` gives an equal one."""

    @classmethod
    @abstractmethod
    def from_config(cls, config: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Self:
        """The inverse of `to_config`."""

    def check(self, rows: Rows) -> KeyCounts:
        """The counts over a whole table; a `DataWarning` for what is worth a look.

        Raises `DataError` where not one key names a row. Meant for the whole table, once: in a fold, keys of rows that are held
        out dangle, and that is as it should be.
        """
        counts = self.counts(rows)
        if counts.keys and counts.dangling == counts.keys:
            example = f"{counts.dangling_examples} vs {_ids(rows)}"
            raise DataError(
                f"keys do not match: {example}. None of {counts.keys:,} keys of {self.name!r} names a row.",
                f"relation {self.name!r}",
                "Check that both columns are written alike, and that the ids of the rows are what the keys name.",
            )
        for text in warnings_of(self.name, counts):
            warnings.warn(text, DataWarning, stacklevel=2)
        return counts

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the content; it tells whether two relations, or one before and after, are the same."""
        return hashlib.sha256(json.dumps(self.to_config().config, sort_keys=True).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other) and self.fingerprint == other.fingerprint)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __sklearn_clone__(self) -> Self:
        return self

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"A relation cannot be changed ({name!r}); make a new one.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"A relation cannot be changed ({name!r}); make a new one.")

    def _set(self, **values: object) -> None:
        """Set the attributes, once, in `__init__`."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


def warnings_of(name: str, counts: KeyCounts) -> list[str]:
    """What is worth a warning: over one key in a hundred dangles, or values differ only in blanks or case."""
    found = []
    if counts.dangling > 0.01 * counts.keys:
        share = counts.dangling / counts.keys
        found.append(
            f"Relation {name!r}: {counts.dangling:,} of {counts.keys:,} keys ({share:.1%}) name no row, "
            f"for example {counts.dangling_examples}."
        )
    if counts.variants:
        found.append(
            f"Relation {name!r}: {counts.variants:,} values differ from another only in blanks or in upper and lower case, "
            f"for example {counts.variant_examples}; they are different keys."
        )
    return found


def column(rows: Rows, name: str, relation: str) -> pd.Series:
    """One key column as it is; `DataError` where the table has none of that name."""
    if name not in rows.columns.columns:
        raise DataError(
            f"There is no column {name!r}, which the relation {relation!r} reads.",
            "columns of the table",
            did_you_mean(name, map(str, rows.columns.columns))
            if len(rows.columns.columns)
            else "Give the table that column.",
        )
    if len(rows.columns) != len(rows.ids):
        raise DataError(f"{len(rows.ids)} ids for {len(rows.columns)} rows.", "Rows", "Give each row one id.")
    return rows.columns[name]


def column_names(names: object, kind: str) -> tuple[str, ...]:
    """Names of columns, or `UsageError`: at least one, all text, none twice."""
    listed = tuple(names) if isinstance(names, tuple | list) else (names,)
    if not listed or not all(isinstance(name, str) and name for name in listed) or len(set(listed)) != len(listed):
        raise UsageError(
            f"{kind} got the columns {names!r}; allowed: one or more different names of columns, as text.",
            kind,
            f"Write {kind}('household'), for example."
            if kind != "Near"
            else "Write Near(['lat', 'lon'], k=8), for example.",
        )
    return listed


def _ids(rows: Rows) -> str:
    return repr(rows.ids[0]) if len(rows.ids) else "no rows"
