"""A model that was fitted in an engine, as a folder: it answers as before, and nothing in it is believed."""

import json

import numpy as np
import pytest

import axw
from axw.errors import ModelError, ResourceError, UsageError
from axw.models import load as load_estimator
from axw.sql import EdgeTable, fit, load, remember, save, to_estimator
from axw.storage import read_folder, write_folder

DROP = ["sex", "flag", "ward", "since", "mate"]


@pytest.fixture(scope="module")
def fitted(engine, files):
    table = engine.read(files / "rows.parquet")
    edges = EdgeTable(files / "edges.parquet", "s", "t", "w")
    drop = [*DROP, "number", "three"]
    model = fit(
        engine, table, "two", relations=[edges, axw.SameValue("home")], labels=True, id="id", drop=drop, penalty=1.0
    )
    return table, model


def test_what_is_loaded_is_what_was_saved(engine, fitted, tmp_path):
    table, model = fitted
    save(model, tmp_path / "m.axw")
    found = load(tmp_path / "m.axw")
    assert (found.W == model.W).all() and (found.b == model.b).all() and found.form == model.form
    answers = [engine.fetch(one.predict(engine, table, table)).to_pandas().sort_values("id") for one in (model, found)]
    assert (answers[0]["id"].to_numpy() == answers[1]["id"].to_numpy()).all()
    np.testing.assert_allclose(answers[0]["p_1"], answers[1]["p_1"], rtol=1e-12)
    card = (tmp_path / "m.axw" / "README.md").read_text()
    assert "211 training rows, none of which is in this folder" in card and "EdgeTable" in card
    with pytest.raises(UsageError, match="there"):
        save(model, tmp_path / "m.axw")
    save(model, tmp_path / "m.axw", overwrite=True)


def test_the_estimator_answers_as_the_engine_does(engine, fitted, frame, tmp_path):
    table, model = fitted
    to_estimator(model, engine, table).save(tmp_path / "m.axw")
    estimator = load_estimator(tmp_path / "m.axw")
    P = estimator.predict_proba(frame)
    answers = engine.fetch(model.predict(engine, table, table)).to_pandas().set_index("id").loc[frame["id"]]
    np.testing.assert_allclose(answers[["p_0", "p_1"]], P, rtol=1e-6, atol=1e-6)
    explained = estimator.explain(frame.head(3))
    assert len(explained.outputs) == 3


def test_without_a_relation_no_row_is_saved(engine, files, frame, tmp_path):
    table = engine.read(files / "rows.parquet")
    model = fit(engine, table, "number", drop=["two", "three", "id", "home", *DROP])
    to_estimator(model, engine, table).save(tmp_path / "m.axw", context="none")
    estimator = load_estimator(tmp_path / "m.axw")
    assert len(estimator.memory_.X) == 0 and "211 training rows" in (tmp_path / "m.axw" / "README.md").read_text()
    answers = engine.fetch(model.predict(engine, table)).column("prediction").to_numpy()
    np.testing.assert_allclose(np.sort(answers), np.sort(estimator.predict(frame)), rtol=1e-6, atol=1e-6)


def test_more_rows_than_a_folder_keeps_are_refused_before_they_are_fetched(engine, fitted, monkeypatch):
    table, model = fitted
    for limit, said in (
        ("MOST_ROWS", "reads 211 rows of . numbers; at most 210"),
        ("MOST_EDGES", "reads 503 edges; at most 210"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(remember, limit, 210)
            with pytest.raises(ResourceError, match=f"The model {said} are kept in a model folder"):
                to_estimator(model, engine, table)


def test_a_model_of_the_past_is_no_estimator(engine, files):
    table = engine.read(files / "rows.parquet")
    drop = ["two", "three", "id", *DROP[:3], "mate"]
    model = fit(engine, table, "number", relations=[axw.SameValue("home")], as_of="since", drop=drop, labels=True)
    with pytest.raises(UsageError, match="reads only rows before a row's 'since'"):
        to_estimator(model, engine, table)
    with pytest.raises(UsageError, match="The model reads rows of the training table, and none was given"):
        model.predict(engine, table)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"rows": "many"},
        {"temperature": 0},
        {"answer": {"name": "two", "kind": "classes", "classes": None}},
        {"form": {}},
        {"more": 1},
    ],
)
def test_a_folder_that_says_something_else_is_refused(fitted, tmp_path, change):
    save(fitted[1], tmp_path / "m.axw")
    folder = read_folder(tmp_path / "m.axw")
    config = {**json.loads(folder.read("config.json")), **change}
    files = {"model.safetensors": folder.read("model.safetensors"), "config.json": json.dumps(config).encode()}
    write_folder(tmp_path / "other.axw", files, meta={"kind": "table model in SQL"})
    with pytest.raises(ModelError):
        load(tmp_path / "other.axw")
    write_folder(tmp_path / "third.axw", files, meta={"kind": "table model"})
    with pytest.raises(ModelError, match="Load it with axw.models.load"):
        load(tmp_path / "third.axw")
