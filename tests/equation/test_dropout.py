"""Cheap dropout passes what the plain one passes: nothing lost on average, each number decided on its own."""

from __future__ import annotations

import pytest
import torch

from axw.equation.dropout import dropout, kept


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_mean_and_variance_of_what_passes(dtype: torch.dtype, p: float) -> None:
    torch.manual_seed(3)
    q = round(128 * p) / 128
    passed = dropout(torch.ones(1009, 997, dtype=dtype), p).double()
    n = passed.numel()
    assert set(passed.unique().tolist()) == {0.0, torch.tensor(1 / (1 - q), dtype=dtype).item()}
    share, spread = float((passed > 0).double().mean()), (q * (1 - q) / n) ** 0.5
    assert abs(share - (1 - q)) < 4 * spread
    scale_error = 2**-8 if dtype == torch.bfloat16 else 1e-6  # one rounding of one number, not a bias of the mask
    assert abs(float(passed.mean()) - 1) < 4 * spread / (1 - q) + scale_error
    assert abs(float(passed.var()) - q / (1 - q)) < 0.02


def test_bfloat16_is_scaled_without_bias() -> None:
    """The scale is applied in float32 and rounded once, so over many numbers the roundings cancel."""
    torch.manual_seed(5)
    X = torch.rand(1009, 997).add(1).bfloat16()
    passed = dropout(X, 0.1)
    taken = passed != 0
    ratio = passed[taken].double().sum() / X[taken].double().sum()
    assert abs(float(ratio) * (1 - 13 / 128) - 1) < 1e-4


def test_neighbours_and_draws_are_independent() -> None:
    torch.manual_seed(7)
    masks = torch.stack([kept(800_003, 38).double() for _ in range(2)]) - (1 - 38 / 128)
    spread = 38 / 128 * 90 / 128
    for lag in (1, 7, 8, 64):
        assert abs(float((masks[0, lag:] * masks[0, :-lag]).mean()) / spread) < 0.006
    assert abs(float((masks[0] * masks[1]).mean()) / spread) < 0.006
    assert bool((masks.view(2, -1)[:, :800_000].reshape(2, -1, 8).mean(1).abs() < 0.006).all())  # each byte of a word


def test_the_gradient_passes_where_the_value_did() -> None:
    torch.manual_seed(1)
    X = torch.randn(13, 17, dtype=torch.float64, requires_grad=True)
    Y = dropout(X, 0.3)
    Y.sum().backward()
    assert X.grad is not None
    torch.testing.assert_close(X.grad * X.detach(), Y.detach())


def test_without_training_or_share_it_is_nothing_at_all() -> None:
    X = torch.randn(5, 3)
    assert dropout(X, 0.4, training=False) is X
    assert dropout(X, 0.0) is X
    torch.manual_seed(0)
    assert float((dropout(torch.ones(100_003), 0.002) == 0).double().mean()) == pytest.approx(0.002, abs=0.001)


def test_the_seed_decides() -> None:
    X, drawn = torch.ones(101), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(dropout(X, 0.5))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
