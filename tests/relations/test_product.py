"""A X by each of its ways is the dense product, in the precision of X."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given as with_each
from hypothesis import settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, random_array

from axw.errors import DataError
from axw.relations import SparseGiven
from axw.relations import product as product_module
from axw.relations.product import all_finite, product


def sparse(n, m, seed, *, even=False) -> csr_array:
    """A (n m) with empty rows among the others; int32 indices, as they are built."""
    rng = np.random.default_rng(seed)
    A = csr_array(random_array((n, m), density=0.3, rng=rng))
    A.data = np.ones(A.nnz) if even else rng.uniform(0.1, 3.0, A.nnz)
    A.indices, A.indptr = A.indices.astype(np.int32), A.indptr.astype(np.int32)
    A.sort_indices()
    return A


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("even", [False, True])
@settings(max_examples=15, deadline=None)
@with_each(n=st.integers(1, 17), m=st.integers(1, 19), d=st.integers(1, 23), seed=st.integers(0, 2**20))
def test_the_fast_ways_are_the_dense_product(dtype, even, n, m, d, seed):
    A, X = sparse(n, m, seed, even=even), np.random.default_rng(seed).normal(size=(m, d)).astype(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(product_module, "_FEW", -1)  # so that the smallest go the way of the large
        found = product(A, X, even=even)
    assert found.dtype == dtype and found.shape == (n, d)
    np.testing.assert_allclose(found, A.toarray() @ X, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-5)
    np.testing.assert_allclose(found, product(A, X, even=even), rtol=1e-5, atol=1e-5)


def test_double_precision_is_kept():
    A, X = sparse(101, 97, 1), np.random.default_rng(1).normal(size=(97, 31))
    np.testing.assert_allclose(product(A, X), A.toarray() @ X, rtol=1e-12, atol=1e-13)


def test_a_wide_index_is_read_as_a_narrow_one():
    A, X = sparse(101, 97, 2), np.random.default_rng(2).normal(size=(97, 31))
    wide = csr_array((A.data, A.indices.astype(np.int64), A.indptr.astype(np.int64)), shape=A.shape)
    for values in (X, X.astype(np.float32)):
        np.testing.assert_array_equal(product(A, values), product(wide, values))


def test_the_same_product_twice_is_the_same_bits():
    A, X = sparse(211, 97, 3), np.random.default_rng(3).normal(size=(97, 31))
    for values in (X, X.astype(np.float32)):
        assert product(A, values).tobytes() == product(A, values).tobytes()


def test_weights_that_single_precision_cannot_hold_are_multiplied_in_double():
    A = csr_array(np.array([[1e60, 0.0], [0.0, 1e-60], [2.0, 3.0]]))
    X = np.array([[1e-50], [1e20]], np.float32).repeat(3, 1)
    given = SparseGiven(A, np.full(3, -1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(product_module, "_FEW", -1)
        found = given.sum(X)
    np.testing.assert_allclose(found, (A.toarray() @ X.astype(float)).astype(np.float32), rtol=1e-6)


def test_without_mkl_the_answer_is_scipys(monkeypatch):
    A, X = sparse(101, 97, 4), np.random.default_rng(4).normal(size=(97, 31))
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    np.testing.assert_array_equal(product(A, X), A @ X)


def test_what_the_memory_of_the_answer_held_is_not_read(monkeypatch):
    A, X = sparse(101, 97, 6), np.random.default_rng(6).normal(size=(97, 31))
    monkeypatch.setattr(product_module.np, "empty", lambda shape: np.full(shape, np.nan))
    np.testing.assert_allclose(product(A, X), A.toarray() @ X, rtol=1e-12, atol=1e-13)


def test_no_warning_of_a_beta_is_shown():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        product(sparse(101, 97, 5), np.ones((97, 31)))


def test_a_matrix_without_an_entry():
    A = csr_array((7, 5))
    for dtype in (np.float32, np.float64):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(product_module, "_FEW", -1)
            assert not product(A, np.ones((5, 3), dtype), even=True).any()


def test_what_is_not_finite_is_found_and_what_is_large_is_not():
    assert all_finite(np.full((3, 2), 1e308)) and all_finite(np.zeros((0, 2)))
    for value in (np.nan, np.inf, -np.inf):
        X = np.ones((3, 2), np.float32)
        X[1, 1] = value
        assert not all_finite(X)
        with pytest.raises(DataError, match="1 rows of X hold NaN or infinity."):
            SparseGiven(csr_array(np.ones((2, 3))), np.full(2, -1)).sum(X)
