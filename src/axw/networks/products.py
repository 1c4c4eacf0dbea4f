"""X W' with W laid out once, at a precision that is chosen: what a network that only answers multiplies by.

fp32   as trained
bf16   X and W in bfloat16, sums in float32: half the bytes, twice the rate where a CPU has AVX-512 bf16 or AMX
int8   W[j] = s_j W8[j], each row X[i] = z_i X8[i], so that Y[i, j] = z_i s_j (X8 W8')[i, j] with whole numbers inside

The scales are max |.| / 127, s_j of an output, z_i of a row of X as it comes. No row has a say in another's scale: an answer is
the same alone and in a batch.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Precision = Literal["fp32", "bf16", "int8"]
PRECISIONS = get_args(Precision)
_MOST = 127.0


class Product(Protocol):
    """X (r k) -> X W' (+ b), (r n)."""

    def __call__(self, X: Tensor) -> Tensor: ...


class Linear(NamedTuple):
    """In the precision of W (n k)."""

    W: Tensor
    bias: Tensor | None

    def __call__(self, X: Tensor) -> Tensor:
        return F.linear(X, self.W, self.bias)


class WholeNumbers(NamedTuple):
    """int8: W8 (k n), s (n,), and the bias in float32."""

    W8: Tensor
    scale: Tensor
    bias: Tensor | None

    def __call__(self, X: Tensor) -> Tensor:
        X8, z = whole(X)
        Y = torch._int_mm(X8, self.W8).float().mul_(self.scale).mul_(z)
        return Y if self.bias is None else Y.add_(self.bias)


def whole(X: Tensor) -> tuple[Tensor, Tensor]:
    """X (r k) float -> X8 (r k) int8 and z (r 1) with X ~ z X8. A row of zeros stays one."""
    z = X.abs().amax(-1, keepdim=True).clamp_min_(1e-30).mul_(1 / _MOST)
    return (X / z).round_().to(torch.int8), z


def product(precision: Precision, *layers: nn.Linear) -> Product:
    """The products of several layers, made at once: their results stand beside each other."""
    W = torch.cat([layer.weight.detach().float() for layer in layers])
    biases = [layer.bias for layer in layers if layer.bias is not None]
    bias = torch.cat([bias.detach().float() for bias in biases]) if biases else None
    return laid_out(precision, W, bias)


def laid_out(precision: Precision, W: Tensor, bias: Tensor | None = None) -> Product:
    """The product with W (n k), and its bias (n,)."""
    if precision == "int8":
        W8, scale = whole(W.detach().float())
        return WholeNumbers(W8.t(), scale[:, 0].contiguous(), None if bias is None else bias.detach().float())
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    return Linear(W.detach().to(kind), None if bias is None else bias.detach().to(kind))
