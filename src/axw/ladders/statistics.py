"""Is the difference between two models real? Paired over the folds of one cross-validation, and honest about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from axw.errors import UsageError

# Differences below this share of the losses are rounding: two ways of computing one model differ by as much.
ROUNDING = 1e-12


class Interval(NamedTuple):
    """A mean difference, its interval, and the two-sided p value of "there is no difference"."""

    mean: float
    low: float
    high: float
    p: float

    @property
    def below_zero(self) -> bool:
        return self.high < 0

    @property
    def above_zero(self) -> bool:
        return self.low > 0


def corrected_interval(
    differences: Sequence[float] | np.ndarray,
    train_size: float,
    test_size: float,
    level: float = 0.95,
    scale: float = 1.0,
) -> Interval:
    """The corrected resampled t interval: mean(d) ± t(J - 1) sqrt((1 / J + n_test / n_train) var(d)).

    differences (J,): model minus other model, one number a fold; NaN = no number, left out. Training sets of folds overlap, so
    the plain 1 / J is far too small: it would call noise a finding (Nadeau and Bengio 2003, "Inference for the
    generalization error").
    Folds that do not differ at all: the interval is the mean alone, p = 1 where it is 0 (up to rounding) and p = 0 elsewhere.
    Fewer than two folds say nothing: interval without ends, p = 1.
    scale: how large the losses are that were subtracted; differences of less than 1e-12 of it are rounding.

    Raises UsageError for a level outside (0, 1) or sizes that are not positive.
    """
    if not 0 < level < 1:
        raise UsageError(f"level is {level!r}; allowed: a number between 0 and 1.", "level", "0.95 is usual.")
    if not (train_size > 0 and test_size > 0):
        raise UsageError(f"train_size is {train_size!r} and test_size {test_size!r}; both must be above 0.", "sizes")
    d = np.asarray(differences, dtype=float)
    d = d[~np.isnan(d)]
    mean = float(d.mean()) if len(d) else float("nan")
    if len(d) < 2:
        return Interval(mean, float("-inf"), float("inf"), 1.0)
    if np.abs(d).max() <= ROUNDING * scale:
        return Interval(0.0, 0.0, 0.0, 1.0)
    error = float(np.sqrt((1 / len(d) + test_size / train_size) * d.var(ddof=1)))
    if error <= ROUNDING * abs(mean):
        return Interval(mean, mean, mean, 0.0)
    reach = float(stats.t.ppf(0.5 + level / 2, len(d) - 1)) * error
    p = 2 * float(stats.t.sf(abs(mean) / error, len(d) - 1))
    return Interval(mean, mean - reach, mean + reach, p)


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Adjusted p values (m,): the k-th smallest of m times m - k + 1, never falling, at most 1 (Holm 1979).

    Calling those below 0.05 findings makes the chance of even one false finding in the family at most 5 %.
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)) if len(p) else p
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def holm_intervals(
    differences: Sequence[Sequence[float] | np.ndarray],
    sizes: Sequence[tuple[float, float]],
    level: float = 0.95,
    scales: Sequence[float] | None = None,
) -> list[Interval]:
    """Corrected intervals of m comparisons that exclude 0 exactly where Holm's procedure finds a difference; p is Holm's.

    differences  m arrays (J,);  sizes  m pairs (train_size, test_size);  scales  m, of `corrected_interval`; None: 1

    Holm tests the k-th smallest p against alpha / (m - k + 1) and stops at the first that fails. Each interval is taken at the
    level of the test that decided it: 1 - alpha / (m - k + 1) down to that first failure, and the failure's level after it
    (Serlin 1993, "Confidence intervals and the scientific method: a case for Holm on the range"). So the decisions together
    hold the family-wise error alpha; each interval by itself covers at `level` or more, all of them at once need not.
    """
    scales = [1.0] * len(sizes) if scales is None else scales
    given = list(zip(differences, sizes, scales, strict=True))
    alone = [corrected_interval(d, train, test, level, scale) for d, (train, test), scale in given]
    adjusted = holm([interval.p for interval in alone])
    alpha, m = 1 - level, len(alone)
    intervals = list(alone)
    share = alpha
    stopped = False
    for k, i in enumerate(np.argsort([interval.p for interval in alone], kind="stable")):
        if not stopped:
            share = alpha / (m - k)
            stopped = alone[i].p > share
        d, (train_size, test_size), scale = given[i]
        wide = corrected_interval(d, train_size, test_size, 1 - share, scale)
        intervals[i] = wide._replace(p=float(adjusted[i]))
    return intervals
