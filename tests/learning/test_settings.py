import json
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axw.errors import UsageError
from axw.learning import (
    OptimizerSettings,
    ScheduleSettings,
    TrainSettings,
    changes_between,
    from_dict,
    to_dict,
    with_settings,
)


@dataclass(frozen=True, kw_only=True)
class Inner:
    width: int = 8
    kind: Literal["relu", "swiglu"] = "relu"


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    name: str
    shares: tuple[float, float] = (0.5, 0.5)
    layers: tuple[int, ...] = ()
    tied: bool = True
    rate: float | None = None


def test_there_and_back_through_json():
    settings = TrainSettings(steps=7, ema=0.9, optimizer=OptimizerSettings(name="sgd", clip=None))
    assert from_dict(TrainSettings, json.loads(json.dumps(to_dict(settings)))) == settings
    outer = Outer(name="a", layers=(1, 2), inner=Inner(width=3))
    assert from_dict(Outer, json.loads(json.dumps(to_dict(outer)))) == outer


@given(
    st.builds(
        Outer,
        name=st.text(st.characters(codec="utf-8")).map(str.strip),
        layers=st.lists(st.integers(-3, 3)).map(tuple),
        shares=st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)),
        tied=st.booleans(),
        rate=st.none() | st.floats(allow_nan=False),
        inner=st.builds(Inner, width=st.integers(), kind=st.sampled_from(["relu", "swiglu"])),
    )
)
def test_the_changes_between_two_settings_make_one_of_the_other(wanted):
    start = Outer(name="a", layers=(1,), rate=0.5)
    assert with_settings(start, changes_between(wanted, start)) == wanted
    assert changes_between(start, start) == []


def test_changes_by_name():
    settings = with_settings(
        TrainSettings(steps=7),
        [
            "schedule.rate=1e-3",
            "schedule.name=cosine",
            "ema=0.99",
            "steps=none",
            "epochs = 3",
            "optimizer.clip=none",
        ],
    )
    assert settings.schedule == ScheduleSettings(rate=1e-3, name="cosine")
    assert (settings.ema, settings.steps, settings.epochs, settings.optimizer.clip) == (0.99, None, 3, None)
    outer = with_settings(
        Outer(name="a"), ["tied=false", "shares=0.2,0.8", "layers=1,2,3", "inner.kind=swiglu", "name=b=c"]
    )
    assert outer == Outer(name="b=c", tied=False, shares=(0.2, 0.8), layers=(1, 2, 3), inner=Inner(kind="swiglu"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("schedule.rat=1", r"Unknown setting 'schedule.rat'. Allowed: .*Did you mean 'rate'\?"),
        (
            "shedule.rate=1",
            r"Unknown setting 'shedule.rate'. Allowed: optimizer, schedule. Did you mean 'schedule'\?",
        ),
        ("schedule=1", "Unknown setting 'schedule'"),
        ("steps.rate=1", "Unknown setting 'steps.rate'"),
        ("steps", "'steps' is not a change"),
        ("steps=1.5", "steps is '1.5'; allowed: a whole number"),
        ("ema=often", "ema is 'often'; allowed: a number"),
        ("accumulate=none", "accumulate is 'none'; allowed: a whole number"),
        ("precision=fp16", "precision is 'fp16'. Allowed: bf16, fp32. Did you mean 'bf16'"),
        ("accumulate=0", "accumulate is 0; allowed: 1 or more"),
        ("schedule.rate=nan", "schedule.rate is nan; allowed: a number"),
    ],
)
def test_a_wrong_change_says_what_is_allowed(change, message):
    with pytest.raises(UsageError, match=message):
        with_settings(TrainSettings(steps=7), [change])


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(UsageError) as error:
        from_dict(TrainSettings, {"stepps": 3, "seed": "x", "schedule": {"rat": 1}, "optimizer": 4})
    for text in (
        "'stepps'",
        "seed is 'x'",
        "'schedule.rat'",
        "optimizer is 4; allowed: a mapping of settings",
    ):
        assert text in str(error.value)


def test_values_from_a_file_must_be_of_the_kind():
    for values, message in [
        ({"name": 3}, "name is 3; allowed: text"),
        ({"name": "a", "tied": 1}, "tied is 1; allowed: true or false"),
        ({"name": "a", "shares": [1.0]}, "shares is .*; allowed: 2 values"),
        ({"name": "a", "inner": {"width": 2.5}}, "inner.width is 2.5; allowed: a whole number"),
        ({"name": "a", "inner": {"width": True}}, "inner.width is True; allowed: a whole number"),
        ({}, "A setting without a default is missing"),
    ]:
        with pytest.raises(UsageError, match=message):
            from_dict(Outer, values)
    assert from_dict(Outer, {"name": "a", "rate": 1}).rate == 1.0


def test_a_budget_must_be_set_and_one_average_at_most():
    with pytest.raises(UsageError, match="No budget is set; allowed: at least one of steps, epochs, tokens, minutes"):
        TrainSettings()
    with pytest.raises(UsageError, match=r"ema is 0.9 and average 3; allowed: one of the two"):
        TrainSettings(steps=1, ema=0.9, average=3)
    with pytest.raises(UsageError, match=r"ema is 1.0; allowed: between 0 and 1"):
        TrainSettings(steps=1, ema=1.0)
    with pytest.raises(UsageError, match=r"optimizer.beta1 is 1.0; .*optimizer.clip is 0"):
        OptimizerSettings(beta1=1.0, clip=0)
