import numpy as np
import pandas as pd
import pytest
from hypothesis import given as with_each
from hypothesis import settings

from axw.errors import DataError, ResourceError, UsageError
from axw.relations import Edges, Rows, SameValue
from axw.relations import alike as alike_file
from axw.relations.alike import Joined, alike
from axw.relations.smoothing import Asked, correct_and_smooth, personalised_pagerank, s2gc, states
from tests.relations.dense import KINDS, every_kind, one_kind, rows, seeds, sizes


def dense(A):
    A = A + np.eye(len(A))
    root = A.sum(1) ** -0.5
    return root[:, None] * A * root


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10, deadline=None)
@with_each(n=sizes, seed=seeds)
def test_smoothing_is_the_polynomial_of_the_dense_matrix(kind, n, seed):
    table = rows(n, seed)
    given = one_kind(kind, n, seed)[0].given(table, table)
    X = np.random.default_rng(seed).normal(size=(n, 3))
    S = dense(given.csr().toarray())
    powers = [np.linalg.matrix_power(S, hop) @ X for hop in range(6)]
    for got, expected in zip(states(given, X, 5), powers, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-10)
    np.testing.assert_allclose(s2gc(given, X, 5, 0.1), 0.9 * sum(powers[1:]) / 5 + 0.1 * X, atol=1e-10)
    walk = sum(0.2 * 0.8**hop * power for hop, power in enumerate(powers))
    np.testing.assert_allclose(personalised_pagerank(given, X, 0.2, 5), walk, atol=1e-10)


def test_a_long_walk_is_the_closed_form():
    table = rows(11, 3)
    given = one_kind(4, 11, 3)[0].given(table, table)
    X = np.random.default_rng(0).normal(size=(11, 2))
    exact = 0.2 * np.linalg.solve(np.eye(11) - 0.8 * dense(given.csr().toarray()), X)
    np.testing.assert_allclose(personalised_pagerank(given, X, 0.2, 200), exact, atol=1e-10)


def test_a_row_of_the_memory_that_asks_gets_what_it_has_there():
    table, X = rows(13, 5), np.random.default_rng(1).normal(size=(13, 2))
    few = np.array([7, 2, 11])
    some = Rows(table.ids[few], table.columns.iloc[few])
    for relation, _ in every_kind(13, 5):
        within = relation.given(table, table)
        asked = Asked(relation.given(some, table), X[few])
        np.testing.assert_allclose(s2gc(within, X, 4, asked=asked), s2gc(within, X, 4)[few], atol=1e-12)


def test_new_rows_are_asked_one_by_one_or_together():
    table, new, X = rows(11, 2), rows(5, 3, start=11), np.random.default_rng(0).normal(size=(16, 2))
    relation = SameValue("t")
    within = relation.given(table, table)
    together = personalised_pagerank(within, X[:11], asked=Asked(relation.given(new, table), X[11:]))
    for i in range(5):
        one = Rows(new.ids[[i]], new.columns.iloc[[i]])
        alone = personalised_pagerank(within, X[:11], asked=Asked(relation.given(one, table), X[11 + i : 12 + i]))
        np.testing.assert_allclose(alone[0], together[i], atol=1e-12)


def chain(n, groups=1):
    """Rows in `groups` rings."""
    size = n // groups
    ends = [(g * size + i, g * size + (i + 1) % size) for g in range(groups) for i in range(size)]
    table = Rows(np.arange(n).astype(object), pd.DataFrame(index=range(n)))
    return Edges(pd.DataFrame(ends, columns=["a", "b"]), "a", "b").given(table, table)


def test_correct_and_smooth_is_its_dense_form_and_mends_errors():
    given, rng = chain(14, 2), np.random.default_rng(0)
    truth = np.repeat([0, 1], 7)
    Y = np.full((14, 2), np.nan)
    Y[[0, 3, 8, 11]] = np.eye(2)[truth[[0, 3, 8, 11]]]
    P = np.full((14, 2), 0.5) + 0.01 * rng.normal(size=(14, 2))
    got = correct_and_smooth(given, P, Y, hops=60)
    A = given.csr().toarray()
    S = A / np.sqrt(A.sum(1)[:, None] * A.sum(1)[None, :])
    known = ~np.isnan(Y[:, 0])

    def spread(start):
        return 0.2 * np.linalg.solve(np.eye(14) - 0.8 * S, start)

    error = spread(np.where(known[:, None], np.nan_to_num(Y) - P, 0.0))
    scale = np.minimum(1.0, np.abs(Y - P)[known].sum(1).mean() / np.abs(error).sum(1, keepdims=True))
    np.testing.assert_allclose(got, spread(np.where(known[:, None], np.nan_to_num(Y), P + scale * error)), atol=1e-5)
    assert (got.argmax(1) == truth).all()


def test_rows_that_read_nobody_keep_their_answer():
    table = Rows(np.arange(3).astype(object), pd.DataFrame({"t": ["a", "a", None]}))
    given = SameValue("t").given(table, table)
    P, Y = np.array([[0.4, 0.6], [0.5, 0.5], [0.9, 0.1]]), np.full((3, 2), np.nan)
    Y[0] = [0.0, 1.0]
    found = correct_and_smooth(given, P, Y)
    np.testing.assert_allclose(found[2], P[2])
    assert found[1, 1] > 0.5
    np.testing.assert_array_equal(correct_and_smooth(given, P, np.full((3, 2), np.nan))[2], P[2])


def plain_alike(X, k):
    C = X @ X.T / np.outer(np.linalg.norm(X, axis=1), np.linalg.norm(X, axis=1))
    np.fill_diagonal(C, -1)
    near = C >= np.sort(C, axis=1)[:, [-k]]
    return np.where(near | near.T, np.maximum(C, 0), 0)


@settings(max_examples=20, deadline=None)
@with_each(n=sizes, seed=seeds)
def test_the_nearest_are_the_nearest_both_ways(n, seed):
    X = np.random.default_rng(seed).normal(size=(n + 3, 5))
    everyone = np.arange(len(X))
    among = alike(X, X, everyone, 2).csr().toarray()
    np.testing.assert_allclose(among, plain_alike(X, 2), atol=1e-12)
    some = everyone[::2]
    asked = alike(X[some], X, some, 2).csr().toarray()
    np.testing.assert_allclose(asked, among[some], atol=1e-9)


def test_joined_relations_are_their_sum():
    table = rows(13, 4)
    parts = [(relation.given(table, table), 0.5 + i) for i, (relation, _) in enumerate(every_kind(13, 4))]
    A = sum(weight * given.csr().toarray() for given, weight in parts)
    joined, X = Joined(parts), np.random.default_rng(0).normal(size=(13, 3))
    np.testing.assert_allclose(joined.sum(X), A @ X, atol=1e-12)
    np.testing.assert_allclose(joined.degree(), A.sum(1), atol=1e-12)
    np.testing.assert_allclose(joined.csr().toarray(), A, atol=1e-12)
    np.testing.assert_array_equal(joined.count(), (A > 0).sum(1))
    index, weight, mask = joined.neighbours(3)
    np.testing.assert_allclose(np.where(mask, A[np.arange(13)[:, None], index], 0.0), weight, atol=1e-12)
    assert joined.square
    few = np.array([7, 2, 11])
    np.testing.assert_allclose(joined.reading(few).csr().toarray(), A[:, few], atol=1e-12)


def test_settings_that_are_not_allowed(monkeypatch):
    table, new = rows(7, 1), rows(3, 2, start=9)
    given, across = SameValue("t").given(table, table), SameValue("t").given(new, table)
    X = np.ones((7, 1))
    with pytest.raises(UsageError, match="hops is 0; allowed: at least 1.\nsmoothing\nGive hops=2"):
        s2gc(given, X, 0)
    with pytest.raises(UsageError, match="restart is 1.5; allowed: a number from 0 to 1."):
        personalised_pagerank(given, X, 1.5)
    with pytest.raises(UsageError, match=r"A \(3 x 7\) is not among one set of rows"):
        s2gc(across, X)
    with pytest.raises(DataError, match=r"P has shape \(7, 2\), Y \(7, 3\)"):
        correct_and_smooth(given, np.ones((7, 2)), np.ones((7, 3)))
    with pytest.raises(UsageError, match="k is 0; allowed: at least 1."):
        alike(X, X, np.arange(7), 0)
    with pytest.raises(DataError, match=r"X has \(2,\) columns, the memory \(1,\)."):
        alike(np.ones((2, 2)), X, np.array([-1, -1]))
    monkeypatch.setattr(alike_file, "MOST_ALIKE", 5)
    with pytest.raises(ResourceError, match="The nearest of 7 rows"):
        alike(X, X, np.arange(7))
    with pytest.raises(UsageError, match="Give relations between the same rows, and weights above 0."):
        Joined([(given, 1.0), (across, 1.0)])
