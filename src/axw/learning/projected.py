"""Cross-entropy over a large vocabulary, a few rows at a time: the logits are never all there at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from axw.equation.whole_blocks import whole_blocks
from axw.errors import UsageError
from axw.learning.losses import Measured

_ROWS = 256  # rows whose logits are made in full precision at once where no gradient is asked for
_HELD = 4096  # rows whose probabilities are held, in the rows' precision, for one product with the rows


class Taught(NamedTuple):
    """What else a row should hold likely: the share k of the loss that asks for it, and rows -> q (r V), which sum to 1.

    The rows are those of `whole_blocks(hidden)`; what q says of those that were added is not looked at.
    """

    share: float
    q: Callable[[slice], Tensor]


def projected_cross_entropy(  # noqa: PLR0913 (a loss of so many parts)
    hidden: Tensor,
    projection: Tensor,
    target: Tensor,
    *,
    bias: Tensor | None = None,
    smoothing: float = 0.0,
    taught: Taught | None = None,
) -> Measured:
    """sum_i -[(1 - e) log p_i(y_i) + e / V sum_v log p_i(v)],  p_i = softmax(projection hidden_i + bias).

    hidden (t d), projection (V d), target (t,) of ids, bias (V,); e = `smoothing`. Equal to `cross_entropy` of the logits, which
    are made a block of rows at a time; the gradient is made on the way forward, so that they are made once and not kept. Where
    a gradient is asked for, p has the precision of `hidden`, and a p(y) below 1e-38 is counted as that.
    `taught`: 1 - k of that, and -k sum_v q_i(v) log p_i(v) (Hinton, Vinyals and Dean 2015, section 2, at temperature 1).
    `UsageError` where shapes do not match, e is not in [0, 1), or k is not in [0, 1].
    """
    if hidden.ndim != 2 or target.shape != hidden.shape[:1] or projection.shape[1:] != hidden.shape[1:]:
        raise UsageError(
            f"hidden has shape {tuple(hidden.shape)}, projection {tuple(projection.shape)}, target {tuple(target.shape)}; "
            "allowed: (t, d), (V, d) and (t,).",
            "In projected_cross_entropy.",
        )
    if not 0.0 <= smoothing < 1.0:
        raise UsageError(f"smoothing is {smoothing}; allowed: 0 or more, below 1.", "In projected_cross_entropy.")
    if taught is not None and not 0.0 <= taught.share <= 1.0:
        raise UsageError(f"The taught share is {taught.share}; allowed: 0 to 1.", "In projected_cross_entropy.")
    if not torch.is_grad_enabled():  # a Function does not know: it would make the gradients
        hidden, projection, bias = hidden.detach(), projection.detach(), None if bias is None else bias.detach()
    total = cast(Tensor, _Projected.apply(hidden, projection, bias, target, smoothing, taught))  # type: ignore[no-untyped-call]
    return Measured(total, target.numel())


class _Projected(torch.autograd.Function):
    """d loss / d logits = p - (1 - k) ((1 - e) [v = y] + e / V) - k q.

    e / V is the same for all words: what it does to the products is a vector, and it is not written into p.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        projection: Tensor,
        bias: Tensor | None,
        target: Tensor,
        smoothing: float,
        taught: Taught | None,
    ) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        share = 0.0 if taught is None else taught.share
        certain, even = (1 - share) * (1 - smoothing), (1 - share) * smoothing
        mean = _mean_logit(hidden, projection, bias) if even else None
        rows = whole_blocks(hidden)
        found = _Gradients(rows, len(hidden), projection, bias, even) if wanted else None
        loss = torch.zeros((), dtype=torch.float64, device=hidden.device)
        held = _HELD if wanted else _ROWS
        for start in range(0, len(target), held):
            part, real = slice(start, start + held), len(target[start : start + held])
            logits = F.linear(rows[part], projection, bias)
            q = None if taught is None else taught.q(part)[:real].to(logits)
            asked = None if q is None else (q * logits[:real]).sum(-1, dtype=_full(logits.dtype))
            chosen, log_p = _likelihood(logits, target[part, None], keep=wanted)
            loss -= certain * log_p.sum(dtype=torch.float64)
            if mean is not None:
                loss -= even * (mean[part] - chosen + log_p).sum(dtype=torch.float64)
            if asked is not None:
                loss -= share * (asked - chosen + log_p).sum(dtype=torch.float64)
            if found is not None:
                slope = _lowered(logits, target[part], certain)
                if q is not None:
                    slope[:real].sub_(q, alpha=share)
                found.add(part, slope, real)
        ctx.save_for_backward(*(() if found is None else found.all()))
        return loss.to(_full(hidden.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        found = (None if G is None else G * gradient.to(G.dtype) for G in ctx.saved_tensors)
        return (*found, None, None, None)


class _Gradients:
    """Of hidden, the first `count` of the rows, projection (V d) and bias (V,), a block of rows at a time.

    That of the projection is summed as (d V): a product with the wide matrix turned takes twice as long as one with the rows
    turned (in bfloat16, with AMX).
    """

    def __init__(self, rows: Tensor, count: int, projection: Tensor, bias: Tensor | None, even: float) -> None:
        self._rows, self._count, self._projection, self._even = rows, count, projection, even / len(projection)
        self._shift = (-self._even * projection.sum(0, dtype=_full(rows.dtype))).to(rows.dtype)
        self.hidden, self.turned = torch.empty_like(rows), rows.new_zeros(projection.shape[::-1])
        self.bias = None if bias is None else torch.zeros_like(bias, dtype=_full(bias.dtype))

    def add(self, part: slice, slope: Tensor, real: int) -> None:
        """slope (r V): d loss / d logits of the first `real` rows, but for the part that is the same for all words."""
        slope[real:] = 0.0
        torch.addmm(self._shift, slope, self._projection, out=self.hidden[part])
        self.turned.addmm_(self._rows[part].T.contiguous(), slope)
        if self.bias is not None:
            self.bias += slope.sum(0, dtype=self.bias.dtype) - self._even * real

    def all(self) -> tuple[Tensor, Tensor, Tensor | None]:
        projection = self.turned.T.contiguous()
        if self._even:
            projection -= (self._even * self._rows.sum(0, dtype=_full(self._rows.dtype))).to(self._rows.dtype)
        return self.hidden[: self._count], projection, None if self.bias is None else self.bias.to(self._rows.dtype)


def _mean_logit(hidden: Tensor, projection: Tensor, bias: Tensor | None) -> Tensor:
    """1/V sum_v logit_v of each row (t,), in full precision: the row times the mean of the projection."""
    full = _full(hidden.dtype)
    mean = hidden.to(full) @ projection.mean(0, dtype=full)
    return mean if bias is None else mean + bias.mean(dtype=full)


def _likelihood(logits: Tensor, target: Tensor, *, keep: bool) -> tuple[Tensor, Tensor]:
    """The logit of each target (r 1) and its log p, (r,) in full precision. `keep`: the logits become p, in their place.

    Of the logits (r V or more) the first r rows are looked at.
    """
    full, logits = _full(logits.dtype), logits[: len(target)]
    chosen = logits.gather(-1, target)[:, 0].to(full)
    if not keep:
        return chosen, chosen - torch.logsumexp(logits.to(full), -1)
    torch.softmax(logits, -1, out=logits)
    return chosen, logits.gather(-1, target)[:, 0].to(full).clamp_min(torch.finfo(full).tiny).log()


def _lowered(p: Tensor, target: Tensor, by: float) -> Tensor:
    """p (r V or more) less `by` at the target of each of r rows, in place: r numbers are touched, where `scatter_add_` copies all
    of p twice."""
    rows = torch.arange(len(target), device=p.device)
    return p.index_put_((rows, target), p.new_full((), -by), accumulate=True)


def _full(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
