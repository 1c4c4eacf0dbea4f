"""Neighbours' labels: the plain formula, and that a row's own label never comes back to it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given as with_each
from hypothesis import settings
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from axw.errors import DataError, UsageError
from axw.relations import Rows, SameValue, label_columns, label_hops, propagate
from tests.relations.dense import KINDS, every_kind, one_kind, rows, seeds, sizes


def families(n, seed, size=3):
    t = np.random.default_rng(seed).permutation(n) // size
    return Rows(np.arange(n).astype(object), pd.DataFrame({"t": t}))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@with_each(n=sizes, m=sizes, seed=seeds)
def test_the_plain_formula(kind, n, m, seed):
    asking, memory, rng = rows(n, seed), rows(m, seed + 1, start=3), np.random.default_rng(seed)
    given = one_kind(kind, max(n, m), seed)[0].given(asking, memory)
    A, Y, prior = given.csr().toarray(), rng.normal(size=(m, 2)), rng.normal(size=2)
    Y[rng.random(m) < 0.3] = np.nan
    known = ~np.isnan(Y).any(1)
    for strength in (0.0, 1.0, 2.5):
        rate, count = label_columns(given, Y, prior, strength)
        np.testing.assert_array_equal(count, (A[:, known] > 0).sum(1))
        weight = A[:, known].sum(1) + strength
        with np.errstate(invalid="ignore"):
            plain = (A[:, known] @ Y[known] + strength * prior) / weight[:, None]
        np.testing.assert_allclose(rate, np.where(weight[:, None] > 0, plain, prior), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_an_own_label_is_never_in_an_own_column(kind):
    n = 17
    table, rng = rows(n, kind), np.random.default_rng(kind)
    given = one_kind(kind, n, kind)[0].given(table, table)
    Y, prior = rng.normal(size=(n, 2)), np.array([0.5, -0.1])
    before = label_hops(given, Y, prior, hops=3, folds=3, seed=1)
    for i in range(n):
        changed = Y.copy()
        changed[i] = 1e9 * rng.normal(size=2)
        for old, new in zip(before, label_hops(given, changed, prior, hops=3, folds=3, seed=1), strict=True):
            np.testing.assert_array_equal(old.rate[i], new.rate[i])
            np.testing.assert_array_equal(old.count[i], new.count[i])


def test_two_hops_without_cross_fitting_would_hand_it_back():
    table = families(12, 0)
    given = SameValue("t").given(table, table)
    Y = np.zeros((12, 1))
    changed = Y.copy()
    changed[4] = 1.0
    assert propagate(given, changed, hops=2)[1][4] > propagate(given, Y, hops=2)[1][4]


def test_random_labels_stay_random():
    """Mean AUROC over 20 seeds, of a linear model on the columns of one and two hops, cross-validated, is that of a coin."""
    areas = []
    for seed in range(20):
        table, rng = families(300, seed), np.random.default_rng(seed)
        given = SameValue("t").given(table, table)
        y = rng.integers(0, 2, 300)
        hops = label_hops(given, y[:, None].astype(float), np.array([0.5]), hops=2, seed=seed)
        Z = np.concatenate([part for rate, count in hops for part in (rate, np.asarray(count, float)[:, None])], axis=1)
        answers = cross_val_predict(LogisticRegression(), Z, y, cv=5, method="decision_function")
        areas.append(roc_auc_score(y, answers))
    assert abs(np.mean(areas) - 0.5) <= 0.03


def test_labels_that_say_something_are_heard():
    table, rng = families(300, 0), np.random.default_rng(0)
    y = rng.integers(0, 2, 100)[table.columns["t"].to_numpy()] ^ (rng.random(300) < 0.1)
    given = SameValue("t").given(table, table)
    one, two = label_hops(given, y[:, None].astype(float), np.array([0.5]), hops=2)
    assert roc_auc_score(y, one.rate[:, 0]) > 0.85 and roc_auc_score(y, two.rate[:, 0]) > 0.75


def test_new_rows_read_all_labels_at_two_hops():
    memory, new = rows(11, 1), rows(5, 2, start=20)
    for relation, _ in every_kind(30, 1):
        Y, prior = np.random.default_rng(0).normal(size=(11, 2)), np.array([0.1, -0.2])
        given, within = relation.given(new, memory), relation.given(memory, memory)
        one, two = label_hops(given, Y, prior, within=within)
        first, A = label_columns(within, Y, prior), given.csr().toarray()
        np.testing.assert_allclose(one.rate, label_columns(given, Y, prior).rate)
        np.testing.assert_allclose(two.rate, (A @ first.rate + prior) / (A.sum(1) + 1)[:, None], atol=1e-12)
        np.testing.assert_allclose(two.count, given.mean(first.count[:, None])[:, 0])


def test_remembered_rows_that_ask_again_get_the_columns_they_were_learned_with():
    memory = rows(13, 1)
    part = Rows(memory.ids[3:8], memory.columns.iloc[3:8])
    Y, prior = np.random.default_rng(0).normal(size=(13, 1)), np.zeros(1)
    for relation, _ in every_kind(13, 1):
        within = relation.given(memory, memory)
        learned = label_hops(within, Y, prior, hops=3, seed=5)
        again = label_hops(relation.given(part, memory), Y, prior, hops=3, seed=5, within=within)
        for one, two in zip(learned, again, strict=True):
            np.testing.assert_allclose(one.rate[3:8], two.rate, atol=1e-12)


def test_rows_that_read_nobody_get_the_prior():
    table = Rows(np.arange(3).astype(object), pd.DataFrame({"t": ["a", None, "b"]}))
    given = SameValue("t").given(table, table)
    for rate, count in label_hops(given, np.ones((3, 1)), np.array([0.25]), hops=2, strength=0.0):
        assert (rate == 0.25).all() and (count == 0).all()
    none_known = label_columns(given, np.full((3, 1), np.nan), np.array([0.25]))
    assert (none_known.rate == 0.25).all() and (none_known.count == 0).all()


def test_what_does_not_fit_is_refused():
    table = families(6, 0)
    given, Y = SameValue("t").given(table, table), np.zeros((6, 2))
    with pytest.raises(
        DataError, match=r"Y has shape \(6, 2\) and prior \(3,\); allowed: Y \(6, c\) and prior \(c,\)."
    ):
        label_columns(given, Y, np.zeros(3))
    with pytest.raises(UsageError, match="strength is -1.0; allowed: a number of at least 0."):
        label_columns(given, Y, np.zeros(2), -1.0)
    with pytest.raises(DataError, match="The prior is not finite, or a label is infinite."):
        label_columns(given, Y, np.array([np.nan, 0]))
    with pytest.raises(UsageError, match="hops is 2 and folds is 1; allowed: at least 1 hop and 2 folds."):
        label_hops(given, Y, np.zeros(2), folds=1)
    new = Rows(np.array(["n"], object), pd.DataFrame({"t": [0]}))
    with pytest.raises(UsageError, match=r"A \(1 x 6\) is not among one set of rows"):
        label_hops(SameValue("t").given(new, table), Y, np.zeros(2))
