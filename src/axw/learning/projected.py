"""Cross-entropy over a large vocabulary, a few rows at a time: the logits are never all there at once."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from axw.errors import UsageError
from axw.learning.losses import Measured

_ROWS = 256  # rows whose logits are made in full precision at once where no gradient is asked for
_HELD = 4096  # rows whose probabilities are held, in the rows' precision, for one product with the rows


def projected_cross_entropy(
    hidden: Tensor, projection: Tensor, target: Tensor, *, bias: Tensor | None = None, smoothing: float = 0.0
) -> Measured:
    """sum_i -[(1 - e) log p_i(y_i) + e / V sum_v log p_i(v)],  p_i = softmax(projection hidden_i + bias).

    hidden (t d), projection (V d), target (t,) of ids, bias (V,); e = `smoothing`. Equal to `cross_entropy` of the logits, which
    are made a block of rows at a time; the gradient is made on the way forward, so that they are made once and not kept. Where
    a gradient is asked for, p has the precision of `hidden`, and a p(y) below 1e-38 is counted as that.
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
    if not torch.is_grad_enabled():  # a Function does not know: it would make the gradients
        hidden, projection, bias = hidden.detach(), projection.detach(), None if bias is None else bias.detach()
    total = cast(Tensor, _Projected.apply(hidden, projection, bias, target, smoothing))  # type: ignore[no-untyped-call]
    return Measured(total, target.numel())


class _Projected(torch.autograd.Function):
    """d loss / d logits = p - (1 - e) [v = y] - e / V.

    The last term is the same for all words: what it does to the products is a vector, and it is not written into p.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, projection: Tensor, bias: Tensor | None, target: Tensor, smoothing: float
    ) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        mean = _mean_logit(hidden, projection, bias) if smoothing else None
        found = _Gradients(hidden, projection, bias, smoothing) if wanted else None
        loss = torch.zeros((), dtype=torch.float64, device=hidden.device)
        held = _HELD if wanted else _ROWS
        for start in range(0, len(target), held):
            part = slice(start, start + held)
            aims = target[part, None]
            logits = F.linear(hidden[part], projection, bias)
            chosen, log_p = _likelihood(logits, aims, keep=wanted)
            loss -= (1 - smoothing) * log_p.sum(dtype=torch.float64)
            if mean is not None:
                loss -= smoothing * (mean[part] - chosen + log_p).sum(dtype=torch.float64)
            if found is not None:
                found.add(part, _lowered(logits, target[part], 1 - smoothing))
        ctx.save_for_backward(*(() if found is None else found.all()))
        return loss.to(_full(hidden.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        found = (None if G is None else G * gradient.to(G.dtype) for G in ctx.saved_tensors)
        return (*found, None, None)


class _Gradients:
    """Of hidden (t d), projection (V d) and bias (V,), a block of rows at a time.

    That of the projection is summed as (d V): a product with the wide matrix turned takes twice as long as one with the rows
    turned (in bfloat16, with AMX).
    """

    def __init__(self, hidden: Tensor, projection: Tensor, bias: Tensor | None, smoothing: float) -> None:
        self._rows, self._projection, self._even = hidden, projection, smoothing / len(projection)
        self._shift = (-self._even * projection.sum(0, dtype=_full(hidden.dtype))).to(hidden.dtype)
        self.hidden, self.turned = torch.empty_like(hidden), hidden.new_zeros(projection.shape[::-1])
        self.bias = None if bias is None else torch.zeros_like(bias, dtype=_full(bias.dtype))

    def add(self, part: slice, slope: Tensor) -> None:
        """slope (r V) = p - (1 - e) [v = y]."""
        torch.addmm(self._shift, slope, self._projection, out=self.hidden[part])
        self.turned.addmm_(self._rows[part].T.contiguous(), slope)
        if self.bias is not None:
            self.bias += slope.sum(0, dtype=self.bias.dtype) - self._even * len(slope)

    def all(self) -> tuple[Tensor, Tensor, Tensor | None]:
        projection = self.turned.T.contiguous()
        if self._even:
            projection -= (self._even * self._rows.sum(0, dtype=_full(self._rows.dtype))).to(self._rows.dtype)
        return self.hidden, projection, None if self.bias is None else self.bias.to(self._rows.dtype)


def _mean_logit(hidden: Tensor, projection: Tensor, bias: Tensor | None) -> Tensor:
    """1/V sum_v logit_v of each row (t,), in full precision: the row times the mean of the projection."""
    full = _full(hidden.dtype)
    mean = hidden.to(full) @ projection.mean(0, dtype=full)
    return mean if bias is None else mean + bias.mean(dtype=full)


def _likelihood(logits: Tensor, target: Tensor, *, keep: bool) -> tuple[Tensor, Tensor]:
    """The logit of each target (r 1) and its log p, (r,) in full precision. `keep`: the logits (r V) become p, in their place."""
    full = _full(logits.dtype)
    chosen = logits.gather(-1, target)[:, 0].to(full)
    if not keep:
        return chosen, chosen - torch.logsumexp(logits.to(full), -1)
    torch.softmax(logits, -1, out=logits)
    return chosen, logits.gather(-1, target)[:, 0].to(full).clamp_min(torch.finfo(full).tiny).log()


def _lowered(p: Tensor, target: Tensor, by: float) -> Tensor:
    """p (r V) less `by` at each row's target, in place: r numbers are touched, where `scatter_add_` copies all of p twice."""
    rows = torch.arange(len(target), device=p.device)
    return p.index_put_((rows, target), p.new_full((), -by), accumulate=True)


def _full(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
