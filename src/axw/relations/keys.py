"""Keys: the values by which rows are found. What is missing is nobody's key, and text is never taken for a number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from axw.errors import DataError

_KINDS = {
    "string": "text",
    "bytes": "text",
    "integer": "number",
    "floating": "number",
    "mixed-integer-float": "number",
    "decimal": "number",
    "boolean": "number",
    "complex": "number",
    "datetime64": "date",
    "datetime": "date",
    "date": "date",
    "timedelta64": "date",
    "timedelta": "date",
    "time": "date",
    "period": "date",
    "empty": "",
}
_MAY_BE_DAYS = {"date", "datetime", "mixed"}  # a day of the standard library equals no Timestamp
_WITH_ZONE = "date with a time zone"
_NO_TEXT = {name for name, kind in _KINDS.items() if kind != "text"}


def objects(values: Any) -> pd.Series:
    """Any column as Python objects: a category is its value, a date is a Timestamp, blank text is missing."""
    column = pd.Series(values)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    column = column.reset_index(drop=True).astype(object)
    missing = column.isna()
    known = pd.api.types.infer_dtype(column, skipna=True)
    if known in _MAY_BE_DAYS:
        column = column.map(lambda v: pd.Timestamp(v) if type(v) is date else v).astype(object)
    if known not in _NO_TEXT:
        missing |= np.fromiter((isinstance(v, str) and not v.strip() for v in column), bool, len(column))
    return column.where(~missing, None) if missing.any() else column


def kinds(values: Any) -> frozenset[str]:
    """The kinds of keys in a column: "text", "number", "date", "date with a time zone". Other objects have none, and match only
    themselves."""
    known = pd.api.types.infer_dtype(values, skipna=True)
    if known in ("datetime64", "datetime") and getattr(_first(pd.Series(values)), "tzinfo", None) is not None:
        return frozenset({_WITH_ZONE})
    if known in _KINDS:
        return frozenset({_KINDS[known]} - {""})
    types = {type(value) for value in values}
    found = {_KINDS.get(pd.api.types.infer_dtype([_example(values, kind)], skipna=True), "") for kind in types}
    return frozenset(found - {""})


def same_kinds(left: pd.Series, right: pd.Series, where: str) -> None:
    """`DataError` where one column holds text and the other numbers: "007" is not 7, and no row would be found."""
    left_kinds, right_kinds = kinds(left), kinds(right)
    if left_kinds and right_kinds and not left_kinds & right_kinds:
        raise DataError(
            f"keys do not match: {_first(left)!r} vs {_first(right)!r} ({_join(left_kinds)} and {_join(right_kinds)}).",
            where,
            "Make both columns text, both numbers, or both dates of one kind; keys with leading zeros must be read as text.",
        )


def places(keys: pd.Series, ids: pd.Series) -> np.ndarray:
    """The place of each key among the ids, int64; -1 where it is missing or not there. `DataError` for double ids."""
    try:
        whole = whole_numbers(keys), whole_numbers(ids)
        if whole[0] is not None and whole[1] is not None:
            keys, ids = pd.Series(whole[0]), pd.Series(whole[1])  # found several times as fast as Python objects
        index = pd.Index(ids, dtype=ids.dtype)
        if not index.is_unique:
            double = index[index.duplicated() & index.notna()]
            if len(double):
                example = double.astype(object)[0]
                raise DataError(
                    f"{len(double)} row ids stand twice, for example {example!r}; each row needs one of its own.",
                    "row ids",
                    "Mend the ids, or leave the rows out.",
                )
            known = np.flatnonzero(index.notna())
            found = pd.Index(index[known], dtype=index.dtype).get_indexer(keys)
            found = np.where(found >= 0, known[found] if len(known) else -1, -1)
        else:
            found = index.get_indexer(keys)
    except TypeError as error:
        raise unhashable(error, "row ids") from error
    return np.where(keys.isna().to_numpy(), -1, found).astype(np.int64)


def whole_numbers(values: pd.Series) -> np.ndarray | None:
    """The values as int64, where all are whole numbers that fit; None where any is missing, or something else."""
    if pd.api.types.infer_dtype(values, skipna=False) != "integer":
        return None
    try:
        return np.asarray(values.to_numpy(dtype=np.int64))
    except OverflowError:
        return None


def itself(asking: np.ndarray, memory: np.ndarray) -> np.ndarray:
    """The place in the memory of each asking row, by its id; -1 where it is not there."""
    ids = objects(memory)
    return places(ids if asking is memory else objects(asking), ids)


class Coded(NamedTuple):
    """A column as numbers: code (n,) is the place of each value among the different ones, -1 where it is missing."""

    code: np.ndarray
    values: pd.Series


def coded(column: Any, where: str) -> Coded:
    """The different values of a column, as objects, and which of them each row has.

    Only the different values become objects: a table of ten million pairs of numbers stays numbers.
    """
    try:
        code, values = pd.factorize(pd.Series(column), use_na_sentinel=True)
    except TypeError as error:
        raise unhashable(error, where) from error
    different = objects(values)
    lost = np.append(different.isna().to_numpy(), True)  # blank text is missing too, and so is -1
    return Coded(np.where(lost[code], -1, code).astype(np.int64), different)


def together(left: Coded, right: Coded) -> tuple[np.ndarray, np.ndarray, pd.Series]:
    """(codes of the left column, codes of the right one, the different values of both): one number for one value."""
    at, values = pd.factorize(pd.concat([left.values, right.values], ignore_index=True), use_na_sentinel=True)
    at_left, at_right = (np.append(part, -1) for part in (at[: len(left.values)], at[len(left.values) :]))
    return at_left[left.code], at_right[right.code], pd.Series(values, dtype=object)


def joined(columns: Sequence[np.ndarray]) -> np.ndarray:
    """One number a row for its codes (n,) in several columns together, int64; -1 where any of them is -1."""
    code = columns[0]
    for column in columns[1:]:
        missing = (code < 0) | (column < 0)
        pair = np.where(missing, -1, code * (int(column.max(initial=0)) + 1) + column)
        code = np.where(missing, -1, pd.factorize(pair)[0]).astype(np.int64)
    return code


def examples(values: Iterable[Any], most: int = 3) -> str:
    """The first different values, written out: "'A1', 'B2', 'C3'"."""
    different = list(dict.fromkeys(values))[:most]
    return ", ".join(repr(value) for value in different)


def unhashable(error: TypeError, where: str) -> DataError:
    """The error for keys that are lists, sets or tables."""
    return DataError(
        f"A key must be a text, a number or a date: {error}.", where, "Leave the column out, or make its values text."
    )


def _example(values: Any, kind: type) -> Any:
    return next(value for value in values if type(value) is kind)


def _first(values: pd.Series) -> Any:
    return values.dropna().iloc[0]


def _join(found: frozenset[str]) -> str:
    return " and ".join(sorted(found))
