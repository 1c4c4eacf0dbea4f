"""Are answers alike for groups of people? Rates and calibration by group, with intervals; nothing here says what is fair.

A decision is "selected" where the favourable answer is given. With y = the favourable answer is the true one:

    selection rate        P(selected)
    false positive rate   P(selected | not y)          false negative rate   P(not selected | y)
    calibration gap       mean of P(y) - y             above 0: promised more than came true
    calibration error     as `calibration_error`, of the group's rows alone

Each group is compared with one of them, by difference and by ratio (group / reference). Intervals are from the bootstrap over
rows, or over units of rows that are drawn together (Efron 1979; Davison and Hinkley 1997, section 3.8 for clusters).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array

from axw.errors import DataError, UsageError
from axw.measures.tables import bins_of

GROUP_MEASURES = (
    "selection_rate",
    "false_positive_rate",
    "false_negative_rate",
    "calibration_gap",
    "calibration_error",
)
SMALL = 30  # a rate over fewer rows is flagged
BINS = 10
RATES = 3  # the first measures are shares of rows
_TOTAL, _SELECTED, _NO, _FALSE_YES, _YES, _FALSE_NO, _GAP, _BINS = range(8)
_COLUMNS = _BINS + BINS
_AT_ONCE = 4_000_000
_Z = 1.959963984540054


class Estimate(NamedTuple):
    """A number and the ends of its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float


class GroupMeasure(NamedTuple):
    """One measure of one group.

    rows        rows that the measure is about: of the false positive rate those that are not y, and so on
    small       fewer than SMALL of them, here or in the group that it is compared with
    difference  to the reference group;  ratio  to it, NaN for the calibration gap, which has a sign
    """

    group: str
    measure: str
    rows: float
    small: bool
    value: Estimate
    difference: Estimate
    ratio: Estimate


class Draws(NamedTuple):
    """How intervals are drawn.

    units      (n,) numbers of what is drawn together, such as the household of a row; None = each row for itself
    weight     (n,) what a row counts, such as 1/r where each was answered r times; None = 1
    resamples, seed
    """

    units: np.ndarray | None = None
    weight: np.ndarray | None = None
    resamples: int = 1000
    seed: int = 0


EACH_ROW = Draws()


def group_measures(
    y: np.ndarray,
    P: np.ndarray,
    group: np.ndarray,
    *,
    favourable: int,
    cut: float | None = None,
    reference: str | None = None,
    draws: Draws = EACH_ROW,
) -> list[GroupMeasure]:
    """Every measure of every group, groups in the order of their names.

    y           (n,) class numbers;  P (n c) probabilities;  group (n,) names, as text
    favourable  number of the class whose giving is to be selected
    cut         selected where its probability is at least this; None = where it is the likeliest class
    reference   the group that the others are compared with; None = the largest

    Raises `DataError` where lengths differ, `UsageError` for a cut outside 0 to 1, an unknown reference, or fewer than 2
    resamples.
    """
    n, names = len(y), sorted(set(group.tolist()))
    if not n or len(P) != n or len(group) != n:
        raise DataError(
            f"{n} answers, {len(P)} predictions and {len(group)} groups.", "groups", "Give one of each for each row."
        )
    if cut is not None and not 0 <= cut <= 1:
        raise UsageError(f"cut is {cut!r}; allowed: a probability, 0 to 1.", "cut")
    if draws.resamples < 2:
        raise UsageError(f"resamples is {draws.resamples!r}; allowed: at least 2.", "resamples", "1000 is usual.")
    weight = np.ones(n) if draws.weight is None else draws.weight
    if reference is None:
        reference = max(names, key=lambda name: float(weight[group == name].sum()))
    elif reference not in names:
        raise UsageError(f"There is no group {reference!r}.", "reference", f"Allowed: {', '.join(names)}.")
    selected = P.argmax(1) == favourable if cut is None else P[:, favourable] >= cut
    units = np.arange(n) if draws.units is None else np.unique(draws.units, return_inverse=True)[1].reshape(-1)
    place = np.searchsorted(names, group)
    sums = _sums(y, P, favourable, selected, place, weight, units)
    found, drawn = _measures(np.asarray(sums.sum(0))[None, :]), _drawn(sums, draws.resamples, draws.seed)
    counts = np.asarray(sums.sum(0)).reshape(len(names), _COLUMNS)[:, [_TOTAL, _NO, _YES, _TOTAL, _TOTAL]]
    at = names.index(reference)
    return [
        _measure(names[g], m, found[0, [g, at], m], drawn[:, [g, at], m], counts[[g, at], m], g == at)
        for g in range(len(names))
        for m in range(len(GROUP_MEASURES))
    ]


def _sums(
    y: np.ndarray,
    P: np.ndarray,
    favourable: int,
    selected: np.ndarray,
    place: np.ndarray,
    weight: np.ndarray,
    units: np.ndarray,
) -> csr_array:
    """(units, groups * columns): for each unit the sums of which every measure is made."""
    yes, bins = y == favourable, np.empty(len(y), dtype=np.int64)
    confidence = P.max(1)
    for g in range(int(place.max()) + 1):
        mine = np.flatnonzero(place == g)
        bins[mine] = bins_of(confidence[mine], BINS)
    values = [
        (_TOTAL, np.ones(len(y))),
        (_SELECTED, selected.astype(float)),
        (_NO, (~yes).astype(float)),
        (_FALSE_YES, (~yes & selected).astype(float)),
        (_YES, yes.astype(float)),
        (_FALSE_NO, (yes & ~selected).astype(float)),
        (_GAP, P[:, favourable] - yes),
        (_BINS + bins, (P.argmax(1) == y) - confidence),
    ]
    columns = np.concatenate([place * _COLUMNS + column for column, _ in values])
    data = np.concatenate([value * weight for _, value in values])
    shape = (int(units.max()) + 1, (int(place.max()) + 1) * _COLUMNS)
    return csr_array(coo_array((data, (np.tile(units, len(values)), columns)), shape=shape))


def _measures(sums: np.ndarray) -> np.ndarray:
    """(draws, groups, measures) of the sums (draws, groups * columns); NaN where a measure is about no row."""
    T = sums.reshape(len(sums), -1, _COLUMNS)
    parts = (T[..., _SELECTED], T[..., _FALSE_YES], T[..., _FALSE_NO], T[..., _GAP], np.abs(T[..., _BINS:]).sum(-1))
    whole = (T[..., _TOTAL], T[..., _NO], T[..., _YES], T[..., _TOTAL], T[..., _TOTAL])
    above, below = np.stack(parts, -1), np.stack(whole, -1)
    return np.asarray(np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0))


def _drawn(sums: csr_array, resamples: int, seed: int) -> np.ndarray:
    """(resamples, groups, measures): every unit drawn as often as there are units, with replacement."""
    units, random = sums.shape[0], np.random.default_rng(seed)
    chunk, found = max(1, _AT_ONCE // units), []
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        times = np.stack([np.bincount(random.integers(0, units, units), minlength=units) for _ in range(size)])
        found.append(_measures(np.asarray((sums.T @ times.T.astype(float)).T)))
    return np.concatenate(found)


def _measure(name: str, m: int, found: np.ndarray, drawn: np.ndarray, counts: np.ndarray, itself: bool) -> GroupMeasure:
    """One line; found (2,), drawn (resamples, 2) and counts (2,) are of the group and of the reference."""
    measure, rate = GROUP_MEASURES[m], m < RATES
    shifted = measure == "calibration_error"
    values = [_estimate(found[i], drawn[:, i], shifted) for i in range(2)]
    if rate:
        values = [
            _wilson(each, count) if each.low == each.high else each for each, count in zip(values, counts, strict=True)
        ]
    if shifted:
        values = [each._replace(low=each.low if np.isnan(each.low) else max(0.0, each.low)) for each in values]
    none = Estimate(np.nan, np.nan, np.nan)
    difference = ratio = none
    if not itself:
        difference = _estimate(found[0] - found[1], drawn[:, 0] - drawn[:, 1], shifted)
        if rate and any(len(np.unique(drawn[:, i])) == 1 for i in range(2)):
            difference = _newcombe(*values)
        if measure != "calibration_gap" and found[1] > 0:
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = _estimate(found[0] / found[1], drawn[:, 0] / drawn[:, 1], shifted)
            ratio = ratio if ratio.low < ratio.high else Estimate(ratio.value, np.nan, np.nan)
    small = bool(counts.min() < SMALL)
    return GroupMeasure(name, measure, float(counts[0]), small, values[0], difference, ratio)


def _estimate(value: float, drawn: np.ndarray, shifted: bool) -> Estimate:
    """The middle 95 % of the draws. Noise only ever raises a calibration error, once in the rows and again in each draw: its
    draws are moved so that their median is the value."""
    known = drawn[np.isfinite(drawn)]
    if len(known) < 0.95 * len(drawn) or not np.isfinite(value):
        return Estimate(float(value), np.nan, np.nan)
    low, middle, high = np.quantile(known, [0.025, 0.5, 0.975])
    if shifted:
        low, high = low + value - middle, high + value - middle
    return Estimate(float(value), float(low), float(high))


def _wilson(rate: Estimate, rows: float) -> Estimate:
    """Where none or all of the rows are selected every draw is the same, which is no certainty (Wilson 1927)."""
    p, z2 = rate.value, _Z**2
    if not rows > 0:
        return rate
    middle, reach = p + z2 / (2 * rows), _Z * np.sqrt(p * (1 - p) / rows + z2 / (4 * rows**2))
    return Estimate(
        p, float(max(0.0, (middle - reach) / (1 + z2 / rows))), float(min(1.0, (middle + reach) / (1 + z2 / rows)))
    )


def _newcombe(one: Estimate, other: Estimate) -> Estimate:
    """The interval of a difference from those of both rates (Newcombe 1998, method 10)."""
    d = one.value - other.value
    low = d - np.hypot(one.value - one.low, other.high - other.value)
    return Estimate(d, float(low), float(d + np.hypot(one.high - one.value, other.value - other.low)))
