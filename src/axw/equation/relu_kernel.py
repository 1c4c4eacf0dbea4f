"""dropout(relu(X W' + b)) W2' + b2 with a backward pass of its own: what training on a CPU spends least time in.

Equal to `FeedForward.forward` of kind relu, which is the plain form. A hidden row is several times as wide as X, so that each
pass over it costs as much as a product. Here two of them are left, besides the products:

- forward, relu and dropout write 0 in the same places, and the numbers that are left are the same; the factor 1 / (1 - q) is
  given to the product with W2, which multiplies by it before it rounds;
- backward, the slope is that factor where H is above 0, and 0 elsewhere, so neither the mask nor what was there before relu is
  kept.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from axw.equation.dropout import LEVELS, drop_in_place, kept, level_of


def relu_feedforward(
    X: Float[Tensor, "*b d"],
    W: Float[Tensor, "f d"],
    b: Float[Tensor, " f"] | None,
    W2: Float[Tensor, "o f"],
    b2: Float[Tensor, " o"] | None,
    *,
    dropout: float = 0.0,
) -> Float[Tensor, "*b o"]:
    """Y = dropout(relu(X W' + b)) W2' + b2 (Vaswani et al. 2017, eq. 2), with dropout as `equation.dropout` draws it."""
    found = _ReluFeedForward.apply(X.reshape(-1, X.shape[-1]), W, b, W2, b2, dropout)  # type: ignore[no-untyped-call]
    return cast(Tensor, found).view(*X.shape[:-1], W2.shape[0])


class _ReluFeedForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, X: Tensor, W: Tensor, b: Tensor | None, W2: Tensor, b2: Tensor | None, p: float) -> Tensor:
        H, scale = _relu_product(X, W, b), 1.0
        if level := level_of(p):
            drop_in_place(H, kept(H.numel(), level).view(H.shape))
            scale = LEVELS / (LEVELS - level)
        ctx.save_for_backward(X, W, H, W2)
        ctx.scale = scale
        return _product(H, W2.T, scale, b2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dY: Tensor) -> tuple[Tensor | None, ...]:
        X, W, H, W2 = ctx.saved_tensors
        wanted: list[bool] = ctx.needs_input_grad
        dW2 = _product(dY.T, H, ctx.scale) if wanted[3] else None
        db2 = dY.sum(0) if wanted[4] else None
        if not any(wanted[:3]):
            return None, None, None, dW2, db2, None
        dH = _product(dY, W2, ctx.scale)
        torch.ops.aten.threshold_backward.grad_input(dH, H, 0, grad_input=dH)  # 0 where H is 0
        dX = dH @ W if wanted[0] else None
        dW = dH.T @ X if wanted[1] else None
        db = dH.sum(0) if wanted[2] else None
        return dX, dW, db, dW2, db2, None


def _relu_product(X: Tensor, W: Tensor, b: Tensor | None) -> Tensor:
    """relu(X W' + b). For bfloat16, where the processor has it, oneDNN does all of it while a number is in a register; `addmm`
    would first write b into every row."""
    onednn = torch.ops.mkldnn
    if X.dtype == torch.bfloat16 and torch.backends.mkldnn.is_available() and onednn._is_mkldnn_bf16_supported():
        return cast(Tensor, onednn._linear_pointwise(X, W, b, "relu", [], ""))
    return F.linear(X, W, b).relu_()


def _product(X: Tensor, Z: Tensor, scale: float, start: Tensor | None = None) -> Tensor:
    """scale X Z + start (of each row)."""
    if start is not None:
        return torch.addmm(start, X, Z, alpha=scale)
    if scale == 1.0:
        return X @ Z
    return torch.addmm(X.new_empty(Z.shape[1]), X, Z, beta=0.0, alpha=scale)
