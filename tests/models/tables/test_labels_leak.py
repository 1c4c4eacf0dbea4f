"""Neighbours' labels: a row never sees its own, in fit as in predict."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from axw.models import AttentionClassifier
from axw.models.tables.attending import AttendingStep
from axw.models.tables.linear import LinearStep
from axw.models.tables.problem import Target
from axw.models.tables.reading import Reader
from axw.networks import RowSettings
from axw.relations import SameValue
from tests.models.tables.made_up import HOUSEHOLD, answers, features, relations, table

TABLE = table(households=13)
SETTINGS = {
    "given": {"attention": "given"},
    "query-key": {"attention": "query-key", "members": 1, "heads": 1, "rank": 1},
}


def noise(seed: int, n: int = 240, of: int = 4) -> tuple[pd.DataFrame, np.ndarray]:
    """Groups, a column and labels that have nothing to do with one another."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "household": rng.permutation(np.arange(n) // of).astype(str)})
    return frame.set_axis([f"r{i}" for i in range(n)]), rng.integers(0, 2, n)


@pytest.mark.parametrize("kind", ["given", pytest.param("query-key", marks=pytest.mark.slow)])
def test_random_labels_are_not_learned(kind):
    """Area under the curve on half of the rows, whose relatives' labels are known; and on the training rows, held out in fit.

    Attention stops early by its held-out rows, so what it says of them flatters a little: as much without labels as with them.
    """
    areas, inside, without, errors = [], [], [], []
    for seed in range(20):
        frame, y = noise(seed)
        learned = np.random.default_rng(seed + 100).random(len(y)) < 0.5
        fitted = AttentionClassifier(**SETTINGS[kind], relations=[HOUSEHOLD], labels=True)
        fitted.fit(frame[learned], y[learned])
        areas.append(roc_auc_score(y[~learned], fitted.predict_proba(frame[~learned])[:, 1]))
        inside.append(roc_auc_score(y[learned], fitted._held_out[:, 0]))
        if seed < 7:
            fitted.set_params(labels=False).fit(frame[learned], y[learned])
            without.append(roc_auc_score(y[learned], fitted._held_out[:, 0]))
        errors.append(fitted.calibration_error_)
    assert np.mean(areas) == pytest.approx(0.5, abs=0.03)
    assert np.mean(inside) < (0.53 if kind == "given" else 0.6)
    assert np.mean(inside[:7]) - np.mean(without) < 0.04
    assert np.mean(errors) < 0.15


@pytest.mark.parametrize("kind", ["given", pytest.param("query-key", marks=pytest.mark.slow)])
def test_a_row_that_was_learned_from_does_not_give_its_label_away(kind):
    """Asked again about a training row, a model with neighbours' labels knows no more of it than one without."""
    gains = []
    for seed in range(10 if kind == "given" else 4):
        frame, y = noise(seed, n=120)
        inside = [
            roc_auc_score(
                y,
                AttentionClassifier(**SETTINGS[kind], relations=[HOUSEHOLD], labels=labels)
                .fit(frame, y)
                .predict_proba(frame)[:, 1],
            )
            for labels in (False, True)
        ]
        gains.append(inside[1] - inside[0])
    assert np.mean(gains) < 0.04


def test_few_large_groups_do_not_give_the_label_away_either():
    """Mean of the others = (total - own) / (size - 1): with the group as a column, a linear model could solve for the label."""
    gains = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame({"x": rng.normal(size=200), "region": rng.choice(list("abcd"), 200)})
        y = (rng.random(200) < 0.5).astype(int)
        areas = []
        for labels in (False, True):
            fitted = AttentionClassifier("given", relations=[SameValue("region")], labels=labels)
            fitted.fit(frame[:150], y[:150])
            areas.append(roc_auc_score(y[:150], fitted.predict_proba(frame[:150])[:, 1]))
        gains.append(areas[1] - areas[0])
    assert np.mean(gains) < 0.1


@pytest.mark.parametrize("kind", SETTINGS)
def test_neighbours_labels_that_tell_something_are_used_with_the_right_sign(kind):
    """Leaving a row out of its group's mean makes the rest of the group look opposite: a leak would turn the sign."""
    with_labels, without = [], []
    for seed in range(3 if kind == "given" else 1):
        frame = table(households=60, of=4, effect=3.0, seed=seed)
        X, y = features(frame)[["age", "household"]], answers(frame, "binary")
        learned = np.random.default_rng(seed).random(len(y)) < 0.7
        for found, labels in ((with_labels, True), (without, False)):
            fitted = AttentionClassifier(**SETTINGS[kind], relations=[HOUSEHOLD], labels=labels)
            fitted.fit(X[learned], y[learned])
            found.append(roc_auc_score(y[~learned] == "good", fitted.decision_function(X[~learned])))
    assert np.mean(with_labels) > np.mean(without) + 0.05


# -- the question itself -------------------------------------------------------------------------------------------------------


def rows_and_target(task: str, related: str):
    X, y = features(TABLE), answers(TABLE, task)
    found = relations(TABLE)[related]
    if task == "binary":
        Y, kind = (y == "good").to_numpy(float)[:, None], "classes"
    else:
        Y, kind = y.to_numpy(float).reshape(len(y), -1), "numbers"
    rows = Reader.of(X, found, None, "from_dtype", None).rows(X, Y)
    return found, rows, Target.of(kind, Y, rows.weights())


@pytest.mark.parametrize("related", ["same value", "edges", "near", "two"])
@pytest.mark.parametrize("task", ["binary", "several"])
def test_the_linear_design_of_a_row_does_not_depend_on_its_own_answer(task, related):
    found, rows, target = rows_and_target(task, related)
    d, c = rows.X.shape[1], rows.Y.shape[1]
    step = LinearStep("given", found, True, [f"x{i}" for i in range(d)], [f"y{i}" for i in range(c)])
    before = step.design(rows, rows, target)
    assert before.shape[1] == len(step.columns())
    for i in range(0, len(rows.X), 5):
        other = rows._replace(Y=rows.Y.copy())
        other.Y[i] = 1e6
        after = step.design(other, other, target)
        np.testing.assert_allclose(after[i], before[i], rtol=1e-6, atol=1e-6)
        read = found[0].given(rows.rows, rows.rows).csr().toarray()[:, i] > 0
        assert not np.isclose(after[read], before[read]).all(1).any()  # and those who read it do see it


@pytest.mark.parametrize("related", ["nothing", "same value", "edges", "near", "two"])
@pytest.mark.parametrize("normalize", ["softmax-or-nothing", "softmax"])
def test_attention_of_a_row_does_not_depend_on_its_own_answer(related, normalize):
    found, rows, target = rows_and_target("several", related)
    settings = RowSettings(normalize=normalize, heads=2)
    step = AttendingStep(settings, found, True, members=1, penalty=1.0)
    d, c = rows.X.shape[1], rows.Y.shape[1]
    network = step.network(rows, target, _start(d, c), seed=3)
    before = step.outputs(network, rows, rows, target)
    for i in range(0, len(rows.X), 7):
        other = rows._replace(Y=rows.Y.copy())
        other.Y[i] += 1e3
        after = step.outputs(network, other, other, target)
        np.testing.assert_allclose(after[i], before[i], atol=1e-9)
        if related == "nothing":
            assert not np.isclose(np.delete(after, i, 0), np.delete(before, i, 0)).all(1).any()


def test_a_row_of_weight_two_reads_itself_once_and_the_same_row_twice_reads_the_other():
    """Softmax over all rows, with labels: weights count as rows, in who is read as well."""
    _, rows, target = rows_and_target("several", "nothing")
    weight = np.ones(len(rows.X))
    weight[:5] = 2.0
    twice = rows.take(np.r_[np.arange(len(rows.X)), np.arange(5)])
    twice.rows.ids[-5:] = [f"again{i}" for i in range(5)]
    step = AttendingStep(RowSettings(), (), True, members=1, penalty=1.0)
    network = step.network(rows, target, _start(rows.X.shape[1], rows.Y.shape[1]), seed=3)
    once = step.outputs(network, rows._replace(weight=weight), rows._replace(weight=weight), target)
    np.testing.assert_allclose(once, step.outputs(network, twice, twice, target)[: len(once)], atol=1e-9)


def _start(d: int, c: int):
    from axw.learning.solve import Logistic

    rng = np.random.default_rng(0)
    return Logistic(rng.normal(size=(d, c)), rng.normal(size=c))


def test_asking_about_a_remembered_row_gives_the_leave_one_out_answer():
    """predict on the training table hides each row's own label, as fit did: its answer does not change when its label does."""
    X, y = features(TABLE), answers(TABLE, "binary")
    for kind in SETTINGS:
        fitted = AttentionClassifier(**SETTINGS[kind], relations=[HOUSEHOLD], labels=True).fit(X, y)
        before = fitted.decision_function(X)
        fitted.memory_.Y[4] = 1.0 - fitted.memory_.Y[4]
        after = fitted.decision_function(X)
        same = X["household"] == X["household"].iloc[4]
        assert after[4] == before[4]
        assert (after[same & (X.index != X.index[4])] != before[same & (X.index != X.index[4])]).all()
        np.testing.assert_array_equal(after[~same], before[~same])
