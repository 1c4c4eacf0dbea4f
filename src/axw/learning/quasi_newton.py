"""L-BFGS that starts from a metric, and whose memory of the curvature is a value that can be taken along.

    s = x' - x,  y = g' - g;   the next step is -H g,  H by the two loops of Nocedal 1980 from the last pairs (s, y),
                               with a metric near the inverse of the Hessian in place of the multiple of I

For smooth and convex objectives. SciPy's L-BFGS-B begins with nothing known at each call; this one takes a metric, and goes from
single to double precision with what it has learned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]
Metric = Callable[[np.ndarray], np.ndarray]

PAIRS = 20
_LEAST_FALL, _LEFT_OF_SLOPE = 1e-4, 0.9
_TRIES, _IDLE = 20, 5


class Curvature(NamedTuple):
    """Steps s and what the gradient changed by over each, y; the oldest first."""

    pairs: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    def seen(self, s: np.ndarray, y: np.ndarray) -> Curvature:
        """With one more pair, where the objective curves along it."""
        if not s @ y > 1e-12 * np.linalg.norm(s) * np.linalg.norm(y):
            return self
        return Curvature((*self.pairs, (s, y))[-PAIRS:])

    def step(self, gradient: np.ndarray, metric: Metric) -> np.ndarray:
        """-H g."""
        q, shares = gradient.copy(), []
        for s, y in reversed(self.pairs):
            shares.append((s @ q) / (s @ y))
            q -= shares[-1] * y
        q = metric(q)
        if self.pairs:
            s, y = self.pairs[-1]
            q *= (s @ y) / (y @ metric(y))
        for (s, y), share in zip(self.pairs, reversed(shares), strict=True):
            q += (share - (y @ q) / (s @ y)) * s
        return -q


class Point(NamedTuple):
    """Where a search is: x (p,), the objective and its gradient there."""

    x: np.ndarray
    value: float
    gradient: np.ndarray

    def steepest(self) -> float:
        """The greatest number of the gradient."""
        return float(np.abs(self.gradient).max(initial=0.0))


def descend(
    objective: Objective,
    start: np.ndarray | Point,
    metric: Metric,
    curvature: Curvature | None = None,
    *,
    tolerance: float,
    noise: float = 1e-15,
    most: int = 1000,
) -> tuple[Point, Curvature]:
    """To where no number of the gradient is above `tolerance`, or the objective no longer falls, or after `most` steps.

    start  x (p,), or a point where the objective is known already
    noise  the share of the objective that is rounding: a step that falls by less is told by its slope alone
    Where the objective is not finite at the start, it stays there.
    """
    curvature, idle = curvature or Curvature(), 0
    with np.errstate(all="ignore"):  # what is not finite is seen in the objective and its gradient
        at = start if isinstance(start, Point) else Point(start, *objective(start))
        for _ in range(most):
            finite = np.isfinite(at.value) and np.isfinite(at.gradient).all()
            if not finite or at.steepest() <= tolerance or idle >= _IDLE:
                break
            there = _along(objective, at, curvature.step(at.gradient, metric), noise)
            if there is None and curvature.pairs:  # what was learned elsewhere leads nowhere here
                curvature = Curvature()
                there = _along(objective, at, -metric(at.gradient), noise)
            if there is None:
                break
            curvature = curvature.seen(there.x - at.x, there.gradient - at.gradient)
            idle = idle + 1 if at.value - there.value <= 1e-15 * abs(at.value) else 0
            at = there
    return at, curvature


def _along(objective: Objective, at: Point, step: np.ndarray, noise: float) -> Point | None:
    """The first point along the step that falls by enough: the whole step, or shorter ones; None where there is none.

    Falls by less than rounding cannot be seen in the objective. There the slope tells: it must have lost some of its size, and
    not have turned to more than that (Hager and Zhang 2005, the approximate Wolfe conditions).
    """
    slope, share = float(at.gradient @ step), 1.0
    if not slope < 0:
        return None
    for _ in range(_TRIES):
        x = at.x + share * step
        there = Point(x, *objective(x))
        if there.value <= at.value + _LEAST_FALL * share * slope:
            return there
        if there.value <= at.value + noise * abs(at.value):
            left = float(there.gradient @ step)
            if _LEFT_OF_SLOPE * slope <= left <= -_LEFT_OF_SLOPE * slope:
                return there
        above = there.value - at.value - share * slope
        least = -0.5 * slope * share**2 / above if np.isfinite(above) and above > 0 else 0.1 * share
        share = min(max(least, 0.1 * share), 0.5 * share)
    return None
