r"""Text as lines. Only `\n` ends a line: N lines in, N lines out, whatever the bytes are.

What other programs count as line ends (U+0085, U+2028, \v, \f and so on) are characters like any other. `\r\n` ends a line
as `\n` does, a carriage return elsewhere becomes a space, a NUL byte becomes U+FFFD, and all of it is counted.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from axw.data.sources import Source, chunks, name_of, open_bytes, text_chunks
from axw.errors import DataError, UsageError, did_you_mean

OnLong = Literal["error", "truncate", "skip"]
OnBadUTF8 = Literal["error", "replace"]


@dataclass(frozen=True)
class LinePolicy:
    """What is done about lines that cannot be taken as they are.

    longest      most bytes of a line, its end not counted
    on_long      a longer line: "error", "truncate" (at the end of a character) or "skip"
    on_bad_utf8  bytes that are not UTF-8: "error", or "replace" by U+FFFD

    Nothing is silent: what is truncated, skipped or replaced stands in the `LineReport`. The rest of a truncated line and
    the whole of a skipped one are not looked at. Raises `UsageError`.
    """

    longest: int = 2**20
    on_long: OnLong = "error"
    on_bad_utf8: OnBadUTF8 = "error"

    def __post_init__(self) -> None:
        if isinstance(self.longest, bool) or not isinstance(self.longest, int) or self.longest < 1:
            raise UsageError(f"longest={self.longest!r}", "LinePolicy", "Give a whole number of bytes, 1 or more.")
        for name, allowed in [("on_long", get_args(OnLong)), ("on_bad_utf8", get_args(OnBadUTF8))]:
            got = getattr(self, name)
            if got not in allowed:
                raise UsageError(f"{name}={got!r}", "LinePolicy", did_you_mean(str(got), allowed))


class Count(NamedTuple):
    """How often something was met, and the number of the first line with it (0: never met)."""

    times: int = 0
    first_line: int = 0

    def add(self, times: int, line: int) -> Count:
        return Count(self.times + times, self.first_line or line) if times else self


class LineReport(NamedTuple):
    """What was met in a text. Lines are numbered from 1, and skipped lines have a number too."""

    name: str
    lines: int = 0
    empty: Count = Count()  # lines of nothing but blanks
    replaced: Count = Count()  # bytes that are not UTF-8
    nuls: Count = Count()
    crlf: Count = Count()
    carriage_returns: Count = Count()  # inside a line
    truncated: Count = Count()  # lines
    skipped: Count = Count()  # lines

    def to_text(self) -> str:
        """`corpus.en: 7 lines; 2 empty lines (first: line 3)`."""
        said = [f"{self.name}: {self.lines} line{'s' * (self.lines != 1)}"]
        for field, what in _WHAT.items():
            times, first_line = getattr(self, field)
            if times:
                said.append(f"{times} {what} (first: line {first_line})")
        return "; ".join(said)


_WHAT = {
    "empty": "empty lines",
    "replaced": "bytes that are not UTF-8 replaced",
    "nuls": "NUL bytes replaced",
    "crlf": "lines that end in CRLF",
    "carriage_returns": "carriage returns inside lines replaced by a space",
    "truncated": "lines truncated",
    "skipped": "lines skipped",
}


class Line(NamedTuple):
    """One line, cleaned: its text (None: skipped) and how many of each kind were met in it."""

    text: str | None
    replaced: int = 0
    nuls: int = 0
    carriage_returns: int = 0
    truncated: int = 0


class Piece(NamedTuple):
    """Whole lines, as bytes; or the beginning of one line that is too long to be held."""

    number: int  # of its first line
    data: bytes
    ended: bool  # whether the last line ends in a line feed
    length: int = 0  # of the one long line, its end not counted; 0 for whole lines
    crlf: bool = False  # whether that one ends in CRLF


class Cleaned(NamedTuple):
    """The texts of a piece (None: skipped) up to its first error, and the report so far."""

    texts: list[str | None]
    report: LineReport
    error: DataError | None = None


def read_lines(source: Source, policy: LinePolicy | None = None) -> LineStream:
    """The lines of a file (also .gz), of stdin ("-") or of a binary stream, one after the other, in bounded memory.

    The file is opened when the first line is asked for. Raises `DataError` with the number of the line, and the byte in it,
    for what the policy does not allow; for a source without data; and for one that is not UTF-8 text: UTF-16, zip, PDF, ...
    """
    return LineStream(source, policy or LinePolicy())


class LineStream(Iterator[str]):
    """An iterator over the lines, once through.

    number  of the line given last; skipped lines have a number too
    report  what was met; complete after the last line, and some lines ahead before that
    """

    def __init__(self, source: Source, policy: LinePolicy) -> None:
        self.number = 0
        self.report = LineReport(name_of(source))
        self._texts = self._read(source, policy)

    def __next__(self) -> str:
        return next(self._texts)

    def close(self) -> None:
        """Close the file before its end is reached."""
        self._texts.close()

    def _read(self, source: Source, policy: LinePolicy) -> Generator[str, None, None]:
        name = self.report.name
        with open_bytes(source) as stream:
            for piece in pieces(text_chunks(chunks(stream, name), name), policy, name):
                texts, self.report, error = clean(piece, policy, self.report)
                for number, text in enumerate(texts, start=piece.number):
                    self.number = number
                    if text is not None:
                        yield text
                if error is not None:
                    raise error


def pieces(text: Iterable[tuple[int, bytes]], policy: LinePolicy, name: str) -> Iterator[Piece]:
    """Cut the chunks of a text at line ends. At most `longest` bytes and a chunk are held, however long a line is."""
    number, head, length, last = 1, bytearray(), 0, b""
    for _, chunk in text:
        cut = chunk.rfind(b"\n") + 1
        if cut and length > policy.longest + 1:  # the long line, of which only the head was kept, ends here
            end = chunk.find(b"\n")
            yield _long_piece(number, head, length + end, True, chunk[end - 1 : end] if end else last)
            number, head, length, chunk, cut = number + 1, bytearray(), 0, chunk[end + 1 :], cut - end - 1
        if cut:
            head += chunk[:cut]
            yield Piece(number, bytes(head), True)
            number, head, length, chunk = number + head.count(b"\n"), bytearray(), 0, chunk[cut:]
        if chunk:
            if len(head) <= policy.longest + 1:
                head += chunk
            length, last = length + len(chunk), chunk[-1:]
            if length > policy.longest + 1 and policy.on_long == "error":
                raise _too_long(number, policy, name)
    if length > policy.longest + 1:
        yield _long_piece(number, head, length, False, last)
    elif head:
        yield Piece(number, bytes(head), False)


def _long_piece(number: int, head: bytearray, length: int, ended: bool, last: bytes) -> Piece:
    crlf = ended and last == b"\r"
    return Piece(number, bytes(head), ended, length - crlf, crlf)


def clean(piece: Piece, policy: LinePolicy, report: LineReport) -> Cleaned:
    """The texts of a piece: at once where all is well, which is the usual case, and line by line where it is not."""
    return _clean_at_once(piece, policy, report) or _clean_each(piece, policy, report)


def _clean_at_once(piece: Piece, policy: LinePolicy, report: LineReport) -> Cleaned | None:
    data, crlf = piece.data, 0
    if piece.length or b"\0" in data:
        return None
    if b"\r" in data:
        crlf = data.count(b"\r\n")
        data = data.replace(b"\r\n", b"\n")
        if b"\r" in data:
            return None
    if max(map(len, data.split(b"\n"))) > policy.longest:
        return None
    try:
        texts: list[str | None] = list(data.decode().split("\n"))
    except UnicodeDecodeError:
        return None
    if piece.ended:
        del texts[-1]
    first_crlf = piece.number + piece.data.count(b"\n", 0, piece.data.find(b"\r\n")) if crlf else 0
    empty = [at for at, text in enumerate(texts) if not text or text.isspace()]
    report = report._replace(
        lines=report.lines + len(texts),
        crlf=report.crlf.add(crlf, first_crlf),
        empty=report.empty.add(len(empty), piece.number + empty[0] if empty else 0),
    )
    return Cleaned(texts, report)


def _clean_each(piece: Piece, policy: LinePolicy, report: LineReport) -> Cleaned:
    rows = [piece.data] if piece.length else piece.data.split(b"\n")
    if piece.ended and not piece.length:
        del rows[-1]
    texts: list[str | None] = []
    for number, row in enumerate(rows, start=piece.number):
        ended = piece.ended or number - piece.number < len(rows) - 1
        crlf = piece.crlf if piece.length else ended and row.endswith(b"\r")
        body = row[:-1] if crlf and not piece.length else row
        try:
            line = clean_line(body, piece.length or len(body), number, policy, report.name)
        except DataError as error:
            return Cleaned(texts, report, error)
        texts.append(line.text)
        report = _counted(report, number, line, crlf)
    return Cleaned(texts, report)


def _counted(report: LineReport, number: int, line: Line, crlf: bool) -> LineReport:
    return report._replace(
        lines=report.lines + 1,
        empty=report.empty.add(line.text is not None and not line.text.strip(), number),
        replaced=report.replaced.add(line.replaced, number),
        nuls=report.nuls.add(line.nuls, number),
        crlf=report.crlf.add(crlf, number),
        carriage_returns=report.carriage_returns.add(line.carriage_returns, number),
        truncated=report.truncated.add(line.truncated, number),
        skipped=report.skipped.add(line.text is None, number),
    )


def clean_line(body: bytes, length: int, number: int, policy: LinePolicy, name: str) -> Line:
    """One line without its end. `length` is its own; of a longer line than is allowed, `body` may hold only the beginning."""
    too_long = length > policy.longest
    if too_long:
        if policy.on_long == "error":
            raise _too_long(number, policy, name)
        if policy.on_long == "skip":
            return Line(None)
        body = body[: _character_end(body, policy.longest)]
    replaced = 0
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        if policy.on_bad_utf8 == "error":
            raise _bad_utf8(error, body, number, name) from None
        text = body.decode(errors="replace")
        replaced = len(body) - len(body.decode(errors="ignore").encode())
    nuls, returns = body.count(b"\0"), body.count(b"\r")
    return Line(text.replace("\0", "\ufffd").replace("\r", " "), replaced, nuls, returns, int(too_long))


def _character_end(body: bytes, longest: int) -> int:
    """The last place, not after `longest`, where a character of UTF-8 ends; `longest` itself where the bytes are not UTF-8."""
    for at in range(longest, max(longest - 4, -1), -1):
        if body[at] & 0xC0 != 0x80:  # the byte after the place begins a character
            return at
    return longest


def _too_long(number: int, policy: LinePolicy, name: str) -> DataError:
    return DataError(
        f"The line is longer than {policy.longest} bytes.",
        f"{name}, line {number}",
        'Split it; or LinePolicy(longest=...), or on_long="truncate" or "skip", which count such lines.',
    )


def _bad_utf8(error: UnicodeDecodeError, body: bytes, number: int, name: str) -> DataError:
    return DataError(
        f"The byte 0x{body[error.start]:02x} is not UTF-8 ({error.reason}).",
        f"{name}, line {number}, byte {error.start + 1}",
        "Convert the file, from Latin-1 for example: iconv -f LATIN1 -t UTF-8 FILE > NEW; "
        'or LinePolicy(on_bad_utf8="replace"), which counts such bytes.',
    )
