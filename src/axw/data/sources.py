"""Where the bytes of a text come from: a file, a gzip file, a pipe; and files that are not text, told by their first bytes."""

from __future__ import annotations

import codecs
import gzip
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from axw.errors import DataError, ResourceError, UsageError

Source = str | os.PathLike[str] | BinaryIO  # "-" is stdin

CHUNK = 2**18
_HEAD = 4096  # bytes that the pattern of UTF-16 without a mark is looked for in
_MARK = codecs.BOM_UTF8
_ICONV = "Convert it: iconv -f {} -t UTF-8 FILE > NEW"


class _Kind(NamedTuple):
    start: bytes
    name: str
    todo: str


# A longer start stands before a shorter one that it begins with.
_KINDS = [
    _Kind(codecs.BOM_UTF32_LE, "UTF-32", _ICONV.format("UTF-32")),
    _Kind(codecs.BOM_UTF32_BE, "UTF-32", _ICONV.format("UTF-32")),
    _Kind(codecs.BOM_UTF16_LE, "UTF-16", _ICONV.format("UTF-16")),
    _Kind(codecs.BOM_UTF16_BE, "UTF-16", _ICONV.format("UTF-16")),
    _Kind(b"\x1f\x8b", "gzip", "Give it a name that ends in .gz, or unpack it: gunzip -c FILE > NEW"),
    _Kind(b"PK\x03\x04", "a zip archive (or a Word or Excel document)", "Unpack it: unzip FILE"),
    _Kind(b"PK\x05\x06", "an empty zip archive", "Give the text itself."),
    _Kind(b"%PDF-", "a PDF document", "Take the text out of it: pdftotext FILE NEW"),
    _Kind(b"\x89PNG", "a PNG picture", "Give the text itself."),
    _Kind(b"\xff\xd8\xff", "a JPEG picture", "Give the text itself."),
    _Kind(b"GIF8", "a GIF picture", "Give the text itself."),
    *(_Kind(b"BZh%d1AY&SY" % level, "bzip2", "Unpack it: bunzip2 -c FILE > NEW") for level in range(1, 10)),
    _Kind(b"\xfd7zXZ\0", "xz", "Unpack it: xz -dc FILE > NEW"),
    _Kind(b"(\xb5/\xfd", "zstd", "Unpack it: zstd -dc FILE > NEW"),
    _Kind(b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "Unpack it: 7z x FILE"),
    _Kind(b"PAR1\x15", "Parquet", "Write the column of text to a file, one text a line."),
    _Kind(b"ARROW1\0\0", "Arrow", "Write the column of text to a file, one text a line."),
    _Kind(b"SQLite format 3\0", "an SQLite database", "Write the column of text to a file, one text a line."),
    _Kind(b"\x89HDF", "HDF5", "Write the text to a file, one text a line."),
    _Kind(b"\xd0\xcf\x11\xe0", "an old Word or Excel document", "Save it as plain text, UTF-8."),
    _Kind(b"\x7fELF", "a program", "Give the text itself."),
]


def name_of(source: Source) -> str:
    """What messages call the source."""
    if isinstance(source, str | os.PathLike):
        return "stdin" if source == "-" else os.fspath(source)
    return str(getattr(source, "name", "the stream"))


def is_gzip_name(source: Source) -> bool:
    return isinstance(source, str | os.PathLike) and os.fspath(source).lower().endswith(".gz")


@contextmanager
def open_bytes(source: Source) -> Iterator[BinaryIO]:
    """The source as a binary stream; a file named .gz is unpacked on the way. stdin and a given stream are not closed.

    Raises `DataError` where there is no such file, `ResourceError` where it may not be read.
    """
    if not isinstance(source, str | os.PathLike):
        yield source
        return
    if source == "-":
        yield sys.stdin.buffer
        return
    try:
        # A name is kept for messages: gzip.open alone would not say which file is missing.
        stream = cast(BinaryIO, gzip.open(source)) if is_gzip_name(source) else open(source, "rb")
    except OSError as error:
        raise _cannot_open(error, name_of(source)) from error
    except ValueError as error:  # a NUL in the path
        raise UsageError(f"This is no path: {error}.", repr(source), "Give the path of a file.") from error
    with stream:
        yield stream


def _cannot_open(error: OSError, where: str) -> DataError | ResourceError:
    if isinstance(error, FileNotFoundError):
        return DataError("There is no such file.", where, f"Check the path; it was looked for in {Path.cwd()}.")
    if isinstance(error, IsADirectoryError):
        return DataError("This is a folder, not a file.", where, "Give one of the files in it.")
    if isinstance(error, PermissionError):
        return ResourceError("The file may not be read.", where, "Change its permissions: chmod u+r FILE")
    return ResourceError(f"The file cannot be opened: {error.strerror}.", where, "Check the path and the disk.")


def chunks(stream: BinaryIO, where: str) -> Iterator[bytes]:
    """The bytes of a stream, at most `CHUNK` at a time and as soon as they are there: a pipe is not waited for.

    Raises `DataError` for a damaged gzip file, `ResourceError` where the disk fails.
    """
    read = getattr(stream, "read1", stream.read)
    while True:
        try:
            chunk = read(CHUNK)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(
                f"The gzip file is damaged: {error}.",
                where,
                "Copy or download it again; if it is plain text, name it so.",
            ) from error
        except OSError as error:
            raise (
                _cannot_open(error, where)
                if isinstance(error, IsADirectoryError)
                else ResourceError(
                    f"Reading failed: {error.strerror or error}.", where, "Check the disk, then try again."
                )
            ) from error
        if not isinstance(chunk, bytes):
            raise UsageError(
                f"The stream gives {type(chunk).__name__}, not bytes.", where, 'Open it in binary: open(path, "rb")'
            )
        if not chunk:
            return
        yield chunk


def text_chunks(raw: Iterator[bytes], where: str) -> Iterator[tuple[int, bytes]]:
    """(offset in the source, bytes), without the byte order mark of UTF-8: the first offset is 3 where there was one.

    Raises `DataError` for a source without data, and for one that is not UTF-8 text by its first bytes.
    """
    head = b""
    for chunk in raw:
        head += chunk
        if not _may_start_other(head):
            break
    refuse_other_kinds(head, where)
    offset = len(_MARK) if head.startswith(_MARK) else 0
    rest = head[offset:] or next(raw, b"")
    if not rest:
        raise DataError("There is no data: the file is empty.", where, "Give a file with at least one line of text.")
    yield offset, rest
    offset += len(rest)
    for chunk in raw:
        yield offset, chunk
        offset += len(chunk)


def _may_start_other(head: bytes) -> bool:
    """Whether more bytes are needed to tell what the source is; "a" from a terminal is told at once."""
    starts = [kind.start for kind in _KINDS] + [_MARK]
    return any(len(head) < len(start) and start.startswith(head) for start in starts)


def refuse_other_kinds(head: bytes, where: str) -> None:
    """Raise `DataError` where the first bytes are those of UTF-16, an archive, a picture and so on: not of UTF-8 text."""
    kind = next((kind for kind in _KINDS if head.startswith(kind.start)), None) or _wide(head[:_HEAD])
    if kind is not None:
        raise DataError(f"This looks like {kind.name}, not like UTF-8 text.", where, kind.todo)


def _wide(head: bytes) -> _Kind | None:
    """UTF-16 or UTF-32 without a mark: in text that is mostly ASCII the NULs stand in every second byte, or in three of four."""
    if len(head) < 8 or b"\0" not in head:
        return None
    share = [head[at::4].count(0) / len(head[at::4]) for at in range(4)]
    for codec, nul, other in [
        ("UTF-32LE", (1, 2, 3), (0,)),
        ("UTF-32BE", (0, 1, 2), (3,)),
        ("UTF-16LE", (1, 3), (0, 2)),
        ("UTF-16BE", (0, 2), (1, 3)),
    ]:
        if min(share[at] for at in nul) > 0.6 and max(share[at] for at in other) < 0.05:
            return _Kind(b"", codec[:6], _ICONV.format(codec))
    return None
