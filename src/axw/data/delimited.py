"""The bytes of a CSV file, looked at before any parser sees them.

A parser that meets a ragged row, a stray quote or a NUL byte guesses, and a guess can move values from one column to
another without a word. Here the places of all separators, quotes and line ends are found first, in a few passes of
NumPy; what is not sound is refused with its line number.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from typing import NamedTuple

import numpy as np

from axw.errors import DataError

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SAMPLE = 1000  # records that the separator is guessed from

_KINDS = [
    (codecs.BOM_UTF32_LE, "UTF-32 text", "Convert it: iconv -f UTF-32 -t UTF-8 FILE > NEW"),
    (codecs.BOM_UTF32_BE, "UTF-32 text", "Convert it: iconv -f UTF-32 -t UTF-8 FILE > NEW"),
    (codecs.BOM_UTF16_LE, "UTF-16 text", "Convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW"),
    (codecs.BOM_UTF16_BE, "UTF-16 text", "Convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW"),
    (b"%PDF", "a PDF document", "Export the table as CSV."),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save the sheet as CSV UTF-8."),
    (b"\x89PNG", "a PNG picture", "Give the table itself, as CSV or Parquet."),
    (b"SQLite format 3\0", "an SQLite database", "Export the table as CSV or Parquet."),
    (b"BZh", "a bzip2 archive", "Unpack it first: bunzip2 FILE"),
    (b"\xfd7zXZ", "an xz archive", "Unpack it first: xz -d FILE"),
    (b"(\xb5/\xfd", "a zstd archive", "Unpack it first: zstd -d FILE"),
    (b"ARROW1", "an Arrow (Feather) file", "Save it as Parquet."),
    (b"\x89HDF", "an HDF5 file", "Save the table as CSV or Parquet."),
    (b"<!DOCTYPE", "a web page", "Download the table itself, not the page that shows it."),
    (b"<html", "a web page", "Download the table itself, not the page that shows it."),
    (b"\x1f\x8b", "a gzip archive inside a gzip archive", "Unpack it once."),
]


class Sound(NamedTuple):
    """A CSV text that is known to be rectangular: its separator, its names, and the bytes of the rows."""

    separator: str
    guessed: bool
    names: list[str]
    rows: bytes
    n_rows: int


def unpack(data: bytes, where: str) -> bytes:
    """The bytes themselves, or what they hold where they are gzip."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"The gzip archive is damaged: {error}", where, "Copy or download the file again.") from error


def examine(data: bytes, separator: str | None, where: str) -> Sound:
    """The layout of a CSV, TSV or semicolon file; `DataError` with a line number for whatever is not sound."""
    _check_kind(data, where)
    data = data.removeprefix(codecs.BOM_UTF8)
    _check_text(data, where)
    data = data.rstrip(b"\r\n")  # empty lines at the end carry nothing
    if not data.strip():
        raise DataError("The file is empty.", where, "Give a file with a line of column names and at least one row.")
    octets = np.frombuffer(data, dtype=np.uint8)
    outside = _outside_quotes(octets, where)
    ends = np.flatnonzero((octets == 10) & outside)
    _check_line_ends(octets, outside, where)
    chosen = separator or _guess(octets, outside, ends, where)
    _check_quotes(octets, outside, ord(chosen), where)
    names = _names(data[: ends[0]] if len(ends) else data, chosen, where)
    _check_rectangular(octets, outside, ends, ord(chosen), len(names), where)
    rows = data[ends[0] + 1 :] if len(ends) else b""
    if not rows:
        raise DataError("The file has a line of column names and no rows.", where, "Give at least one row.")
    return Sound(chosen, separator is None, names, rows, len(ends))


def _check_kind(data: bytes, where: str) -> None:
    for start, what, todo in _KINDS:
        if data[:64].lstrip().lower().startswith(start.lower()) if start[:1] == b"<" else data.startswith(start):
            raise DataError(f"This is {what}, not a table of text.", where, todo)
    if data.startswith(b"PK\x03\x04"):
        excel = b"xl/" in data[:4096]
        raise DataError(
            f"This is {'an Excel workbook' if excel else 'a zip archive'}, not a table of text.",
            where,
            "Save the sheet as CSV UTF-8." if excel else "Unpack it first: unzip FILE",
        )


def _check_text(data: bytes, where: str) -> None:
    at = data.find(b"\0")
    if at >= 0:
        raise DataError(
            f"A NUL byte, which no text holds. {data.count(0)} of {len(data)} bytes are NUL.",
            f"{where}, line {_line(data, at)}",
            "Remove it, or convert the file to UTF-8 if it is UTF-16: iconv -f UTF-16 -t UTF-8 FILE > NEW",
        )
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        start = data.rfind(b"\n", 0, error.start) + 1
        raise DataError(
            f"The byte 0x{data[error.start]:02x} is not UTF-8 ({error.reason}).",
            f"{where}, line {_line(data, error.start)}, byte {error.start - start + 1}",
            "Convert the file, from Latin-1 for example: iconv -f LATIN1 -t UTF-8 FILE > NEW",
        ) from error


def _outside_quotes(octets: np.ndarray, where: str) -> np.ndarray:
    """(bytes,) bool: an even number of quotes stands before and at this byte. A doubled quote counts twice."""
    quotes = (octets == 34).view(np.uint8)
    outside: np.ndarray = np.bitwise_xor.accumulate(quotes) == 0
    if not outside[-1]:
        # The quote that is never closed is the last one that opens, or an earlier one that was closed by chance.
        last = int(np.flatnonzero(quotes)[-1])
        raise DataError(
            "A quote is opened and not closed before the end of the file.",
            f"{where}, line {_line_of(octets, last)} or before",
            'Close it with ", and write a quote inside a quoted value twice: "".',
        )
    return outside


def _check_quotes(octets: np.ndarray, outside: np.ndarray, separator: int, where: str) -> None:
    """Quotes stand around a whole value: after a separator or line end, before one, or in pairs inside."""
    at = np.flatnonzero(octets == 34)
    if not len(at):
        return
    padded = np.concatenate([[10], octets, [10]])
    before, after = padded[at], padded[at + 2]
    borders = (separator, 10)
    opens = ~outside[at]
    # A doubled quote reads as a close and an open side by side; both are borders to one another.
    previous_closes = np.concatenate([[False], (np.diff(at) == 1) & outside[at[:-1]]])
    next_opens = np.concatenate([(np.diff(at) == 1) & ~outside[at[1:]], [False]])
    carriage = (after == 13) & (np.concatenate([padded, [0]])[at + 3] == 10)
    good = np.where(opens, np.isin(before, borders) | previous_closes, np.isin(after, borders) | next_opens | carriage)
    if not good.all():
        raise DataError(
            "A quote stands inside a value that is not quoted, or text follows a closing quote.",
            f"{where}, line {_line_of(octets, int(at[int((~good).argmax())]))}",
            'Put the whole value in quotes, and write a quote inside it twice: "".',
        )


def _check_line_ends(octets: np.ndarray, outside: np.ndarray, where: str) -> None:
    lone = np.flatnonzero((octets[:-1] == 13) & (octets[1:] != 10) & outside[:-1])
    if len(lone):
        raise DataError(
            f"A carriage return without a line feed ({len(lone)} of them).",
            f"{where}, line {_line_of(octets, int(lone[0]))}",
            "Convert the line ends, or put the value in quotes: tr '\\r' '\\n' < FILE > NEW",
        )


def _guess(octets: np.ndarray, outside: np.ndarray, ends: np.ndarray, where: str) -> str:
    """The separator that gives every one of the first records as many values as the header; else the header's."""
    ends = ends[:_SAMPLE]
    counts = {s: _per_record(octets, outside, ends, ord(s)) for s in SEPARATORS}
    even = [s for s, n in counts.items() if n[0] > 0 and (n == n[0]).all()]
    if len(even) > 1:
        raise DataError(
            f"The separator may be {' or '.join(SEPARATORS[s] for s in even)}: each of them splits every line alike.",
            where,
            f"Say which: separator={even[0]!r}",
        )
    return even[0] if even else max(SEPARATORS, key=lambda s: int(counts[s][0]))


def _per_record(octets: np.ndarray, outside: np.ndarray, ends: np.ndarray, separator: int) -> np.ndarray:
    """Number of separators outside quotes in each record that one of `ends` ends, and in the rest if that is all."""
    found = np.flatnonzero((octets == separator) & outside)
    stops = np.append(ends, len(octets)) if len(ends) < _SAMPLE else ends
    return np.diff(np.searchsorted(found, stops), prepend=0)


def _names(header: bytes, separator: str, where: str) -> list[str]:
    text = header.removesuffix(b"\r").decode()
    where = f"{where}, line 1"
    try:
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), [])
    except csv.Error as error:
        raise DataError(
            f"The names of the columns cannot be read: {error}.",
            where,
            "Give a table whose first line is column names.",
        ) from error
    empty = [at for at, name in enumerate(names, start=1) if not name.strip()]
    if empty or not names:
        raise DataError(
            f"{len(empty)} of {len(names)} column names are empty, the first in column {empty[0] if empty else 1}.",
            where,
            "Name each column. R writes row names without a name: write.csv(..., row.names=FALSE).",
        )
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        places = [at for at, name in enumerate(names, start=1) if name == twice[0]]
        raise DataError(
            f"{len(twice)} column names are used more than once: {twice[0][:60]!r} in columns {places[0]} and {places[1]}.",
            where,
            "Give each column a name of its own.",
        )
    return names


def _check_rectangular(
    octets: np.ndarray, outside: np.ndarray, ends: np.ndarray, separator: int, columns: int, where: str
) -> None:
    found = np.flatnonzero((octets == separator) & outside)
    stops = np.append(ends, len(octets))
    starts = np.concatenate([[0], ends + 1])
    fields = np.diff(np.searchsorted(found, stops), prepend=0) + 1
    first_octet = octets[np.minimum(starts, len(octets) - 1)]
    empty = (stops == starts) | ((stops == starts + 1) & (first_octet == 13))
    ragged = (fields != columns) | empty
    if ragged.any():
        at = int(ragged.argmax())
        got = "an empty line" if empty[at] else f"{fields[at]} values"
        raise DataError(
            f"Got {got}, expected {columns} as in the line of names; {int(ragged.sum())} of {len(fields) - 1} rows are so.",
            f"{where}, line {_line_of(octets, int(starts[at]))}",
            'Remove the line, or write "" for a missing value.'
            if empty[at]
            else "Correct the line; a value that holds the separator or a line end belongs in quotes.",
        )


def _line(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1


def _line_of(octets: np.ndarray, at: int) -> int:
    return int((octets[:at] == 10).sum()) + 1
