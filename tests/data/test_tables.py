"""Tables: what is read equals what an independent strict reader reads, or is an error with its line."""

import csv
import datetime
import gzip
import io
import random
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from sklearn.utils.estimator_checks import _NotAnArray

from axw.data import as_frame, read_table
from axw.data.cells import MISSING
from axw.errors import DataError, DataWarning, UsageError


def write(folder: Path, data: str | bytes, name: str = "table.csv") -> Path:
    file = folder / name
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return file


REFUSED = {
    "empty": (b"", "file is empty", ""),
    "blank": (b"\n\r\n\n", "file is empty", ""),
    "header only": (b"a,b\n", "no rows", ""),
    "double name": (b"a,b,a\n1,2,3\n", "used more than once: 'a' in columns 1 and 3", "line 1"),
    "empty name": (b",b\n1,2\n", "1 of 2 column names are empty, the first in column 1", "line 1"),
    "blank name": (b"a,  \n1,2\n", "column names are empty", "line 1"),
    "too few": (b"a,b\n1,2\n3\n4,5\n", "Got 1 values, expected 2 .*1 of 3 rows", "line 3"),
    "too many": (b"a,b\n1,2\n3,4,5\n", "Got 3 values, expected 2", "line 3"),
    "all rows too many": (b"a,b\n1,2,3\n3,4,5\n", "Got 3 values, expected 2 .*2 of 2 rows", "line 2"),
    "empty line": (b"a,b\n1,2\n\n3,4\n", "Got an empty line", "line 3"),
    "empty line, CRLF": (b"a\r\n1\r\n\r\n3\r\n", "Got an empty line", "line 3"),
    "after a long value": (b'a,b\n"x\ny\nz",2\n3\n', "Got 1 values", "line 5"),
    "open quote": (b'a,b\n1,"2\n3,4\n', "not closed", "line 2"),
    "stray quote": (b'a,b\n1,5" pipe\n2,3" pipe\n', "inside a value that is not quoted", "line 2"),
    "after the quote": (b'a,b\n1,"x"y\n', "text follows a closing quote", "line 2"),
    "NUL": (b"a,b\n1,2\n3,\x004\n", "A NUL byte", "line 3"),
    "UTF-16 without mark": ("a,b\n1,2\n".encode("utf-16-le"), "NUL byte", "line 1"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "UTF-16", ""),
    "UTF-32": ("a,b\n1,2\n".encode("utf-32"), "UTF-32", ""),
    "Latin-1": ("a,b\nx,y\nWien,Köln\n".encode("latin-1"), "byte 0xf6 is not UTF-8", "line 3, byte 7"),
    "overlong": (b"a,b\n1,\xc0\x80\n", "0xc0 is not UTF-8", "line 2, byte 3"),
    "lone CR": (b"a,b\n1,2\r3,4\n", "carriage return without a line feed", "line 2"),
    "zip": (b"PK\x03\x04....", "zip archive", ""),
    "Excel": (b"PK\x03\x04....xl/workbook.xml", "Excel workbook", ""),
    "old Excel": (b"\xd0\xcf\x11\xe0....", "old Excel", ""),
    "PDF": (b"%PDF-1.7", "PDF", ""),
    "page": (b" <!doctype html><html>", "web page", ""),
    "SQLite": (b"SQLite format 3\0...", "SQLite", ""),
    "damaged gzip": (gzip.compress(b"a,b\n1,2\n")[:-9], "gzip archive is damaged", ""),
    "damaged Parquet": (b"PAR1 and no more", "Parquet file cannot be read", ""),
    "two separators": (b"a,b;c\n1,2;3\n", "may be comma or semicolon", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_sound_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    data, what, where = REFUSED[name]
    with pytest.raises(DataError, match=what) as caught:
        read_table(write(tmp_path, data))
    assert where in caught.value.where and str(tmp_path) in caught.value.where and caught.value.todo


def test_missing_files_folders_and_separators_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file(.|\n)*Check the path"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="a folder, not a file"):
        read_table(tmp_path)
    for separator in ("", ",,", '"', "\n", "é"):
        with pytest.raises(UsageError, match="Give one character"):
            read_table(write(tmp_path, "a,b\n1,2\n"), separator=separator)


day = datetime.datetime
TYPES = {
    "007": (["007", "8"], "str", ["007", "8"]),
    "plus": (["+7", "8"], "float64", [7.0, 8.0]),
    "whole": (["7", "-8", "0"], "int64", [7, -8, 0]),
    "minus zero": (["-0", "1"], "float64", [-0.0, 1.0]),
    "gap": (["7", "", "9007199254740993"], "Int64", [7, None, 2**53 + 1]),
    "beyond 2^53": (["9007199254740993", "1"], "int64", [2**53 + 1, 1]),
    "int64 min": (["-9223372036854775808", "9223372036854775807"], "int64", [-(2**63), 2**63 - 1]),
    "uint64": (["18446744073709551615", "1"], "uint64", [2**64 - 1, 1]),
    "beyond 64 bits": (["18446744073709551616", "1"], "str", ["18446744073709551616", "1"]),
    "float beside a long id": (["0.5", "9007199254740993"], "str", ["0.5", "9007199254740993"]),
    "float": (["0.1", "1e-5", ".5", "2."], "float64", [0.1, 1e-5, 0.5, 2.0]),
    "float zeros": (["00.5", "1"], "str", ["00.5", "1"]),
    "overflow": (["1e400", "1"], "str", ["1e400", "1"]),
    "infinite": (["inf", "-Infinity", "1"], "float64", [np.inf, -np.inf, 1.0]),
    "hex": (["0x1F", "1"], "str", ["0x1F", "1"]),
    "underscore": (["1_000", "1"], "str", ["1_000", "1"]),
    "decimal comma": (["1,5", "2,5"], "str", ["1,5", "2,5"]),
    "thousands": (["1,234", "2"], "str", ["1,234", "2"]),
    "truth": (["true", "False"], "bool", [True, False]),
    "truth with gap": (["TRUE", "NA"], "boolean", [True, None]),
    "yes": (["yes", "no"], "str", ["yes", "no"]),
    "dates": (["2026-11-23", "1999-01-01"], "datetime", [day(2026, 11, 23), day(1999, 1, 1)]),
    "times": (["2026-11-23 10:00", "1999-01-01T11:30:00"], "datetime", [day(2026, 11, 23, 10), day(1999, 1, 1, 11, 30)]),
    "no date": (["2026-13-01", "2026-01-01"], "str", ["2026-13-01", "2026-01-01"]),
    "two countries' dates": (["01/02/2026", "13/02/2026"], "str", ["01/02/2026", "13/02/2026"]),
    "missing": (["NA", "n/a", "NaN", "null", "x"], "str", [None, None, None, None, "x"]),
    "nothing": (["", "NA"], "float64", [None, None]),
    "spaces": ([" 7", "8 "], "str", [" 7", "8 "]),
    "not missing": (["-", "?", "None"], "str", ["-", "?", "None"]),
    "mixed": (["1", "x", "2.5"], "str", ["1", "x", "2.5"]),
    "text": (["<script>", "=1+1", "é\u2028x"], "str", ["<script>", "=1+1", "é\u2028x"]),
}  # fmt: skip


@pytest.mark.parametrize("name", TYPES)
def test_cells_become_values_only_where_nothing_is_lost(name: str, tmp_path: Path) -> None:
    cells, dtype, values = TYPES[name]
    text = io.StringIO()
    csv.writer(text).writerows([["a", "b"], *([cell, "x"] for cell in cells)])
    column = read_table(write(tmp_path, text.getvalue()))["a"]
    assert str(column.dtype).startswith(dtype)
    assert [None if pd.isna(value) else value for value in column] == values


def test_missing_may_be_chosen_so_that_namibia_is_a_country(tmp_path: Path) -> None:
    file = write(tmp_path, "country\nNA\nAT\n")
    assert read_table(file)["country"].isna().tolist() == [True, False]
    assert read_table(file, missing=[""])["country"].tolist() == ["NA", "AT"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("packed", [False, True])
def test_separators_line_ends_marks_and_gzip_give_one_table(separator, ending, mark, packed, tmp_path: Path) -> None:
    rows = [["id", "né", "note"], ["007", "1.5", f'a "b"{separator}\nc'], ["1", "", ""]]
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=ending).writerows(rows)
    data = mark + text.getvalue().encode()
    file = write(tmp_path, gzip.compress(data) if packed else data, "t.csv")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = read_table(file)
    assert [str(w.message).split("separator ")[1].split(" ")[0] for w in caught] == (
        [] if separator == "," else [{";": "semicolon", "\t": "tab", "|": "bar"}[separator]]
    )
    expected = pd.DataFrame(
        {"id": ["007", "1"], "né": [1.5, None], "note": [f'a "b"{separator}\nc', None]}, dtype=object
    )
    pd.testing.assert_frame_equal(
        frame.astype(object).where(frame.notna(), None), expected.where(expected.notna(), None)
    )
    pd.testing.assert_frame_equal(read_table(file, separator=separator), frame)


def test_a_tab_is_usual_for_tsv_and_one_column_needs_no_separator(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, "a\tb\n1\t2\n", "t.tsv")).shape == (1, 2)
    assert read_table(write(tmp_path, "a\n1\n2")).shape == (2, 1)
    with pytest.warns(DataWarning, match=r"separator semicolon \(';'\), which splits it into 2 columns"):
        frame = read_table(write(tmp_path, "a;b\n1,5;2\n3,5;4\n"))
    assert frame["a"].tolist() == ["1,5", "3,5"]


def test_parquet_keeps_exact_numbers_and_types(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"i": [2**60 + 1, None], "f": [0.1, None], "s": ["007", None], "d": [datetime.date(2026, 1, 2), None]}
    )
    frame.write_parquet(tmp_path / "t.parquet")
    read = read_table(tmp_path / "t.parquet")
    assert read["i"].iloc[0] == 2**60 + 1 and read["s"].iloc[0] == "007" and read["i"].isna().iloc[1]


def cell(random: random.Random) -> str:
    alphabet = '0123456789.-+eE",;\n\t |axNA éß'
    kinds = [
        lambda: "".join(random.choices(alphabet, k=random.randint(0, 6))),
        lambda: str(random.randint(-(10**5), 10**5)),
        lambda: repr(random.uniform(-1e3, 1e3)),
        lambda: random.choice(["007", "NA", "", "true", "2026-01-05", "9007199254740993", "1e5", "null", 'say "x"']),
    ]
    return random.choice(kinds)()


def mutate(data: bytes, random: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.randint(0, 3)):
        at, octet = random.randrange(len(changed) + 1), random.choice(b'",;\n\r\t|0 a\xc3\xff\0')
        action = random.randrange(4)
        if action == 0 and at < len(changed):
            del changed[at]
        elif action == 1 and at < len(changed):
            changed[at] = octet
        elif action == 2:
            changed[at:at] = bytes([octet])
        else:
            changed[at:at] = changed[at : at + random.randint(1, 9)]
    return bytes(changed)


def same(value: object, text: str, missing: frozenset[str]) -> bool:
    if pd.isna(value):
        return text in missing
    if isinstance(value, str):
        return value == text
    if isinstance(value, (bool, np.bool_)):
        return str(value).lower() == text.lower()
    if isinstance(value, (int, np.integer)):
        return str(value) == text
    if isinstance(value, (float, np.floating)):
        return float(text) == value
    return pd.Timestamp(text) == value


def silent_changes(count: int, seed: int, folder: Path) -> tuple[int, int]:
    """(files read, files refused); fails at the first value that is not what the csv module reads strictly."""
    source, read, refused = random.Random(seed), 0, 0
    for _ in range(count):
        columns, separator = source.randint(1, 4), source.choice(",,;\t")
        text = io.StringIO()
        writer = csv.writer(text, delimiter=separator, lineterminator=source.choice(["\n", "\r\n"]))
        writer.writerow([f"c{at}" for at in range(columns)])
        writer.writerows([[cell(source) for _ in range(columns)] for _ in range(source.randint(1, 5))])
        data = mutate(text.getvalue().encode(), source)
        try:
            frame = read_table(write(folder, data), separator=separator)
        except DataError as error:
            assert error.where and error.todo
            refused += 1
            continue
        plain = io.StringIO(data.decode("utf-8-sig").rstrip("\r\n"), newline="")
        names, *rows = csv.reader(plain, delimiter=separator, strict=True)
        assert list(frame.columns) == names and len(frame) == len(rows), data
        for at, row in enumerate(rows):
            assert len(row) == len(names), data
            assert all(same(frame.iat[at, j], row[j], MISSING) for j in range(len(names))), data
        read += 1
    return read, refused


def test_no_value_changes_in_silence(tmp_path: Path) -> None:
    read, refused = silent_changes(500, 0, tmp_path)
    assert read > 100 and refused > 100


@pytest.mark.slow
def test_no_value_changes_in_silence_in_many_files(tmp_path: Path) -> None:
    silent_changes(20_000, 1, tmp_path)


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (np.zeros(3), r"Expected 2D array, got 1D array instead(.|\n)*Reshape your data"),
        ([1, 2], "Reshape your data"),
        (3.0, "Expected 2D array, got scalar array instead(.|\n)*Reshape your data"),
        ("text", "Reshape your data"),
        (np.zeros((2, 2, 2)), "Found array with dim 3, while dim <= 2 is required"),
        (np.zeros((0, 3)), r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1 is required"),
        (np.zeros((12, 0)), r"0 feature\(s\) \(shape=\(12, 0\)\) while a minimum of 1 is required"),
        (np.ones((2, 1)) * 1j, "Complex data not supported"),
        (pd.DataFrame({"a": [1j]}), "Complex data not supported"),
        (scipy.sparse.csr_array(np.eye(3)), "Sparse input is not supported"),
        (scipy.sparse.csr_matrix(np.eye(3)), "Sparse input is not supported"),
        (pd.Series([1, 2]), "Expected a 2-dimensional container but got"),
        (pl.Series([1, 2]), "Expected a 2-dimensional container but got"),
        (pl.LazyFrame({"a": [1]}), "collect"),
        ([[1], [1, 2]], "not of one length"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "used more than once: 'a'"),
        (pd.DataFrame([[1, 2]], columns=["1", 1]), "same when they are read as text"),
    ],
)
def test_what_is_no_table_is_refused_in_the_words_of_scikit_learn(X: object, match: str) -> None:
    with pytest.raises(DataError, match=match):
        as_frame(X)


def test_every_kind_of_table_gives_one_frame() -> None:
    A = np.arange(6.0).reshape(3, 2)
    expected = pd.DataFrame(A, columns=["x0", "x1"])
    for X in (
        A,
        A.tolist(),
        np.asfortranarray(A),
        pd.DataFrame(A),
        _NotAnArray(A),
        A.astype(object),
        np.ma.masked_array(A),
    ):
        pd.testing.assert_frame_equal(as_frame(X), expected)
    named = pd.DataFrame({"a": [1, 2], "s": ["u", "v"]})
    records = named.to_dict("records")
    for X in (named, pl.from_pandas(named), pl.from_pandas(named).to_arrow(), records):
        pd.testing.assert_frame_equal(as_frame(X), named, check_dtype=False)
    mixed = as_frame([[1, "u"], [2.5, "v"]])
    assert mixed["x0"].dtype == np.float64 and mixed["x1"].tolist() == ["u", "v"]


def test_the_index_is_kept_and_whole_numbers_with_gaps_stay_exact() -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=["p", "q"])
    assert as_frame(frame).index.tolist() == ["p", "q"]
    exact = as_frame(pl.DataFrame({"id": [2**60 + 1, None]}))
    assert exact["id"].iloc[0] == 2**60 + 1
    before = frame.copy()
    as_frame(frame.set_axis([5], axis=1))
    pd.testing.assert_frame_equal(frame, before)
