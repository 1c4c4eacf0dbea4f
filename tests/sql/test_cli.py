"""`axw fit table --engine duckdb|spark`."""

import hashlib
import importlib.util
import json
import re
import shlex

import numpy as np
import pandas as pd
import pytest

from axw.cli import main
from axw.models import AttentionRegressor, load
from axw.show.rows import lines_of, reads_of, steps_of
from axw.sql import load as load_sql
from axw.sql import remember
from tests.show.test_displays import numbers_are_known

DROP = "number,three,since,mate,flag,sex"


def words(files, save, *more, engine="duckdb"):
    rows = str(files / "rows.parquet")
    return ["fit", "table", rows, "--target", "two", "--drop", DROP, "--engine", engine, "--save", str(save), *more]


def related(files):
    return ["--id", "id", "--relation", "same:home", "--relation", f"edges:{files / 'edges.parquet'}:s:t:w", "--labels"]


def test_what_is_fitted_in_duckdb_is_a_model_like_others(files, tmp_path, capsys):
    assert main(words(files, tmp_path / "m.axw", *related(files))) == 0
    told = capsys.readouterr()
    assert (
        told.out.startswith(f"saved {tmp_path / 'm.axw'}: AttentionClassifier, 211 rows") and "calibration" in told.err
    )
    assert main(["predict", str(tmp_path / "m.axw"), str(files / "rows.parquet")]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "id,prediction,P(no),P(yes)"
    assert main(words(files, tmp_path / "m.axw")) == 2  # it is there already


def report_of(folder):
    """(value, page) of the report in a folder: small, and with every number of the page in the JSON."""
    page, value = (folder / "report.html").read_text(), json.loads((folder / "report.json").read_text())
    rows = (value["picture"] or {"rows": []})["rows"]
    bars = [bar for row in rows for output in row["outputs"] for bar in steps_of(lines_of(row, output))[1]]
    more = {f"{part.value:+.3f}" for part in [*bars, *(read for row in rows for read in reads_of(row))]}
    without = re.sub(r"<details>.*?</details>", "", page, flags=re.S)
    numbers_are_known(without, value, {"20", "100", "256", "1", *(each.lstrip("+-") for each in more)})
    assert len(page.encode()) < 1 << 20
    return value, page


def test_what_is_fitted_in_duckdb_has_a_report_like_others(files, tmp_path, capsys):
    folder = tmp_path / "m.axw"
    assert main(words(files, folder, *related(files), "--seed", "3")) == 0
    assert f"report: {folder / 'report.html'}" in capsys.readouterr().err
    value, page = report_of(folder)
    told = {line["measure"]: line for line in value["baselines"]}
    assert told["log loss"]["model"] == pytest.approx(value["measures"]["log_loss"], rel=1e-6)
    frame = pd.read_parquet(files / "rows.parquet")
    assert told["accuracy"]["value"] == pytest.approx(frame["two"].value_counts(normalize=True).max())
    saved = json.loads((folder / "config.json").read_text())
    assert value["measures"]["calibration_error"] == pytest.approx(saved["fitted"]["calibration_error"], rel=1e-6)
    assert {"axw", "--engine", "duckdb", "--seed", "3", "--labels"} <= set(value["reproduce"]["command"].split())
    assert {"axw", "duckdb", "ibis-framework"} <= set(value["reproduce"]["versions"])
    data = value["reproduce"]["data"]
    assert (data["rows"], data["bytes"]) == (211, (files / "rows.parquet").stat().st_size)
    assert data["sha256"] == hashlib.sha256((files / "rows.parquet").read_bytes()).hexdigest()
    assert [block["block"] for block in value["weights"]["blocks"]] == ["own row", "same home", "s-t"]
    model, d = load(folder), len(load(folder)._reader.columns.names)
    W = model.fitted_.W[:, 0] / model.temperature_
    assert [line["weights"][0] for line in value["weights"]["lines"]] == pytest.approx(W, rel=1e-6)
    assert value["weights"]["lines"][d]["column"].startswith("mean(") and len(value["weights"]["lines"]) == len(W)
    assert {example["kind"] for example in value["examples"]} == {"typical", "best", "worst"}
    assert "age = " in value["examples"][0]["source"]
    for kind in ("class that it should be", "rows that are read"):
        assert sum(part["lines"] for part in value["slices"] if part["slice"] == kind) == 211
    assert value["picture"]["schema"] == "axw.explanation/1" and value["calibration"]["rows"] == 211
    assert any(line.startswith("same home: ") for line in value["findings"])
    assert len(value["not_computed"]) == 1 and "so there are no curves" in page and "The greatest weights for" in page
    again = str(tmp_path / "again.axw")
    command = [again if word.endswith("-again.axw") else word for word in shlex.split(value["reproduce"]["command"])]
    assert main(command[1:]) == 0
    other = json.loads((tmp_path / "again.axw" / "report.json").read_text())
    assert {key: other[key] for key in ("measures", "weights")} == {key: value[key] for key in ("measures", "weights")}


def test_the_report_of_numbers_is_of_rows_left_out_exactly(files, tmp_path):
    target = ["--target", "number", "--drop", "two,three,since,mate,flag,sex"]
    asked = [
        "fit",
        "table",
        str(files / "rows.parquet"),
        *target,
        "--engine",
        "duckdb",
        "--save",
        str(tmp_path / "m.axw"),
    ]
    assert main(asked) == 0
    value, page = report_of(tmp_path / "m.axw")
    frame = pd.read_parquet(files / "rows.parquet")
    model = AttentionRegressor("none").fit(
        frame.drop(columns=["number", "two", "three", "since", "mate", "flag", "sex"]), frame["number"]
    )
    left_out = model._held_out[:, 0] * model.target_.scale[0] + model.target_.prior[0]
    assert value["measures"]["squared_error"] == pytest.approx(((left_out - frame["number"]) ** 2).mean(), rel=1e-4)
    spread = np.abs(frame["number"] - frame["number"].mean()).mean()
    assert value["baselines"][0]["value"] == pytest.approx(spread, rel=1e-6)
    assert "always the mean of the rows learned from" in page and value["calibration"] is None
    assert any("names its rows" in line for line in value["findings"])


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None, reason="Spark needs the extra: pip install 'axw[spark]'"
)
def test_spark_gives_the_same_model(files, tmp_path, capsys):
    for engine in ("duckdb", "spark"):
        assert main(words(files, tmp_path / engine, "--id", "id", "--relation", "same:home", engine=engine)) == 0
    frame = pd.read_parquet(files / "rows.parquet")
    P = [load(tmp_path / engine).predict_proba(frame) for engine in ("duckdb", "spark")]
    assert abs(P[0] - P[1]).max() < 1e-6


def test_rows_too_many_for_a_folder_stay_in_their_table(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(remember, "MOST_ROWS", 100)
    assert main(words(files, tmp_path / "m.axw", "--id", "id", "--relation", "same:home")) == 0
    assert "It is saved without them: keep" in capsys.readouterr().err
    assert load_sql(tmp_path / "m.axw").rows == 211 and load_sql(tmp_path / "m.axw").left_out is None
    value, page = report_of(tmp_path / "m.axw")
    why = "One of them, looked at: the rows that it reads are too many to be kept in the folder"
    assert value["picture"] is None and any(line.startswith(why) for line in value["not_computed"]) and why in page


def test_many_files_and_a_sample(files, tmp_path, monkeypatch):
    from axw.cli import engine_report
    from axw.sql import model

    frame = pd.read_parquet(files / "rows.parquet")
    (tmp_path / "rows").mkdir()
    for half in range(2):
        frame[half::2].to_parquet(tmp_path / "rows" / f"{half}.parquet", coerce_timestamps="us")
    monkeypatch.setattr(engine_report, "LOOKED_AT", 50)
    monkeypatch.setattr(model, "SAMPLE", 150)
    asked = ["--target", "number", "--drop", "two,three,since,mate,flag,sex,id", "--relation", "same:home"]
    save = ["--engine", "duckdb", "--save", str(tmp_path / "m.axw")]
    assert main(["fit", "table", str(tmp_path / "rows"), *asked, *save]) == 0
    value, page = report_of(tmp_path / "m.axw")
    assert value["reproduce"]["data"]["files"] == 2 and "rmse of all rows, each left out once" in value["measures"]
    assert "SHA-256 of the data: the table is more than one file." in value["not_computed"]
    assert any("without --id a row of the table cannot be told" in line for line in value["not_computed"])
    assert value["findings"][0].endswith("of 211 rows were looked at.") and not value["findings"][0].startswith("211")


@pytest.mark.parametrize(
    "more, said, code",
    [
        (["--heads", "2"], "--heads is for models that are trained", 2),
        (["--rung", "linear"], "--rung is for models that are trained", 2),
        (
            ["--attention", "query-key"],
            "--attention query-key without --relation; allowed: none without, given with",
            2,
        ),
        (["--attention", "given"], "--attention given without --relation", 2),
        (["--target", "number"], "--target is said 2 times; an engine fits one target", 2),
        (["--relation", "near:age:3"], "looks for the nearest rows, which needs the engine memory", 2),
        (["--relation", "same:hone"], "There is no column 'hone'", 2),
        (["--relation", "edges:nothing.parquet:s:t", "--id", "id"], "There is no file nothing.parquet", 3),
    ],
)
def test_what_an_engine_cannot_fit(files, tmp_path, capsys, more, said, code):
    assert main(words(files, tmp_path / "m.axw", *more)) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "m.axw").exists()


def test_a_table_that_is_no_parquet(titanic_csv, tmp_path, capsys):
    asked = [
        "fit",
        "table",
        str(titanic_csv),
        "--target",
        "survived",
        "--engine",
        "duckdb",
        "--save",
        str(tmp_path / "m.axw"),
    ]
    assert main(asked) == 3
    assert "is not Parquet, which is what SQL engines read" in capsys.readouterr().err


@pytest.fixture
def titanic_csv(tmp_path):
    from axw.data import samples

    samples.titanic().head(20).to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path / "rows.csv"
