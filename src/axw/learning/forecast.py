"""What a run will come to, said before its first step: how many steps and epochs its budget is, and how long they take."""

from __future__ import annotations

import math
from typing import NamedTuple

from axw.learning.progress import Progress, duration
from axw.learning.settings import TrainSettings


class Trial(NamedTuple):
    """seconds: of the losses and gradients of one step; tokens: what these losses counted."""

    seconds: float
    tokens: int


def steps_left(progress: Progress, settings: TrainSettings, batches_per_epoch: int | None, trial: Trial) -> float:
    """How many steps the budget still allows: exactly where it is of steps or epochs, else as the trial step makes expect."""
    p, s = progress, settings
    left: list[float] = []
    if s.steps is not None:
        left.append(s.steps - p.step)
    if s.epochs is not None and batches_per_epoch:
        whole = (s.epochs - p.epoch + 1) * math.ceil(batches_per_epoch / s.accumulate)
        left.append(whole - math.ceil(p.index / s.accumulate))
    if s.tokens is not None:
        left.append((s.tokens - p.tokens) / max(trial.tokens, 1))
    if s.minutes is not None:
        left.append((s.minutes * 60 - p.seconds) / max(trial.seconds, 1e-9))
    return max(0.0, min(left, default=math.inf))


def forecast(progress: Progress, settings: TrainSettings, batches_per_epoch: int | None, trial: Trial) -> str:
    """`0.31 s a step: 12,000 steps, 25.3 epochs of 475, take about 62 min`; with `patience` they are the most it may take."""
    left = steps_left(progress, settings, batches_per_epoch, trial)
    said = f"about {trial.seconds:.3g} s a step: "
    if math.isinf(left):
        return said + "no budget says how many steps it will be"
    steps = math.ceil(left)
    said += f"{'at most ' if settings.patience is not None else ''}{steps:,} steps"
    if batches_per_epoch:
        epoch = math.ceil(batches_per_epoch / settings.accumulate)
        said += f", {steps / epoch:.3g} epochs of {epoch:,},"
    return f"{said} take about {duration(steps * trial.seconds)}, evaluations not counted"
