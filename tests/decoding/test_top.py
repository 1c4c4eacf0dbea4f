"""The k largest, equals in order: against a stable sort."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from axw.decoding.top import best, top


@given(seed=st.integers(0, 10_000), n=st.integers(1, 40), k=st.integers(1, 50), kinds=st.sampled_from([2, 5, 1000]))
@settings(max_examples=80, deadline=None)
def test_top_is_a_stable_sort(seed: int, n: int, k: int, kinds: int):
    values = torch.randint(kinds, (5, n), generator=torch.Generator().manual_seed(seed)).double()
    wanted, order = values.sort(dim=1, descending=True, stable=True)
    found, index = top(values, k)
    assert torch.equal(found, wanted[:, :k]) and torch.equal(index, order[:, :k])


@given(
    seed=st.integers(0, 10_000),
    w=st.integers(1, 3),
    V=st.sampled_from([1, 3, 63, 64, 65, 128, 131, 523]),
    k=st.integers(1, 13),
    kinds=st.sampled_from([2, 7, 10_000]),
    never=st.lists(st.integers(0, 140), max_size=4),
)
@settings(max_examples=150, deadline=None)
def test_best_is_a_stable_sort_of_all_continuations(seed, w, V, k, kinds, never):
    generator = torch.Generator().manual_seed(seed)
    log_p = -torch.randint(kinds, (2, w, V), generator=generator).float()
    total = -torch.randint(kinds, (2, w), generator=generator).double()
    total[0, 0] = -torch.inf
    _check(log_p, total, k, never)


def test_best_in_numbers_that_rounding_makes_equal():
    # In float64 1 + 1e-17 is 1, so that ids of different probability have equal totals.
    log_p = torch.zeros(1, 2, 300)
    log_p[0, :, 200:] = 1e-17
    _check(log_p, torch.ones(1, 2, dtype=torch.float64), 5, [])


@pytest.mark.parametrize("w", [1, 5])
def test_best_of_many(w: int):
    generator = torch.Generator().manual_seed(0)
    log_p = torch.log_softmax(3 * torch.randn(7, w, 8009, generator=generator), -1)
    _check(log_p, -torch.rand(7, w, generator=generator).double(), 10, [0, 1, 8008])


def _check(log_p: Tensor, total: Tensor, k: int, never: list[int]) -> None:
    V = log_p.shape[-1]
    allowed = log_p.clone()
    allowed[..., [i for i in never if i < V]] = -torch.inf
    wanted, order = (allowed + total[..., None]).flatten(1).sort(dim=1, descending=True, stable=True)
    found, hypothesis, token = best(log_p, total, k, never)
    assert torch.equal(found, wanted[:, :k])
    real = found > -torch.inf
    assert torch.equal((hypothesis * V + token)[real], order[:, :k][real])
    assert int(token.max()) < V and int(token.min()) >= 0
