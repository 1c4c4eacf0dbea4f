"""The estimators for tables: what must not change the answer does not, and attention learns what it is for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from axw.models import AttentionClassifier, AttentionRegressor
from axw.relations import SameValue
from tests.models.tables.made_up import HOUSEHOLD, KINDS, answers, calls, features, model, outputs, table

TABLE = table(households=13)
X = features(TABLE)
NEW = features(table(households=13, seed=1)).set_axis([f"new{i}" for i in range(39)])


def settings(kind: str) -> dict:
    return (
        {"relations": [HOUSEHOLD, calls(TABLE)], "labels": True}
        if kind == "given"
        else ({"relations": [HOUSEHOLD], "labels": True} if kind == "query-key" else {})
    )


# -- what must not change the answer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", ["binary", "number"])
def test_the_order_of_the_rows_changes_nothing(kind, task):
    y = answers(TABLE, task)
    # Fold by fold the rows are the same ones; only what is added in which order differs.
    order = np.random.default_rng(0).permutation(len(X))
    one = model(kind, task, **settings(kind)).fit(X, y)
    two = model(kind, task, **settings(kind)).fit(X.iloc[order], y.iloc[order])
    scale = np.abs(outputs(one, NEW)).max()
    np.testing.assert_allclose(outputs(two, NEW), outputs(one, NEW), atol=1e-6 * max(1.0, scale))


@pytest.mark.parametrize("kind", [*KINDS, "query-key, all rows"])
def test_a_batch_of_one_answers_as_all_at_once(kind):
    related = settings(kind)
    fitted = model(kind.split(",")[0], **related).fit(X, answers(TABLE, "binary"))
    for rows in (NEW, X):
        one_by_one = np.concatenate([outputs(fitted, rows.iloc[[i]]) for i in range(0, len(rows), 5)])
        np.testing.assert_allclose(one_by_one, outputs(fitted, rows)[::5], atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_new_rows_do_not_see_each_other(kind):
    fitted = model(kind, **settings(kind)).fit(X, answers(TABLE, "binary"))
    alone = outputs(fitted, NEW.iloc[:5])
    crowd = pd.concat([NEW.iloc[:5], NEW.iloc[:5].set_axis([f"twin{i}" for i in range(5)]), NEW.iloc[5:]])
    np.testing.assert_allclose(outputs(fitted, crowd)[:5], alone, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_columns_changes_nothing_and_others_are_ignored(kind):
    fitted = model(kind, **settings(kind)).fit(X, answers(TABLE, "binary"))
    other = NEW[NEW.columns[::-1]].assign(more=1.0)
    np.testing.assert_array_equal(outputs(fitted, other), outputs(fitted, NEW))


@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_gives_one_answer(kind):
    y = answers(TABLE, "multi-class")
    one, two = (model(kind, "multi-class", **settings(kind), random_state=7).fit(X, y) for _ in range(2))
    np.testing.assert_allclose(outputs(one, NEW), outputs(two, NEW), atol=1e-10)


@pytest.mark.parametrize("kind", ["given", "query-key"])
def test_a_polars_frame_answers_as_a_pandas_frame(kind):
    y = answers(TABLE, "binary")
    named, new = X.rename_axis("who").reset_index(), NEW.rename_axis("who").reset_index()
    kwargs = {**settings(kind), "id": "who"}
    one = model(kind, **kwargs).fit(named, y)
    two = model(kind, **kwargs).fit(pl.from_pandas(named), pl.Series("risk", y.to_list()))
    np.testing.assert_allclose(two.predict_proba(pl.from_pandas(new)), one.predict_proba(new), atol=1e-9)
    assert two.targets_ == one.targets_ == ("risk = good",)


@pytest.mark.parametrize("task", ["binary", "multi-class", "number", "several"])
@pytest.mark.parametrize("kind", ["none", "dot"])
def test_a_row_of_weight_two_is_the_row_twice(kind, task):
    y = answers(TABLE, task)
    places = np.r_[np.arange(len(X)), np.arange(6)]
    weight = np.ones(len(X))
    weight[:6] = 2.0
    names = [f"row{i}" for i in range(len(places))]
    one = model(kind, task).fit(X, y, sample_weight=weight)
    two = model(kind, task).fit(X.iloc[places].set_axis(names), y.iloc[places].set_axis(names))
    np.testing.assert_allclose(outputs(two, NEW), outputs(one, NEW), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_weight_zero_is_not_there(kind):
    """Neither learned from nor read."""
    y = answers(TABLE, "binary")
    weight = np.ones(len(X))
    weight[3:9] = 0.0
    one = model(kind, **settings(kind)).fit(X, y, sample_weight=weight)
    two = model(kind, **settings(kind)).fit(X[weight > 0], y[weight > 0])
    np.testing.assert_allclose(outputs(one, NEW), outputs(two, NEW), atol=1e-6)


def test_balanced_classes_weigh_as_much_as_their_weights():
    y = answers(TABLE, "multi-class").where(lambda level: level != "high", "low")
    y.iloc[:3] = "high"
    balanced = AttentionClassifier("none", class_weight="balanced").fit(X, y)
    weight = {name: len(y) / (3 * (y == name).sum()) for name in ("low", "middle", "high")}
    by_name = AttentionClassifier("none", class_weight=weight).fit(X, y)
    np.testing.assert_allclose(balanced.predict_proba(NEW), by_name.predict_proba(NEW), atol=1e-9)
    plain = AttentionClassifier("none").fit(X, y)
    rare = list(plain.classes_).index("high")
    assert balanced.predict_proba(NEW)[:, rare].mean() > plain.predict_proba(NEW)[:, rare].mean()


# -- forms of answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("bad", "good"), (0, 1), (False, True), (-3, 12)], ids=str)
def test_classes_come_back_as_they_were(names):
    y = answers(TABLE, "binary") == "good"
    fitted = AttentionClassifier("none").fit(X, np.array(names)[y.to_numpy(int)])
    plain = AttentionClassifier("none").fit(X, y)
    assert list(fitted.classes_) == list(names) and set(fitted.predict(NEW)) <= set(names)
    np.testing.assert_array_equal(fitted.predict_proba(NEW), plain.predict_proba(NEW))
    np.testing.assert_array_equal(fitted.predict(NEW) == names[1], fitted.decision_function(NEW) > 0)


def test_answers_as_a_series_a_list_an_array_and_polars():
    y = answers(TABLE, "binary")
    forms = [
        y,
        list(y),
        y.to_numpy(),
        pl.Series("risk", y.to_list()),
        y.astype("category"),
        y.astype("string"),
    ]
    found = [AttentionClassifier("none").fit(X, form).predict_proba(NEW) for form in forms]
    for one in found[1:]:
        np.testing.assert_array_equal(one, found[0])
    number = answers(TABLE, "number")
    forms = [number, list(number), number.to_numpy(), pl.Series("score", number.to_list())]
    found = [AttentionRegressor("none").fit(X, form).predict(NEW) for form in forms]
    for one in found[1:]:
        np.testing.assert_array_equal(one, found[0])


@pytest.mark.parametrize("kind", ["none", "given", "dot"])
def test_several_targets_are_answered_as_one_by_one(kind):
    y = answers(TABLE, "several")
    both = model(kind, "several", **({"relations": [HOUSEHOLD]} if kind == "given" else {})).fit(X, y)
    assert both.predict(NEW).shape == (len(NEW), 2) and both.targets_ == ("score", "half")
    for place, name in enumerate(y.columns):
        one = model(kind, "number", **({"relations": [HOUSEHOLD]} if kind == "given" else {})).fit(X, y[name])
        np.testing.assert_allclose(one.predict(NEW), both.predict(NEW)[:, place], rtol=1e-9)


def test_a_regressor_does_not_mind_the_unit():
    y = answers(TABLE, "number")
    for kind in KINDS:
        one, two = (model(kind, "number", **settings(kind)).fit(X, y * a + b) for a, b in ((1.0, 0.0), (1e-6, 1.0)))
        np.testing.assert_allclose((two.predict(NEW) - 1.0) / 1e-6, one.predict(NEW), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_probabilities(kind):
    for task, c in (("binary", 2), ("multi-class", 3)):
        fitted = model(kind, task, **settings(kind)).fit(X, answers(TABLE, task))
        p = fitted.predict_proba(NEW)
        assert p.shape == (len(NEW), c) and (p >= 0).all()
        np.testing.assert_allclose(p.sum(1), 1.0, atol=1e-12)
        np.testing.assert_array_equal(fitted.classes_[p.argmax(1)], fitted.predict(NEW))


# -- odd tables ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_missing_values_and_unseen_categories_at_predict(kind):
    fitted = model(kind, **settings(kind)).fit(X, answers(TABLE, "binary"))
    odd = NEW.iloc[:4].copy()
    odd["age"] = np.nan
    odd["region"] = ["atlantis", None, "north", "NORTH"]
    odd["household"] = [None, "nobody's", "", "h3"]
    assert np.isfinite(fitted.predict_proba(odd)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_columns_that_say_nothing_change_nothing(kind):
    y = answers(TABLE, "number")
    more = X.assign(constant=3.0, one_text="same", nothing=np.nan)
    one, two = (
        model(kind, "number", **settings(kind)).fit(X, y),
        model(kind, "number", **settings(kind)).fit(more, y),
    )
    new = NEW.assign(constant=4.0, one_text="other", nothing=5.0)
    np.testing.assert_allclose(two.predict(new), one.predict(NEW), rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_with_one_row(kind):
    y = answers(TABLE, "multi-class")
    y.iloc[4] = "only one"
    fitted = model(kind, "multi-class", **settings(kind)).fit(X, y)
    assert "only one" in fitted.classes_ and np.isfinite(outputs(fitted, NEW)).all()
    assert fitted.predict_proba(NEW)[:, list(fitted.classes_).index("only one")].max() < 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_rows_fewer_than_columns_and_classes_that_are_apart(kind):
    few = X.iloc[:6]
    fitted = model(kind, **settings(kind)).fit(few, np.array([0, 1] * 3))
    assert np.isfinite(fitted.predict_proba(NEW)).all()
    apart = pd.DataFrame({"x": np.r_[np.arange(10), np.arange(100, 110)], "household": "h"})
    fitted = AttentionClassifier("none").fit(apart, apart["x"] > 50)
    assert fitted.score(apart, apart["x"] > 50) == 1.0


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_a_table_of_nothing_answers_the_prior():
    frame = pd.DataFrame({"constant": np.ones(20)})
    y = np.r_[np.zeros(5), np.ones(15)].astype(int)
    for kind in ("none", "dot", "query-key"):
        p = model(kind).fit(frame, y).predict_proba(frame[:3])
        np.testing.assert_allclose(p[:, 1], 0.75, atol=0.1)


@pytest.mark.parametrize("kind", ["none", "given", "query-key"])
def test_a_table_of_few_different_rows_is_calibrated(kind):
    """A fold that took away all rows of one kind would say that the model is always wrong."""
    one = np.random.default_rng(0).integers(0, 2, 160)
    frame = pd.DataFrame({"one": one.astype(float), "household": [f"h{i // 2}" for i in range(160)]})
    y = (np.random.default_rng(1).random(160) < np.where(one == 1, 0.8, 0.25)).astype(int)
    fitted = model(kind, **({"relations": [HOUSEHOLD]} if kind != "none" else {})).fit(frame, y)
    assert fitted.temperature_ == pytest.approx(1.0, abs=0.4)
    p = fitted.predict_proba(frame)[:, 1]
    assert p[one == 1].mean() == pytest.approx(y[one == 1].mean(), abs=0.08)
    assert p[one == 0].mean() == pytest.approx(y[one == 0].mean(), abs=0.08)


# -- two ways to one answer ----------------------------------------------------------------------------------------------------


def test_without_attention_it_is_logistic_regression():
    frame, y = X[["age", "lat"]], answers(TABLE, "binary")
    fitted = AttentionClassifier("none", penalty=2.0).fit(frame, y)
    peer = LogisticRegression(C=0.5, tol=1e-10).fit((frame - frame.mean()) / frame.std(ddof=0), y)
    np.testing.assert_allclose(fitted.fitted_.W.ravel(), peer.coef_.ravel(), atol=1e-5)
    calibrated = fitted.decision_function(frame) * fitted.temperature_
    np.testing.assert_allclose(
        calibrated, peer.decision_function((frame - frame.mean()) / frame.std(ddof=0)), atol=1e-4
    )


def test_a_given_relation_is_its_columns_written_by_hand():
    """A X W with A the same household equals the linear model on [X, mean of the others, log(1 + their number)]."""
    y = answers(TABLE, "number")
    frame = X[["age", "lat", "household"]]
    fitted = AttentionRegressor("given", relations=[HOUSEHOLD], penalty=1.0).fit(frame, y)
    groups = frame.groupby("household")
    standard = (frame[["age", "lat"]] - frame[["age", "lat"]].mean()) / frame[["age", "lat"]].std(ddof=0)
    others = groups["age"].transform("size").fillna(1) - 1
    sums = standard.groupby(frame["household"]).transform("sum").sub(standard).fillna(0.0)
    mean = sums.div(others.clip(lower=1), axis=0)
    names = list(fitted.get_feature_names_out())
    design = fitted.step_.design(fitted.memory_, fitted.memory_, fitted.target_)
    for column in ("age", "lat"):
        np.testing.assert_allclose(design[:, names.index(f"mean({column} | same household)")], mean[column], atol=1e-12)
    np.testing.assert_allclose(design[:, names.index("n(same household)")], np.log1p(others), atol=1e-12)
    by_hand = design @ fitted.fitted_.W + fitted.fitted_.b
    np.testing.assert_allclose(fitted.predict(frame), by_hand[:, 0] * y.std(ddof=0) + y.mean(), rtol=1e-9)


def test_members_are_averaged_into_one_network():
    y = answers(TABLE, "binary")
    one, three = (model("query-key", relations=[HOUSEHOLD], members=m).fit(X, y) for m in (1, 3))
    assert three.fitted_.settings.heads == 3 * one.fitted_.settings.heads


# -- attention learns what it is for -------------------------------------------------------------------------------------------


def planted(n: int = 400, of: int = 8, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """The class of a row is the majority of the classes of those of its group who are of its own kind."""
    rng = np.random.default_rng(seed)
    group, kind = np.arange(n) // of, rng.integers(0, 2, n)
    taste = rng.integers(0, 2, size=(n // of, 2))  # one for each group and kind
    y = np.where(rng.random(n) < 0.92, taste[group, kind], 1 - taste[group, kind])
    frame = pd.DataFrame(
        {"kind": np.where(kind == 1, 1.0, -1.0), "x": rng.normal(size=n), "group": [f"g{g}" for g in group]}
    )
    return frame.set_axis([f"r{i}" for i in range(n)]), y


def held_out_loss(estimator: AttentionClassifier, frame: pd.DataFrame, y: np.ndarray) -> float:
    learned = np.random.default_rng(1).random(len(y)) < 0.75
    return float(log_loss(y[~learned], estimator.fit(frame[learned], y[learned]).predict_proba(frame[~learned])))


def test_attention_within_a_group_beats_the_mean_of_the_group():
    frame, y = planted()
    group = [SameValue("group")]
    linear = held_out_loss(AttentionClassifier("none"), frame, y)
    mean = held_out_loss(AttentionClassifier("given", relations=group, labels=True), frame, y)
    attention = held_out_loss(AttentionClassifier("query-key", relations=group, labels=True, members=1), frame, y)
    assert attention < mean - 0.05 and mean < linear + 0.02


def test_attention_within_a_group_for_three_classes_and_for_numbers():
    frame, y = planted(n=320)
    third = np.random.default_rng(2).random(len(y)) < 0.1
    group, names = [SameValue("group")], np.array(["a", "b", "c"])[np.where(third, 2, y)]
    mean = held_out_loss(AttentionClassifier("given", relations=group, labels=True), frame, names)
    attention = held_out_loss(AttentionClassifier("query-key", relations=group, labels=True, members=1), frame, names)
    assert attention < mean - 0.02
    learned = np.random.default_rng(1).random(len(y)) < 0.75
    errors = [
        AttentionRegressor(kind, relations=group, labels=True, members=1)
        .fit(frame[learned], y[learned] * 100.0)
        .evaluate(frame[~learned], y[~learned] * 100.0)["rmse"]
        for kind in ("given", "query-key")
    ]
    assert errors[1] < errors[0] * 0.95
