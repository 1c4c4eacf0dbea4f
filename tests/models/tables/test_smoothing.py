"""attention="smoothing": labels for some of the rows, held-out rows that choose, one linear model that comes of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from axw.errors import AxwError, DataError, DataWarning, UsageError
from axw.models import AttentionClassifier, AttentionRegressor
from axw.models.tables import smoothing_views
from axw.models.tables.smoothing_views import KINDS, Form, candidates, commonness, forms_of
from axw.relations import Edges
from tests.models.tables.made_up import HOUSEHOLD, NOISE, answers, features, table


def graph(n=150, like=0.15, unlike=0.01, signal=0.7, seed=0, classes=3):
    """A block model: (X, relation, y, places of the rows that are learned from, that choose, and of the rest)."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    chance = np.where(y[:, None] == y[None, :], like, unlike)
    ends = np.argwhere(np.triu(rng.random((n, n)) < chance, 1))
    X = rng.normal(size=(n, 5))
    X[:, :classes] += signal * np.eye(classes)[y]
    ids = np.array([f"p{i}" for i in range(n)], dtype=object)
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(5)], index=pd.Index(ids, name="paper"))
    links = Edges(pd.DataFrame({"a": ids[ends[:, 0]], "b": ids[ends[:, 1]]}), "a", "b", name="links")
    order = rng.permutation(n)
    train = np.concatenate([order[y[order] == c][:10] for c in range(classes)])
    rest = order[~np.isin(order, train)]
    return frame, links, pd.Series(y, index=frame.index, name="field"), train, rest[:40], rest[40:]


def partly(y, *places):
    """y with a label at those places alone."""
    told = y.astype(object).copy()
    told[~np.isin(np.arange(len(y)), np.concatenate(places))] = None
    return told


def fitted(data, **settings):
    X, links, y, train, valid, _ = data
    settings = {"relations": [links], "validation": X.index[valid], **settings}
    return AttentionClassifier("smoothing", **settings).fit(X, partly(y, train, valid))


def not_promised(estimator):
    """A row that stands twice is two neighbours, each of them the nearest of the other; a row of weight 2 is one."""
    name = "check_sample_weight_equivalence_on_dense_data"
    return {
        name: "rows that stand twice are near each other",
        "check_sample_weight_equivalence_on_sparse_data": "the same",
    }


@parametrize_with_checks([AttentionClassifier("smoothing")], expected_failed_checks=not_promised)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


DATA = graph()


@pytest.fixture(scope="module")
def model():
    return fitted(DATA)


def test_rows_without_a_label_are_remembered_and_answered(model):
    X, _, y, train, valid, rest = DATA
    assert list(model.classes_) == [0, 1, 2] and model.classes_.dtype.kind == "i"
    assert len(model.memory_.X) == len(X)
    assert (model.predict(X)[rest] == y.to_numpy()[rest]).mean() > 0.75
    P = model.predict_proba(X)
    np.testing.assert_allclose(P.sum(1), 1.0)
    assert 0 <= model.calibration_error_ < 0.3
    assert sum(share for _, share in model.fitted_.chosen) == pytest.approx(1.0)


def test_labels_of_the_rest_and_of_rows_that_choose_are_not_learned_from(model):
    """What has no label cannot matter; and W lies in the span of the learned rows, whatever the others are."""
    X, _, y, train, valid, rest = DATA
    other = y.copy()
    other.iloc[rest] = (other.iloc[rest] + 1) % 3
    again = fitted((*DATA[:2], other, *DATA[3:]))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_every_way_to_say_no_label(model, missing):
    X, links, y, train, valid, _ = DATA
    told = partly(y, train, valid)
    told = told.where(told.notna(), missing)
    told = told.astype(float) if missing is np.nan else told
    again = AttentionClassifier("smoothing", relations=[links], validation=list(X.index[valid])).fit(X, told)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_known_rows_are_answered_alike_alone_together_and_beside_new_ones(model):
    X = DATA[0]
    whole = model.predict_proba(X)
    some = X.iloc[[17, 3, 99]]
    np.testing.assert_allclose(model.predict_proba(some), whole[[17, 3, 99]], atol=1e-9)
    new = some.rename(index={"p3": "somebody new"})
    beside = model.predict_proba(new)
    np.testing.assert_allclose(beside[[0, 2]], whole[[17, 99]], atol=1e-6)
    np.testing.assert_allclose(beside[1], model.predict_proba(new.iloc[[1]])[0], atol=1e-9)


def test_the_order_of_rows_changes_no_answer(model):
    X, links, y, train, valid, _ = DATA
    order = np.random.default_rng(3).permutation(len(X))
    told = partly(y, train, valid)
    settings = {"relations": [links], "validation": X.index[valid]}
    again = AttentionClassifier("smoothing", **settings).fit(X.iloc[order], told.iloc[order])
    np.testing.assert_allclose(again.predict_proba(X), model.predict_proba(X), atol=1e-3)


def test_without_validation_rows_the_labelled_rows_choose_for_each_other():
    X, links, y, train, valid, rest = DATA
    found = AttentionClassifier("smoothing", relations=[links]).fit(X, partly(y, train, valid))
    assert (found.predict(X)[rest] == y.to_numpy()[rest]).mean() > 0.75
    assert (~np.isnan(found.fitted_.held_out[:, 0])).sum() == len(train) + len(valid)
    assert clone(found).get_params()["validation"] is None


def test_two_classes_all_labels_and_no_relation():
    frame = table(households=31, of=3, effect=3.0)
    X, y = features(frame), answers(frame, "binary")
    found = AttentionClassifier("smoothing", relations=[HOUSEHOLD, NOISE]).fit(X, y)
    assert found.decision_function(X).shape == (len(X),) and found.score(X, y) > 0.8
    assert AttentionClassifier("smoothing").fit(X, y, np.arange(len(X)) % 3).score(X, y) > 0.5
    told = "\n".join(name for name, _ in found.fitted_.chosen)
    assert "household" in told or "all relations" in told


def test_class_weight_and_sample_weight_reach_the_rows_with_a_label():
    X, links, y, train, valid, _ = DATA
    told, weight = partly(y, train, valid), np.ones(len(X))
    weight[train[:5]] = 4.0
    plain = AttentionClassifier("smoothing", relations=[links]).fit(X, told)
    heavy = AttentionClassifier("smoothing", relations=[links]).fit(X, told, weight)
    tilted = AttentionClassifier("smoothing", relations=[links], class_weight={0: 9.0, 1: 1.0, 2: 1.0}).fit(X, told)
    assert np.abs(plain.predict_proba(X) - heavy.predict_proba(X)).max() > 1e-4
    assert np.abs(plain.predict_proba(X) - tilted.predict_proba(X)).max() > 1e-4


def accuracy(data, **settings):
    X, _, y, _, _, rest = data
    return (fitted(data, **settings).predict(X)[rest] == y.to_numpy()[rest]).mean()


def linear(data):
    X, _, y, train, _, rest = data
    return (AttentionClassifier("none").fit(X.iloc[train], y.iloc[train]).predict(X.iloc[rest]) == y.iloc[rest]).mean()


@pytest.mark.parametrize(
    "like, unlike, more", [(0.06, 0.01, 0.1), (0.01, 0.06, 0.05), (0.03, 0.03, -0.03)], ids=["like", "unlike", "random"]
)
def test_on_like_unlike_and_random_links_it_is_as_good_as_the_linear_model(like, unlike, more):
    """Where linked rows are alike or differ, the links pay; where they mean nothing, next to nothing is lost."""
    data = [graph(n=200, like=like, unlike=unlike, seed=seed) for seed in range(3)]
    assert np.mean([accuracy(d) for d in data]) >= np.mean([linear(d) for d in data]) + more


def test_candidates_keep_hops_and_relations_apart():
    words = (np.random.default_rng(0).random((50, 30)) < 0.1).astype(float)
    assert {view.kind for view in candidates(commonness(words), 1, True)} == set(KINDS)
    assert {view.relation for view in candidates(commonness(words), 2, True)} == {0, 1, -1}
    assert len(candidates(commonness(words), 1, True)) == len(set(candidates(commonness(words), 1, True)))
    assert {view.common for view in candidates(np.ones(3), 1, True)} == {-1.0, 1.0}
    assert (commonness(words) < 0.4).all()


def form(X: np.ndarray) -> Form:
    return forms_of(X, [1.0], commonness(X), 0)[1.0]


def test_many_columns_become_few_and_keep_their_lengths():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4)) @ rng.normal(size=(4, 400))
    found = form(X)
    assert found.V is not None and found.V.shape == (400, 59)
    full = found._replace(V=None).of(X)
    np.testing.assert_allclose(found.of(X) @ found.of(X).T, full @ full.T, atol=1e-4)


def test_some_rows_at_a_time_are_all_rows_at_once(monkeypatch):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(23, 7)) * (rng.random((23, 7)) < 0.5)
    X[5] = 0.0
    walk = [rng.normal(size=(23, 3)) for _ in range(smoothing_views.HOPS + 1)]
    found, whole = form(X), smoothing_views.smooth(smoothing_views.SMOOTH, iter(walk))
    F = (X - found.mean) * found.weight
    np.testing.assert_allclose(found.of(X), F / np.linalg.norm(F, axis=1, keepdims=True), atol=1e-12)
    once = found.of(X)
    monkeypatch.setattr(smoothing_views, "BLOCK", 31)
    np.testing.assert_allclose(found.of(X), once, atol=1e-12)
    for kind, Z in smoothing_views.smooth(smoothing_views.SMOOTH, iter(walk)).items():
        plain = sum(smoothing_views.share(kind, hop) * state for hop, state in enumerate(walk))
        np.testing.assert_allclose(Z, plain, atol=1e-12)
        np.testing.assert_allclose(Z, whole[kind], atol=1e-12)


def test_what_is_not_allowed_is_said():
    X, links, y, train, valid, _ = DATA
    told = partly(y, train, valid)
    cases = [
        (
            {"validation": ["nobody"]},
            told,
            "1 of 1 validation rows are not in X, for example 'nobody'.\nvalidation\nName",
        ),
        ({"validation": X.index}, told, "120 validation rows have no label.|validation rows have no label"),
        ({"validation": X.index[np.concatenate([train, valid])]}, told, "Every label is in the validation rows."),
        ({"validation": "p1"}, told, "validation is 'p1'; allowed: None, or a list of the ids of rows."),
        ({}, pd.Series([None] * len(X)), "No row of y has a label."),
    ]
    for settings, labels, text in cases:
        with pytest.raises(AxwError, match=text if "|" in text else re.escape(text)):
            AttentionClassifier("smoothing", relations=[links], **settings).fit(X, labels)
    with pytest.raises(DataError, match="Input y contains NaN"):
        AttentionClassifier("given", relations=[links]).fit(X, told)
    with pytest.raises(UsageError, match="validation is given, which attention='none' does not use."):
        AttentionClassifier("none", validation=X.index[:3]).fit(X, y)
    with pytest.raises(UsageError, match="attention='smoothing' answers classes; this model answers numbers."):
        AttentionRegressor("smoothing").fit(X, y)


def test_a_class_of_the_validation_rows_alone_is_counted_and_never_answered():
    X, links, y, train, valid, _ = DATA
    rare = y.copy()
    rare.iloc[valid[:2]] = 9
    with pytest.warns(DataWarning, match="2 of 40 validation rows are of a class that no learned row has"):
        found = fitted((X, links, rare, *DATA[3:]))
    P = found.predict_proba(X)
    assert list(found.classes_) == [0, 1, 2, 9] and 9 not in found.predict(X) and np.isfinite(P).all()


@pytest.mark.data
def test_the_recipe_on_a_citation_graph():
    """A floor under the published figures of SGC; the page of results has the figures."""
    from benchmarks.citation import read, run

    folder = Path(os.environ.get("AXW_DATA", "../shared/data")) / "planetoid"
    if not (folder / "cora.npz").exists():
        pytest.skip(f"no planetoid/cora.npz in {folder}: set AXW_DATA")
    found = run(read(folder / "cora.npz"), 0)
    assert found.valid > 0.80 and found.test > 0.83
