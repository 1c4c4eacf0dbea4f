"""`axw fit`, `predict`, `explain` and `evaluate`, in this process and with the cheapest model."""

import csv
import io
import json
import math
import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from axw.cli import main
from axw.cli.report_place import stem
from axw.errors import UsageError

FIT = ["--target", "survived", "--drop", "name", "--id", "passenger", "--relation", "same:family,class"]


@pytest.fixture(scope="module")
def model(titanic, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "family.axw"
    words = [
        "fit",
        "table",
        str(titanic / "train.csv"),
        *FIT,
        "--attention",
        "given",
        "--labels",
        "--save",
        str(folder),
    ]
    assert main(words) == 0
    return folder


def test_fit_says_what_it_saved_and_refuses_to_replace_it(titanic, model, capsys):
    words = ["fit", "table", str(titanic / "train.csv"), *FIT, "--attention", "given", "--save", str(model)]
    assert main(words) == 2
    assert "is there already" in capsys.readouterr().err
    assert main([*words, "--labels", "--overwrite"]) == 0
    assert capsys.readouterr().out.startswith(f"saved {model}: AttentionClassifier, 400 rows")


def test_n_rows_in_n_rows_out_in_their_order(titanic, model, tmp_path, capsys):
    frame = pd.read_csv(titanic / "test.csv")
    frame.iloc[::-1].to_csv(tmp_path / "turned.csv", index=False)
    told = {}
    for file in (titanic / "test.csv", tmp_path / "turned.csv"):
        assert main(["predict", str(model), str(file)]) == 0
        told[file.name] = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    head, rows = told["test.csv"][0], told["test.csv"][1:]
    assert head == ["passenger", "prediction", "P(no)", "P(yes)"]
    assert [row[0] for row in rows] == [str(each) for each in frame["passenger"]]
    assert all(math.isclose(float(row[2]) + float(row[3]), 1) for row in rows)
    assert told["turned.csv"][1:] == rows[::-1]


def test_the_answer_itself_is_not_read(titanic, model, tmp_path, capsys):
    pd.read_csv(titanic / "test.csv").drop(columns=["survived"]).to_csv(tmp_path / "bare.csv", index=False)
    assert main(["predict", str(model), str(titanic / "test.csv")]) == 0
    known = capsys.readouterr().out
    assert main(["predict", str(model), str(tmp_path / "bare.csv")]) == 0
    assert capsys.readouterr().out == known


def test_predictions_as_json_and_into_a_file(titanic, model, tmp_path, capsys):
    test = str(titanic / "test.csv")
    assert main(["predict", str(model), test, "--json", "-o", str(tmp_path / "p.json")]) == 0
    assert capsys.readouterr().out == ""
    told = json.loads((tmp_path / "p.json").read_text())
    assert told["schema"] == "axw.predict/1" and len(told["rows"]) == 100
    assert set(told["rows"][0]["probabilities"]) == {"no", "yes"}


def test_an_explanation_adds_up_in_every_form(titanic, model, tmp_path, capsys):
    test = str(titanic / "test.csv")
    row = str(pd.read_csv(titanic / "test.csv")["passenger"].iloc[3])
    assert main(["explain", str(model), test, "--row", row, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (explained,) = told["rows"]
    assert str(explained["id"]) == row
    for output, value in explained["outputs"].items():
        parts = [line["contribution"] for line in explained["contributions"] if line["output"] == output]
        assert math.isclose(sum(parts), value, abs_tol=1e-9)
    assert main(["explain", str(model), test, "--row", row]) == 0
    assert f"row {row}" in capsys.readouterr().out
    assert main(["explain", str(model), test, "--row", row, "--format", "html", "-o", str(tmp_path / "why.html")]) == 0
    assert "<svg" in (tmp_path / "why.html").read_text()
    assert main(["explain", str(model), test, "--row", row, "--format", "svg"]) == 0
    assert capsys.readouterr().out.startswith("<svg")
    assert main(["explain", str(model), test, "--text", "a line"]) == 2
    assert "A model of a table has no --text, --target or --unit." in capsys.readouterr().err


def test_a_row_that_is_not_there(titanic, model, capsys):
    assert main(["explain", str(model), str(titanic / "test.csv"), "--row", "nobody"]) == 2
    assert capsys.readouterr().err.startswith("There is no row 'nobody' in ")


def test_fit_and_evaluate_write_a_report(titanic, model, tmp_path, capsys):
    test, page = str(titanic / "test.csv"), tmp_path / "test.html"
    assert main(["evaluate", str(model), test, "--report", str(page)]) == 0
    value = json.loads((tmp_path / "test.json").read_text())
    assert value["reproduce"]["command"].startswith("axw evaluate ") and value["measures"]["accuracy"] > 0.6
    assert "always the shares of the classes" in page.read_text()
    fitted = json.loads((model / "report.json").read_text())
    assert "rows held out in turn" in fitted["title"] and fitted["slices"] and fitted["calibration"]["rows"] > 100
    capsys.readouterr()
    assert main(["evaluate", str(model), "-", "--report", str(page)]) == 2
    assert "A report reads its data twice" in capsys.readouterr().err


def test_an_evaluation_leaves_its_report_in_the_folder_of_the_model(titanic, model, tmp_path, capsys, monkeypatch):
    import axw
    from axw.storage import read_folder

    folder, test = tmp_path / "m.axw", str(titanic / "test.csv")
    shutil.copytree(model, folder)
    assert main(["evaluate", str(folder), test, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["rows"] == 100 and err == f"report: {folder / 'report-test.html'}\n"
    value = json.loads((folder / "report-test.json").read_text())
    assert value["title"] == "survived in test.csv" and value["reproduce"]["command"].startswith(
        f"axw evaluate {folder} "
    )
    assert {part["slice"] for part in value["slices"]} == {"class that it should be", "rows that are read"}
    assert set(read_folder(folder).names).isdisjoint({"report-test.html", "report-test.json"}), "and nobody warns"
    axw.load(folder).save(folder, overwrite=True)
    assert not (folder / "report-test.html").exists(), "it spoke of the model before"
    assert main(["evaluate", str(folder), test, "--no-report"]) == 0 and capsys.readouterr().err == ""
    assert not (folder / "report-test.html").exists()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((titanic / "test.csv").read_bytes())))
    assert main(["evaluate", str(folder)]) == 0
    assert capsys.readouterr().err == "no report is written of data from stdin: name a file\n"
    (folder / "report-test.html").write_text("mine")
    assert main(["evaluate", str(folder), test]) == 0
    out, err = capsys.readouterr()
    assert "accuracy" in out and "report-test.html is there already, and is not a report of axw; --report FILE" in err
    with pytest.raises(UsageError, match="such as 'report-test.html'"):
        axw.load(folder).save(folder, overwrite=True)
    assert (folder / "report-test.html").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_costs_the_report_and_not_the_measures(titanic, model, tmp_path, capsys):
    folder = tmp_path / "m.axw"
    shutil.copytree(model, folder)
    folder.chmod(0o555)
    assert main(["evaluate", str(folder), str(titanic / "test.csv")]) == 0
    out, err = capsys.readouterr()
    assert "accuracy" in out and "Permission denied; --report FILE.html names another place" in err
    folder.chmod(0o755)


@pytest.mark.parametrize(("attention", "context"), [("given", "hashed"), ("none", "none")])
def test_where_no_row_is_kept_in_the_clear_no_report_shows_one(titanic, tmp_path, attention, context, capsys):
    folder, related = tmp_path / "m.axw", ["--relation", "same:family,class"] if attention == "given" else []
    asked = [*("--target", "survived", "--drop", "name", "--id", "passenger", "--attention", attention), *related]
    saved = ["--context", context, "--save", str(folder)]
    assert main(["fit", "table", str(titanic / "train.csv"), *asked, *saved]) == 0
    assert main(["evaluate", str(folder), str(titanic / "test.csv")]) == 0
    families = pd.concat([pd.read_csv(titanic / name) for name in ("train.csv", "test.csv")])["family"].unique()
    for name in ("report", "report-test"):
        page, value = (folder / f"{name}.html").read_text(), json.loads((folder / f"{name}.json").read_text())
        assert not value["examples"] and value["picture"] is None and value["slices"] and value["calibration"]
        assert "no row in the clear" in page or "without its rows in the clear" in page
        assert not [each for each in families if re.search(rf"\b{re.escape(each)}\b", page)]
    shown = tmp_path / "shown.html"
    assert main(["evaluate", str(folder), str(titanic / "test.csv"), "--report", str(shown)]) == 0
    assert len(json.loads(shown.with_suffix(".json").read_text())["examples"]) == 9


def test_what_a_file_is_called_in_the_name_of_its_report():
    told = {"a/test.csv": "test", "brown.valid.txt.gz": "brown.valid", "-": "stdin", "noend": "noend", ".csv": ".csv"}
    assert {name: stem(Path(name)) for name in told} == told
    assert len(stem(Path("x" * 251 + ".csv")).encode()) == 200


def test_several_targets_are_one_model_and_a_section_each(titanic, tmp_path, capsys):
    train, test, folder = str(tmp_path / "train.csv"), str(tmp_path / "test.csv"), tmp_path / "two.axw"
    for name in ("train.csv", "test.csv"):
        frame = pd.read_csv(titanic / name)
        frame["fare"] = frame["passenger"] % 7 + 30.0 * (frame["class"] == "1st")
        frame.loc[::31, "fare"] = None
        frame.to_csv(tmp_path / name, index=False)
    frame = pd.read_csv(train)
    numbers = ["--target", "fare", "--target", "age", "--drop", "name,survived,passenger", "--attention", "given"]
    asked = ["fit", "table", train, *numbers, "--relation", "same:family,class", "--labels", "--save", str(folder)]
    assert main(asked) == 0
    told = capsys.readouterr()
    lost = int(frame[["fare", "age"]].isna().any(axis=1).sum())
    assert f"{lost} of 400 rows have no fare or age and are left out" in told.err
    assert f"AttentionRegressor, {400 - lost} rows" in told.out and told.out.endswith("target fare, age\n")
    value, page = json.loads((folder / "report.json").read_text()), (folder / "report.html").read_text()
    assert [one["name"] for one in value["targets"]] == ["fare", "age"] and value["schema"] == "axw.evaluation_report/1"
    for one in value["targets"]:
        assert one["baselines"][0]["model"] == pytest.approx(one["measures"]["mae"], rel=1e-6)
        assert list(one["picture"]["rows"][0]["outputs"]) == [one["name"]] and one["slices"] and one["examples"]
        assert f"<h2><bdi>Target: {one['name']}</bdi></h2>" in page and value["verdict"][0].startswith("fare: ")
    assert "--target fare --target age" in value["reproduce"]["command"]
    assert main(["predict", str(folder), test]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "row,fare,age"
    report = tmp_path / "test.html"
    assert main(["evaluate", str(folder), test, "--json", "--report", str(report), "--fail-under", "age r2=-9"]) == 0
    found = json.loads(capsys.readouterr().out)["measures"]
    assert found["mae"] == pytest.approx((found["fare mae"] + found["age mae"]) / 2)
    assert [one["name"] for one in json.loads(report.with_suffix(".json").read_text())["targets"]] == ["fare", "age"]
    assert main(["explain", str(folder), test, "--row", "2"]) == 0
    assert "row 2: fare = " in (text := capsys.readouterr().out) and "row 2: age = " in text


@pytest.mark.parametrize(
    "more, said",
    [
        (["--target", "survived"], "The target 'survived' holds no numbers; several targets must all be numbers."),
        (["--target", "age"], "'age' is named twice."),
        (["--target", "passenger", "--task", "classification"], "Several targets are classes; allowed: numbers."),
        (["--target", "ago"], "There is no column 'ago'"),
    ],
)
def test_targets_that_do_not_go_together(titanic, tmp_path, capsys, more, said):
    asked = ["fit", "table", str(titanic / "train.csv"), "--target", "age", "--drop", "name", *more]
    assert main([*asked, "--save", str(tmp_path / "m.axw")]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "m.axw").exists()


def test_measures_and_gates(titanic, model, capsys):
    test = str(titanic / "test.csv")
    assert main(["evaluate", str(model), test, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "axw.evaluate/1" and told["rows"] == 100
    assert 0.6 < told["measures"]["accuracy"] <= 1
    assert main(["evaluate", str(model), test, "--fail-under", "accuracy=0.5", "--fail-under", "log_loss=0.9"]) == 0
    assert re.search(r"^accuracy +0\.\d{4}$", capsys.readouterr().out, re.M)
    for gate, said in (("accuracy=0.999", "below 0.999"), ("log_loss=0.001", "above 0.001")):
        assert main(["evaluate", str(model), test, "--fail-under", gate]) == 7
        assert said in capsys.readouterr().err
    assert main(["evaluate", str(model), test, "--fail-under", "acuracy=0.5"]) == 2
    assert "Did you mean 'accuracy'?" in capsys.readouterr().err
    assert main(["evaluate", str(model), test, "--fail-under", "accuracy"]) == 2


def test_a_table_without_what_the_model_needs(titanic, model, tmp_path, capsys):
    frame = pd.read_csv(titanic / "test.csv")
    frame.drop(columns=["survived"]).to_csv(tmp_path / "a.csv", index=False)
    assert main(["evaluate", str(model), str(tmp_path / "a.csv")]) == 3
    assert "has no column 'survived'" in capsys.readouterr().err
    for lost in ("passenger", "family", "age"):
        frame.drop(columns=[lost]).to_csv(tmp_path / "b.csv", index=False)
        assert main(["predict", str(model), str(tmp_path / "b.csv")]) == 3
        assert lost in capsys.readouterr().err


def test_a_model_that_is_missing_or_damaged_is_4(titanic, model, tmp_path, capsys):
    test = str(titanic / "test.csv")
    assert main(["predict", str(tmp_path / "none.axw"), test]) == 4
    assert len(capsys.readouterr().err.splitlines()) <= 3
    damaged = tmp_path / "damaged.axw"
    damaged.mkdir()
    for file in model.iterdir():
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        (damaged / file.name).write_bytes(data)
    assert main(["predict", str(damaged), test]) == 4


def test_a_number_is_predicted_and_measured(titanic, tmp_path, capsys):
    folder = str(tmp_path / "age.axw")
    words = [
        "fit",
        "table",
        str(titanic / "train.csv"),
        "--target",
        "age",
        "--drop",
        "name,family",
        "--attention",
        "none",
    ]
    assert main([*words, "--save", folder]) == 0
    assert "rows have no age and are left out" in capsys.readouterr().err
    assert main(["predict", folder, str(titanic / "test.csv")]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["row", "prediction"] and [row[0] for row in rows[1:]] == [str(i) for i in range(1, 101)]
    assert main(["evaluate", folder, str(titanic / "test.csv"), "--fail-under", "rmse=100"]) == 0


def test_a_rung_by_its_name(titanic, tmp_path, capsys):
    words = ["fit", "table", str(titanic / "train.csv"), "--target", "survived", "--drop", "name,family"]
    assert main([*words, "--rung", "X W", "--save", str(tmp_path / "a")]) == 0
    assert main([*words, "--rung", "X V", "--save", str(tmp_path / "b")]) == 2
    assert "There is no rung 'X V'.\n--rung\nAllowed: " in capsys.readouterr().err
    assert main([*words, "--rung", "constant", "--save", str(tmp_path / "b")]) == 2
    assert "The rung 'constant' cannot be saved." in capsys.readouterr().err
    assert main([*words, "--rung", "X W", "--rank", "2", "--save", str(tmp_path / "b")]) == 2
    assert "--rung names a whole model, and --rank a part of one." in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_an_attending_model_from_fit_to_explanation(titanic, tmp_path, capsys):
    folder = str(tmp_path / "attention.axw")
    words = [
        "fit",
        "table",
        str(titanic / "train.csv"),
        "--target",
        "survived",
        "--drop",
        "name,family",
        "--heads",
        "1",
    ]
    assert main([*words, "--save", folder]) == 0
    assert main(["explain", folder, str(titanic / "test.csv"), "--row", "2"]) == 0
    assert "row 2: survived = yes" in capsys.readouterr().out
