"""From a user's table to `TableRows`: which columns are features, which are keys, and who each row is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import validate_data

from axw.data import Columns, as_frame
from axw.errors import DataError, did_you_mean
from axw.models.tables.problem import TableRows
from axw.models.tables.saved_keys import Hashing
from axw.relations import KeyIndex, Relation, Rows, check_named, only_keys, only_numbered
from axw.relations.keys import objects, same_kinds

_EXAMPLES = 100  # ids of the memory that tell of what kind they are


@dataclass(frozen=True)
class Reader:
    """What `fit` learned of the table's form.

    columns    the features as a matrix
    keys       columns that the relations read
    id         column that names the rows; None = the index
    named      rows have names of their own (an id column or a named index), not just their place in the table
    positions  rows have no name at all (an array; a frame with its default index, where no relation is given), so no new row is
               ever the same as a remembered one
    hashing    the remembered ids and keys are hashes, so those of new rows are hashed before they are compared
    """

    columns: Columns
    keys: tuple[str, ...]
    id: str | None
    named: bool
    positions: bool
    hashing: Hashing | None = None

    @staticmethod
    def frame(model: Any, X: Any) -> Any:
        """X with its form checked as scikit-learn does, and n_features_in_, feature_names_in_ noted on the model."""
        validate_data(model, X, skip_check_array=True, reset=True) if hasattr(X, "shape") else None
        frame = as_frame(X)
        model.n_features_in_ = frame.shape[1]
        return frame if isinstance(X, pd.DataFrame) or hasattr(X, "columns") else _Array(frame)

    def check(self, model: Any, X: Any) -> None:
        """Same columns as in `fit`, or an error that names them."""
        as_frame(X)
        if not hasattr(model, "feature_names_in_") and hasattr(X, "shape"):
            validate_data(model, X, skip_check_array=True, reset=False)

    @classmethod
    def of(
        cls, X: Any, relations: Sequence[Relation], id: str | None, categorical: Any, weight: np.ndarray | None
    ) -> Reader:
        """Learn the form of the table that is fitted."""
        frame = X.frame if isinstance(X, _Array) else as_frame(X)
        # Without a relation, rows that are only numbered by their place are as nameless as those of an array.
        positions = isinstance(X, _Array) or (not relations and id is None and only_numbered(frame))
        keys = tuple(dict.fromkeys(name for relation in relations for name in relation.columns))
        for name in (*keys, *([id] if id is not None else [])):
            _check_column(frame, name)
        features = frame.drop(columns=[id] if id is not None else []).drop(columns=only_keys(frame, keys, id))
        named = id is not None or frame.index.name is not None or not pd.api.types.is_integer_dtype(frame.index.dtype)
        if not positions and id is None and not frame.index.is_unique:
            raise DataError(
                f"The index names {int(frame.index.duplicated().sum())} rows twice; each row needs a name of its own.",
                f"index, for example {frame.index[frame.index.duplicated()][0]!r}",
                "Use reset_index(), or name the column that identifies rows: id='column'.",
            )
        if not positions:
            check_named(frame, relations, id)
        return cls(Columns.fit(features, weight, categorical=categorical), keys, id, named, positions)

    def rows(self, X: Any, Y: np.ndarray | None = None, weight: np.ndarray | None = None) -> TableRows:
        """The rows as the model sees them."""
        frame = X.frame if isinstance(X, _Array) else as_frame(X)
        lost = [name for name in (*self.keys, *([self.id] if self.id is not None else [])) if name not in frame.columns]
        if lost:
            raise DataError(
                f"Columns missing: {', '.join(lost)}.", "X", "Give the columns that the model was fitted on."
            )
        ids = (frame.index if self.id is None else frame[self.id]).to_numpy(dtype=object)
        if self.id is not None:
            _check_ids(ids, self.id)
        rows = Rows(ids, frame[list(self.keys)])
        if self.hashing is not None:
            rows = self.hashing.rows(rows)
        return TableRows(rows, self.columns.transform(frame), Y, weight)

    def asking(self, X: Any, memory: TableRows, known: KeyIndex | None) -> TableRows:
        """New rows. A row is the same as a remembered one if its name is; where names are only places in a table, if all its
        columns are equal as well; and never where rows have no names. `known` finds the remembered names."""
        asking = self.rows(X)
        if self.named:
            if self.id is not None:
                same_kinds(objects(asking.rows.ids), objects(memory.rows.ids[:_EXAMPLES]), f"column {self.id}")
            return asking
        ids = asking.rows.ids.copy()
        there = np.full(len(ids), -1) if known is None else known.places(objects(ids), "the index of X")
        for i, (identity, j) in enumerate(zip(ids, there, strict=True)):
            if j < 0 or not np.array_equal(asking.X[i], memory.X[j]):
                ids[i] = NewRow(identity)
        return asking._replace(rows=Rows(ids, asking.rows.columns))


@dataclass(frozen=True)
class NewRow:
    """The name of a row that is known by its place alone: equal to no remembered row's."""

    place: Any

    def __str__(self) -> str:
        return str(self.place)


def names_of(rows: TableRows) -> list[Any]:
    """What the rows are called in the user's table, whether or not they are new."""
    return [identity.place if isinstance(identity, NewRow) else identity for identity in rows.rows.ids]


class _Array:
    """A frame made from an array: its index means nothing."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def __len__(self) -> int:
        return len(self.frame)


def _check_column(frame: pd.DataFrame, name: str) -> None:
    if name not in frame.columns:
        raise DataError(f"There is no column {name!r}.", "X", did_you_mean(name, map(str, frame.columns)))


def _check_ids(ids: np.ndarray, column: str) -> None:
    series = pd.Series(ids)
    lost, double = int(series.isna().sum()), series[series.duplicated()]
    if lost or len(double):
        what = f"{lost} rows have no id" if lost else f"{len(double)} ids stand twice, for example {double.iloc[0]!r}"
        raise DataError(
            f"{what}; each row needs one of its own.", f"column {column!r}", "Mend the ids, or leave the rows out."
        )
