import numpy as np
import pandas as pd
import pytest
from hypothesis import given as with_each
from hypothesis import settings

from axw.errors import UsageError
from axw.relations import Edges, Rows, SameValue, propagate
from tests.relations.dense import KINDS, every_kind, one_kind, rows, seeds, sizes


def dense(A, by, loops):
    A = A + np.eye(len(A)) if loops == "add" else A
    degree = A.sum(1)
    power = np.divide(1.0, degree if by == "rows" else np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
    return power[:, None] * A * (1.0 if by == "rows" else power)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@with_each(n=sizes, seed=seeds)
def test_hops_are_powers_of_the_dense_matrix(kind, n, seed):
    table = rows(n, seed)
    given = one_kind(kind, n, seed)[0].given(table, table)
    X = np.random.default_rng(seed).normal(size=(n, 3))
    for by in ("rows", "both"):
        for loops in ("none", "add"):
            S = dense(given.csr().toarray(), by, loops)
            hops = propagate(given, X, by=by, hops=3, self_loops=loops)
            for hop, got in enumerate(hops, 1):
                np.testing.assert_allclose(got, np.linalg.matrix_power(S, hop) @ X, atol=1e-10)


def test_new_rows_read_what_the_memory_has_read():
    table, new = rows(11, 2), rows(5, 3, start=11)
    for relation, _ in every_kind(17, 4):
        X = np.random.default_rng(0).normal(size=(11, 3))
        given, within = relation.given(new, table), relation.given(table, table)
        A, M = given.csr().toarray(), dense(within.csr().toarray(), "rows", "none")
        degree = np.maximum(A.sum(1), 1e-300)[:, None]
        first, second = propagate(given, X, hops=2, within=within)
        np.testing.assert_allclose(first, A @ X / degree, atol=1e-12)
        np.testing.assert_allclose(second, A @ (M @ X) / degree, atol=1e-12)
        np.testing.assert_allclose(propagate(given, X)[0], first)
        half = np.sqrt(within.csr().toarray().sum(1))
        weighted = X * np.divide(1.0, half, out=np.zeros(11), where=half > 0)[:, None]
        both = propagate(given, X, by="both", within=within)[0]
        np.testing.assert_allclose(both, A @ weighted / np.sqrt(degree), atol=1e-12)


def test_cycles_and_deep_chains_end():
    n = 100_000
    ids = np.arange(n).astype(object)
    chain = Edges(
        pd.DataFrame({"parent": np.arange(n), "child": (np.arange(n) + 1) % n}), "parent", "child", both=False
    )
    table = Rows(ids, pd.DataFrame(index=range(n)))
    X = np.zeros((n, 1))
    X[0] = 1.0
    hops = propagate(chain.given(table, table), X, hops=4)
    assert [int(np.flatnonzero(hop)[0]) for hop in hops] == [n - 1, n - 2, n - 3, n - 4]


def test_isolated_rows_stay_finite():
    table = Rows(np.arange(3).astype(object), pd.DataFrame({"t": [None, "a", "b"]}))
    given = SameValue("t").given(table, table)
    X = np.array([[1.0], [2.0], [3.0]])
    for by in ("rows", "both"):
        assert (propagate(given, X, by=by, hops=2)[1] == 0).all()
        np.testing.assert_array_equal(propagate(given, X, by=by, hops=2, self_loops="add")[1], X)


def test_settings_that_are_not_allowed():
    table, new = rows(7, 1), rows(3, 2, start=9)
    given, across = SameValue("t").given(table, table), SameValue("t").given(new, table)
    X = np.ones((7, 1))
    with pytest.raises(UsageError, match="by is 'row'.\npropagate\nAllowed: both, rows. Did you mean 'rows'?"):
        propagate(given, X, by="row")
    with pytest.raises(UsageError, match="self_loops is 'yes'."):
        propagate(given, X, self_loops="yes")
    with pytest.raises(UsageError, match="hops is 0; allowed: at least 1."):
        propagate(given, X, hops=0)
    with pytest.raises(UsageError, match=r"A \(3 x 7\) is not among one set of rows; hops=2.*\n.*\nGive within="):
        propagate(across, X, hops=2)
    with pytest.raises(UsageError, match="self_loops='add' needs the columns of the rows themselves"):
        propagate(across, X, self_loops="add", within=given)
