"""Paired intervals: against numbers worked by hand, and against what they promise when simulated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from axw.errors import UsageError
from axw.ladders import corrected_interval, holm, holm_intervals


def test_a_hand_worked_example():
    # mean 0.02, deviations -1, 0, 1, 0, 0 hundredths: variance 2e-4 / 4 = 5e-5.
    # Factor 1/5 + 20/80 = 0.45; standard error sqrt(0.45 * 5e-5) = 0.00474342; t(0.975, 4) = 2.7764451.
    found = corrected_interval([0.01, 0.02, 0.03, 0.02, 0.02], train_size=80, test_size=20)
    assert found.mean == pytest.approx(0.02)
    assert found.low == pytest.approx(0.02 - 2.7764451 * 0.00474342, abs=1e-7)
    assert found.high == pytest.approx(0.02 + 2.7764451 * 0.00474342, abs=1e-7)
    # t = 4.21637 on 4 degrees of freedom.
    assert found.p == pytest.approx(0.0135, abs=5e-4)


def test_without_overlap_it_is_the_paired_t_test():
    d = np.random.default_rng(0).normal(0.3, 1.0, 11)
    found = corrected_interval(d, train_size=1e12, test_size=1)
    plain = stats.ttest_1samp(d, 0.0)
    assert found.p == pytest.approx(plain.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(plain.confidence_interval(0.95)))


def test_it_covers_where_the_plain_interval_does_not():
    """Losses of 10 test folds that share their training noise: the correlation n_test / n that Nadeau and Bengio assume."""
    rng, folds, share = np.random.default_rng(1), 10, 0.1
    shared = rng.normal(size=(4000, 1)) * np.sqrt(share)
    d = shared + rng.normal(size=(4000, folds)) * np.sqrt(1 - share)
    covered = [corrected_interval(row, 90, 10) for row in d]
    rate = np.mean([c.low <= 0 <= c.high for c in covered])
    plain = np.mean([abs(stats.ttest_1samp(row, 0.0).statistic) <= stats.t.ppf(0.975, folds - 1) for row in d[:1000]])
    assert 0.935 < rate < 0.965
    assert plain < 0.88


def test_no_variance_and_too_few_folds():
    assert corrected_interval([0.0, 0.0, 1e-17], 8, 2) == (0.0, 0.0, 0.0, 1.0)
    assert corrected_interval([0.5, 0.5, 0.5], 8, 2) == (0.5, 0.5, 0.5, 0.0)
    for few in ([0.3], [0.3, np.nan]):
        assert corrected_interval(few, 8, 2) == (0.3, -np.inf, np.inf, 1.0)
    assert np.isnan(corrected_interval([], 8, 2).mean)
    assert corrected_interval([0.1, np.nan, 0.2], 8, 2) == corrected_interval([0.1, 0.2], 8, 2)


def test_holm_by_hand():
    # sorted .01 .02 .03 .04 times 4 3 2 1: .04 .06 .06 .04, never falling: .04 .06 .06 .06
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)


differences = st.lists(
    st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=4, max_size=4), min_size=0, max_size=6
)


@given(differences, st.sampled_from([0.9, 0.95, 0.99]))
@settings(deadline=None, max_examples=150)
def test_interval_and_decision_agree(rows, level):
    found = holm_intervals(rows, [(75.0, 25.0)] * len(rows), level)
    alone = [corrected_interval(row, 75, 25, level) for row in rows]
    for wide, narrow in zip(found, alone, strict=True):
        if abs(wide.p - (1 - level)) > 1e-9:
            assert (wide.p < 1 - level) == (wide.below_zero or wide.above_zero)
        assert wide.low <= narrow.low + 1e-12 and wide.high >= narrow.high - 1e-12
        assert wide.p >= narrow.p


def test_family_wise_error_is_held():
    rng = np.random.default_rng(2)
    sizes = [(1e9, 1.0)] * 5
    wrong = [any(not i.low <= 0 <= i.high for i in holm_intervals(rng.normal(size=(5, 10)), sizes)) for _ in range(800)]
    assert np.mean(wrong) < 0.07


def test_what_is_not_allowed():
    with pytest.raises(UsageError, match="level is 95; allowed: a number between 0 and 1"):
        corrected_interval([1.0, 2.0], 8, 2, level=95)
    with pytest.raises(UsageError, match="test_size 0; both must be above 0"):
        corrected_interval([1.0, 2.0], 8, 0)


def test_what_is_rounding_is_a_share_of_the_losses():
    d = np.array([1.0, 2.0, 1.5, 1.8]) * 1e-15
    assert corrected_interval(d, 8, 2) == (0.0, 0.0, 0.0, 1.0)
    large = corrected_interval(d * 1e15, 8, 2, scale=2.0)
    small = corrected_interval(d, 8, 2, scale=2e-15)
    np.testing.assert_allclose(np.array(small[:3]) * 1e15, large[:3])
    assert small.p == pytest.approx(large.p)
    assert (
        holm_intervals([d], [(8, 2)], scales=[2e-15])[0].above_zero and not holm_intervals([d], [(8, 2)])[0].above_zero
    )
