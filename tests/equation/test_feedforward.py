"""The feed-forward kinds against their formulas, and equal parameter counts under the 2/3 rule."""

from __future__ import annotations

import math

import pytest
import torch

from axw.equation import KINDS, FeedForward, gated_width
from axw.errors import UsageError

D, F = 7, 11
GATED = ["glu", "bilinear", "reglu", "geglu", "swiglu"]


def formula(kind: str, x: torch.Tensor) -> torch.Tensor:
    """Each activation written out from its definition."""
    phi = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    return {
        "relu": x.clamp_min(0),
        "gelu": x * phi,
        "swish": x / (1 + torch.exp(-x)),
        "relu2": x.clamp_min(0) ** 2,
        "glu": 1 / (1 + torch.exp(-x)),
        "bilinear": x,
        "reglu": x.clamp_min(0),
        "geglu": x * phi,
        "swiglu": x / (1 + torch.exp(-x)),
    }[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_its_formula(kind):
    torch.manual_seed(0)
    layer = FeedForward(D, F, kind).double()
    X = torch.randn(2, 5, D, dtype=torch.float64)
    W = layer.inner.weight.T
    hidden = formula(kind, X @ W[:, :F])
    if kind in GATED:
        hidden = hidden * (X @ W[:, F:])
    torch.testing.assert_close(layer(X), hidden @ layer.outer.weight.T)
    assert all(name.endswith("weight") for name, _ in layer.named_parameters()), "no biases"
    assert torch.autograd.gradcheck(layer, (torch.randn(3, D, dtype=torch.float64, requires_grad=True),))


def test_all_nine_kinds_are_there():
    assert set(KINDS) == {"relu", "gelu", "swish", "relu2", *GATED}
    assert {kind for kind in KINDS if KINDS[kind].gated} == set(GATED)


def test_two_thirds_rule_gives_equal_counts():
    for d, f in ((256, 1024), (64, 384), (128, 768)):
        plain = sum(p.numel() for p in FeedForward(d, f, "relu").parameters())
        for kind in GATED:
            gated = sum(p.numel() for p in FeedForward(d, gated_width(f), kind).parameters())
            assert abs(gated / plain - 1) < 16 * 1.5 / f
    assert gated_width(1024) == 688
    assert gated_width(3072) == 2048
    assert gated_width(3) == 16


def test_unknown_kind_says_what_is_allowed():
    with pytest.raises(UsageError, match="Unknown feed-forward kind 'swigl'.\nAllowed: .*Did you mean 'swiglu'?"):
        FeedForward(D, F, "swigl")
