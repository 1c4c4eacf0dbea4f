"""A learned metric is a distance, and with a softmax it is kernel regression."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from axw.equation import Attention
from axw.equation.metric import Metric
from axw.equation.scores import BilinearScore, Score, split_heads


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 5), m=st.integers(1, 7), d=st.integers(1, 4), k=st.integers(1, 3), heads=st.integers(1, 2))
def test_the_score_is_the_negative_squared_distance(n: int, m: int, d: int, k: int, heads: int) -> None:
    torch.manual_seed(n + 10 * m + 100 * d)
    score = Metric(d, k, heads).double()
    X, M = torch.randn(2, n, d).double(), torch.randn(2, m, d).double()
    Q, K = split_heads(score.metric(X), heads), split_heads(score.metric(M), heads)
    expected = -(Q[:, :, :, None] - K[:, :, None]).square().sum(-1)
    torch.testing.assert_close(score(X, score.keys(M)), expected)
    assert isinstance(score, Score) and isinstance(score, BilinearScore)


def test_a_row_is_nearest_to_itself_whatever_the_metric() -> None:
    torch.manual_seed(0)
    score, X = Metric(5, 2, 3).double(), torch.randn(1, 11, 5).double()
    S = score(X, score.keys(X))
    torch.testing.assert_close(S.diagonal(dim1=-2, dim2=-1), torch.zeros(1, 3, 11).double(), atol=1e-12, rtol=0)
    assert (S <= 1e-12).all()


def test_under_a_softmax_it_is_kernel_regression_in_both_kernels() -> None:
    torch.manual_seed(1)
    n, m, d, c = 3, 7, 5, 2
    attention = Attention(Metric(d, d), nn.Linear(d, c, bias=False), nn.Identity()).double()
    X, M, Y = torch.randn(1, n, d).double(), torch.randn(1, m, d).double(), torch.randn(1, m, c).double()
    with torch.no_grad():
        memory = attention.remember(M)._replace(values=Y[:, None])
        got, fast = attention(X, memory)[0], attention.read(X, memory)
        L = attention.score.metric.weight.T.numpy()  # type: ignore[union-attr]
    distance = np.square((X[0].numpy() @ L)[:, None] - (M[0].numpy() @ L)[None]).sum(-1)
    weight = np.exp(-distance)
    expected = weight @ Y[0].numpy() / weight.sum(1, keepdims=True)
    np.testing.assert_allclose(got[0].numpy(), expected)
    np.testing.assert_allclose(fast[0].numpy(), expected)
