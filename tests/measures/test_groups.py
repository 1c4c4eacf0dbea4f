"""Rates by group are those of fairlearn and of the plain counts, and intervals hold what they should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axw.errors import DataError, UsageError
from axw.measures import GROUP_MEASURES, Draws, calibration_error, group_measures


def answered(n=211, seed=0, groups="abc"):
    rng = np.random.default_rng(seed)
    group = rng.choice(list(groups), n)
    p = rng.beta(2, 2, n)
    y = (rng.random(n) < np.clip(p + 0.2 * (group == "a"), 0, 1)).astype(int)
    return y, np.stack([1 - p, p], 1), group


def values(found):
    return {(each.group, each.measure): each.value.value for each in found}


@pytest.mark.parametrize("cut", [None, 0.3])
def test_they_are_the_counts(cut):
    y, P, group = answered()
    found = group_measures(y, P, group, favourable=1, cut=cut, draws=Draws(resamples=20))
    assert [each.measure for each in found[:5]] == list(GROUP_MEASURES)
    selected = P[:, 1] > 0.5 if cut is None else P[:, 1] >= cut
    told = values(found)
    for name in "abc":
        mine = group == name
        assert told[name, "selection_rate"] == pytest.approx(selected[mine].mean())
        assert told[name, "false_positive_rate"] == pytest.approx(selected[mine & (y == 0)].mean())
        assert told[name, "false_negative_rate"] == pytest.approx((~selected[mine & (y == 1)]).mean())
        assert told[name, "calibration_gap"] == pytest.approx((P[mine, 1] - y[mine]).mean())
        assert told[name, "calibration_error"] == pytest.approx(calibration_error(y[mine], P[mine]))


def test_they_are_those_of_fairlearn():
    fairlearn = pytest.importorskip("fairlearn.metrics")
    y, P, group = answered(seed=3)
    measures = {
        "selection_rate": fairlearn.selection_rate,
        "false_positive_rate": fairlearn.false_positive_rate,
        "false_negative_rate": fairlearn.false_negative_rate,
    }
    theirs = fairlearn.MetricFrame(metrics=measures, y_true=y, y_pred=P.argmax(1), sensitive_features=group)
    found = group_measures(y, P, group, favourable=1, draws=Draws(resamples=20))
    for (name, measure), value in values(found).items():
        if measure in measures:
            assert value == pytest.approx(theirs.by_group.loc[name, measure])
    largest = theirs.difference(method="between_groups")
    for measure in measures:
        rates = [value for (_, each), value in values(found).items() if each == measure]
        assert max(rates) - min(rates) == pytest.approx(largest[measure])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 60))
def test_the_order_of_rows_and_names_of_groups_play_no_part(seed, n):
    y, P, group = answered(n, seed)
    order = np.random.default_rng(seed).permutation(n)
    plain = group_measures(y, P, group, favourable=1, draws=Draws(resamples=5))
    turned = group_measures(y[order], P[order], group[order], favourable=1, draws=Draws(resamples=5))
    named = group_measures(y, P, np.char.add("x", group), favourable=1, draws=Draws(resamples=5))
    for a, b, c in zip(plain, turned, named, strict=True):
        assert a.value.value == pytest.approx(b.value.value, nan_ok=True)
        assert a.value == pytest.approx(c.value, nan_ok=True)
        assert (a.rows, a.small) == (b.rows, b.small) == (c.rows, c.small)


def test_answers_given_twice_count_once():
    y, P, group = answered()
    once = group_measures(y, P, group, favourable=1, draws=Draws(resamples=50))
    units, weight = np.tile(np.arange(len(y)), 2), np.full(2 * len(y), 0.5)
    twice = group_measures(
        np.tile(y, 2), np.tile(P, (2, 1)), np.tile(group, 2), favourable=1, draws=Draws(units, weight, 50)
    )
    for a, b in zip(once, twice, strict=True):
        assert a.rows == pytest.approx(b.rows)
        if a.measure != "calibration_error":  # whose bins are cut elsewhere
            assert a.value == pytest.approx(b.value) and a.difference == pytest.approx(b.difference, nan_ok=True)


def test_rows_that_are_drawn_together_are_less_certain():
    rng = np.random.default_rng(1)
    household = np.repeat(np.arange(60), 7)
    p = np.repeat(rng.choice([0.2, 0.8], 60), 7)
    P, y = np.stack([1 - p, p], 1), (rng.random(420) < p).astype(int)
    alone, together = (
        group_measures(y, P, np.full(420, "a"), favourable=1, draws=Draws(units))[0].value
        for units in (None, household)
    )
    assert together.value == alone.value
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_the_interval_of_a_rate_is_near_the_textbook_s():
    y, P, group = answered(997, 5, "ab")
    rate = next(each for each in group_measures(y, P, group, favourable=1) if each.measure == "selection_rate")
    error = np.sqrt(rate.value.value * (1 - rate.value.value) / rate.rows)
    assert rate.value.high - rate.value.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert rate.value.low < rate.value.value < rate.value.high


def test_no_row_selected_is_no_certainty():
    P = np.tile([0.9, 0.1], (40, 1))
    found = group_measures(np.zeros(40, int), P, np.repeat(["a", "b"], 20), favourable=1, reference="b")
    rate = found[0]
    assert rate.value == pytest.approx((0.0, 0.0, 0.161), abs=1e-3)  # Wilson's interval of 0 of 20
    assert rate.difference == pytest.approx((0.0, -0.161, 0.161), abs=1e-3)
    assert np.isnan(rate.ratio.value)
    assert rate.small and np.isnan(found[2].value.value) and found[2].rows == 0  # nobody could be missed


def test_the_reference_is_compared_with_nobody():
    y, P, group = answered(groups="aab")
    found = group_measures(y, P, group, favourable=1, draws=Draws(resamples=50))
    for each in found:
        assert np.isnan(each.difference.value) == (each.group == "a")
    told = values(found)
    b = next(each for each in found if each.group == "b" and each.measure == "selection_rate")
    assert b.difference.value == pytest.approx(told["b", "selection_rate"] - told["a", "selection_rate"])
    assert b.ratio.value == pytest.approx(told["b", "selection_rate"] / told["a", "selection_rate"])
    assert b.difference.low <= b.difference.value <= b.difference.high


def test_a_calibration_error_lies_in_its_interval():
    for seed in range(5):
        y, P, group = answered(83, seed)
        for each in group_measures(y, P, group, favourable=1, draws=Draws(resamples=200)):
            if each.measure == "calibration_error":
                assert 0 <= each.value.low <= each.value.value <= each.value.high


def test_one_seed_one_answer():
    y, P, group = answered()
    one, again, other = (
        group_measures(y, P, group, favourable=1, draws=Draws(resamples=50, seed=s)) for s in (1, 1, 2)
    )
    assert str(one) == str(again) != str(other)


@pytest.mark.parametrize(
    ("how", "kind", "text"),
    [
        ({"cut": 2}, UsageError, "cut is 2; allowed: a probability"),
        ({"reference": "z"}, UsageError, r"no group 'z'.\nreference\nAllowed: a, b, c"),
        ({"draws": Draws(resamples=1)}, UsageError, "resamples is 1; allowed: at least 2"),
        ({"group": np.array(["a"])}, DataError, "211 answers, 211 predictions and 1 groups"),
    ],
)
def test_errors(how, kind, text):
    y, P, group = answered()
    with pytest.raises(kind, match=text):
        group_measures(y, P, how.pop("group", group), favourable=1, **how)
