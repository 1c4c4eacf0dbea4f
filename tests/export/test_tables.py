"""Table models elsewhere: the sum of a scorecard, a SELECT in DuckDB and a graph in onnxruntime say what the model says."""

from __future__ import annotations

import csv
import json
import math
import os

import numpy as np
import pandas as pd
import pytest

from axw.errors import GateError, UsageError
from axw.export import scorecard, table_sql
from axw.export.tables import export_table
from axw.models import AttentionClassifier, load
from axw.relations import Near, Ref
from tests.models.tables.made_up import HOUSEHOLD, answers, calls, features, model, table

FRAME = table()
NEW = features(table(seed=1)).set_axis([f"n{i}" for i in range(69)]).rename_axis("customer").assign(age=np.nan)
NEW["age"] = np.where(np.arange(69) % 5 == 0, np.nan, 35.0 + np.arange(69))
BOTH = pd.concat([NEW, features(FRAME).iloc[:11]])  # rows that are remembered ask too
LINEAR = [
    ("none", "binary", []),
    ("none", "multi-class", []),
    ("none", "number", []),
    ("dot", "binary", []),
    ("given", "binary", [HOUSEHOLD, calls(FRAME)]),
    ("given", "multi-class", [HOUSEHOLD]),
    ("given", "number", [calls(FRAME), HOUSEHOLD]),
]


def fitted(kind, task, relations, **more):
    frame = features(FRAME).assign(opened=pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(69), "D"))
    labels = kind == "given"
    return model(kind, task, relations=relations, labels=labels, **more).fit(frame, answers(FRAME, task))


def asked():
    return BOTH.assign(opened=pd.Timestamp("2021-03-04"))


@pytest.mark.parametrize("kind, task, relations", LINEAR)
@pytest.mark.parametrize("to", ["scorecard", "sql"])
def test_linear_and_graph_rungs_say_the_same(tmp_path, kind, task, relations, to):
    if to == "sql":
        pytest.importorskip("duckdb")
    proof = export_table(fitted(kind, task, relations), to, tmp_path / "out", asked())
    assert proof.rows == len(BOTH) and proof.difference < 1e-9
    assert json.loads((tmp_path / "out" / "proof.json").read_text())["target"] == to


def test_what_a_scorecard_says_is_added_up_by_hand(tmp_path):
    few = ["age", "income", "region", "lat", "lon", "opened"]
    learned = features(FRAME).assign(opened=pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(69), "D"))
    clf = AttentionClassifier("none").fit(learned[few], answers(FRAME, "binary"))
    export_table(clf, "scorecard", tmp_path / "out", asked()[few])
    with open(tmp_path / "out" / "scorecard.csv", newline="") as file:
        lines = {line["feature"]: line for line in csv.DictReader(file)}
    row = asked()[few].iloc[[1]]
    value = {"(base)": 1.0, "age": row.age.iloc[0], f"region = {row.region.iloc[0]}": 1.0}
    value |= {"opened (days since 1970-01-01)": (pd.Timestamp("2021-03-04") - pd.Timestamp("1970-01-01")).days}
    value |= {name: row[name].iloc[0] for name in ("lat", "lon")}
    if math.isnan(row.income.iloc[0]):
        value |= {"income is missing": 1.0, "income": float(lines["income"]["if_missing"])}
    else:
        value["income"] = row.income.iloc[0]
    log_odds = sum(float(lines[name]["weight"]) * x for name, x in value.items())
    assert log_odds == pytest.approx(float(clf.decision_function(row)[0]), abs=1e-9)
    points = sum(float(lines[name]["points"]) * x for name, x in value.items())
    assert points == pytest.approx(600 + 20 / math.log(2) * (log_odds - math.log(50)), abs=1e-6)


def test_the_select_is_one_and_stands_alone(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    clf = fitted("given", "binary", [HOUSEHOLD, calls(FRAME)])
    export_table(clf, "sql", tmp_path / "out", asked())
    query = (tmp_path / "out" / "predict.sql").read_text()
    assert query.count(";") == 0 and query.lstrip().upper().startswith(("SELECT", "WITH"))
    asked().reset_index(names="row").to_parquet(tmp_path / "new.parquet")
    with duckdb.connect() as db:
        for name in ("memory", "edges1"):
            db.execute(f"CREATE VIEW {name} AS FROM '{tmp_path / 'out' / name}.parquet'")
        db.execute(f"CREATE VIEW rows AS FROM '{tmp_path / 'new.parquet'}'")
        found = db.sql(query).df().set_index("row").loc[BOTH.index]
    np.testing.assert_allclose(found["p_1"], clf.predict_proba(asked())[:, 1], atol=1e-9)
    np.testing.assert_allclose(found["score_0"], clf.decision_function(asked()), atol=1e-9)
    assert (found["prediction"] == clf.predict(asked())).all()


ATTENDING = [
    {"attention": "query-key"},
    {"attention": "query-key", "normalize": "softmax", "relations": [HOUSEHOLD, calls(FRAME)], "labels": True},
    {"attention": "query-key", "relations": [calls(FRAME)], "feedforward": "swiglu", "width": 3},
    {"attention": "bilinear", "normalize": "none"},
    {"attention": "bilinear", "relations": [HOUSEHOLD], "normalize": "none", "feedforward": "gelu", "width": 3},
    {"attention": "metric", "labels": True},
]


@pytest.mark.parametrize("settings", ATTENDING)
@pytest.mark.parametrize("task", ["binary", "multi-class", "number"])
def test_attention_rungs_say_the_same_in_onnx(tmp_path, settings, task):
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason="pip install 'axw[export]'")
    clf = model("query-key", task, **settings).fit(features(FRAME), answers(FRAME, task))
    proof = export_table(clf, "onnx", tmp_path / "out", BOTH)
    assert proof.rows == len(BOTH) and proof.difference < 1e-5
    assert sorted(os.listdir(tmp_path / "out"))[-2:] == ["model.onnx", "proof.json"]


def test_a_model_that_was_saved_is_exported_alike(tmp_path):
    clf = fitted("given", "binary", [HOUSEHOLD])
    clf.save(tmp_path / "model.axw")
    for path, one in ((tmp_path / "one", clf), (tmp_path / "two", load(tmp_path / "model.axw"))):
        export_table(one, "scorecard", path, asked())
    assert (tmp_path / "one" / "scorecard.csv").read_bytes() == (tmp_path / "two" / "scorecard.csv").read_bytes()


@pytest.mark.parametrize(
    "kind, relations, to, said",
    [
        ("query-key", [], "sql", "sql cannot hold this model: attention='query-key'.*\n.*\nTargets that can: onnx"),
        ("given", [Near(["lat", "lon"], 3)], "sql", "is no join by keys.*\n.*\nTargets that can: scorecard"),
        ("none", [], "onnx", "onnx cannot hold this model.*\n.*\nTargets that can: scorecard, sql"),
        ("none", [], "excel", "There is no target 'excel' for tables"),
    ],
)
def test_a_target_that_cannot_hold_the_model_is_refused(tmp_path, kind, relations, to, said):
    clf = fitted(kind, "binary", relations)
    with pytest.raises(UsageError, match=said):
        export_table(clf, to, tmp_path / "out", asked())
    assert os.listdir(tmp_path) == []


def test_an_export_that_says_something_else_is_refused_and_nothing_is_left(tmp_path, monkeypatch):
    clf = fitted("none", "binary", [])
    right = scorecard.files(clf, asked())["scorecard.csv"]
    monkeypatch.setattr(scorecard, "files", lambda *_: {"scorecard.csv": right.replace(b"0.", b"0.1", 3)})
    with pytest.raises(GateError, match="does not say what the model says: the output of row .* here, .* there"):
        export_table(clf, "scorecard", tmp_path / "out", asked())
    assert os.listdir(tmp_path) == []


def test_bad_folders_and_no_rows(tmp_path):
    clf = fitted("none", "binary", [])
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="Something is there already"):
        export_table(clf, "scorecard", tmp_path / "there", asked())
    with pytest.raises(UsageError, match="The proof has no rows to ask.*\n.*\nGive rows: --rows FILE"):
        export_table(clf, "scorecard", tmp_path / "out", asked().iloc[:0])
    assert os.listdir(tmp_path) == ["there"]


def test_rows_without_names_and_rows_that_refer_to_each_other(tmp_path):
    pytest.importorskip("duckdb")
    frame = features(FRAME).reset_index(drop=True)
    clf = AttentionClassifier("given", relations=[HOUSEHOLD], labels=True).fit(frame, answers(FRAME, "binary"))
    export_table(clf, "sql", tmp_path / "one", NEW.reset_index(drop=True))
    assert table_sql.id_column(clf) == "row"
    named = features(FRAME).reset_index().assign(partner=lambda t: t.customer.shift(1))
    clf = AttentionClassifier("given", relations=[Ref("partner")], id="customer").fit(
        named, answers(FRAME, "binary").to_numpy()
    )
    export_table(clf, "sql", tmp_path / "two", named.iloc[:13])


def test_rows_that_it_learned_from_are_new_to_a_select_where_rows_have_no_names(tmp_path):
    pytest.importorskip("duckdb")
    learned, y = features(FRAME).reset_index(drop=True), answers(FRAME, "binary")
    clf = AttentionClassifier("given", relations=[HOUSEHOLD], labels=True).fit(learned, np.asarray(y))
    assert export_table(clf, "sql", tmp_path / "out", learned).difference < 1e-9


def test_names_of_columns_that_the_answer_has_or_that_differ_in_case_alone(tmp_path):
    pytest.importorskip("duckdb")
    learned, y = features(FRAME).reset_index(drop=True), np.asarray(answers(FRAME, "binary"))
    clf = AttentionClassifier("given", relations=[HOUSEHOLD], id="prediction")
    clf.fit(learned.assign(prediction=range(69)), y)
    with pytest.raises(UsageError, match="Its id column 'prediction' is called like a column of the answer"):
        export_table(clf, "sql", tmp_path / "out", learned.assign(prediction=range(69)))
    other = AttentionClassifier("none").fit(learned.rename(columns={"age": "Row", "income": "ROW_ID"}), y)
    assert table_sql.id_column(other) == "axw_row"
    assert (
        export_table(other, "sql", tmp_path / "two", learned.rename(columns={"age": "Row", "income": "ROW_ID"})).rows
        == 69
    )
