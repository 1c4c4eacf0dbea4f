"""Ids and keys of rows in a file: typed, so that "007" stays a text; or hashed, so that they are not in the file at all."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import io
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from axw.errors import DataError, ModelError, UsageError
from axw.relations import Edges, Rows
from axw.relations.keys import kinds, objects

# How a column stands in the file. "typed" is JSON text of `typed(value)`: for mixed columns, dates, tuples and the like.
FORMS: Mapping[str, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "typed": pa.string(),
}
_FORM_OF = {int: "integer", float: "number", bool: "boolean", str: "text"}


# --------------------------------------------------------------------------------------------------------- one value


def typed(value: Any) -> list[Any]:
    """[kind, text] of one id, key or class, from which `untyped` makes an equal value. `UsageError` for other objects."""
    value = _plain(value)
    if value is None:
        return ["missing", ""]
    if isinstance(value, tuple):
        return ["tuple", [typed(item) for item in value]]
    for kind, (of, text, _) in _KINDS.items():
        if type(value) is of:
            return [kind, text(value)]
    raise UsageError(
        f"A {type(value).__name__} ({str(value)[:40]!r}) cannot be saved as an id, key or class; allowed: text, numbers, true"
        " and false, dates, times, UUIDs and tuples of them.",
        "save",
        "Turn it into text before the model is fitted.",
    )


def untyped(pair: Any) -> Any:
    """The value of `typed`; `ModelError` for anything else."""
    try:
        kind, text = pair
        if kind == "missing":
            return None
        if kind == "tuple":
            return tuple(untyped(item) for item in text)
        if not isinstance(text, str):
            raise TypeError(f"{text!r} is no text")
        return _KINDS[kind][2](text)
    except (KeyError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise ModelError(f"A saved value cannot be read: {str(pair)[:60]} ({error!r:.80}).") from error


def canonical(value: Any) -> str:
    """A text that is the same for equal keys, 7 and 7.0, and different for others, 7 and "7"."""
    return json.dumps(_canonical(_plain(value)))


def _canonical(value: Any) -> list[Any]:
    if isinstance(value, tuple):
        return ["tuple", [_canonical(_plain(item)) for item in value]]
    if isinstance(value, int | float | decimal.Decimal):
        if value == value and abs(value) != float("inf") and value == int(value):
            return ["number", str(int(value))]
        return ["number", repr(float(value)) if float(value) == value else str(value)]
    if isinstance(value, pd.Timestamp) and value.tzinfo is not None:
        return ["instant", value.tz_convert("UTC").isoformat()]
    return typed(value)


def _plain(value: Any) -> Any:
    """NumPy scalars and datetimes as the Python or pandas value that equals them; all that is missing as None."""
    if isinstance(value, np.datetime64 | datetime.datetime):
        value = pd.Timestamp(value)
    elif isinstance(value, np.timedelta64 | datetime.timedelta):
        value = pd.Timedelta(value)
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str) and type(value) is not str:
        return str(value)
    return None if value is None or value is pd.NA or value is pd.NaT or value != value else value


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text]


_KINDS: dict[str, tuple[type, Any, Any]] = {
    "boolean": (bool, lambda value: "true" if value else "false", _truth),
    "integer": (int, str, int),
    "number": (float, repr, float),
    "text": (str, str, str),
    "timestamp": (pd.Timestamp, lambda value: value.isoformat(), pd.Timestamp),
    "timedelta": (pd.Timedelta, lambda value: value.isoformat(), pd.Timedelta),
    "date": (datetime.date, lambda value: value.isoformat(), datetime.date.fromisoformat),
    "time": (datetime.time, lambda value: value.isoformat(), datetime.time.fromisoformat),
    "decimal": (decimal.Decimal, str, decimal.Decimal),
    "bytes": (bytes, lambda value: value.hex(), bytes.fromhex),
    "uuid": (uuid.UUID, str, uuid.UUID),
}


# ------------------------------------------------------------------------------------------------------------ a table


def table_to_bytes(columns: Mapping[str, Any]) -> tuple[bytes, list[str]]:
    """(Parquet bytes, form of each column). Plain encoding, so that a file is no larger in memory than it is on the disk."""
    forms, arrays = [], []
    for values in columns.values():
        plain = [_plain(value) for value in _as_objects(values)]
        form = _form(plain)
        if form == "typed":
            plain = [None if value is None else json.dumps(typed(value)) for value in plain]
        forms.append(form)
        arrays.append(pa.array(plain, FORMS[form]))
    stream = io.BytesIO()
    table = pa.table(arrays, names=list(columns))
    pq.write_table(table, stream, compression="none", use_dictionary=False, store_schema=False)
    return stream.getvalue(), forms


def table_from_bytes(data: bytes, forms: Mapping[str, str], rows: int | None, where: str) -> pd.DataFrame:
    """The columns of `table_to_bytes`. `ModelError` where the file holds other columns, types or rows than the config says."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        schema, meta = file.schema_arrow, file.metadata
        expected = {name: str(FORMS[form]) for name, form in forms.items()}
        got = {field.name: str(field.type) for field in schema}
        if got != expected or len(schema) != len(expected) or (rows is not None and meta.num_rows != rows):
            raise ModelError(
                f"The table {where} holds {meta.num_rows:,} rows of {got}; expected {rows if rows is not None else 'any'} rows"
                f" of {expected}.",
                where,
            )
        _refuse_packed(meta, where)
        table = file.read()
    except KeyError as error:
        raise ModelError(f"The form {error} of a column is not known; allowed: {', '.join(FORMS)}.", where) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ModelError(f"The table {where} is damaged: {str(error)[:120]}.", where) from error
    return pd.DataFrame({name: _column(table[name], form) for name, form in forms.items()}, index=range(meta.num_rows))


def _refuse_packed(meta: Any, where: str) -> None:
    for group in range(meta.num_row_groups):
        for at in range(meta.num_columns):
            chunk = meta.row_group(group).column(at)
            plain = set(chunk.encodings) <= {"PLAIN", "RLE", "BIT_PACKED"} and not chunk.has_dictionary_page
            if chunk.compression != "UNCOMPRESSED" or not plain:
                raise ModelError(f"The table {where} is packed ({chunk.compression}); axw writes it plain.", where)


def _column(array: pa.ChunkedArray, form: str) -> pd.Series:
    if form == "number":
        return pd.Series(np.array([np.nan if v is None else v for v in array.to_pylist()], dtype=np.float64))
    values = array.to_pylist()
    if form == "integer" and not array.null_count:
        return pd.Series(np.array(values, dtype=np.int64))
    if form == "typed":
        values = [None if value is None else untyped(_json(value)) for value in values]
    return pd.Series(_object_array(values), dtype=object)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"A saved value cannot be read: {text[:60]!r}.") from error


def _as_objects(values: Any) -> pd.Series:
    column = values if isinstance(values, pd.Series) else pd.Series(values, dtype=object)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    return column.astype(object)


def _object_array(values: Sequence[Any]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):  # one by one: NumPy would make a matrix of tuples
        array[place] = value
    return array


def _form(values: Sequence[Any]) -> str:
    types = {type(value) for value in values if value is not None}
    form = _FORM_OF.get(next(iter(types)), "typed") if len(types) == 1 else ("typed" if types else "text")
    if form == "integer" and any(value is not None and not -(2**63) <= value < 2**63 for value in values):
        return "typed"
    # Half a surrogate pair is no UTF-8; JSON writes it as \udXXX.
    if form == "text" and any(value is not None and not _is_utf8(value) for value in values):
        return "typed"
    return form


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# ------------------------------------------------------------------------------------------------------------ hashing


@dataclass(frozen=True)
class Hashing:
    """SHA-256 of salt and key in place of every id and key: equal keys stay equal, and are not written down.

    salt   in the file too, so that new rows can be hashed alike; it stops ready-made tables of hashes, and no guess at a key
    kinds  of each key column: text, number or date; a hash no longer shows that 7 was compared with "7"
    """

    salt: str
    kinds: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, rows: Rows, salt: str) -> Hashing:
        columns = {str(name): rows.columns[name] for name in rows.columns.columns}
        return cls(salt, {name: tuple(sorted(kinds(objects(column)))) for name, column in columns.items()})

    def rows(self, rows: Rows) -> Rows:
        """The rows under hashed ids and keys. `DataError` where a column holds text that held numbers, or the reverse."""
        columns = {name: self._checked(name, rows.columns[name]) for name in rows.columns.columns}
        ids = pd.Series(_object_array(list(rows.ids)), dtype=object)
        return Rows(
            self.hashes(ids).to_numpy(dtype=object),
            pd.DataFrame({name: self.hashes(column) for name, column in columns.items()}, index=range(len(rows.ids))),
        )

    def hashes(self, values: pd.Series) -> pd.Series:
        """The hash of each value as a text of 64 letters; None where it is missing."""
        known: dict[str, str] = {}
        result = [None if value is None else self._hash(canonical(value), known) for value in objects(values)]
        return pd.Series(_object_array(result), dtype=object)

    def edges(self, relation: Edges) -> Edges:
        """The same edges between hashed ids."""
        frame = relation.frame()
        for name in (relation.source, relation.target):
            frame[name] = self.hashes(frame[name])
        return Edges(frame, relation.source, relation.target, relation.weight, both=relation.both, name=relation.name)

    def _hash(self, text: str, known: dict[str, str]) -> str:
        if text not in known:
            known[text] = hashlib.sha256(f"{self.salt}\n{text}".encode()).hexdigest()
        return known[text]

    def _checked(self, name: str, column: pd.Series) -> pd.Series:
        values = objects(column)
        now, then = kinds(values), frozenset(self.kinds.get(name, ()))
        if now and then and not now & then:
            raise DataError(
                f"keys do not match: the column holds {', '.join(sorted(now))}; the model was fitted on"
                f" {', '.join(sorted(then))}.",
                f"column {name!r}",
                "Read the column as it was read for the fit; keys with leading zeros must be read as text.",
            )
        return values
