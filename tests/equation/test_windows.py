"""Local attention against a loop over places, written from section 3.2 of Luong et al. 2015."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from axw.equation import PredictedPlace, gaussian, masks, normalize
from axw.equation.attention import join

B, N, M, D, K = 2, 3, 11, 5, 7


@settings(deadline=None)
@given(st.floats(-3, 14), st.integers(1, 5), st.integers(1, 12))
def test_the_window_holds_the_places_within_its_width(center, width, m):
    window = masks.window(torch.tensor([[center]], dtype=torch.float64), m, width)[0, 0, 0]
    assert window.tolist() == [center - width <= s <= center + width for s in range(m)]


@settings(deadline=None)
@given(st.floats(-3, 14), st.integers(1, 5))
def test_the_gaussian_has_half_the_width_as_its_deviation(center, width):
    weight = gaussian(torch.tensor([[center]], dtype=torch.float64), M, width)[0, 0, 0]
    sigma = width / 2
    expected = [math.exp(-((s - center) ** 2) / (2 * sigma**2)) for s in range(M)]
    torch.testing.assert_close(weight, torch.tensor(expected, dtype=torch.float64))


def test_the_gaussian_of_places_that_are_whole_numbers():
    weight = gaussian(torch.tensor([[2]]), 5, 2)[0, 0, 0]
    torch.testing.assert_close(weight, torch.tensor([-2.0, -0.5, 0.0, -0.5, -2.0]).exp())


def test_the_predicted_place_is_the_formula_and_lies_in_the_sentence():
    place, X = PredictedPlace(D, K).double(), torch.randn(B, N, D, dtype=torch.float64) * 30
    lengths = torch.tensor([M, 4])
    with torch.no_grad():
        p = place(X, lengths)
    v, W = place.v.detach(), place.W.detach()
    for b in range(B):
        for i in range(N):
            z = float(v @ torch.tanh(W.T @ X[b, i]))
            assert p[b, i].item() == pytest.approx(int(lengths[b]) / (1 + math.exp(-z)), rel=1e-12)
    assert ((p >= 0) & (p <= lengths[:, None])).all()


def test_the_predicted_place_is_exact_where_the_network_is_not():
    place = PredictedPlace(D).bfloat16()
    assert place(torch.randn(B, N, D).bfloat16(), torch.tensor([90, 70])).dtype == torch.float32


def local_p(scores, center, lengths, width):
    """A of one window after the other: softmax inside, times the Gaussian, and no more."""
    A = torch.zeros_like(scores)
    for b in range(B):
        for i in range(N):
            p = float(center[b, i])
            inside = [s for s in range(int(lengths[b])) if p - width <= s <= p + width]
            total = sum(math.exp(scores[b, 0, i, s]) for s in inside)
            for s in inside:
                align = math.exp(scores[b, 0, i, s]) / total
                A[b, 0, i, s] = align * math.exp(-((s - p) ** 2) / (2 * (width / 2) ** 2))
    return A


def test_local_attention_is_the_loop_of_the_paper():
    torch.manual_seed(0)
    scores, lengths, width = torch.randn(B, 1, N, M, dtype=torch.float64), torch.tensor([M, 6]), 3
    center = torch.rand(B, N, dtype=torch.float64) * lengths[:, None]
    mask = join(masks.padding(lengths, M), masks.window(center, M, width))
    A = normalize(scores, mask) * gaussian(center, M, width)
    torch.testing.assert_close(A, local_p(scores, center, lengths, width))
    assert (A.sum(-1) < 1).all(), "the Gaussian is not made to add up to 1 again"


def test_the_place_learns_through_the_gaussian_alone():
    torch.manual_seed(0)
    scores = torch.randn(B, 1, N, M, dtype=torch.float64)
    center = (torch.rand(B, N, dtype=torch.float64) * M).requires_grad_()
    values, width = torch.randn(B, 1, M, D, dtype=torch.float64), 3
    align = normalize(scores, masks.window(center, M, width))
    assert not align.requires_grad
    assert torch.autograd.gradcheck(lambda p: (align * gaussian(p, M, width)) @ values, (center,))
