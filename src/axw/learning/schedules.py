"""Learning rates as pure functions of the step, which counts from 1 (Luong's: of the epoch, which counts from 1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from axw.errors import UsageError

Schedule = Callable[[int, int], float]
"""(step, epoch) -> rate; both count from 1."""


def warmed(step: int, warmup: int) -> float:
    """min(1, step / warmup): the straight line up to full rate; 1 without a warm-up."""
    return min(1.0, step / warmup) if warmup > 0 else 1.0


def constant(step: int, *, rate: float, warmup: int = 0) -> float:
    """rate, after the warm-up."""
    return rate * warmed(step, warmup)


def linear(step: int, *, rate: float, steps: int, warmup: int = 0) -> float:
    """rate (S + 1 - step) / (S + 1 - warmup) after the warm-up, S = `steps`: a straight line to 0 just after the last step."""
    return rate * min(warmed(step, warmup), _left(step, steps, warmup))


def cosine(step: int, *, rate: float, steps: int, warmup: int = 0) -> float:
    """rate (1 + cos(pi t)) / 2 after the warm-up, t from 0 to 1 just after the last step (Loshchilov and Hutter 2017, eq. 5)."""
    return rate * min(warmed(step, warmup), (1 + math.cos(math.pi * (1 - _left(step, steps, warmup)))) / 2)


def inverse_square_root(step: int, *, rate: float, warmup: int) -> float:
    """rate min(step / warmup, sqrt(warmup / step)): Vaswani et al. 2017, eq. 3, with its greatest value as `rate`."""
    warmup = max(warmup, 1)
    return rate * min(step / warmup, math.sqrt(warmup / step))


def vaswani(step: int, *, d: int, warmup: int = 4000) -> float:
    """d^-0.5 min(step^-0.5, step warmup^-1.5), Vaswani et al. 2017, eq. 3, as printed; d is the model width."""
    return float(d**-0.5 * min(step**-0.5, step * warmup**-1.5))


def luong(epoch: int, *, rate: float = 1.0, halve_after: int = 5) -> float:
    """rate up to epoch `halve_after`, then halved every epoch.

    Luong et al. 2015, section 4.1: after 5 epochs, with dropout after 8, for plain SGD that starts at rate 1.
    """
    return rate * 0.5 ** max(0, epoch - halve_after)


def _left(step: int, steps: int, warmup: int) -> float:
    return min(1.0, max(0.0, (steps + 1 - step) / max(1, steps + 1 - warmup)))


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings:
    """Which schedule, and its numbers.

    name         constant, linear, cosine, inverse-square-root or luong
    rate         the greatest rate
    warmup       steps of the straight line up to it (not with luong)
    steps        where linear and cosine end; the budget's steps where this is None
    halve_after  luong: the last epoch of full rate
    """

    name: Literal["constant", "linear", "cosine", "inverse-square-root", "luong"] = "inverse-square-root"
    rate: float = 1e-3
    warmup: int = 1000
    steps: int | None = None
    halve_after: int = 5

    def __post_init__(self) -> None:
        if not (self.rate > 0 and math.isfinite(self.rate)):
            raise UsageError(f"schedule.rate is {self.rate}; allowed: a number above 0.")
        if self.warmup < 0 or self.halve_after < 0:
            raise UsageError(
                f"schedule.warmup is {self.warmup}, schedule.halve_after {self.halve_after}; allowed: 0 or more."
            )


def make_schedule(settings: ScheduleSettings, steps: int | None) -> Schedule:
    """The function (step, epoch) -> rate. `UsageError` where linear or cosine do not know their last step."""
    s, end = settings, settings.steps or steps
    if s.name == "luong":
        return lambda step, epoch: luong(epoch, rate=s.rate, halve_after=s.halve_after)
    if s.name == "constant":
        return lambda step, epoch: constant(step, rate=s.rate, warmup=s.warmup)
    if s.name == "inverse-square-root":
        return lambda step, epoch: inverse_square_root(step, rate=s.rate, warmup=s.warmup)
    if end is None:
        raise UsageError(
            f"The schedule {s.name!r} must know its last step, got none.",
            "In schedule.steps.",
            "Set schedule.steps, or a budget in steps.",
        )
    if s.name == "linear":
        return lambda step, epoch: linear(step, rate=s.rate, steps=end, warmup=s.warmup)
    return lambda step, epoch: cosine(step, rate=s.rate, steps=end, warmup=s.warmup)
