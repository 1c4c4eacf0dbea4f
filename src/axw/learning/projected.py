"""Cross-entropy over a large vocabulary, a few rows at a time: the logits are never all there at once."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from axw.errors import UsageError
from axw.learning.losses import Measured

_ROWS = 256  # rows whose logits are made at once: 256 x 8000 float32 are 8 MB, which stays near the processor
_HELD = 4096  # rows whose logit gradients are held, in the rows' precision, for one product with the rows


def projected_cross_entropy(
    hidden: Tensor, projection: Tensor, target: Tensor, *, bias: Tensor | None = None, smoothing: float = 0.0
) -> Measured:
    """sum_i -[(1 - e) log p_i(y_i) + e / V sum_v log p_i(v)],  p_i = softmax(projection hidden_i + bias).

    hidden (t d), projection (V d), target (t,) of ids, bias (V,); e = `smoothing`. Equal to `cross_entropy` of the logits, which
    are made in float32, rows at a time; the gradient is made on the way forward, so that they are made once and not kept.
    `UsageError` where shapes do not match or e is not in [0, 1).
    """
    if hidden.ndim != 2 or target.shape != hidden.shape[:1] or projection.shape[1:] != hidden.shape[1:]:
        raise UsageError(
            f"hidden has shape {tuple(hidden.shape)}, projection {tuple(projection.shape)}, target {tuple(target.shape)}; "
            "allowed: (t, d), (V, d) and (t,).",
            "In projected_cross_entropy.",
        )
    if not 0.0 <= smoothing < 1.0:
        raise UsageError(f"smoothing is {smoothing}; allowed: 0 or more, below 1.", "In projected_cross_entropy.")
    total = cast(Tensor, _Projected.apply(hidden, projection, bias, target, smoothing))  # type: ignore[no-untyped-call]
    return Measured(total, target.numel())


class _Projected(torch.autograd.Function):
    """d loss / d logits = p - (1 - e) [v = y] - e / V."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, projection: Tensor, bias: Tensor | None, target: Tensor, smoothing: float
    ) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        to_hidden = torch.empty_like(hidden) if wanted else None
        to_projection = torch.zeros_like(projection) if wanted else None
        to_bias = torch.zeros_like(bias, dtype=_full(bias.dtype)) if wanted and bias is not None else None
        loss = torch.zeros((), dtype=torch.float64, device=hidden.device)
        for start in range(0, len(target), _HELD):
            rows, aims = hidden[start : start + _HELD], target[start : start + _HELD]
            held = torch.empty(len(rows), len(projection), dtype=hidden.dtype, device=hidden.device) if wanted else None
            for first in range(0, len(rows), _ROWS):
                part = slice(first, first + _ROWS)
                slope, some = _slope(rows[part], projection, bias, aims[part], smoothing)
                loss += some
                if held is not None:
                    held[part] = slope
                if to_bias is not None:
                    to_bias += slope.sum(0)
            if held is not None and to_hidden is not None and to_projection is not None:
                torch.mm(held, projection, out=to_hidden[start : start + _HELD])
                to_projection.addmm_(held.T, rows)
        ctx.save_for_backward(
            to_hidden, to_projection, None if to_bias is None or bias is None else to_bias.to(bias.dtype)
        )
        return loss.to(_full(hidden.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        found = (None if G is None else G * gradient.to(G.dtype) for G in ctx.saved_tensors)
        return (*found, None, None)


def _slope(
    rows: Tensor, projection: Tensor, bias: Tensor | None, target: Tensor, smoothing: float
) -> tuple[Tensor, Tensor]:
    """The gradient of the loss with respect to the logits (r V), and the loss summed over the rows, in full precision."""
    logits = (rows @ projection.T).to(_full(rows.dtype))
    if bias is not None:
        logits += bias
    chosen = logits.gather(-1, target[:, None])[:, 0]
    # The mean of all logits is taken only where smoothing asks for it: it is one more pass over them.
    mean = logits.mean(-1) if smoothing else chosen
    top = logits.amax(-1, keepdim=True)
    weight = logits.sub_(top).exp_()
    total = weight.sum(-1, keepdim=True)
    spread = (total.log() + top)[:, 0]
    loss = ((1 - smoothing) * (spread - chosen) + smoothing * (spread - mean)).sum(dtype=torch.float64)
    slope = weight.mul_(total.reciprocal_())
    if smoothing:
        slope -= smoothing / len(projection)
    slope[torch.arange(len(target), device=slope.device), target] -= 1 - smoothing
    return slope, loss


def _full(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
