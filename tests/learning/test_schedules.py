import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axw.errors import UsageError
from axw.learning.schedules import (
    ScheduleSettings,
    constant,
    cosine,
    inverse_square_root,
    linear,
    luong,
    make_schedule,
    vaswani,
)


def test_vaswani_equation_3_worked_by_hand():
    assert vaswani(4000, d=512) == pytest.approx(512**-0.5 * 4000**-0.5)
    assert vaswani(1, d=512) == pytest.approx(512**-0.5 * 4000**-1.5)
    assert vaswani(16000, d=512) == pytest.approx(vaswani(4000, d=512) / 2)


@given(st.integers(1, 100_000), st.integers(1, 5000), st.sampled_from([64, 512]))
def test_inverse_square_root_is_vaswani_with_its_greatest_rate(step, warmup, d):
    peak = (d * warmup) ** -0.5
    assert inverse_square_root(step, rate=peak, warmup=warmup) == pytest.approx(vaswani(step, d=d, warmup=warmup))


def test_luong_halves_every_epoch_after_the_fifth():
    assert [luong(e) for e in (1, 5, 6, 7, 10)] == [1.0, 1.0, 0.5, 0.25, 2.0**-5]
    assert [luong(e, halve_after=8) for e in (8, 9, 12)] == [1.0, 0.5, 2.0**-4]


@given(st.integers(2, 500), st.integers(0, 100))
def test_rates_rise_to_the_greatest_then_fall_and_stay_above_zero(steps, warmup):
    warmup = min(warmup, steps - 1)
    for schedule in (linear, cosine):
        rates = [schedule(step, rate=3.0, steps=steps, warmup=warmup) for step in range(1, steps + 1)]
        top = max(warmup, 1) - 1
        assert all(0 < rate <= 3.0 + 1e-12 for rate in rates)
        assert rates[:top] == sorted(rates[:top]) and rates[top:] == sorted(rates[top:], reverse=True)
        assert schedule(steps + 1, rate=3.0, steps=steps, warmup=warmup) == pytest.approx(0.0, abs=1e-12)
        if warmup:
            assert rates[warmup - 1] == pytest.approx(3.0)


def test_linear_and_cosine_half_way():
    assert linear(51, rate=2.0, steps=100) == pytest.approx(2.0 * 50 / 101)
    assert cosine(51, rate=2.0, steps=100) == pytest.approx(1 + math.cos(math.pi * 51 / 101))


def test_constant_and_its_warmup():
    assert [constant(step, rate=4.0, warmup=4) for step in (1, 2, 4, 9)] == [1.0, 2.0, 4.0, 4.0]
    assert constant(1, rate=4.0) == 4.0


@pytest.mark.parametrize("name", ["constant", "linear", "cosine", "inverse-square-root", "luong"])
def test_settings_name_each_schedule(name):
    schedule = make_schedule(ScheduleSettings(name=name, rate=0.5, warmup=0, halve_after=2), steps=10)
    want = {
        "constant": 0.5,
        "linear": linear(4, rate=0.5, steps=10),
        "cosine": cosine(4, rate=0.5, steps=10),
        "inverse-square-root": 0.25,
        "luong": 0.125,
    }
    assert schedule(4, 4) == pytest.approx(want[name])


def test_own_steps_come_before_the_budget():
    assert make_schedule(ScheduleSettings(name="linear", warmup=0, steps=20), 10)(11, 1) > 0


def test_errors_say_what_is_allowed():
    with pytest.raises(UsageError, match="'cosine' must know its last step") as error:
        make_schedule(ScheduleSettings(name="cosine"), None)
    assert "Set schedule.steps, or a budget in steps." in str(error.value)
    with pytest.raises(UsageError, match="schedule.rate is 0; allowed: a number above 0"):
        ScheduleSettings(rate=0)
    with pytest.raises(UsageError, match="schedule.warmup is -1"):
        ScheduleSettings(warmup=-1)
