"""The text of a column as the values that it means, only where nothing is lost by it.

whole numbers     int64, or Int64 with gaps; "007" and "+7" stay text, and so do numbers beyond 64 bits
numbers           float64; not where a whole number beyond 2^53 among them would change
true, false       bool, or boolean with gaps
2026-11-23        datetime64: ISO 8601 dates, or dates with times, and nothing else
anything else     text
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

MISSING = frozenset({"", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL"})

_WHOLE = r"^(0|-?[1-9][0-9]*)$"
_NUMBER = r"^([-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|(?i:[-+]?inf(inity)?))$"
_INFINITE = r"(?i)inf"
_TRUTH = r"^((?i:true)|(?i:false))$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?$"
_EXACT = 2**53


def as_text(texts: pa.ChunkedArray, missing: frozenset[str] = MISSING) -> pd.Series:
    """The column as the text that it is, missing where it is one of `missing`."""
    texts = _without(texts, missing)
    if texts.null_count == len(texts):
        return pd.Series([None] * len(texts), dtype="float64")
    return texts.to_pandas().astype("str")


def named(texts: pa.ChunkedArray, missing: frozenset[str] = MISSING) -> pd.Series:
    """A column of names: whole numbers where all are, else text, so that 1.1 and 1.10 are two."""
    texts = _without(texts, missing)
    values = _whole(texts, texts.null_count > 0) if texts.null_count < len(texts) else None
    return as_text(texts, frozenset()) if values is None else values


def _without(texts: pa.ChunkedArray, missing: frozenset[str]) -> pa.ChunkedArray:
    if not missing:
        return texts
    return pc.if_else(pc.is_in(texts, pa.array(sorted(missing), pa.string())), None, texts)


def typed(texts: pa.ChunkedArray, missing: frozenset[str] = MISSING) -> pd.Series:
    """The column of values, missing where the text is one of `missing`."""
    texts = _without(texts, missing)
    gaps = texts.null_count > 0
    if texts.null_count == len(texts):
        return pd.Series([None] * len(texts), dtype="float64")
    for read in (_whole, _number, _truth, _moment):
        values = read(texts, gaps)
        if values is not None:
            return values
    return texts.to_pandas().astype("str")


def _all(texts: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, pattern)).as_py())


def _whole(texts: pa.ChunkedArray, gaps: bool) -> pd.Series | None:
    if not _all(texts, _WHOLE):
        return None
    for kind, nullable in ((pa.int64(), "Int64"), (pa.uint64(), "UInt64")):
        try:
            values = texts.cast(kind)
        except pa.ArrowInvalid:
            continue
        # Through pandas' nullable type, as plain pandas would make it a float and round what is beyond 2^53.
        return (
            values.to_pandas(types_mapper={kind: pd.api.types.pandas_dtype(nullable)}.get)
            if gaps
            else values.to_pandas()
        )
    return None


def _number(texts: pa.ChunkedArray, gaps: bool) -> pd.Series | None:
    if not _all(texts, _NUMBER):
        return None
    whole = pc.and_(pc.match_substring_regex(texts, _WHOLE), pc.greater(pc.utf8_length(texts), 15))
    long = pc.filter(texts, whole)
    if any(abs(int(text)) > _EXACT for text in long.to_pylist()):
        return None
    try:
        values = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    overflown = pc.and_(pc.is_inf(values), pc.invert(pc.match_substring_regex(texts, _INFINITE)))
    return None if pc.any(overflown).as_py() else values.to_pandas()


def _truth(texts: pa.ChunkedArray, gaps: bool) -> pd.Series | None:
    if not _all(texts, _TRUTH):
        return None
    values = pc.equal(pc.utf8_lower(texts), "true")
    return values.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get) if gaps else values.to_pandas()


def _moment(texts: pa.ChunkedArray, gaps: bool) -> pd.Series | None:
    if not _all(texts, _DATE) and not _all(texts, _TIME):
        return None
    values = pd.to_datetime(texts.to_pandas(), errors="coerce", format="ISO8601")
    return None if int(values.isna().sum()) > texts.null_count else values
