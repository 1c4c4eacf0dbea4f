"""relu with dropout and both products as one function gives what the plain layers give, and the same slopes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from axw.equation import FeedForward
from axw.equation.dropout import dropout
from axw.equation.relu_kernel import relu_feedforward

D, INNER, OUT = 7, 11, 5


def plain(X: Tensor, W: Tensor, b: Tensor | None, W2: Tensor, b2: Tensor | None, p: float) -> Tensor:
    return F.linear(dropout(F.relu(F.linear(X, W, b)), p), W2, b2)


def weights(bias: bool, dtype: torch.dtype = torch.float64) -> list[Tensor | None]:
    torch.manual_seed(3)
    shapes = [(INNER, D), (INNER,), (OUT, INNER), (OUT,)]
    made = [torch.randn(shape, dtype=dtype).requires_grad_() for shape in shapes]
    return [weight if bias or weight.ndim == 2 else None for weight in made]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("p", [0.0, 0.3])
def test_it_is_the_plain_layers_with_the_same_dropout(bias: bool, p: float) -> None:
    found = []
    for way in (plain, lambda *given: relu_feedforward(*given[:-1], dropout=given[-1])):
        X, made = torch.randn(2, 3, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), weights(bias)
        X.requires_grad_()
        torch.manual_seed(9)  # the same numbers are dropped
        Y = way(X, *made, p)
        (Y * torch.arange(Y.numel()).view(Y.shape)).sum().backward()
        found.append([Y, *(given.grad for given in (X, *made) if given is not None)])
    assert found[0][0].shape == (2, 3, OUT)
    for expected, got in zip(*found, strict=True):
        torch.testing.assert_close(got, expected)


def test_its_slopes_are_those_of_what_it_computes() -> None:
    def alike(*given: Tensor) -> Tensor:
        torch.manual_seed(2)
        return relu_feedforward(*given, dropout=0.4)

    X = torch.randn(13, D, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(alike, (X, *weights(True)))


def test_bfloat16_is_as_near_as_the_plain_layers() -> None:
    exact = [None if weight is None else weight.detach() for weight in weights(True)]
    X = torch.randn(997, D, dtype=torch.float64)
    near = [given.bfloat16().requires_grad_() for given in (X, *exact) if given is not None]
    found = []
    for way in (plain, lambda *given: relu_feedforward(*given[:-1], dropout=given[-1])):
        torch.manual_seed(4)
        found.append(way(*near, 0.3).detach().double())
    torch.manual_seed(4)
    expected = plain(*(given.detach().double() for given in near), 0.3)
    off = [float((got - expected).norm() / expected.norm()) for got in found]
    assert off[1] < min(0.01, 1.1 * off[0])


@pytest.mark.parametrize("frozen", ["inner", "outer"])
def test_frozen_weights_get_no_slope_and_the_others_theirs(frozen: str) -> None:
    layer = FeedForward(D, INNER, bias=True)
    getattr(layer, frozen).requires_grad_(False)
    X = torch.randn(3, D)
    layer(X).sum().backward()
    slopes = {name: parameter.grad is not None for name, parameter in layer.named_parameters()}
    assert slopes == {name: not name.startswith(frozen) for name in slopes}


def test_a_layer_trains_by_it_and_answers_without_dropout() -> None:
    layer = FeedForward(D, INNER, dropout=0.5, bias=True)
    X = torch.randn(3, D)
    assert not torch.equal(layer(X), layer(X))
    layer.eval()
    torch.testing.assert_close(
        layer(X), plain(X, layer.inner.weight, layer.inner.bias, layer.outer.weight, layer.outer.bias, 0.0)
    )
