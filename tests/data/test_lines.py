r"""Only \n ends a line: N lines in, N lines out, streamed, mapped or unpacked, and whatever is changed is counted."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from axw.data import sources
from axw.data.line_file import LineFile
from axw.data.lines import Count, LinePolicy, LineReport, pieces, read_lines
from axw.errors import AxwError, DataError, ResourceError, UsageError
from tests.data.strategies import BAD, ODD, bytes_lines, texts

LENIENT = LinePolicy(on_bad_utf8="replace")
POLICIES = st.builds(
    LinePolicy,
    longest=st.sampled_from([1, 2, 3, 5, 7, 11, 2**20]),
    on_long=st.sampled_from(["error", "truncate", "skip"]),
    on_bad_utf8=st.sampled_from(["error", "replace"]),
)


class Dribble(io.RawIOBase):
    """A stream that gives one to a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes, step: int) -> None:
        self.data, self.at, self.step = data, 0, step

    def read(self, size: int = -1) -> bytes:
        chunk = self.data[self.at : self.at + self.step]
        self.at += len(chunk)
        return chunk


def streamed(data: bytes, policy: LinePolicy = LENIENT, step: int | None = None) -> list[str] | str:
    """The lines, or what the error says."""
    return outcome(lambda: list(read_lines(Dribble(data, step) if step else io.BytesIO(data), policy)))


def outcome(read):  # type: ignore[no-untyped-def]
    try:
        return read()
    except AxwError as error:
        return f"{type(error).__name__} {error.what} {error.where.partition(', line')[2]} {error.todo}"


def write(folder: Path, data: bytes, name: str = "text.txt") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def count_of(data: bytes) -> int:
    return data.count(b"\n") + (not data.endswith(b"\n"))


def one_by_one(data: bytes) -> list[str]:
    """The plain definition, for lines that are neither too long nor refused."""
    rows = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    last = rows.pop()
    rows = [row.removesuffix(b"\r") for row in rows] + ([last] if last else [])
    return [row.decode(errors="replace").replace("\0", "\ufffd").replace("\r", " ") for row in rows]


# N lines in, N lines out


@settings(max_examples=200, deadline=None)
@given(bytes_lines(), st.sampled_from([1, 2, 3, 7, 1000]))
@example(b"\r\r\n\r", 1)
@example(b"\xef\xbb\xbfa\r\nb", 2)
def test_every_line_in_is_a_line_out(data: bytes, step: int) -> None:
    got = streamed(data)
    assert streamed(data, step=step) == got
    if isinstance(got, str):
        assert "no data" in got or "looks like" in got
    else:
        assert got == one_by_one(data)
        assert len(got) == count_of(data.removeprefix(b"\xef\xbb\xbf"))


def test_ten_thousand_fuzzed_files_keep_their_lines() -> None:
    generator = np.random.default_rng(20)
    alphabet = [
        b"\n",
        b"\n",
        b"\r\n",
        b"\r",
        b"\0",
        b" ",
        b"word",
        b"\xe8\xaa\x9e",
        *BAD,
        *(odd.encode() for odd in ODD),
    ]
    for _ in range(10_000):
        data = b"x" + b"".join(alphabet[at] for at in generator.integers(0, len(alphabet), generator.integers(0, 23)))
        stream = read_lines(io.BytesIO(data), LENIENT)
        assert len(list(stream)) == count_of(data) == stream.report.lines


@settings(max_examples=60, deadline=None)
@given(st.lists(texts(), min_size=1, max_size=9), st.booleans())
def test_text_comes_back_as_it_was_and_crlf_makes_no_difference(lines: list[str], mark: bool) -> None:
    lines[0] = lines[0].lstrip("\ufeff")
    start = b"\xef\xbb\xbf" if mark else b"x"
    wanted = [("" if mark else "x") + lines[0], *lines[1:]]
    unix = start + "".join(line + "\n" for line in lines).encode()
    windows = start + "".join(line + "\r\n" for line in lines).encode()
    assert streamed(unix) == streamed(windows) == wanted


@settings(max_examples=120, deadline=None)
@given(bytes_lines(), POLICIES, st.sampled_from([1, 2, 3, 5, 13]))
def test_mapped_streamed_unpacked_and_dribbled_give_one_answer(data: bytes, policy: LinePolicy, step: int) -> None:
    wanted = streamed(data, policy)
    assert streamed(data, policy, step) == wanted
    with tempfile.TemporaryDirectory() as folder:
        for name in ("text.txt", "text.GZ", "text.gz"):
            path = Path(folder) / name
            path.write_bytes(data if name == "text.txt" else gzip.compress(data))
            assert outcome(lambda path=path: list(read_lines(path, policy))) == wanted
            opened = outcome(lambda path=path: LineFile(path, policy))
            if isinstance(opened, str):
                assert opened == wanted
                continue
            with opened as file:
                assert len(file) == len(wanted)
                assert file[:] == [file[at] for at in range(len(file))] == list(file) == wanted
                assert file.sha256 == hashlib.sha256(data).hexdigest()
                stream = read_lines(path, policy)
                assert list(stream) == wanted and stream.report == file.report


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), POLICIES)
def test_any_bytes_are_read_or_refused_with_an_error_of_ours(data: bytes, policy: LinePolicy) -> None:
    streamed(data, policy)
    streamed(b"\x1f\x8b" + data, policy)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.gz"
        packed = gzip.compress(b"some lines\n" * 7)
        for damaged in (data, packed[: len(packed) // 2], packed[:12] + data + packed[12:]):
            path.write_bytes(damaged)
            outcome(lambda: list(read_lines(path, policy)))


@settings(max_examples=120, deadline=None)
@given(bytes_lines(), st.integers(1, 9), st.integers(1, 13))
def test_pieces_are_the_text_and_hold_no_more_than_a_line_and_a_chunk(data: bytes, longest: int, step: int) -> None:
    chunks = [(at, data[at : at + step]) for at in range(0, len(data), step)]
    got = list(pieces(chunks, LinePolicy(longest, "skip"), "text"))
    assert all(len(piece.data) <= longest + 1 + 2 * step for piece in got)
    assert sum(piece.data.count(b"\n") + (piece.ended and piece.length > 0) for piece in got) == data.count(b"\n")
    rows = data.split(b"\n")
    for piece in got:
        if piece.length:
            row = rows[piece.number - 1]
            assert piece.length == len(row) - piece.crlf > longest and row.startswith(piece.data)
        else:
            assert piece.data.startswith(rows[piece.number - 1])


# What is counted


def test_everything_that_is_changed_is_counted_with_its_first_line() -> None:
    stream = read_lines(
        io.BytesIO(b"one\n\nt\0w\0o\r\n \t\na\rb\r\nbad \xff\xfe\xe2\x82 end\r\nlong long long\nend"), LENIENT
    )
    lines = list(stream)
    assert lines == ["one", "", "t\ufffdw\ufffdo", " \t", "a b", "bad \ufffd\ufffd\ufffd end", "long long long", "end"]
    assert stream.report == LineReport(
        "the stream",
        lines=8,
        empty=Count(2, 2),
        replaced=Count(4, 6),
        nuls=Count(2, 3),
        crlf=Count(3, 3),
        carriage_returns=Count(1, 5),
    )
    assert stream.number == 8
    assert stream.report.to_text() == (
        "the stream: 8 lines; 2 empty lines (first: line 2); 4 bytes that are not UTF-8 replaced (first: line 6); "
        "2 NUL bytes replaced (first: line 3); 3 lines that end in CRLF (first: line 3); "
        "1 carriage returns inside lines replaced by a space (first: line 5)"
    )


def test_a_clean_text_has_nothing_to_report() -> None:
    stream = read_lines(io.BytesIO(b"one\ntwo\n"))
    assert list(stream) == ["one", "two"] and stream.report.to_text() == "the stream: 2 lines"


@pytest.mark.parametrize("odd", ODD)
def test_only_the_line_feed_ends_a_line(odd: str) -> None:
    text = f"a{odd}b"
    assert streamed(f"{text}\n{text}".encode()) == [text, text]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"one", ["one"]),
        (b"\n", [""]),
        (b"\n\n", ["", ""]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"a\r\n", ["a"]),
        (b"a\r", ["a "]),
    ],
)
def test_ends_of_lines(data: bytes, lines: list[str]) -> None:
    assert streamed(data) == lines


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_an_empty_file_has_no_data(data: bytes, tmp_path: Path) -> None:
    for source in (io.BytesIO(data), write(tmp_path, data), write(tmp_path, data, "text.gz")):
        with pytest.raises(DataError, match="There is no data: the file is empty"):
            next(read_lines(source))
    with pytest.raises(DataError, match="There is no data"):
        LineFile(write(tmp_path, data))


# Bytes that are not UTF-8


@pytest.mark.parametrize("bad", BAD)
def test_bytes_that_are_not_utf8_are_an_error_with_their_place(bad: bytes, tmp_path: Path) -> None:
    path = write(tmp_path, b"fine\nna\xc3\xafve " + bad + b" end\n")
    stream = read_lines(path)
    assert next(stream) == "fine"
    with pytest.raises(DataError) as caught:
        next(stream)
    assert caught.value.what.startswith(f"The byte 0x{bad[0]:02x} is not UTF-8 (")
    assert caught.value.where == f"{path}, line 2, byte 8"
    assert "iconv -f LATIN1 -t UTF-8" in caught.value.todo and 'on_bad_utf8="replace"' in caught.value.todo
    with pytest.raises(DataError, match="line 2, byte 8"):
        LineFile(path)
    lenient = read_lines(path, LENIENT)
    assert len(list(lenient)) == 2 and lenient.report.replaced == Count(len(bad), 2)


# Lines that are too long


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_long_lines_are_cut_at_a_character_skipped_or_refused(end: bytes, step: int) -> None:
    data = b"short\r\n" + "ééééé".encode() + (end or b"\n") + b"also long, by far" + end
    cut = read_lines(Dribble(data, step), LinePolicy(7, "truncate"))
    assert list(cut) == ["short", "ééé", "also lo"] and cut.report.truncated == Count(2, 2)
    skip = read_lines(Dribble(data, step), LinePolicy(7, "skip"))
    assert list(skip) == ["short"] and skip.report.skipped == Count(2, 2) and skip.report.lines == 3
    assert skip.number == 3 and skip.report.crlf == cut.report.crlf == Count(3 if end == b"\r\n" else 1, 1)
    strict = read_lines(Dribble(data, step), LinePolicy(7))
    assert next(strict) == "short"
    with pytest.raises(DataError) as caught:
        next(strict)
    assert caught.value.what == "The line is longer than 7 bytes." and caught.value.where == "the stream, line 2"
    assert "LinePolicy(longest=...)" in caught.value.todo and '"truncate" or "skip"' in caught.value.todo


def test_the_limit_does_not_count_the_end_of_the_line() -> None:
    assert streamed(b"seven 7\r\nseven 7\nseven 7", LinePolicy(7)) == ["seven 7"] * 3


def test_a_line_without_an_end_is_refused_in_bounded_memory() -> None:
    with open("/dev/zero", "rb") as endless, pytest.raises(DataError, match="longer than 1048576 bytes"):
        next(read_lines(endless))
    with pytest.raises(DataError, match="longer than 1048576 bytes"):
        LineFile("/dev/zero")


def test_a_policy_says_what_is_allowed() -> None:
    with pytest.raises(UsageError, match=r"on_long='trunkate'\nLinePolicy\nAllowed: .*Did you mean 'truncate'"):
        LinePolicy(on_long="trunkate")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="Allowed: error, replace"):
        LinePolicy(on_bad_utf8="ignore")  # type: ignore[arg-type]
    for longest in (0, 1.5, True):
        with pytest.raises(UsageError, match="Give a whole number of bytes, 1 or more"):
            LinePolicy(longest)  # type: ignore[arg-type]


# Files of other kinds


@pytest.mark.parametrize(
    ("data", "kind", "todo"),
    [
        ("text\n".encode("utf-16"), "UTF-16", "iconv -f UTF-16 -t UTF-8 FILE > NEW"),
        (b"\xfe\xff" + "text\n".encode("utf-16-be"), "UTF-16", "iconv -f UTF-16"),
        ("some text\n".encode("utf-16-le"), "UTF-16", "iconv -f UTF-16LE"),
        ("some text\n".encode("utf-16-be"), "UTF-16", "iconv -f UTF-16BE"),
        ("text\n".encode("utf-32"), "UTF-32", "iconv -f UTF-32"),
        (b"\0\0\xfe\xff" + "text\n".encode("utf-32-be"), "UTF-32", "iconv -f UTF-32"),
        ("some text\n".encode("utf-32-le"), "UTF-32", "iconv -f UTF-32LE"),
        ("some text\n".encode("utf-32-be"), "UTF-32", "iconv -f UTF-32BE"),
        (gzip.compress(b"text\n", mtime=0), "gzip", "gunzip -c FILE"),
        (b"PK\x03\x04\x14\0", "a zip archive", "unzip"),
        (b"PK\x05\x06\0\0", "an empty zip archive", "text itself"),
        (b"%PDF-1.7\n", "a PDF document", "pdftotext"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture", "text itself"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG picture", "text itself"),
        (b"GIF89a", "a GIF picture", "text itself"),
        (b"BZh91AY&SY", "bzip2", "bunzip2"),
        (b"\xfd7zXZ\0\0\x04", "xz", "xz -dc"),
        (b"(\xb5/\xfd\x04", "zstd", "zstd -dc"),
        (b"7z\xbc\xaf\x27\x1c\0", "a 7-Zip archive", "7z x"),
        (b"PAR1\x15\x04", "Parquet", "one text a line"),
        (b"ARROW1\0\0\xff", "Arrow", "one text a line"),
        (b"SQLite format 3\0\x10", "an SQLite database", "one text a line"),
        (b"\x89HDF\r\n\x1a\n", "HDF5", "one text a line"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Word or Excel document", "plain text, UTF-8"),
        (b"\x7fELF\x02\x01", "a program", "text itself"),
    ],
)
def test_what_is_not_text_is_recognised(data: bytes, kind: str, todo: str, tmp_path: Path) -> None:
    sources_of = [io.BytesIO(data), Dribble(data, 40), write(tmp_path, data), write(tmp_path, data, "packed.gz")]
    for source in sources_of:
        with pytest.raises(DataError) as caught:
            next(read_lines(source, LENIENT))
        assert caught.value.what.startswith(f"This looks like {kind}") and todo in caught.value.todo


@pytest.mark.parametrize("text", ["P", "PK", "BZh", "BZh9 is a name", "PAR1 gene", "GIF", "%PD", "7z", "(x", "ARROW1"])
def test_text_that_begins_like_another_kind_is_text(text: str) -> None:
    for step in (1, 2, 100):
        assert streamed(text.encode(), step=step) == [text]


def test_a_file_named_gz_must_be_gzip(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(b"plain\n")
    with pytest.raises(DataError, match="The gzip file is damaged: Not a gzipped file"):
        next(read_lines(path))
    path.write_bytes(gzip.compress(b"line\n" * 99)[:-11])
    with pytest.raises(DataError, match="Copy or download it again"):
        list(read_lines(path))
    with pytest.raises(DataError, match="The gzip file is damaged"):
        LineFile(path)


# Where text comes from


def test_paths_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"There is no such file.\n.*none.txt\nCheck the path"):
        next(read_lines(tmp_path / "none.txt"))
    for read in (lambda path: next(read_lines(path)), LineFile):
        with pytest.raises(DataError, match="This is a folder, not a file"):
            read(tmp_path)
    with pytest.raises(UsageError, match="This is no path"):
        next(read_lines("a\0b"))
    with pytest.raises(UsageError, match=r"The stream gives str, not bytes(.|\n)*open\(path, \"rb\"\)"):
        next(read_lines(io.StringIO("text")))  # type: ignore[arg-type]

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)
    with pytest.raises(ResourceError, match="chmod u"):
        next(read_lines(tmp_path / "text.txt"))


def test_a_disk_that_fails_is_said() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(ResourceError, match="Reading failed: Input/output error"):
        next(read_lines(Broken()))


def test_stdin_gives_each_line_as_soon_as_it_is_there() -> None:
    code = "from axw.data.lines import read_lines\nfor line in read_lines('-'): print(line.upper(), flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin and child.stdout
        for word in (b"one\n", b"two\n"):
            child.stdin.write(word)
            child.stdin.flush()
            assert child.stdout.readline() == word.upper()
        child.stdin.write(b"no end")
        child.stdin.close()
        assert child.stdout.read() == b"NO END\n"
    assert child.returncode == 0


def test_a_pipe_with_a_name_is_read_and_mapped(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for read in (lambda: list(read_lines(path)), lambda: LineFile(path)[:]):
        writer = threading.Thread(target=path.write_bytes, args=(b"one\ntwo\n",))
        writer.start()
        assert read() == ["one", "two"]
        writer.join()


def test_closing_early_closes_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, b"one\ntwo\n")
    before = len(os.listdir("/proc/self/fd"))
    stream = read_lines(path)
    assert next(stream) == "one"
    stream.close()
    assert list(stream) == [] and len(os.listdir("/proc/self/fd")) == before


# LineFile


@pytest.fixture
def seven(tmp_path: Path) -> LineFile:
    return LineFile(write(tmp_path, b"".join(b"line %d\n" % at for at in range(7))))


def test_a_line_file_is_indexed_like_a_list(seven: LineFile) -> None:
    plain = [f"line {at}" for at in range(7)]
    assert len(seven) == 7 and list(seven) == plain and list(seven) == plain
    assert seven[0] == seven[-7] == "line 0" and seven[np.int64(6)] == seven[-1] == "line 6"
    for part in (slice(2, 5), slice(None, None, -2), slice(5, 1), slice(-3, 99)):
        assert seven[part] == plain[part]
    assert seven[[5, 2, 2, -1]] == seven[np.array([5, 2, 2, 6])] == [plain[5], plain[2], plain[2], plain[6]]
    assert seven[[]] == [] and seven[range(3)] == plain[:3]
    for beyond in (7, -8, [0, 7]):
        with pytest.raises(IndexError):
            seven[beyond]
    for wrong in (1.5, "1", [True, False], [[1], [2]], None):
        with pytest.raises(UsageError, match="Give a whole number, a slice, or a row of whole numbers"):
            seven[wrong]  # type: ignore[call-overload]


def test_skipped_lines_are_not_among_the_lines(tmp_path: Path) -> None:
    file = LineFile(write(tmp_path, b"one\nmuch too long\n\nfour\nalso too long"), LinePolicy(5, "skip"))
    assert len(file) == 3 and file[:] == list(file) == ["one", "", "four"] and file[-1] == "four"
    assert file.index.skipped.tolist() == [1, 4] and file.index.empty.tolist() == [2]
    assert list(file.all_texts()) == ["one", None, "", "four", None]
    with pytest.raises(UsageError, match="Line 2 was skipped"):
        file.texts([1])


@pytest.mark.parametrize("change", ["shorter", "longer", "other"])
def test_a_file_that_is_changed_is_an_error_and_not_a_crash(change: str, tmp_path: Path) -> None:
    path = write(tmp_path, b"a line\n" * 20_011)
    file = LineFile(path)
    if change == "shorter":
        os.truncate(path, 10)
    elif change == "longer":
        path.write_bytes(b"a line\n" * 20_012)
    else:
        path.write_bytes(b"o line\n" * 20_011)
        os.utime(path, ns=(1, 1))
    for read in (lambda: file[20_010], lambda: file[:], lambda: list(file)):
        with pytest.raises(DataError, match="The file was changed while it was in use"):
            read()


def test_a_file_that_is_replaced_stays_what_it_was(tmp_path: Path) -> None:
    path = write(tmp_path, b"old\n")
    file = LineFile(path)
    os.replace(write(tmp_path, b"new, and longer\n", "new.txt"), path)
    assert file[0] == "old"


@pytest.mark.parametrize("name", ["text.txt", "text.gz"])
def test_files_are_let_go_and_the_copy_has_no_name(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, b"one\ntwo\n", name)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    before = len(os.listdir("/proc/self/fd"))
    with LineFile(path, scratch=scratch) as file:
        assert file[1] == "two" and list(scratch.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(UsageError, match="The file was closed"):
        file[0]
    forgotten = LineFile(path, scratch=scratch)
    del forgotten
    with pytest.raises(DataError):
        LineFile(path, LinePolicy(1), scratch)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = open("/dev/full", "wb", buffering=0)
    monkeypatch.setattr("axw.data.line_file.tempfile.TemporaryFile", lambda dir: full)
    with pytest.raises(ResourceError, match=r"cannot be written: No space left(.|\n)*scratch=FOLDER"):
        LineFile(write(tmp_path, b"one\n", "text.gz"))
    assert full.closed


def test_the_index_is_the_same_for_every_size_of_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, b"\xef\xbb\xbf" + b"".join(b"%d \xc3\xa9\r\n" % (7**at) for at in range(23)))
    whole = LineFile(path)
    for size in (4, 5, 11, 64):
        monkeypatch.setattr(sources, "CHUNK", size)
        monkeypatch.setattr("axw.data.line_file.CHUNK", size)
        small = LineFile(path)
        assert np.array_equal(small.index.starts, whole.index.starts) and small.report == whole.report
        assert list(small) == small[:] == whole[:]


def test_streaming_and_indexing_need_little_memory(tmp_path: Path) -> None:
    lines = 200_003
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        for start in range(0, lines, 1000):
            file.write(b"".join(b"%d a line of a text\n" % at for at in range(start, min(start + 1000, lines))))

    def peak(work) -> int:  # type: ignore[no-untyped-def]
        tracemalloc.start()
        work()
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(lambda: [None for _ in zip(read_lines(path), range(70_001), strict=False)]) < 8e6
    assert peak(lambda: LineFile(path)) < 9.5 * lines + 5e6


# Lines are written by one process and read by another, so that nothing but the reader is measured.
MEASURE = """
import resource, sys
from axw.data.line_file import LineFile
from axw.data.lines import read_lines
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
stream = read_lines("-") if sys.argv[1] == "stream" else LineFile(sys.argv[2])
count = sum(1 for _ in stream) if sys.argv[1] == "stream" else len(stream)
print(count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) * 1024)
"""


@pytest.mark.slow
def test_ten_million_lines_stream_flat_and_their_index_fits_in_100_megabytes(tmp_path: Path) -> None:
    lines, path = 10_000_000, tmp_path / "large.txt"
    with path.open("wb") as file:
        for _ in range(1000):
            file.write(b"a line of twenty byt\n" * (lines // 1000))
    for how, most in [("stream", 10e6), ("index", 110e6)]:
        with path.open("rb") as file:
            said = subprocess.run(
                [sys.executable, "-c", MEASURE, how, str(path)], stdin=file, capture_output=True, text=True, check=True
            )
        count, memory = map(int, said.stdout.split())
        assert count == lines and memory < most


@pytest.mark.data
def test_real_text_is_clean_and_counted() -> None:
    folder = Path(os.environ.get("AXW_DATA", "../shared/data"))
    known = {
        "words/brown.train.txt.gz": 51_504,
        "words/brown.valid.txt.gz": 2_979,
        "multi30k/train.en.gz": 29_000,
        "multi30k/test_2016_flickr.de.gz": 1_000,
    }
    if not folder.is_dir():
        pytest.skip(f"AXW_DATA: there is no folder {folder}")
    for name, lines in known.items():
        file, stream = LineFile(folder / name), read_lines(folder / name)
        with gzip.open(folder / name) as packed:
            wanted = packed.read().decode().removesuffix("\n").split("\n")
        assert list(stream) == list(file) == file[:] == wanted
        assert len(file) == lines and stream.report == file.report
