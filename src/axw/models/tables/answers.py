"""What `fit` is given beside the table, as arrays: the answers y, the weights of the rows, the seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import column_or_1d

from axw.errors import DataError, UsageError
from axw.relations.keys import kinds

_LARGEST = 1e150


def one_column(y: Any, n: int | None) -> np.ndarray:
    if y is None:
        raise DataError(
            "This estimator requires y to be passed, but the target y is None.", "y", "Give the answers of the rows."
        )
    values = column_or_1d(np.asarray(y) if not hasattr(y, "to_numpy") else y.to_numpy(), warn=True)
    if values.dtype == object:
        values = pd.Series(values).infer_objects().to_numpy()
    if n is not None and len(values) != n:
        raise DataError(
            f"X has {n} rows, y has {len(values)}: inconsistent numbers of samples.", "y", "Give one answer a row."
        )
    lost = pd.isna(pd.Series(values)).sum()
    if lost:
        raise DataError(
            f"Input y contains NaN: {lost} of {len(values)} answers are missing.",
            "y",
            "Leave out rows whose answer is not known.",
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError("Input y contains infinity.", "y", "Leave out those rows, or mend their answers.")
    return np.asarray(values)


def numbers(y: Any, n: int) -> tuple[np.ndarray, list[str]]:
    if y is None:
        raise DataError(
            "This estimator requires y to be passed, but the target y is None.", "y", "Give the answers of the rows."
        )
    columns = [str(name) for name in y.columns] if hasattr(y, "columns") else [str(getattr(y, "name", None) or "y")]
    values = y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y)
    if values.dtype.kind == "c":
        raise DataError("Complex data not supported.", "y", "Give real numbers.")
    if values.dtype.kind in "mM":
        raise DataError(f"y holds {values.dtype}, not numbers.", "y", "Give a number, such as days since a date.")
    try:
        values = values.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"Unknown label type: y holds {values.dtype}, not numbers.", "y", "Use AttentionClassifier."
        ) from None
    if values.ndim == 2 and values.shape[1] == 1:
        values = column_or_1d(values, warn=True)
    if len(values) != n:
        raise DataError(
            f"X has {n} rows, y has {len(values)}: inconsistent numbers of samples.", "y", "Give one answer a row."
        )
    if not np.isfinite(values).all():
        bad = "NaN" if np.isnan(values).any() else "infinity"
        raise DataError(f"Input y contains {bad}.", "y", "Leave out rows whose answer is not known.")
    if np.abs(values).max(initial=0.0) > _LARGEST:
        raise DataError(
            f"y holds {np.abs(values).max():.3g}; allowed: up to {_LARGEST:.0e}, so that squares are numbers.",
            "y",
            "Use a larger unit.",
        )
    if values.ndim == 2 and len(columns) != values.shape[1]:
        columns = [f"y{number}" for number in range(values.shape[1])]
    return values, columns


def weights(sample_weight: Any, n: int) -> np.ndarray | None:
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.ndim == 0:
        weight = np.full(n, float(weight))
    if weight.shape != (n,):
        raise DataError(
            f"sample_weight has shape {weight.shape}, expected {(n,)}.", "sample_weight", "Give one weight a row."
        )
    if not np.isfinite(weight).all() or (weight < 0).any() or weight.sum() <= 0:
        raise DataError(
            "sample_weight holds negative, infinite or only zero weights.", "sample_weight", "Weights are at least 0."
        )
    return weight


def class_weights(class_weight: Any, labels: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(n,) the weight of each row's class. `UsageError` for one that is negative or no number, or where one class is left."""
    try:
        of_rows = np.asarray(compute_sample_weight(class_weight, labels), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"class_weight is {class_weight!r}: {str(error).splitlines()[0]}",
            "class_weight",
            'Give None, "balanced", or a weight for each class: {0: 1.0, 1: 5.0}.',
        ) from error
    wrong = not np.isfinite(of_rows).all() or (of_rows < 0).any()
    if wrong or (np.bincount(codes, weights=weight * of_rows) > 0).sum() < 2:
        raise UsageError(
            f"class_weight is {class_weight!r}; allowed: weights of at least 0, and above 0 for two classes or more.",
            "class_weight",
        )
    return of_rows


def asked_classes(y: Any, known: np.ndarray, n: int) -> np.ndarray:
    """The classes (n,) of rows that were answered. `DataError` for another number of them, or where they are of another kind."""
    truth = one_column(y, n)
    mine, theirs = kinds(pd.Series(truth)), kinds(pd.Series(known))
    if mine and theirs and not mine & theirs:
        got, learned = truth[:1].tolist()[0], known[:1].tolist()[0]
        raise DataError(
            f"y holds {got!r} and the model learned {learned!r} ({', '.join(mine)} and {', '.join(theirs)}).",
            "y",
            "Give the classes as they were learned.",
        )
    return truth


def seed(random_state: Any) -> int:
    if random_state is None or (isinstance(random_state, int | np.integer) and random_state >= 0):
        return int(random_state or 0)
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    raise UsageError(
        f"random_state is {random_state!r}.",
        "random_state",
        "Give a whole number of at least 0, None (= 0), or a RandomState.",
    )


def target_columns(model: Any) -> list[str]:
    """The columns that a fitted model answers; the outputs of a classifier are called "column = class"."""
    classes = getattr(model, "classes_", None)
    if classes is None:
        return [str(target) for target in model.targets_]
    return [str(model.targets_[0]).removesuffix(f" = {classes[1 if len(classes) == 2 else 0]}")]
