"""A row has one prediction, whatever the other rows of its file look like: columns are read as the model learned them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest

from axw.cli import main

CODES = ["1E5", "2E3", "A12", "1.10"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("columns")
    flags = ("TRUE", "FALSE", "maybe")
    rows = [
        f"{CODES[i % 4]},{i % 7},{flags[i % 3]},2024-01-{i + 1:02d},{1 + i / 100:.2f},{'yes' if i % 4 < 2 else 'no'}"
        for i in range(28)
    ]
    (folder / "train.csv").write_text("\n".join(["code,x,flag,day,name,y", *rows]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fit = ["fit", "table", "train.csv", "--target", "y", "--attention", "none"]
        assert main([*fit, "--save", "plain.axw", "--drop", "day,name"]) == 0
        assert main([*fit, "--save", "days.axw", "--id", "day", "--drop", "name"]) == 0
        assert main([*fit, "--save", "names.axw", "--id", "name", "--drop", "day"]) == 0
    return folder


@pytest.fixture
def here(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(shop)
    return shop


def predicted(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[list[str], str]:
    assert main(["predict", *words]) == 0
    said = capsys.readouterr()
    return said.out.splitlines()[1:], said.err


def test_alone_and_beside_others(here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = ["1E5,0,TRUE", "1.10,3,FALSE", "A12,1,maybe"]
    for name, count in (("all", 3), ("some", 2)):
        (tmp_path / f"{name}.csv").write_text("\n".join(["code,x,flag", *rows[:count]]) + "\n")
    whole, _ = predicted(capsys, "plain.axw", str(tmp_path / "all.csv"))
    some, said = predicted(capsys, "plain.axw", str(tmp_path / "some.csv"))
    assert some == whole[:2] and said == ""
    (tmp_path / "new.csv").write_text("code,x,flag\n77,0,TRUE\n")
    _, said = predicted(capsys, "plain.axw", str(tmp_path / "new.csv"))
    assert "1 of 1 rows have a code that the model did not learn from" in said


def test_names_come_out_as_they_were_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = predicted(capsys, "days.axw", "train.csv")
    assert found[0].startswith("2024-01-01,") and len({line.split(",")[0] for line in found}) == 28
    assert main(["predict", "days.axw", "train.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][1]["id"] == "2024-01-02"
    assert main(["explain", "days.axw", "train.csv", "--row", "2024-01-02"]) == 0
    capsys.readouterr()
    found, _ = predicted(capsys, "names.axw", "train.csv")
    assert [line.split(",")[0] for line in found[:12]] == [f"{1 + i / 100:.2f}" for i in range(12)]


def test_a_table_without_any_answer_is_said(here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("code,x,flag,y\n1E5,0,TRUE,\n")
    assert main(["evaluate", "plain.axw", str(tmp_path / "none.csv"), "--no-report"]) == 3
    said = capsys.readouterr().err
    assert "has y." in said and "Give rows whose answers are known" in said


def test_a_first_line_that_is_no_names_is_said(here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text("a" * 140_000 + "\n1\n")
    assert main(["check", str(tmp_path / "long.csv")]) == 3
    assert "The names of the columns cannot be read" in capsys.readouterr().err


def test_a_picture_and_json_at_once_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "plain.axw", "train.csv", "--json", "--format", "html"]) == 2
    assert "--json is said beside --format html; allowed: one of the two" in capsys.readouterr().err


def test_names_from_stdin_are_read_as_from_a_file(here: Path) -> None:
    from axw.cli import tables

    whole = tables.read(here / "train.csv", identity="name").frame
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((here / "train.csv").read_bytes())))
        piped = tables.read(Path("-"), identity="name").frame
    pd.testing.assert_frame_equal(piped, whole)
    assert (
        whole["name"].iloc[10] == "1.10" and tables.read(here / "train.csv", identity="x").frame["x"].dtype == "int64"
    )
