"""Any table as a pandas DataFrame, and files read so that no value changes on the way."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import scipy.sparse

from axw.data.cells import MISSING, as_text, named, typed
from axw.data.delimited import SEPARATORS, Sound, examine, unpack
from axw.errors import DataError, DataWarning, ResourceError, UsageError

_RESHAPE = (
    "Reshape your data either using array.reshape(-1, 1) if your data has a single feature "
    "or array.reshape(1, -1) if it contains a single sample."
)


Reader = Callable[[pa.ChunkedArray, frozenset[str]], pd.Series]
"""(cells as text, what of them is missing) -> the column."""


def read_table(
    path: str | os.PathLike[str],
    separator: str | None = None,
    missing: Iterable[str] = MISSING,
    text: Collection[str] = (),
    names: Collection[str] = (),
) -> pd.DataFrame:
    """The table in a file: CSV, TSV, semicolon or bar separated (also .gz), or Parquet. Told by its bytes, not its name.

    separator  one character; None guesses it from the first 1000 lines, and warns where it is not the usual one
    missing    cells that mean "not known": by default the empty cell, NA, N/A, n/a, NaN, nan, null and NULL.
               Give [""] where "NA" is a value, such as the country code of Namibia
    text       columns that stay text whatever their cells look like, where the file has them and is no Parquet
    names      columns that name the rows: whole numbers or text, the same

    No value changes on the way: "007" stays text, whole numbers are exact at any size, a column becomes numbers,
    booleans or dates only where all its cells are (`axw.data.cells`). Raises `DataError`, with the line number, for ragged
    rows, open or stray quotes, NUL bytes, text that is not UTF-8, empty or double names, and files of another kind.
    """
    _check_separator(separator)
    file = Path(path)
    data = unpack(_bytes(file), str(file))
    if data.startswith(b"PAR1"):
        return _parquet(data, str(file))
    sound = examine(data, separator, str(file))
    usual = "\t" if any(suffix.lower() in (".tsv", ".tab") for suffix in file.suffixes) else ","
    if sound.guessed and sound.separator != usual and len(sound.names) > 1:
        warnings.warn(
            f"{file}: read with the separator {SEPARATORS[sound.separator]} ({sound.separator!r}), "
            f"which splits it into {len(sound.names)} columns.",
            DataWarning,
            stacklevel=2,
        )
    readers = dict.fromkeys(names, named) | dict.fromkeys(text, as_text)
    return _parse(sound, frozenset(missing), readers, str(file))


def _check_separator(separator: str | None) -> None:
    if separator is not None and (len(separator) != 1 or not separator.isascii() or separator in '"\r\n\0'):
        raise UsageError(
            f"separator={separator!r}", "parameter separator", r"Give one character: ',' or ';' or '\t' or '|'."
        )


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise DataError(
            "There is no such file.", str(file), f"Check the path; it was looked for in {Path.cwd()}."
        ) from error
    except IsADirectoryError as error:
        raise DataError("This is a folder, not a file.", str(file), "Give one of the files in it.") from error
    except PermissionError as error:
        raise ResourceError("The file may not be read.", str(file), "Change its permissions: chmod u+r FILE") from error


def _parquet(data: bytes, where: str) -> pd.DataFrame:
    try:
        table = pyarrow.parquet.read_table(pa.BufferReader(data))
        return as_frame(table)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"The Parquet file cannot be read: {error}", where, "Write or copy the file again.") from error


def _parse(sound: Sound, missing: frozenset[str], readers: Mapping[str, Reader], where: str) -> pd.DataFrame:
    """The rows of a file that is known to be sound, read as text by Arrow and then typed column by column."""
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(sound.rows),
            pyarrow.csv.ReadOptions(
                column_names=sound.names, use_threads=False, block_size=min(len(sound.rows) + 1, 2**31 - 1)
            ),
            pyarrow.csv.ParseOptions(
                delimiter=sound.separator, newlines_in_values=True, ignore_empty_lines=False, double_quote=True
            ),
            pyarrow.csv.ConvertOptions(
                column_types={name: pa.string() for name in sound.names}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"The table cannot be read: {error}", where, "Correct the file.") from error
    if table.shape != (sound.n_rows, len(sound.names)):
        raise DataError(
            f"Got {table.num_rows} rows, expected {sound.n_rows}.", where, "Put values with line ends in quotes."
        )
    return pd.DataFrame(
        {name: readers.get(name, typed)(table.column(at), missing) for at, name in enumerate(sound.names)}
    )


def as_frame(X: Any) -> pd.DataFrame:
    """The table X (n rows, d columns) as a pandas DataFrame with d different names, all text.

    X  a DataFrame of pandas, polars or whatever narwhals knows; a NumPy array or a list of rows, whose columns
       are then x0, x1, ...; a list of mappings, one a row. The index of a pandas DataFrame is kept: it names the rows.

    The frame may share memory with X; neither is ever written to. Raises `DataError`, with the words that scikit-learn
    uses, where X is not two-dimensional, is empty, sparse or complex, or has two columns of one name.
    """
    frame = _to_pandas(X)
    rows, columns = frame.shape
    for count, what in [(columns, "feature(s)"), (rows, "sample(s)")]:
        if count == 0:
            raise DataError(
                f"Found array with 0 {what} (shape={frame.shape}) while a minimum of 1 is required.",
                "the table",
                "Give a table with at least one row and one column.",
            )
    frame = _with_text_names(frame)
    for name, dtype in zip(frame.columns, frame.dtypes, strict=True):
        if getattr(dtype, "kind", "") == "c":
            raise _complex(f"column {name!r}")
    return frame


def _to_pandas(X: Any) -> pd.DataFrame:
    if isinstance(X, pd.DataFrame):
        return X
    if scipy.sparse.issparse(X):
        raise DataError(
            f"Sparse input is not supported: got {type(X).__name__} of shape {X.shape}.",
            "the table",
            "Use X.toarray(), or give the sparse matrix as a relation.",
        )
    native = nw.from_native(X, allow_series=True, pass_through=True)
    if isinstance(native, nw.DataFrame):
        return _from_narwhals(native)
    if isinstance(native, nw.LazyFrame):
        raise DataError(f"Got a lazy frame, {type(X).__name__}.", "the table", "Call .collect() on it first.")
    if isinstance(native, nw.Series):
        raise DataError(
            f"Expected a 2-dimensional container but got {type(X)} instead.",
            "the table",
            f"Pass a DataFrame containing a single row or a single column. {_RESHAPE}",
        )
    if isinstance(X, Sequence) and not isinstance(X, str) and len(X) and all(isinstance(row, Mapping) for row in X):
        return pd.DataFrame(list(X))
    return _from_array(X)


def _from_narwhals(native: nw.DataFrame[Any]) -> pd.DataFrame:
    frame = native.to_pandas()
    for name, dtype in native.schema.items():
        # pandas makes a whole number with a gap a float, which is not exact beyond 2^53.
        if dtype.is_integer() and native[name].null_count():
            kind = "UInt64" if dtype.is_unsigned_integer() else "Int64"
            frame[name] = pd.array(native[name].to_list(), dtype=kind)
    return frame


def _from_array(X: Any) -> pd.DataFrame:
    if isinstance(X, np.ma.MaskedArray):
        X = np.ma.filled(X.astype(np.float64), np.nan)
    try:
        array = np.asarray(X)
        if array.dtype.kind in "US" and not isinstance(X, np.ndarray):
            array = np.asarray(X, dtype=object)  # a list of rows that mixes numbers and text keeps both
    except ValueError as error:
        raise DataError(
            f"The rows are not of one length: {error}", "the table", "Give each row the same number of values."
        ) from error
    if array.dtype.names is not None and array.ndim == 1:
        return pd.DataFrame(array)
    if array.dtype.kind == "c":
        raise _complex("the table")
    if array.ndim == 0:
        raise DataError(f"Expected 2D array, got scalar array instead: {str(X)[:60]}.", "the table", _RESHAPE)
    if array.ndim == 1:
        raise DataError(f"Expected 2D array, got 1D array instead, of shape {array.shape}.", "the table", _RESHAPE)
    if array.ndim > 2:
        raise DataError(
            f"Found array with dim {array.ndim}, while dim <= 2 is required.",
            "the table",
            "Give one row a sample: X.reshape(len(X), -1).",
        )
    frame = pd.DataFrame(array)
    return frame.infer_objects() if array.dtype.kind == "O" else frame


def _with_text_names(frame: pd.DataFrame) -> pd.DataFrame:
    names = frame.columns
    if isinstance(names, pd.RangeIndex) and names.equals(pd.RangeIndex(len(names))):
        return frame.set_axis([f"x{at}" for at in range(len(names))], axis=1)
    if not names.is_unique:
        twice = [str(name) for name in names[names.duplicated()].unique()]
        raise DataError(
            f"{len(twice)} column names are used more than once: {', '.join(map(repr, twice[:10]))}.",
            "the columns of the table",
            "Give each column a name of its own, or drop one of the two.",
        )
    if all(type(name) is str for name in names):
        return frame
    texts = [", ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in names]
    if len(set(texts)) < len(texts):
        raise DataError(
            "Two column names are the same when they are read as text, such as 1 and '1'.",
            "the columns of the table",
            "Give each column a name of its own.",
        )
    return frame.set_axis(texts, axis=1)


def _complex(where: str) -> DataError:
    return DataError("Complex data not supported.", where, "Give the real and the imaginary part as two columns.")
