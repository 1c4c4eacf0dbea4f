"""`axw ladder table` and `axw demo`, in this process and with the cheapest rungs."""

import json
import re

import pytest

from axw.cli import main
from axw.cli.climbing import named
from axw.errors import UsageError
from tests.show.test_report import known_numbers, shown_numbers

CHEAP = ["--rung", "constant", "--rung", "X W", "--rung", "A X W", "--folds", "2"]


def ladder(titanic, *words):
    file = str(titanic / "train.csv")
    return main(
        ["ladder", "table", file, "--target", "survived", "--drop", "name", "--id", "passenger", *CHEAP, *words]
    )


def test_the_ladder_is_printed_and_the_report_written(titanic, tmp_path, capsys):
    report = tmp_path / "report.html"
    assert ladder(titanic, "--relation", "same:family,class", "--report", str(report)) == 0
    out, err = capsys.readouterr()
    assert "Rows whose relatives are known" in out and "Whole new groups" in out
    assert "A X W" in out and "same family, class\n" in out
    assert err == f"report: {report}\n"
    page = report.read_text(encoding="utf-8")
    assert "survived in train.csv: which rung pays" in page
    assert "axw ladder table" in page and "SHA-256" in page
    assert len(page.encode()) < 1_000_000 and set(tmp_path.iterdir()) == {report, report.with_suffix(".json")}


def test_the_json_is_one_value_and_the_same_on_every_run(titanic, capsys):
    told = []
    for _ in range(2):
        assert ladder(titanic, "--relation", "same:family,class", "--json") == 0
        told.append(json.loads(re.sub(r'"seconds": [^,}\n]+', '"seconds": 0', capsys.readouterr().out)))
    assert told[0] == told[1]
    assert told[0]["schema"] == "axw.ladder/1" and told[0]["relations"][0]["name"] == "same family, class"
    assert told[0]["file"]["rows"] == 400


def test_every_number_of_a_real_report_is_in_its_json(titanic):
    from axw.cli import tables
    from axw.cli.climbing import Climb, describe, versions
    from axw.ladders import KnownNeighbours, ladder, table_rungs
    from axw.relations import SameValue
    from axw.show.report import Reproduce, ladder_report

    read = tables.read(titanic / "train.csv")
    parts = tables.split(read, "survived", ["name"], "passenger")
    relation = SameValue("family", "class")
    rungs = table_rungs("classification", [relation], 0, "passenger", ["constant", "X W", "A X W"])
    found = ladder(parts.X, parts.y, relations=[relation], cv=[KnownNeighbours(2)], rungs=rungs, id="passenger")
    related = describe(relation, parts, "passenger")
    reproduce = Reproduce("axw demo", 0, 1.25, versions(), [read.facts()])
    page, value = ladder_report(found, reproduce, title="t", relations=[related.report])
    known = known_numbers(json.loads(json.dumps(value))) | {"95", "0.001", "-256", "2"}
    assert shown_numbers(page) <= known
    assert sum(bar["rows"] for bar in related.report["degrees"]) == 400
    assert Climb(2, 1, 0, 1).names is None


def test_leaks_are_said_before_the_fit(titanic, tmp_path, capsys):
    import pandas as pd

    frame = pd.read_csv(titanic / "train.csv").assign(boat=lambda t: (t["survived"] == "yes") * 7.0)
    frame.to_csv(tmp_path / "leak.csv", index=False)
    words = ["--target", "survived", "--drop", "name,family", "--rung", "constant", "--folds", "2"]
    assert main(["ladder", "table", str(tmp_path / "leak.csv"), *words]) == 0
    assert re.search(r"^warning: .*'boat'", capsys.readouterr().err)
    assert main(["ladder", "table", str(tmp_path / "leak.csv"), *words, "--drop", "boat"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "code", "err"),
    [
        (["--rung", "X V"], 2, "There is no rung 'X V'."),
        (["--relation", "ref:family"], 2, ""),
        (["--report", "no/such/folder/report.html"], 2, "There is no folder"),
        (["--relation", "same:famly"], 2, "There is no column 'famly'"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_fitted(titanic, capsys, words, code, err):
    file = str(titanic / "train.csv")
    assert main(["ladder", "table", file, "--target", "survived", *words]) == code
    out, said = capsys.readouterr()
    assert out == "" and said.startswith(err) and len(said.splitlines()) == 3


def test_a_target_that_is_the_same_in_every_row_is_bad_data(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("x,y\n1,1\n2,1\n3,1\n")
    assert main(["ladder", "table", str(tmp_path / "a.csv"), "--target", "y"]) == 3
    assert capsys.readouterr().err.startswith("The target is the same in every row.\n")


@pytest.mark.slow
def test_the_demo_prints_the_ladder_and_writes_its_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--folds", "3"]) == 0
    out, err = capsys.readouterr()
    assert "Rows whose relatives are known" in out and "+ heads, feed-forward" in out
    assert (tmp_path / "report.html").exists() and "report: report.html" in err


def test_rungs_are_named_or_numbered_as_they_are_printed():
    every = ["constant", "X W", "A = X W X', rank r"]
    assert named(["X W", "1"], every) == ["X W", "constant"]
    assert named(["3,1"], every) == ["A = X W X', rank r", "constant"]
    assert named(["A = X W X', rank r"], every) == ["A = X W X', rank r"]
    assert named(["X V"], every) == ["X V"], "left for the ladder to refuse with what was probably meant"
    with pytest.raises(UsageError, match="There is no rung 4; this ladder has rungs 1 to 3."):
        named(["2,4"], every)


def test_numbers_choose_rungs(titanic, capsys):
    file = str(titanic / "train.csv")
    words = [
        "--target",
        "survived",
        "--drop",
        "name,family",
        "--id",
        "passenger",
        "--rungs",
        "1,2",
        "--folds",
        "2",
        "--json",
    ]
    assert main(["ladder", "table", file, *words]) == 0
    assert [rung["rung"] for rung in json.loads(capsys.readouterr().out)["rungs"]] == ["constant", "X W"]
