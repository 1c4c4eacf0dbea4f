"""What the values of one column are, and how they are read as numbers or as levels."""

from __future__ import annotations

import numbers
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api import types

from axw.errors import DataError

Kind = Literal["number", "boolean", "date", "duration", "category"]

_NUMBERS = frozenset({"integer", "floating", "mixed-integer-float", "decimal"})
_DATES = frozenset({"datetime64", "datetime", "date"})
_DAY = 86_400_000_000  # microseconds
NOT_KNOWN = "not known"


def kind_of(column: pd.Series) -> Kind:
    """How a column is read, from its dtype; an object column by its values."""
    dtype = column.dtype
    if types.is_complex_dtype(dtype):
        raise DataError(
            f"Complex data not supported: column {column.name!r} has the dtype {dtype}.",
            f"column {column.name!r}",
            "Give the real and the imaginary part as two columns.",
        )
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    if types.is_bool_dtype(dtype):
        return "boolean"
    if types.is_numeric_dtype(dtype):
        return "number"
    if isinstance(dtype, pd.PeriodDtype):
        return "date"
    return _kind_of_values(types.infer_dtype(column, skipna=True))


def _kind_of_values(inferred: str) -> Kind:
    if inferred in _NUMBERS or inferred == "empty":
        return "number"
    if inferred == "boolean":
        return "boolean"
    if inferred in _DATES:
        return "date"
    return "duration" if inferred in ("timedelta", "timedelta64") else "category"


def as_float(column: pd.Series, kind: Kind) -> np.ndarray:
    """(n,) float64, NaN where missing; dates in days since 1970-01-01 UTC, durations in days.

    Raises `DataError` for infinite numbers and for values that are not of the kind.
    """
    x = _days(column, kind) if kind in ("date", "duration") else numbers_of(column)
    infinite = np.isinf(x)
    if infinite.any():
        raise DataError(
            f"Column {column.name!r} holds inf (or a number too large for float64) in {int(infinite.sum())} of {len(x)} rows.",
            f"column {column.name!r}, first at row {int(infinite.argmax()) + 1}",
            "Replace infinite values by a number, or by NaN where the value is not known.",
        )
    return x


def numbers_of(column: pd.Series) -> np.ndarray:
    """(n,) float64, NaN where missing, infinities as they are; `DataError` for text that is no number."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return numbers_of(column.astype(object))
    if types.is_bool_dtype(dtype) or types.is_numeric_dtype(dtype):
        if isinstance(dtype, np.dtype):
            return np.asarray(column.to_numpy(), dtype=np.float64)
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    inferred = types.infer_dtype(column, skipna=True)
    if inferred in _NUMBERS | {"boolean", "empty"}:
        return _object_numbers(column)
    if inferred in _DATES or kind_of(column) != "category":
        raise _not_a(column, "a number", np.ones(len(column), dtype=bool))
    values = column.astype(object)
    x = np.asarray(pd.to_numeric(values, errors="coerce"), dtype=np.float64)
    bad = np.isnan(x) & ~_is_missing(values)
    if bad.any():
        raise _not_a(column, "a number", bad)
    return x


def _object_numbers(column: pd.Series) -> np.ndarray:
    """Python numbers (int of any size, Decimal, bool) in an object column."""
    values = column.to_numpy(dtype=object)
    lost = _is_missing(column)
    x = np.full(len(values), np.nan)
    try:
        x[~lost] = values[~lost].astype(np.float64)
    except OverflowError:
        x[~lost] = [_float(value) for value in values[~lost]]
    return x


def _float(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        return np.inf


def _days(column: pd.Series, kind: Kind) -> np.ndarray:
    other = kind_of(column)
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if other not in (kind, "category") and not column.isna().all():
        raise _not_a(column, f"a {kind}", ~_is_missing(column))
    if kind == "duration":
        days = pd.to_timedelta(column.astype(object), errors="coerce")
    else:
        # Text is read as ISO 8601 only: "01/02/2026" is two different days in two countries.
        form = "ISO8601" if other == "category" else None
        given = column if types.is_datetime64_any_dtype(column.dtype) else column.astype(object)
        days = pd.to_datetime(given, errors="coerce", utc=True, format=form).dt.tz_localize(None)
    bad = days.isna().to_numpy() & ~_is_missing(column)
    if bad.any():
        raise _not_a(column, f"a {kind}", bad)
    unit = "datetime64[us]" if kind == "date" else "timedelta64[us]"
    x = days.to_numpy().astype(unit).astype(np.int64) / _DAY
    return np.where(days.isna().to_numpy(), np.nan, x)


def level_texts(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Codes (n,) and the text of each code; a missing value has the code -1. Each text appears once."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, values = np.asarray(column.cat.codes, dtype=np.int64), list(column.cat.categories)
    elif column.dtype == object and types.infer_dtype(column, skipna=True).startswith("mixed"):
        # Of 1, True and 1.0 pandas would keep whichever comes first.
        texts = column.map(level_text, na_action="ignore")
        codes, unique = pd.factorize(texts.where(~_is_missing(column), None))
        values = list(unique)
    else:
        codes, unique = pd.factorize(column)
        values = list(unique)
    texts_of_codes = [level_text(value) for value in values]
    merged: dict[str, int] = {}
    for text in texts_of_codes:
        merged.setdefault(text, len(merged))
    if len(merged) < len(texts_of_codes):
        codes = np.array([merged[text] for text in texts_of_codes] + [-1], dtype=np.int64)[codes]
    return np.asarray(codes, dtype=np.int64), list(merged)


def level_text(value: object) -> str:
    """The name of a level: 3 and 3.0 are one level, as a column of int turns to float with its first gap."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, numbers.Real) and float(value).is_integer():
        return str(int(float(value)))
    return str(value)


def value_text(value: Any) -> str:
    """A cell as it was given, for a reader: 39 where a gap made it 39.0, a day without its midnight, and `NOT_KNOWN`."""
    if value is None or (types.is_scalar(value) and pd.isna(value)):
        return NOT_KNOWN
    text = str(value)
    if isinstance(value, str):
        return text
    return text.removesuffix(".0").removesuffix("+00:00").removesuffix(" 00:00:00")


def texts_from_days(days: np.ndarray, kind: Kind) -> list[str]:
    """Days as `as_float` makes them of dates and durations, as text, to the microsecond."""
    unit = "datetime64[us]" if kind == "date" else "timedelta64[us]"
    moments = np.round(days * _DAY).astype(np.int64).astype(unit)
    return [value_text(value) for value in (pd.DatetimeIndex if kind == "date" else pd.TimedeltaIndex)(moments)]


def _is_missing(column: pd.Series) -> np.ndarray:
    return np.asarray(column.isna(), dtype=bool)


def _not_a(column: pd.Series, wanted: str, bad: np.ndarray) -> DataError:
    first = int(bad.argmax())
    return DataError(
        f"Column {column.name!r} should hold {wanted}, and {int(bad.sum())} of {len(column)} rows do not: "
        f"{str(column.iloc[first])[:60]!r}.",
        f"column {column.name!r}, first at row {first + 1}",
        f"Correct the values, leave them empty where they are not known, or fit again without {wanted} there.",
    )
