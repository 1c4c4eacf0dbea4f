"""Any line of a text that may be larger than memory: the file is memory-mapped, and 8 bytes a line say where each begins."""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
import tempfile
import weakref
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast, overload

import numpy as np

from axw.data.lines import LinePolicy, LineReport, clean, clean_line, pieces
from axw.data.sources import CHUNK, Source, chunks, is_gzip_name, name_of, open_bytes, text_chunks
from axw.errors import DataError, ResourceError, UsageError

Indices = Sequence[int] | np.ndarray


class Index(NamedTuple):
    """What one pass over the bytes finds. Line i is bytes starts[i] to starts[i + 1] - 1, with its carriage return if any."""

    starts: np.ndarray  # (lines + 1,) int64
    skipped: np.ndarray  # lines that the policy skips, from 0
    empty: np.ndarray  # lines of nothing but blanks, from 0
    report: LineReport
    sha256: str


class LineFile:
    """The lines of a text by number: `file[i]`, `file[i:j]`, `file[[5, 2, 11]]`, `len(file)`, `for line in file`.

    source       a path, "-" or a binary stream
    policy       what is done about lines that are too long or not UTF-8; a skipped line is not counted by `len`
    scratch      folder for the copy that is made of what cannot be mapped: a .gz file is unpacked into it, a pipe written.
                 The copy has no name and is gone when the file is closed. None: the system's folder for temporary files

    Opening reads the text once, in bounded memory, and checks all of it; so every error of `read_lines` comes here, and the
    lines are those of `read_lines`. Memory is 8 bytes a line (80 MB for 10 million), whatever the size of the file.

    report   what was met in the text, a `LineReport`
    sha256   fingerprint of the bytes as they are: `sha256sum FILE`, or `gunzip -c FILE | sha256sum` for .gz

    Raises `DataError`, also by a later access where the file was changed meanwhile; `ResourceError` where disk is missing.
    """

    def __init__(self, source: Source, policy: LinePolicy | None = None, scratch: Path | None = None) -> None:
        self.name, self.policy = name_of(source), policy or LinePolicy()
        with open_bytes(source) as stream:
            file = _own(stream) if _can_be_mapped(source, stream) else None
            copy = cast(BinaryIO, tempfile.TemporaryFile(dir=scratch)) if file is None else None
            held = cast(BinaryIO, file or copy)
            try:
                self._state = _state(held)
                self.index = _scan(file or stream, copy, self.policy, self.name)
                if copy is not None:
                    self._state = _state(copy)
                self._check_unchanged(held)
                self._map = mmap.mmap(held.fileno(), 0, access=mmap.ACCESS_READ)
            except BaseException:
                held.close()
                raise
        self._file = held
        self._close = weakref.finalize(self, _close, self._map, held)
        self._kept = kept_lines(self.index.report.lines, self.index.skipped)

    @property
    def report(self) -> LineReport:
        return self.index.report

    @property
    def sha256(self) -> str:
        return self.index.sha256

    def close(self) -> None:
        """Let go of the file; the lines cannot be read any more. Also done when nobody holds the `LineFile`."""
        self._close()

    def __enter__(self) -> LineFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice | Indices) -> list[str]: ...
    def __getitem__(self, at: int | slice | Indices) -> str | list[str]:
        lines = chosen(self._kept, at)
        if isinstance(lines, int):
            return self.texts([lines])[0]
        return self.texts(lines)

    def __iter__(self) -> Iterator[str]:
        return (text for text in self.all_texts() if text is not None)

    def texts(self, lines: Indices) -> list[str]:
        """The texts of lines numbered from 0 through the whole file, skipped ones included in the numbers."""
        self._check_unchanged(self._file)
        return [self._text(int(line)) for line in lines]

    def all_texts(self) -> Iterator[str | None]:
        """The texts of all lines in their order, None for each that is skipped."""
        for _, texts in self.blocks():
            yield from texts

    def blocks(self) -> Iterator[tuple[int, list[str | None]]]:
        """All lines in their order, many at a time: the number of the first, from 0, and the texts, None for what is skipped."""
        report = LineReport(self.name)
        for piece in pieces(self._chunks(), self.policy, self.name):
            texts, _, error = clean(piece, self.policy, report)
            yield piece.number - 1, texts
            if error is not None:
                raise error

    def _text(self, line: int) -> str:
        start, stop = int(self.index.starts[line]), int(self.index.starts[line + 1]) - 1
        crlf = stop > start and stop < len(self._map) and self._map[stop - 1] == 13
        length = stop - crlf - start
        body = self._map[start : start + min(length, self.policy.longest + 1)]
        text = clean_line(body, length, line + 1, self.policy, self.name).text
        if text is None:
            raise UsageError(f"Line {line + 1} was skipped.", self.name, "Read it with another LinePolicy.")
        return text

    def _chunks(self) -> Iterator[tuple[int, bytes]]:
        for start in range(int(self.index.starts[0]), len(self._map), CHUNK):
            self._check_unchanged(self._file)
            yield start, self._map[start : start + CHUNK]
            if hasattr(
                mmap, "MADV_DONTNEED"
            ):  # what was read stays in the system's cache, and is no memory of this process
                page = start // mmap.PAGESIZE * mmap.PAGESIZE
                self._map.madvise(mmap.MADV_DONTNEED, page, min(start + CHUNK, len(self._map)) - page)

    def _check_unchanged(self, file: BinaryIO) -> None:
        # Reading a mapped page that a shorter file no longer has would end the process.
        if file.closed:
            raise UsageError("The file was closed.", self.name, "Open it again: LineFile(path)")
        if _state(file) != self._state:
            raise DataError(
                "The file was changed while it was in use.",
                self.name,
                "Open it again; work on a copy that nothing writes to.",
            )


def kept_lines(lines: int, dropped: np.ndarray) -> np.ndarray | range:
    """The numbers, from 0, of the lines that are left; a range, which needs no memory, where all are."""
    if not len(dropped):
        return range(lines)
    kept = np.ones(lines, dtype=bool)
    kept[dropped] = False
    found = np.flatnonzero(kept)
    return found.astype(np.uint32) if lines < 2**32 else found


@overload
def chosen(kept: np.ndarray | range, at: int) -> int: ...
@overload
def chosen(kept: np.ndarray | range, at: int | slice | Indices) -> int | Indices: ...
def chosen(kept: np.ndarray | range, at: int | slice | Indices) -> int | Indices:
    """The line numbers that an index, a slice or a batch of indices asks for. `IndexError` beyond the end, as of a list."""
    if isinstance(at, slice):
        return kept[at]
    index = np.asarray(at)
    if index.dtype.kind not in "iu" and index.size or index.ndim > 1:
        raise UsageError(
            f"The index is {str(at)[:60]}.",
            "file[index]",
            "Give a whole number, a slice, or a row of whole numbers from 0.",
        )
    if index.ndim == 0:
        return int(kept[int(index)])
    return [int(kept[int(each)]) for each in index]


def _can_be_mapped(source: Source, stream: BinaryIO) -> bool:
    named = isinstance(source, str | os.PathLike) and source != "-" and not is_gzip_name(source)
    return named and stat.S_ISREG(os.fstat(stream.fileno()).st_mode)


def _own(stream: BinaryIO) -> BinaryIO:
    """The same open file, which lives on when the stream is closed."""
    return os.fdopen(os.dup(stream.fileno()), "rb")


def _state(file: BinaryIO) -> tuple[int, int]:
    state = os.fstat(file.fileno())
    return state.st_size, state.st_mtime_ns


def _close(mapped: mmap.mmap, file: BinaryIO) -> None:
    mapped.close()
    file.close()


class _Pass:
    """One pass over the bytes: their fingerprint, where each line begins, and the copy where one is wanted."""

    def __init__(self, stream: BinaryIO, copy: BinaryIO | None, name: str) -> None:
        self._stream, self._copy, self._name = stream, copy, name
        self.digest = hashlib.sha256()
        self.starts = array("q")

    def _noted(self) -> Iterator[bytes]:
        for chunk in chunks(self._stream, self._name):
            self.digest.update(chunk)
            if self._copy is not None:
                _write(self._copy, chunk, self._name)
            yield chunk
        if self._copy is not None:
            _write(self._copy, b"", self._name)

    def text(self) -> Iterator[tuple[int, bytes]]:
        end = 0
        for offset, chunk in text_chunks(self._noted(), self._name):
            if not self.starts:
                self.starts.append(offset)
            after = np.flatnonzero(np.frombuffer(chunk, dtype=np.uint8) == 10).astype(np.int64) + (offset + 1)
            self.starts.frombytes(after.tobytes())
            end = offset + len(chunk)
            yield offset, chunk
        if self.starts[-1] != end:  # the last line has no line feed; count as if it had
            self.starts.append(end + 1)


def _scan(stream: BinaryIO, copy: BinaryIO | None, policy: LinePolicy, name: str) -> Index:
    """Check every line, in bounded memory, and note where each begins, which are skipped and which are empty."""
    run, report = _Pass(stream, copy, name), LineReport(name)
    skipped, empty = array("q"), array("q")
    for piece in pieces(run.text(), policy, name):
        before = report
        texts, report, error = clean(piece, policy, report)
        if error is not None:
            raise error
        if (report.skipped, report.empty) != (before.skipped, before.empty):
            for line, text in enumerate(texts, start=piece.number - 1):
                if text is None:
                    skipped.append(line)
                elif not text.strip():
                    empty.append(line)
    return Index(_frozen(run.starts), _frozen(skipped), _frozen(empty), report, run.digest.hexdigest())


def _frozen(values: array[int]) -> np.ndarray:
    numbers = np.frombuffer(values, dtype=np.int64) if len(values) else np.empty(0, dtype=np.int64)
    numbers.flags.writeable = False
    return numbers


def _write(copy: BinaryIO, chunk: bytes, name: str) -> None:
    try:
        copy.write(chunk)
        if not chunk:
            copy.flush()
    except OSError as error:
        raise ResourceError(
            f"The copy that is read from cannot be written: {error.strerror}.",
            name,
            "Free some disk, unpack the file yourself, or name another folder: LineFile(..., scratch=FOLDER)",
        ) from error
