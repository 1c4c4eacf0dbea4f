"""Averages of weights: along training (exponential), and of several checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from axw.errors import ModelError, UsageError


class Ema:
    """E <- d E + (1 - d) W after every step t, with d = min(decay, (1 + t) / (10 + t)) so that the start is soon forgotten.

    Polyak and Juditsky 1992; the warm-up is that of TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, values: Sequence[Tensor], decay: float) -> None:
        self.values, self.decay = [v.detach().clone() for v in values], decay

    def update(self, values: Sequence[Tensor], step: int) -> None:
        share = 1.0 - min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, value in zip(self.values, values, strict=True):
                mean.lerp_(value, share)


class LastMean:
    """The mean of the last `most` weights that were added (Vaswani et al. 2017, section 6.1, averages 5 or 20 checkpoints)."""

    def __init__(self, most: int) -> None:
        self.most, self.added = most, list[list[Tensor]]()

    def add(self, values: Sequence[Tensor]) -> None:
        self.added = [*self.added, [v.detach().clone() for v in values]][-self.most :]

    @property
    def values(self) -> list[Tensor]:
        with torch.no_grad():
            return [torch.stack(same).mean(0) for same in zip(*self.added, strict=True)]


def average(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of several checkpoints, name by name; what is not a floating number (a counter) is the last one's.

    `UsageError` for none at all, `ModelError` where names or shapes differ.
    """
    if not states:
        raise UsageError("There are 0 checkpoints to average; allowed: 1 or more.", todo="Give at least one.")
    last = states[-1]
    for state in states:
        if {n: t.shape for n, t in state.items()} != {n: t.shape for n, t in last.items()}:
            odd = sorted(
                n for n in {*state, *last} if n not in state or n not in last or state[n].shape != last[n].shape
            )
            raise ModelError(
                f"The checkpoints hold different tensors: {', '.join(odd[:5])}; allowed: checkpoints of one model.",
                todo="Average checkpoints of one run.",
            )
    return {
        name: torch.stack([s[name].double() for s in states]).mean(0).to(tensor.dtype)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in last.items()
    }
