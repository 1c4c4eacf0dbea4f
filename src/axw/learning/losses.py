"""Losses before they are divided: a sum and how many terms it has.

A mean of means is wrong as soon as two micro-batches, or two devices, hold a different number of words. So a loss says its sum
and its count, and the trainer divides once: (sum over all micro-batches and devices) / (count over all of them).
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from axw.errors import UsageError


class Measured(NamedTuple):
    """A loss before it is divided: `sum` of its terms (a scalar with a gradient) and their `count`."""

    sum: Tensor
    count: int  # type: ignore[assignment]  # it hides tuple.count, which nobody needs here

    @property
    def mean(self) -> float:
        """sum / count, as a number; 0 where nothing was counted."""
        return float(self.sum.detach()) / self.count if self.count else 0.0


def cross_entropy(logits: Tensor, target: Tensor, *, smoothing: float = 0.0, padding: int | None = None) -> Measured:
    """sum_i -[(1 - e) log p(y_i) + e / V sum_v log p(v)], over the i where y_i is not `padding`.

    logits (... V); target (...) of class numbers; e = `smoothing` (Szegedy et al. 2016, section 7; Vaswani et al. 2017, 5.4).
    `UsageError` where the shapes do not match or e is not in [0, 1).
    """
    if logits.shape[:-1] != target.shape:
        raise UsageError(
            f"logits have shape {tuple(logits.shape)}, targets {tuple(target.shape)}; allowed: logits (..., V), targets (...).",
            "In cross_entropy.",
        )
    if not 0.0 <= smoothing < 1.0:
        raise UsageError(f"smoothing is {smoothing}; allowed: 0 or more, below 1.", "In cross_entropy.")
    ignored = -100 if padding is None else padding
    total = F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float()
        if logits.element_size() < 4
        else logits.reshape(-1, logits.shape[-1]),
        target.reshape(-1),
        ignore_index=ignored,
        reduction="sum",
        label_smoothing=smoothing,
    )
    return Measured(total, int((target != ignored).sum()))


def binary_cross_entropy(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Measured:
    """sum_i s_i [log(1 + exp z_i) - y_i z_i], y_i in [0, 1]; logits, target and weight s of one shape. Counts every term."""
    _same_shape("binary_cross_entropy", logits, target, weight)
    loss = F.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), weight=weight, reduction="sum")
    return Measured(loss, target.numel())


def squared_error(output: Tensor, target: Tensor, weight: Tensor | None = None) -> Measured:
    """sum_i s_i (y_i - f_i)^2; output, target and weight s of one shape. Counts every term."""
    _same_shape("squared_error", output, target, weight)
    square = (output - target).square()
    return Measured((square if weight is None else weight * square).sum(), target.numel())


def _same_shape(name: str, output: Tensor, target: Tensor, weight: Tensor | None) -> None:
    shapes = [tuple(t.shape) for t in (output, target, weight) if t is not None]
    if len(set(shapes)) > 1:
        raise UsageError(
            f"outputs, targets and weights have shapes {', '.join(map(str, shapes))}; allowed: one shape for all.",
            f"In {name}.",
        )
