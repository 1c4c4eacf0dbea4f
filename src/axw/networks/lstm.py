"""LSTM: a row that is read adds to what was read before it (Hochreiter and Schmidhuber 1997, as in Zaremba et al. 2015).

    [i f o g] = [x_t ; h_{t-1}] W + b
    c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g)
    h_t = sigmoid(o) tanh(c_t)

Time is the first axis here: X (n b e), H and C (n b d). Both ways to run it, the whole sentence at once (`LSTM.forward`) and one
step (`cell`), have a backward pass of their own, of few and large operations.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from axw.networks.reused import matrix_gradient

aten = torch.ops.aten


class LSTM(nn.Module):
    """One layer, e wide in, d cells. `weight` (e + d, 4 d) holds W with the rows of x first; columns in the order i f o g."""

    products = ("weight",)

    def __init__(self, e: int, d: int) -> None:
        super().__init__()
        self.e, self.d = e, d
        self.weight = nn.Parameter(torch.empty(e + d, 4 * d))
        self.bias = nn.Parameter(torch.empty(4 * d))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(d**-0.5), d**-0.5)

    def forward(self, X: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """X (n b e), h and c (b d) before the first row -> H, C (n b d), after each row."""
        given = torch.addmm(self.bias, X.flatten(0, 1), self.weight[: self.e]).unflatten(0, X.shape[:2])
        return cast("tuple[Tensor, Tensor]", _Layer.apply(given, self.weight[self.e :], h, c))  # type: ignore[no-untyped-call]


def cell(given: Tensor, recurrent: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """h_t, c_t (... d) from the gates [i f o g] = given + recurrent (... 4d) and c_{t-1} (... d)."""
    return cast("tuple[Tensor, Tensor]", _Cell.apply(given, recurrent, c))  # type: ignore[no-untyped-call]


def _open(gates: Tensor, c: Tensor, new_c: Tensor, tanh_c: Tensor, h: Tensor) -> None:
    """The equations of one step, in place: `gates` become sigmoid(i), sigmoid(f), sigmoid(o), tanh(g)."""
    d = c.shape[-1]
    gates[..., : 3 * d].sigmoid_()
    gates[..., 3 * d :].tanh_()
    i, f, o, g = gates.chunk(4, -1)
    torch.mul(f, c, out=new_c).addcmul_(i, g)
    torch.tanh(new_c, out=tanh_c)
    torch.mul(o, tanh_c, out=h)


def _back(gates: Tensor, c: Tensor, tanh_c: Tensor, dh: Tensor, dc: Tensor, out: Tensor) -> Tensor:
    """From dh_t and dc_t: the gradient of [i f o g], written into `out` (... 4d), and dc_{t-1}. c is c_{t-1}, gates as opened."""
    (i, f, o, g), (d_i, d_f, d_o, d_g) = gates.chunk(4, -1), out.chunk(4, -1)
    dc = dc + aten.tanh_backward(dh * o, tanh_c)
    torch.mul(dc, g, out=d_i)
    torch.mul(dc, c, out=d_f)
    torch.mul(dh, tanh_c, out=d_o)
    torch.mul(dc, i, out=d_g)
    opened, d_opened = gates[..., : 3 * c.shape[-1]], out[..., : 3 * c.shape[-1]]
    aten.sigmoid_backward(d_opened, opened, grad_input=d_opened)
    aten.tanh_backward(d_g, g, grad_input=d_g)
    return dc * f


class _Layer(torch.autograd.Function):
    """All steps of a layer. The gradient of the recurrent weight is one product over all steps."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, W: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        n, b, d = (*given.shape[:2], W.shape[0])
        H, C = given.new_empty(n + 1, b, d), given.new_empty(n + 1, b, d)
        gates, tanh_c = torch.empty_like(given, memory_format=torch.contiguous_format), given.new_empty(n, b, d)
        H[0], C[0] = h, c
        for t in range(n):
            torch.addmm(given[t], H[t], W, out=gates[t])
            _open(gates[t], C[t], C[t + 1], tanh_c[t], H[t + 1])
        ctx.save_for_backward(W, H, C, gates, tanh_c)
        ctx.set_materialize_grads(False)
        return H[1:], C[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dH: Tensor | None, dC: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        W, H, C, gates, tanh_c = ctx.saved_tensors
        gradient, dh, dc = torch.empty_like(gates), torch.zeros_like(H[0]), torch.zeros_like(H[0])
        for t in reversed(range(len(gates))):
            dh = dh if dH is None else dh + dH[t]
            dc = dc if dC is None else dc + dC[t]
            dc = _back(gates[t], C[t], tanh_c[t], dh, dc, gradient[t])
            dh = gradient[t] @ W.mT
        return gradient, matrix_gradient(H[:-1].flatten(0, 1), gradient.flatten(0, 1)), dh, dc


class _Cell(torch.autograd.Function):
    """One step, for loops in which the next input waits for more than this layer."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, recurrent: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        gates = given + recurrent
        new_c, tanh_c, h = (torch.empty_like(gates[..., : c.shape[-1]]) for _ in range(3))
        _open(gates, c, new_c, tanh_c, h)
        ctx.save_for_backward(gates, c, tanh_c)
        ctx.shapes = given.shape, recurrent.shape, c.shape
        ctx.set_materialize_grads(False)
        return h, new_c

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dh: Tensor | None, dc: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        gates, c, tanh_c = ctx.saved_tensors
        dh, dc = (torch.zeros_like(tanh_c) if grad is None else grad for grad in (dh, dc))
        gradient = torch.empty_like(gates)
        dc = _back(gates, c, tanh_c, dh, dc, gradient)
        own, recurrent, before = (
            grad.sum_to_size(shape) for grad, shape in zip((gradient, gradient, dc), ctx.shapes, strict=True)
        )
        return own, recurrent, before
