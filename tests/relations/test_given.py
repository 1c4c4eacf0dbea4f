"""A as an operator is A as a matrix: factored, sparse and dense say the same."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given as with_each
from hypothesis import settings
from hypothesis import strategies as st

from axw.errors import DataError, ResourceError, UsageError
from axw.relations import Edges, FactoredGiven, Rows, SameValue, SparseGiven
from axw.relations import given as given_module
from tests.relations.dense import KINDS, edge_frame, edge_table, every_kind, one_kind, rows, seeds, sizes


def take(it: Rows, at) -> Rows:
    return Rows(it.ids[at], it.columns.iloc[at])


def filled(neighbours, m):
    """Padded neighbours as a matrix."""
    A = np.zeros((len(neighbours.index), m))
    row, slot = np.nonzero(neighbours.mask)
    A[row, neighbours.index[row, slot]] = neighbours.weight[row, slot]
    return A


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@with_each(n=sizes, m=sizes, seed=seeds)
def test_each_view_is_the_dense_matrix(kind, n, m, seed):
    # Asking rows and memory overlap in part, as in cross-validation: ids p0... and p3...
    asking, memory = rows(n, seed), rows(m, seed + 1, start=3)
    relation, dense = one_kind(kind, max(n, m), seed)
    A, given = dense(asking, memory), relation.given(asking, memory)
    X = np.random.default_rng(seed).normal(size=(m, 5))
    degree = A.sum(1)
    assert given.shape == (n, m)
    np.testing.assert_allclose(given.csr().toarray(), A, rtol=1e-12)
    np.testing.assert_allclose(given.sum(X), A @ X, atol=1e-12)
    np.testing.assert_allclose(given.mean(X), A @ X / np.where(degree > 0, degree, 1)[:, None], atol=1e-12)
    np.testing.assert_allclose(given.degree(), degree, rtol=1e-12)
    np.testing.assert_array_equal(given.count(), (A > 0).sum(1))
    among = X[:, 0] > 0
    np.testing.assert_array_equal(given.count(among), (A[:, among] > 0).sum(1))
    np.testing.assert_allclose(filled(given.neighbours(), m), A, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@with_each(n=sizes, seed=seeds)
def test_rows_that_are_the_memory(kind, n, seed):
    table = rows(n, seed)
    relation, dense = one_kind(kind, n, seed)
    given = relation.given(table, table)
    assert given.square
    np.testing.assert_allclose(given.csr().toarray(), dense(table, table), rtol=1e-12)
    assert (given.csr().diagonal() == 0).all()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@with_each(n=sizes, seed=seeds)
def test_permuted_rows_give_permuted_answers(kind, n, seed):
    table, rng = rows(n, seed), np.random.default_rng(seed)
    relation, _ = one_kind(kind, n, seed)
    order, X = rng.permutation(n), rng.normal(size=(n, 3))
    plain, permuted = relation.given(table, table), relation.given(take(table, order), take(table, order))
    np.testing.assert_allclose(permuted.csr().toarray(), plain.csr().toarray()[np.ix_(order, order)])
    np.testing.assert_allclose(permuted.sum(X[order]), plain.sum(X)[order], atol=1e-12)
    mixed = relation.given(take(table, order), table)
    assert not mixed.square or (order == np.arange(n)).all()
    np.testing.assert_allclose(mixed.sum(X), plain.sum(X)[order], atol=1e-12)


@settings(max_examples=20, deadline=None)
@with_each(seed=seeds)
def test_a_shuffled_edge_list_changes_no_bit(seed):
    people, X = rows(11, seed), np.random.default_rng(seed).normal(size=(11, 3))
    table = edge_table(37, seed, 11) + [("p0", "p1", 0.1), ("p0", "p1", 0.3), ("p1", "p0", 1e-17)]
    shuffled = [table[i] for i in np.random.default_rng(seed).permutation(len(table))]
    one, two = (Edges(edge_frame(edges), "from", "to", "w") for edges in (table, shuffled))
    assert one == two and hash(one) == hash(two)
    assert one.given(people, people).sum(X).tobytes() == two.given(people, people).sum(X).tobytes()
    assert one.given(people, people).csr().data.tobytes() == two.given(people, people).csr().data.tobytes()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@with_each(n=sizes, m=sizes, seed=seeds)
def test_a_part_of_the_memory_is_cut_out_of_the_whole(kind, n, m, seed):
    asking, memory, rng = rows(n, seed), rows(m, seed + 1, start=3), np.random.default_rng(seed)
    relation, dense = one_kind(kind, max(n, m), seed)
    places, X = rng.permutation(m)[: rng.integers(0, m + 1)], rng.normal(size=(m, 3))
    part = relation.given(asking, memory).reading(places)
    A = dense(asking, memory)[:, places]
    assert part.shape == (n, len(places))
    np.testing.assert_allclose(part.csr().toarray(), A, rtol=1e-12)
    np.testing.assert_allclose(part.sum(X[places]), A @ X[places], atol=1e-12)
    np.testing.assert_array_equal(part.count(), (A > 0).sum(1))
    again = relation.given(asking, take(memory, places))
    np.testing.assert_array_equal(part.itself, again.itself)
    if relation.pairwise:  # of rows that are near, others become near where some are taken away
        np.testing.assert_allclose(again.csr().toarray(), part.csr().toarray())


def test_the_factored_form_is_the_sparse_one():
    table = rows(13, 5)
    factored = SameValue("t").given(table, table)
    sparse = SparseGiven(factored.csr(), factored.itself)
    X = np.random.default_rng(0).normal(size=(13, 7))
    assert isinstance(factored, FactoredGiven)
    np.testing.assert_allclose(factored.mean(X), sparse.mean(X), atol=1e-13)
    for left, right in zip(factored.neighbours(2), sparse.neighbours(2), strict=True):
        np.testing.assert_array_equal(left, right)


@settings(max_examples=20, deadline=None)
@with_each(n=st.integers(1, 70), groups=st.integers(1, 5), seed=seeds)
def test_a_group_of_any_size_is_summed_without_the_row_itself(n, groups, seed):
    table = Rows(np.arange(n).astype(object), pd.DataFrame({"t": np.random.default_rng(seed).integers(0, groups, n)}))
    X = np.random.default_rng(seed).normal(size=(n, 2))
    X[0] = 1e17  # beside which the others would be lost, if it were added and taken off again
    given = SameValue("t").given(table, table)
    np.testing.assert_allclose(given.sum(X), given.csr() @ X, rtol=1e-12, atol=1e-12)


def test_a_row_whose_key_has_changed_is_not_taken_out_of_the_group_it_has_left():
    memory = Rows(np.array(["a", "b"], object), pd.DataFrame({"t": ["x", "x"]}))
    asking = Rows(np.array(["c", "a", "b"], object), pd.DataFrame({"t": ["x", "y", "x"]}))
    given = SameValue("t").given(asking, memory)
    np.testing.assert_array_equal(given.csr().toarray(), [[1, 1], [0, 0], [1, 0]])
    np.testing.assert_array_equal(given.sum(np.array([[5.0], [7.0]])), [[12], [0], [5]])


def test_a_hub_keeps_an_evenly_spaced_sample_the_same_at_every_run():
    n = 101
    table = Rows(np.arange(n).astype(object), pd.DataFrame({"t": ["x"] * n}))
    given = SameValue("t").given(table, table)
    index, weight, mask = given.neighbours(7)
    assert index.shape == (n, 7) and index.dtype == np.int64 and mask.all() and (weight == 1).all()
    np.testing.assert_array_equal(index[0], [1 + t * 100 // 7 for t in range(7)])
    assert (np.diff(index, axis=1) > 0).all() and (index != np.arange(n)[:, None]).all()
    np.testing.assert_array_equal(index, given.neighbours(7).index)


def test_neighbours_in_chunks_are_those_of_one_go(monkeypatch):
    table = rows(13, 7)
    for relation, _ in every_kind(13, 7):
        given = relation.given(table, table)
        whole = given.neighbours(3), given.csr().toarray()
        monkeypatch.setattr(given_module, "_CELLS", 5)
        np.testing.assert_array_equal(given.neighbours(3).index, whole[0].index)
        np.testing.assert_array_equal(given.csr().toarray(), whole[1])
        monkeypatch.undo()


def test_a_large_hub_is_read_without_a_clique():
    m = 300_000
    memory = Rows(np.arange(m).astype(object), pd.DataFrame({"t": np.zeros(m, int)}))
    given = SameValue("t").given(memory, memory)
    assert (given.count() == m - 1).all()
    np.testing.assert_allclose(given.mean(np.ones((m, 2))), 1.0)
    with pytest.raises(ResourceError) as refused:
        given.csr()
    assert refused.value.what == "89,999,700,000 pairs of rows would fill 1,005.8 GiB; at most 2 GiB are filled."
    assert refused.value.todo == "Use sum, mean or neighbours, which never form A."
    with pytest.raises(ResourceError, match="300,000 rows x 299,999 neighbours would fill 1,424.9 GiB"):
        given.neighbours(m)
    few = SameValue("t").given(Rows(np.array(["new"], object), pd.DataFrame({"t": [0]})), memory)
    assert few.neighbours(64).mask.sum() == 64 and few.count()[0] == m


def test_what_a_row_without_neighbours_gets_is_zero_and_finite():
    table = Rows(np.arange(3).astype(object), pd.DataFrame({"t": ["a", None, "b"]}))
    given = SameValue("t").given(table, table)
    assert (given.count() == 0).all()
    assert (given.mean(np.array([[1e300], [-1e300], [0.1]])) == 0).all()
    index, weight, mask = given.neighbours()
    assert index.shape == (3, 1) and not mask.any() and not weight.any()


def test_no_rows_at_all():
    none = Rows(np.zeros(0, object), pd.DataFrame({"t": [], "u": [], "s": [], "x": [], "y": []}))
    some = rows(5, 1)
    for relation, _ in every_kind(5, 1):
        for asking, memory in ((none, some), (some, none), (none, none)):
            given = relation.given(asking, memory)
            assert given.sum(np.ones((len(memory.ids), 2))).shape == (len(asking.ids), 2)
            assert given.count().sum() == 0 and not given.neighbours().mask.any() and given.csr().nnz == 0
            assert given.count(np.zeros(len(memory.ids), bool)).sum() == 0


def test_what_does_not_fit_is_refused():
    table = rows(3, 1)
    given = SameValue("t").given(table, table)
    with pytest.raises(DataError, match=r"X has shape \(4, 2\); A reads 3 rows, so X must be \(3, d\)."):
        given.sum(np.ones((4, 2)))
    with pytest.raises(DataError, match="1 rows of X hold NaN or infinity."):
        given.sum(np.array([[1.0], [np.nan], [1.0]]))
    with pytest.raises(UsageError, match="most is 0; allowed: at least 1."):
        given.neighbours(0)
