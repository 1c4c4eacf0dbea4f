"""`axw ladder table` and `axw demo`, in this process and with the cheapest rungs."""

import io
import json
import re

import numpy as np
import pytest

from axw.cli import main
from axw.cli.climbing import named
from axw.errors import UsageError
from axw.measures import calibration_error
from tests.show.test_displays import numbers_are_known

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


@pytest.mark.parametrize("target", ["survived", "age"])
@pytest.mark.parametrize("related", [True, False])
def test_every_number_of_a_real_report_is_in_its_json(titanic, target, related):
    from axw.cli import tables
    from axw.cli.climbing import Climb, describe, versions
    from axw.ladders import KnownNeighbours, ladder, table_rungs
    from axw.relations import SameValue
    from axw.show.report import Reproduce, ladder_report

    read = tables.read(titanic / "train.csv")
    known = read._replace(frame=read.frame[read.frame[target].notna()])
    parts = tables.split(known, target, ["name"], "passenger")
    relations = [SameValue("family", "class")] if related else []
    task = "classification" if target == "survived" else "regression"
    rungs = table_rungs(task, relations, 0, "passenger", ["constant", "X W", *(["A X W"] if related else [])])
    found = ladder(parts.X, parts.y, relations=relations, cv=[KnownNeighbours(2, 2)], rungs=rungs, id="passenger")
    told = [describe(relation, parts, "passenger") for relation in relations]
    reproduce = Reproduce("axw demo", 0, 1.25, versions(), [known.facts()])
    page, value = ladder_report(found, reproduce, title="t", relations=[each.report for each in told], X=parts.X)
    value = json.loads(json.dumps(value))
    numbers_are_known(page, value, {"0.001", "-256", "2", "20"})
    looked, n = value["questions"][0]["looked"], len(parts.y)
    assert looked["rung"] == value["questions"][0]["chosen"] and f"{n} rows, each answered by a fit" in looked["said"]
    assert {one["kind"] for one in looked["examples"]} == {"typical", "best", "worst"}
    kinds = dict.fromkeys(one["slice"] for one in looked["slices"])
    by_answer = "class that it should be" if target == "survived" else "number that it should be"
    assert list(kinds) == [by_answer, *(["related rows in the table"] if related else [])]
    for kind in kinds:
        assert sum(one["lines"] for one in looked["slices"] if one["slice"] == kind) == n, (
            "each row once, of two repeats"
        )
    held, calibration = found.held_out, looked["calibration"]
    at, P = held.places["known_neighbours"][:n], held.of("known_neighbours", looked["rung"])[:n]
    assert sorted(at) == list(range(n))
    worst = [one["value"] for one in looked["examples"] if one["kind"] == "worst"]
    if target == "survived":
        chance = P[np.arange(n), held.y[at]]
        assert worst == pytest.approx(np.sort(chance)[:3]) and calibration["rows"] == n
        assert calibration["error"] == pytest.approx(calibration_error(held.y[at], P))
    else:
        assert worst == pytest.approx(np.sort(np.abs(P - held.y[at]))[:-4:-1]) and calibration is None
    for relation in told:
        assert sum(bar["rows"] for bar in relation.report["degrees"]) == n
    assert Climb(2, 1, 0, 1).names is None


def test_a_report_is_always_written_and_takes_the_place_of_none_but_such_a_report(
    titanic, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    asked = ["--target", "survived", "--drop", "name", "--id", "passenger", "--rungs", "1,2", "--folds", "2"]

    def ladder(*words, file=str(titanic / "train.csv")):
        return main(["ladder", "table", file, *asked, *words])

    names = {"train-ladder.html", "train-ladder.json"}
    assert ladder() == 0 and {path.name for path in tmp_path.iterdir()} == names
    assert capsys.readouterr().err == "report: train-ladder.html\n"
    assert ladder("--seed", "3", "--json") == 0, "a report is replaced"
    out, err = capsys.readouterr()
    assert json.loads(out)["settings"]["seed"] == 3 and err == "report: train-ladder.html\n"
    page, value = ((tmp_path / name).read_bytes() for name in sorted(names))
    assert json.loads(value)["reproduce"]["seed"] == 3 and b"--seed 3" in page
    assert ladder("--no-report") == 0 and capsys.readouterr().err == ""
    for mine, whose in (("train-ladder.json", '{"mine": 1}'), ("train-ladder.html", "<p>mine</p>")):
        (tmp_path / mine).write_text(whose)
        assert ladder() == 0
        out, err = capsys.readouterr()
        assert "X W" in out and err.startswith(f"no report at train-ladder.html: {mine} is there already, and is not")
        assert err.endswith("--report FILE.html names another place, --no-report writes none\n")
        assert ladder("--report", "train-ladder.html") == 2
        assert f"{mine} is there already, and is not a report of axw." in capsys.readouterr().err
        assert (tmp_path / mine).read_text() == whose
        (tmp_path / mine).unlink()
    assert ladder("--report", "a.html", "--no-report") == 2
    assert "Both --report and --no-report are given." in capsys.readouterr().err
    for name in ("-", "a.json"):
        assert ladder("--report", name) == 2
        assert f"A page is a file such as report.html, not '{name}'." in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((titanic / "train.csv").read_bytes())))
    assert ladder(file="-") == 0
    assert capsys.readouterr().err == "report: stdin-ladder.html\n"


def test_leaks_are_said_before_the_fit(titanic, tmp_path, capsys):
    import pandas as pd

    frame = pd.read_csv(titanic / "train.csv").assign(boat=lambda t: (t["survived"] == "yes") * 7.0)
    frame.to_csv(tmp_path / "leak.csv", index=False)
    words = ["--target", "survived", "--drop", "name,family", "--rung", "constant", "--folds", "2"]
    assert main(["ladder", "table", str(tmp_path / "leak.csv"), *words]) == 0
    assert re.search(r"^warning: .*'boat'", capsys.readouterr().err)
    assert main(["ladder", "table", str(tmp_path / "leak.csv"), *words, "--drop", "boat"]) == 0
    assert capsys.readouterr().err == "report: leak-ladder.html\n"


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
