"""Places: each form by its formula, and by what it promises."""

from __future__ import annotations

import math

import pytest
import torch

from axw.equation import Attention, DistanceBias, Rotary, alibi, rotate, sinusoids
from axw.equation.memory import append


def test_sinusoids_are_the_formula() -> None:
    P = sinusoids(7, 11, start=3)
    for t in range(7):
        for i in range(11):
            angle = (t + 3) / 10000 ** (2 * (i // 2) / 11)
            assert float(P[t, i]) == pytest.approx(math.cos(angle) if i % 2 else math.sin(angle), abs=1e-6)


def test_a_rotated_product_depends_on_the_distance_alone() -> None:
    torch.manual_seed(0)
    q, k = torch.randn(2, 3, 1, 6, dtype=torch.float64), torch.randn(2, 3, 1, 6, dtype=torch.float64)
    products = [float((rotate(q, s) * rotate(k, s + 4)).sum()) for s in (0, 5, 113)]
    assert products[0] == pytest.approx(products[1], abs=1e-3) and products[0] == pytest.approx(products[2], abs=1e-2)
    torch.testing.assert_close(rotate(q, 9).norm(dim=-1), q.norm(dim=-1), rtol=1e-6, atol=1e-6)


def test_a_rotation_is_a_product_of_complex_numbers_and_so_is_its_gradient() -> None:
    torch.manual_seed(0)
    X = torch.randn(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    angle = torch.arange(7.0, 12.0)[:, None] * 10000.0 ** (-torch.arange(0, 6, 2) / 6)
    turned = torch.complex(*X.chunk(2, -1)) * torch.polar(torch.ones_like(angle), angle)
    torch.testing.assert_close(rotate(X, 7), torch.cat([turned.real, turned.imag], -1), rtol=1e-5, atol=1e-5)
    assert torch.autograd.gradcheck(lambda X: rotate(X, 7), X)


def test_rotary_word_by_word_is_rotary_at_once() -> None:
    torch.manual_seed(0)
    d, k, h, n = 13, 4, 3, 7
    attention = Attention(Rotary(d, k, h), torch.nn.Linear(d, h * 5), torch.nn.Linear(h * 5, d)).double()
    X = torch.randn(2, n, d, dtype=torch.float64)
    memory, said = attention.remember(X), None
    for t in range(n):
        new = attention.remember(X[:, t : t + 1], start=t)
        said = new if said is None else append(said, new)
        alone = attention(X[:, t : t + 1], said, start=t)[0]
        causal = (torch.arange(n) <= t)[None, None, None]
        torch.testing.assert_close(alone, attention(X, memory, causal)[0][:, t : t + 1], rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(alone, attention.read(X[:, t : t + 1], said, start=t), rtol=1e-9, atol=1e-9)


def test_alibi_is_the_formula() -> None:
    B = alibi(4, 3, 5, start=2)
    for h in range(4):
        for i in range(3):
            for j in range(5):
                assert float(B[0, h, i, j]) == pytest.approx(-(2 ** (-8 * (h + 1) / 4)) * abs(j - i - 2))


@pytest.mark.parametrize("both", [True, False])
def test_buckets_grow_with_distance(both: bool) -> None:
    bias = DistanceBias(3, both=both, buckets=32, longest=128)
    before = bias.bucket(-torch.arange(300)[None])[0]
    assert before[: 8 if both else 16].tolist() == list(range(8 if both else 16))
    assert bool((before.diff() >= 0).all()) and int(before.max()) == (15 if both else 31)
    after = bias.bucket(torch.arange(1, 300)[None])[0]
    assert (set(after.tolist()) == set(range(17, 32))) if both else (set(after.tolist()) == {0})
    # T5's own: distance 128 and beyond share the last bucket
    assert int(before[127]) == int(before[299])
    with torch.no_grad():
        bias.weight.normal_()
    torch.testing.assert_close(bias(5, 7)[:, :, 3:], bias(2, 7, start=3))
