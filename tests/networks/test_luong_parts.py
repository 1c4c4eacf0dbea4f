"""The LSTM and the products with deferred gradients, against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from axw.networks.lstm import LSTM, cell
from axw.networks.reused import Reused, matrix_gradient, product

N, B, E, D = 5, 3, 7, 11


def numbers(*shape: int, seed: int = 0, grad: bool = True) -> torch.Tensor:
    X = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return X.requires_grad_(grad)


def layer_of(e: int, d: int) -> LSTM:
    torch.manual_seed(0)
    return LSTM(e, d).double()


def test_a_layer_is_pytorchs_lstm():
    """PyTorch's order of the gates is i f g o, and it has two biases, of which one is enough."""
    layer, peer = layer_of(E, D), nn.LSTM(E, D).double()
    order = torch.cat([torch.arange(k * D, (k + 1) * D) for k in (0, 1, 3, 2)])
    with torch.no_grad():
        peer.weight_ih_l0.copy_(layer.weight[:E, order].T)
        peer.weight_hh_l0.copy_(layer.weight[E:, order].T)
        peer.bias_ih_l0.copy_(layer.bias[order])
        peer.bias_hh_l0.zero_()
    X, h, c = numbers(N, B, E), numbers(B, D, seed=1), numbers(B, D, seed=2)
    H, C = layer(X, h, c)
    expected, (_, last) = peer(X, (h[None], c[None]))
    torch.testing.assert_close(H, expected)
    torch.testing.assert_close(C[-1], last[0])
    mix = numbers(N, B, D, seed=3, grad=False)
    ours = torch.autograd.grad((H * mix).sum() + C[-1].sum(), (X, h, c, layer.weight, layer.bias))
    weights = (peer.weight_ih_l0, peer.weight_hh_l0, peer.bias_ih_l0)
    theirs = torch.autograd.grad((expected * mix).sum() + last.sum(), (X, h, c, *weights))
    for mine, other in zip(ours[:3], theirs[:3], strict=True):
        torch.testing.assert_close(mine, other)
    torch.testing.assert_close(ours[3][:, order].T, torch.cat(theirs[3:5], 1))
    torch.testing.assert_close(ours[4][order], theirs[5])


def test_a_layer_is_its_cell_step_by_step():
    layer, X, h, c = layer_of(E, D), numbers(N, B, E), numbers(B, D, seed=1), numbers(B, D, seed=2)
    H, C = layer(X, h, c)
    for t in range(N):
        h, c = cell(X[t] @ layer.weight[:E] + layer.bias, h @ layer.weight[E:], c)
        torch.testing.assert_close(H[t], h)
        torch.testing.assert_close(C[t], c)


@pytest.mark.parametrize("used", [(True, True), (True, False), (False, True)], ids=["both", "h alone", "c alone"])
def test_gradients_of_layer_and_cell(used):
    layer = layer_of(2, 3)

    def answer(X, h, c, *parameters):
        return tuple(out for out, use in zip(layer(X, h, c), used, strict=True) if use)

    def step(given, recurrent, c):
        return tuple(out for out, use in zip(cell(given, recurrent, c), used, strict=True) if use)

    assert torch.autograd.gradcheck(answer, (numbers(3, 2, 2), numbers(2, 3), numbers(2, 3), *layer.parameters()))
    assert torch.autograd.gradcheck(step, (numbers(12), numbers(2, 5, 12, seed=1), numbers(2, 1, 3, seed=2)))


def by_steps(M, X, deferred: bool):
    """x_{t+1} = tanh(x_t M) + X_t: what a step says is asked of the next."""
    factor, x, answers = Reused(M) if deferred else M, torch.zeros_like(X[0]), []
    for now in X:
        x = torch.tanh(product(x, factor)) + now
        answers.append(x)
    return torch.stack(answers)


@pytest.mark.parametrize("batch", [(), (B, 1)], ids=["weight", "memory"])
def test_deferred_gradients_are_autograds(batch):
    M, X = numbers(*batch, D, D), numbers(N, *(batch or (B, 1)), 2, D, seed=1)
    plain, deferred = (torch.autograd.grad(by_steps(M, X, way).square().sum(), (M, X)) for way in (False, True))
    for one, other in zip(plain, deferred, strict=True):
        torch.testing.assert_close(one, other)


def test_gradcheck_of_a_deferred_product():
    assert torch.autograd.gradcheck(lambda M, X: by_steps(M, X, True), (numbers(3, 3), numbers(4, 2, 3, seed=1)))


def test_float32_matches_plain_autograd_to_a_millionth():
    M, X = numbers(64, 64).float().detach().mul_(0.1).requires_grad_(), numbers(23, 32, 64, seed=1).float().detach()
    plain, deferred = (torch.autograd.grad(by_steps(M, X, way).sum(), M)[0] for way in (False, True))
    assert (plain - deferred).norm() / plain.norm() < 1e-6


def test_two_passes_over_one_graph_do_not_mix():
    """A pass that leaves M out leaves nothing behind; a second pass over some of the steps counts those alone."""
    M, X = numbers(D, D), numbers(N, B, D, seed=1)
    answers = by_steps(M, X, True)
    plain = by_steps(M, X, False)
    torch.autograd.grad(answers.sum(), X, retain_graph=True)
    for loss, expected in ((answers[:2].sum(), plain[:2].sum()), (answers.sum(), plain.sum())):
        found = torch.autograd.grad(loss, M, retain_graph=True)[0]
        torch.testing.assert_close(found, torch.autograd.grad(expected, M, retain_graph=True)[0])


def test_a_factor_that_learns_nothing():
    M, X = numbers(D, D, grad=False), numbers(N, B, D, seed=1)
    found, expected = (torch.autograd.grad(by_steps(M, X, way).sum(), X)[0] for way in (True, False))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("wide", [13, 2053])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_gradient_of_a_matrix_is_one_product_whichever_way_it_is_multiplied(wide: int, dtype: torch.dtype):
    X, dY = (numbers(17, columns, seed=columns, grad=False).to(dtype) for columns in (11, wide))
    torch.testing.assert_close(matrix_gradient(X, dY), (X.double().T @ dY.double()).to(dtype))
