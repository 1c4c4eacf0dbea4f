"""Rows that are known and have no label, and rows whose label chooses: what `attention="smoothing"` may be given."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from axw.errors import DataError, UsageError
from axw.models.tables import answers


class KnownLabels(NamedTuple):
    """labels (number of known,) of the rows that have one, in their order; known (n,) True for those rows."""

    labels: np.ndarray
    known: np.ndarray


def known_labels(y: Any, n: int, missing_allowed: bool) -> KnownLabels:
    """The labels, and which rows have one: NaN, None and pandas.NA are no label where `missing_allowed`."""
    if y is None or not missing_allowed:
        return KnownLabels(answers.one_column(y, n), np.ones(n, dtype=bool))
    values = y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y)
    if values.ndim != 1 or len(values) != n or not pd.isna(values).any():
        return KnownLabels(answers.one_column(y, n), np.ones(n, dtype=bool))
    column = pd.Series(values.tolist(), dtype=object)
    known = column.notna().to_numpy()
    if not known.any():
        raise DataError("No row of y has a label.", "y", "Give the labels that are known; NaN or None for the others.")
    labels = column[known].infer_objects().to_numpy()
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == labels.astype(np.int64)).all():
        # Whole numbers beside NaN are stored as fractions; the classes are whole numbers nevertheless.
        labels = labels.astype(np.int64)
    return KnownLabels(answers.one_column(labels, None), known)


def held_rows(validation: Any, ids: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(n,) True for the rows named in `validation`: by id, which is their place in X where rows have no names.

    Raises `UsageError` for what is no list of ids, `DataError` for a name that is no row, a row without a label, and where no row
    is left to learn from.
    """
    held = np.zeros(len(ids), dtype=bool)
    if validation is None:
        return held
    if isinstance(validation, str) or not hasattr(validation, "__len__"):
        raise UsageError(
            f"validation is {validation!r}; allowed: None, or a list of the ids of rows.",
            "validation",
            "Give the names of the rows, as in the index or the id column: validation=X.index[:500].",
        )
    place = {identity: i for i, identity in enumerate(ids)}
    names = np.asarray(validation, dtype=object).reshape(-1)
    if len(names) and all(isinstance(name, bool | np.bool_) for name in names):
        raise UsageError(
            f"validation is a mask of {len(names)} True and False; allowed: None, or a list of the ids of rows.",
            "validation",
            "Give the names of the rows that it marks: validation=X.index[mask].",
        )
    lost = [name for name in names if name not in place]
    if lost:
        raise DataError(
            f"{len(lost)} of {len(names)} validation rows are not in X, for example {lost[0]!r}.",
            "validation",
            "Name rows by their id: the index, or the id column.",
        )
    held[[place[name] for name in names]] = True
    if not known[held].all():
        raise DataError(
            f"{int((held & ~known).sum())} validation rows have no label.", "validation", "Give their labels in y."
        )
    if not (known & ~held).any():
        raise DataError("Every label is in the validation rows.", "validation", "Leave labels to learn from.")
    return held
