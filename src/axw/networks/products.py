"""X W' with W laid out once, at a precision that is chosen: what a network that only answers multiplies by.

fp32   as trained
bf16   X and W in bfloat16, sums in float32: half the bytes, twice the rate where a CPU has AVX-512 bf16 or AMX
int8   W[j] = s_j W8[j], each row X[i] = z_i X8[i], so that Y[i, j] = z_i s_j (X8 W8')[i, j] with whole numbers inside

The scales are max |.| / 127, s_j of an output, z_i of a row of X as it comes. No row has a say in another's scale: an answer is
the same alone and in a batch.
"""

from __future__ import annotations

import platform
from typing import Literal, NamedTuple, Protocol, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Precision = Literal["fp32", "bf16", "int8"]
PRECISIONS = get_args(Precision)
Order = Literal["packed", "plain"]
_MOST = 127.0
_ROWS = 64  # that the order is chosen for; any number may come
# Outputs and rows from which on oneDNN's product of whole numbers takes less time, as measured.
_WIDE, _SEVERAL = 4096, 4
_LEAST = torch.tensor(1e-30)  # the scale of a row of zeros
_ONEDNN = torch.ops.mkldnn  # what PyTorch's own compiler multiplies by


class Product(Protocol):
    """X (r k) -> X W' (+ b) (+ onto), (r n)."""

    def __call__(self, X: Tensor, onto: Tensor | None = None) -> Tensor: ...


class Linear(NamedTuple):
    """In the precision of W (n k)."""

    W: Tensor
    bias: Tensor | None

    def __call__(self, X: Tensor, onto: Tensor | None = None) -> Tensor:
        Y = F.linear(X, self.W, self.bias)
        return Y if onto is None else Y.add_(onto)


class Packed(NamedTuple):
    """In the precision of W, which lies in the order that oneDNN reads: `F.linear` would put it into that order at every call,
    or, in float32, leave it to MKL. transposed (k n): for a single row in float32, where the plain product starts sooner.
    """

    packed: Tensor
    transposed: Tensor | None
    bias: Tensor | None

    def __call__(self, X: Tensor, onto: Tensor | None = None) -> Tensor:
        if self.transposed is not None and X.shape[0] == 1:
            if self.bias is None:
                return X @ self.transposed if onto is None else torch.addmm(onto, X, self.transposed)
            Y = torch.addmm(self.bias, X, self.transposed)
            return Y if onto is None else Y.add_(onto)
        if onto is None:
            return cast(Tensor, _ONEDNN._linear_pointwise.default(X, self.packed, self.bias, "none", [], ""))
        return cast(Tensor, _ONEDNN._linear_pointwise.binary(X, onto, self.packed, self.bias, "add"))


class WholeNumbers(NamedTuple):
    """int8: W8 (k n), s (n,), and the bias in float32.

    packed: W8 in the order that oneDNN reads, where there are many outputs, such as a vocabulary: their whole numbers never stand
    in memory. It takes longer to start, multiplies unsigned numbers, X8 + 128, and takes the 128 out again.
    centre: of W8, zeros (n,).
    """

    W8: Tensor
    scale: Tensor
    bias: Tensor | None
    packed: Tensor | None
    centre: Tensor

    def __call__(self, X: Tensor, onto: Tensor | None = None) -> Tensor:
        X8, z = whole(X)
        if self.packed is None or len(X) < _SEVERAL:
            Y = torch._int_mm(X8, self.W8).mul(self.scale)
        else:
            Y = _unsigned(X8, self.packed, self.scale, self.centre)
        if onto is not None:
            Y = torch.addcmul(onto, Y, z)
            return Y if self.bias is None else Y.add_(self.bias)
        return Y.mul_(z) if self.bias is None else torch.addcmul(self.bias, Y, z)


def whole(X: Tensor) -> tuple[Tensor, Tensor]:
    """X (r k) float -> X8 (r k) int8 and z (r 1) with X ~ z X8. A row of zeros stays one."""
    z = torch.add(_LEAST, X.abs().amax(-1, keepdim=True), alpha=1 / _MOST)
    return (X / z).round_().to(torch.int8), z


def _unsigned(X8: Tensor, packed: Tensor, scale: Tensor, centre: Tensor) -> Tensor:
    """s_j (X8 W8')[i, j] in float32, by oneDNN's product of unsigned rows."""
    X = X8.view(torch.uint8).bitwise_xor(128)
    return cast(
        Tensor,
        torch.ops.onednn.qlinear_pointwise.default(
            X, 1.0, 128, packed, scale, centre, None, 1.0, 0, torch.float32, "none", [], ""
        ),
    )


def _packed_whole(W8: Tensor, scale: Tensor, centre: Tensor) -> Tensor | None:
    """W8 (n k) in the order that oneDNN reads; None where there is no such product, or where its sums overflow: processors
    without sums of whole numbers in 32 bits (VNNI) make them in 16.
    """
    if not _reordering(W8.device):
        return None
    try:
        packed = cast(Tensor, torch.ops.onednn.qlinear_prepack(W8, [_ROWS, W8.shape[1]]))
        largest = W8[:_ROWS].sign().mul(int(_MOST))  # of these rows the sums are as large as can be
        same = torch.equal(_unsigned(largest, packed, scale, centre), torch._int_mm(largest, W8.t()).mul(scale))
    except (AttributeError, RuntimeError):
        return None
    return packed if same else None


def product(precision: Precision, *layers: nn.Linear, order: Order = "packed") -> Product:
    """The products of several layers, made at once: their results stand beside each other."""
    W = torch.cat([layer.weight.detach().float() for layer in layers])
    biases = [layer.bias for layer in layers if layer.bias is not None]
    bias = torch.cat([bias.detach().float() for bias in biases]) if biases else None
    return laid_out(precision, W, bias, order)


def laid_out(precision: Precision, W: Tensor, bias: Tensor | None = None, order: Order = "packed") -> Product:
    """The product with W (n k), and its bias (n,).

    order   packed: for numbers of rows that come again and again, since oneDNN makes a program for each number; or plain
    """
    if precision == "int8":
        W8, z = whole(W.detach().float())
        scale = z[:, 0].contiguous()
        centre = torch.zeros_like(scale, dtype=torch.int64)
        packed = _packed_whole(W8, scale, centre) if len(W) >= _WIDE else None
        return WholeNumbers(W8.t(), scale, None if bias is None else bias.detach().float(), packed, centre)
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    W, bias = W.detach().to(kind), None if bias is None else bias.detach().to(kind)
    packed = _packed(W) if order == "packed" else None
    if packed is None:
        return Linear(W, bias)
    return Packed(packed, W.t().contiguous() if kind == torch.float32 else None, bias)


def _packed(W: Tensor) -> Tensor | None:
    """W (n k) in the order that oneDNN reads; None where this PyTorch or this processor has no such product."""
    if not _reordering(W.device):
        return None
    try:
        return cast(Tensor, _ONEDNN._reorder_linear_weight(W, _ROWS))
    except (AttributeError, RuntimeError):
        return None


def _reordering(device: torch.device) -> bool:
    """Whether oneDNN may have products with weights in an order of its own."""
    return device.type == "cpu" and platform.machine() in ("x86_64", "AMD64") and torch.backends.mkldnn.is_available()
