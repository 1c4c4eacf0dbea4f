"""The explanation: contributions add up to the answer, and name the rows that were read."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from axw.data.values import value_text
from axw.models import AttentionClassifier
from tests.models.tables.made_up import HOUSEHOLD, KINDS, answers, calls, features, model, outputs, relations, table

TABLE = table(households=13)
X, NEW = features(TABLE), features(table(households=13, seed=1)).set_axis([f"new{i}" for i in range(39)])
TASKS = ("binary", "multi-class", "number", "several")
RELATIONS = relations(TABLE)
CASES = [
    (kind, task, related)
    for kind, task, related in itertools.product(KINDS, TASKS, RELATIONS)
    if (kind != "given" or related != "nothing")
    and (kind not in ("none", "dot") or related == "nothing")
    and (kind == "given" or related != "two")
]


def quick(kind, task, related):
    """Attention that is trained is explained for one relation by default, for each by `pytest -m slow`."""
    marks = pytest.mark.slow if kind in ("bilinear", "query-key") and related not in ("nothing", "edges") else ()
    return pytest.param(kind, task, related, marks=marks)


@pytest.mark.parametrize(("kind", "task", "related"), [quick(*case) for case in CASES])
def test_contributions_add_up_to_the_output(kind, task, related):
    settings = {"relations": RELATIONS[related], "labels": kind in ("given", "query-key")}
    fitted = model(kind, task, **settings).fit(X, answers(TABLE, task))
    for rows in (X.iloc[[0, 5, 17]], NEW.iloc[:2]):
        explanation = fitted.explain(rows)
        expected = outputs(fitted, rows)
        np.testing.assert_allclose(explanation.outputs, expected, rtol=1e-9, atol=1e-9)
        by_hand = np.zeros_like(expected)
        for line in explanation.to_frame().itertuples():
            by_hand[line.place, explanation.names.index(line.output)] += line.contribution
        np.testing.assert_allclose(by_hand, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "related"),
    [("given", "two"), ("query-key", "two"), ("query-key", "nothing"), ("dot", "nothing")],
)
def test_rows_that_are_read_are_remembered_rows_and_never_the_row_itself(kind, related):
    fitted = model(kind, relations=RELATIONS[related], labels=True).fit(X, answers(TABLE, "binary"))
    lines = fitted.explain(X).to_frame()
    read = lines[lines["read"] != ""]
    assert len(read) and set(read["read"]) <= set(X.index)
    if kind != "dot":  # X X' over all rows is the linear model: it reads itself too
        assert (read["read"] != read["row"]).all()
    assert set(fitted.explain(NEW).to_frame()["read"]) <= {"", *X.index}


def test_given_a_relation_only_its_rows_are_read():
    for kind in ("given", "query-key"):
        fitted = model(kind, relations=[HOUSEHOLD], labels=True).fit(X, answers(TABLE, "binary"))
        lines = fitted.explain(X).to_frame()
        lines = lines[lines["read"] != ""]
        same = X["household"].loc[lines["row"]].to_numpy() == X["household"].loc[lines["read"]].to_numpy()
        assert same.all() and len(lines)


def test_a_row_without_relatives_is_explained_by_its_own_columns():
    fitted = model("given", relations=[HOUSEHOLD], labels=True).fit(X, answers(TABLE, "binary"))
    lone = NEW.iloc[[0]].assign(household="nobody else")
    explanation = fitted.explain(lone)
    assert (explanation.to_frame()["read"] == "").all()
    assert set(explanation.by("relation")["relation"]) == {"own row"}
    learned = model("query-key", relations=[HOUSEHOLD]).fit(X, answers(TABLE, "binary"))
    assert set(learned.explain(lone).to_frame()["relation"]) == {"own row"}


def test_the_contribution_of_a_relative_is_what_the_answer_changes_by_when_its_column_changes():
    """A X W is linear: move the age of the one who is read, and the answer moves by its contribution's slope."""
    y = answers(TABLE, "number")
    fitted = model("given", "number", relations=[HOUSEHOLD]).fit(X, y)
    row = X.iloc[[5]]
    lines = fitted.explain(row).to_frame()
    line = lines[(lines["feature"] == "age") & (lines["read"] != "")].iloc[0]
    place = list(X.index).index(line["read"])
    before, z = fitted.predict(row)[0], fitted.memory_.X[place, 0]
    fitted.memory_.X[place, 0] += 1.0
    assert fitted.predict(row)[0] - before == pytest.approx(line["contribution"] / z)


@pytest.mark.parametrize(("kind", "task"), [("relu", "multi-class"), ("swiglu", "binary")])
def test_the_feed_forward_part_is_one_line_an_output(kind, task):
    fitted = model("query-key", task, relations=[HOUSEHOLD], feedforward=kind, width=3).fit(X, answers(TABLE, task))
    explanation = fitted.explain(X.iloc[:3])
    np.testing.assert_allclose(explanation.outputs, outputs(fitted, X.iloc[:3]), atol=1e-9)
    sums = explanation.by()["contribution"].to_numpy().reshape(explanation.outputs.shape[::-1], order="C")
    assert np.isclose(sums.sum(), explanation.outputs.sum(), atol=1e-9)
    lines = explanation.to_frame()
    above = lines[lines["relation"] == "feed-forward"]
    assert len(above) == explanation.outputs.size and (above["feature"] == "(all it read)").all()
    assert "feed-forward part, which is one number" in explanation.exact


def test_by_sums_over_everything_else():
    fitted = model("given", relations=[HOUSEHOLD, calls(TABLE)], labels=True).fit(X, answers(TABLE, "binary"))
    explanation = fitted.explain(X.iloc[3:8])
    by_relation = explanation.by("relation")
    assert set(by_relation["relation"]) <= {"own row", "same household", "caller-callee"}
    totals = by_relation.groupby("place")["contribution"].sum().to_numpy()
    np.testing.assert_allclose(totals, explanation.outputs[:, 0], atol=1e-9)
    by_read = explanation.by("relation", "read")
    np.testing.assert_allclose(by_read.groupby("place")["contribution"].sum(), explanation.outputs[:, 0], atol=1e-9)


def test_weights_of_a_softmax_add_up_to_at_most_one_a_head():
    fitted = AttentionClassifier(rank=1, heads=1, members=1).fit(X, answers(TABLE, "binary"))
    heads = fitted.fitted_.settings.heads
    lines = fitted.explain(X.iloc[:4]).to_frame()
    weights = lines[lines["read"] != ""].drop_duplicates(["place", "read"]).groupby("place")["weight"].sum()
    assert ((weights > 0) & (weights <= heads + 1e-12)).all()


def test_text_fits_a_terminal_and_adds_up():
    long = X.rename(columns={"age": "the age in years that was written on the form when it was handed in, if it was"})
    fitted = model("given", "multi-class", relations=[HOUSEHOLD], labels=True).fit(long, answers(TABLE, "multi-class"))
    explanation = fitted.explain(long.iloc[:2])
    text = explanation.to_text(most=3)
    assert max(map(len, text.splitlines())) <= 80
    assert repr(explanation) == explanation.to_text()
    block = text.split("row r1: ")[1].splitlines()
    total = float(block[0].rsplit("=", 1)[1].split(",")[0])
    assert sum(float(line.split()[0]) for line in block[1:5]) == pytest.approx(total, abs=0.003)
    assert "others" in block[4] and "row r" in explanation.to_text(most=100)


def test_text_fits_a_terminal_whatever_the_names():
    y = answers(TABLE, "binary").rename("whether the loan was repaid in full and in time, as far as anybody can know")
    rows = X.set_axis(
        [f"customer number {i} of the branch in the street behind the old station" for i in range(len(X))]
    )
    fitted = model("given", relations=[HOUSEHOLD], labels=True).fit(rows, y)
    assert max(map(len, fitted.explain(rows.iloc[:3]).to_text().splitlines())) <= 80
    learned = model("query-key", relations=[HOUSEHOLD], feedforward="relu", width=2).fit(rows, y)
    assert max(map(len, learned.explain(rows.iloc[:3]).to_text().splitlines())) <= 80


def test_json_can_be_written_and_adds_up():
    fitted = model("given", "several", relations=[HOUSEHOLD], labels=True).fit(X, answers(TABLE, "several"))
    value = json.loads(json.dumps(fitted.explain(X.iloc[:3]).to_json(), allow_nan=False))
    assert value["schema"] == "axw.explanation/1" and value["exact"].startswith("exact")
    assert [row["id"] for row in value["rows"]] == ["r0", "r1", "r2"]
    for row in value["rows"]:
        for output, total in row["outputs"].items():
            lines = [line for line in row["contributions"] if line["output"] == output]
            assert sum(line["contribution"] for line in lines) == pytest.approx(total, rel=1e-9)
            keys = {"output", "relation", "read", "feature", "weight", "contribution", "column", "value"}
            assert set(lines[0]) == keys


@pytest.mark.parametrize("kind", ["given", "query-key", "dot"])
@pytest.mark.parametrize("task", TASKS)
def test_every_line_says_what_stood_in_the_table(kind, task):
    settings = {} if kind == "dot" else {"relations": [HOUSEHOLD], "labels": True}
    y = answers(TABLE, task)
    asked = X.iloc[:7].assign(region="east")  # a level that was never seen
    lines = model(kind, task, **settings).fit(X, y).explain(asked).to_frame()
    own = lines[(lines["relation"] == "own row") & (lines["column"] != "")]
    assert (len(own) > 0) == (kind != "dot")
    for line in own.itertuples():
        assert line.value == value_text(asked.loc[line.row, line.column]) and line.feature.startswith(line.column)
    truth = X.join(y)
    read = lines[(lines["read"] != "") & (lines["column"] != "")]
    assert len(read) and (kind == "dot" or set(read["column"]) & set(truth.columns.difference(X.columns)))
    for line in read.itertuples():
        expected = truth.loc[line.read, line.column]
        if isinstance(expected, float) and line.value != "not known":
            assert float(line.value) == pytest.approx(expected, rel=1e-11)
        elif line.value == "other":  # a level that one row has
            assert (truth[line.column] == expected).sum() == 1
        else:
            assert line.value == value_text(expected)
    counts = lines[lines["feature"] == "n"]
    assert len(counts) or kind != "given"
    for line in counts.itertuples():
        house = X["household"]
        assert int(line.value) == (house == house[line.row]).sum() - 1
    others = lines[(lines["column"] == "") & (lines["feature"] != "n")]
    assert (others["value"] == "").all() and set(others["feature"]) <= {"(base)", "being there"}


def test_a_hop_of_smoothing_says_what_stands_there_on_average():
    wide = X[["age", "region", "household"]]
    fitted = AttentionClassifier("smoothing", relations=[HOUSEHOLD]).fit(wide, answers(TABLE, "binary"))
    lines = fitted.explain(wide.iloc[[4]]).to_frame()
    hop = lines[lines["relation"] == "same household, hop 1"]
    mates = wide[(wide["household"] == wide["household"].iloc[4]) & (wide.index != wide.index[4])]
    told = dict(zip(hop["feature"], hop["value"], strict=True))
    if "age" in told:
        assert told["age"] == f"{mates['age'].mean():.4g} on average"
    for feature, value in told.items():
        if feature.startswith("region = "):
            assert value == f"{100 * (mates['region'] == feature[9:]).mean():.3g} % of them"
    assert "of same household, hop 1" in fitted.explain(wide.iloc[[4]]).to_text(most=99) or not told


def test_text_says_the_values_and_cuts_them():
    wide = X.assign(note=["abc " * 40] * (len(X) - 5) + ["b"] * 5)
    told = (
        model("given", relations=[HOUSEHOLD], labels=True).fit(wide, answers(TABLE, "binary")).explain(wide.iloc[[3]])
    )
    text = told.to_text(most=99)
    assert f"age = {value_text(wide['age'].iloc[3])}" in text and "n = 2 of same household" in text
    assert "risk = bad of same household, row r" in text or "risk = good of same household, row r" in text
    assert max(map(len, text.splitlines())) <= 80 and "note = abc abc abc abc abc abc abc abc\u2026"[:30] in text


def test_json_of_rows_without_names():
    fitted = model("given", relations=[HOUSEHOLD]).fit(X.reset_index(drop=True), answers(TABLE, "binary"))
    value = fitted.explain(NEW.reset_index(drop=True).iloc[:2]).to_json()
    assert json.dumps(value) and len(value["rows"]) == 2


def test_what_is_exact_is_said():
    y = answers(TABLE, "binary")
    assert model("none").fit(X, y).explain(X[:1]).exact == "exact: the contributions add up to the output"
    learned = model("query-key", relations=[HOUSEHOLD]).fit(X, y).explain(X[:1])
    assert learned.exact == "exact given A: A itself was learned from the columns"
