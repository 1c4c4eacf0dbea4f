"""Columns that mostly hold one value: what differs from it is all there is, and the optimum is that of the table itself."""

from __future__ import annotations

import numpy as np
import pytest

from axw.learning import logistic, usual
from axw.learning.usual import differences


def words(n: int = 307, d: int = 23, seed: int = 0) -> np.ndarray:
    """Few counts beside one value a column, which is 0 in none of them; one column of measurements."""
    rng = np.random.default_rng(seed)
    X = (rng.random((n, d)) < 0.04) * rng.integers(1, 5, (n, d)) - rng.normal(size=d)
    X[:, 3] = rng.normal(size=n)
    return X


@pytest.mark.parametrize("cells", [1, 1000, 10**6])
def test_usual_value_and_differences_add_up(cells, monkeypatch):
    monkeypatch.setattr(usual, "_CELLS", cells)
    X = words()
    found = differences(X)
    assert found is not None and found.D.nnz < 0.1 * X.size
    np.testing.assert_allclose(found.usual + found.D.toarray(), X, rtol=1e-12)
    for column in (0, 7):
        assert (X[:, column] == found.usual[column]).mean() > 0.9


def test_tables_that_are_not_so_are_left_as_they_are():
    rng = np.random.default_rng(1)
    assert differences(rng.normal(size=(300, 5))) is None and differences(words(n=50)) is None
    assert differences(np.zeros((300, 0))) is None and differences(np.full((300, 2), np.nan)) is None
    late = words(n=1000)
    late[300:340] = rng.normal(size=(40, 23))
    late[301:1000:2] += 1.0
    assert differences(late) is None
    same = differences(np.full((300, 2), 5.0))
    assert same is not None and same.D.nnz == 0


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("many", [False, True])
def test_sparse_or_not_the_search_ends_at_one_optimum(c, many, monkeypatch):
    """With some of the rows first, single precision and a metric of whole blocks; and with none of them."""
    rng = np.random.default_rng(2)
    X = words(3011 if many else 131, 23)
    scores = X @ rng.normal(size=(23, 3)) + rng.gumbel(size=(len(X), 3))
    Y = np.eye(3)[scores.argmax(1)] if c == 3 else (scores[:, :1] > scores[:, 1:2]).astype(float)
    weight = rng.uniform(0.1, 2.0, len(X)) if many else None
    monkeypatch.setattr(logistic, "_MANY", 1000)
    start = logistic.Logistic(rng.normal(size=(23, c)), rng.normal(size=c))
    found = [logistic.logistic(X, Y, 0.7, weight), logistic.logistic(X, Y, 0.7, weight, start)]
    assert differences(X) is not None
    monkeypatch.setattr(logistic, "differences", lambda X: None)
    plain = logistic.logistic(X, Y, 0.7, weight)
    for one in found:
        np.testing.assert_allclose(one.W, plain.W, atol=2e-5)
        np.testing.assert_allclose(one.b - one.b.mean() * (c == 3), plain.b - plain.b.mean() * (c == 3), atol=5e-5)
