import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axw.show.charts import (
    Bin,
    Part,
    Step,
    bar_chart,
    calibration_chart,
    contribution_chart,
    decades,
    even_ticks,
    ladder_chart,
    short,
    signed,
)
from axw.show.svg import Svg, number
from tests.show.nasty import NASTY
from tests.show.test_escaping import Reader

STEPS = [
    Step(1, "mean", 0.01, 0.66, 0.65, 0.67, False),
    Step(2, "linear", 0.2, 0.48, 0.46, 0.50, False),
    Step(3, "smoothing", 0.2, 0.47, 0.45, 0.49, True),
    Step(4, "attention", 3.0, float("nan"), 0.44, 0.49, False),
]


def chart_of(words: str) -> list[Svg]:
    return [
        ladder_chart([step._replace(name=words) for step in STEPS], measure=words, cost=words, title=words),
        calibration_chart([Bin(0.2, 0.3, 0.1, 0.4, 70), Bin(0.8, 0.7, 0.6, 0.9, 60)], title=words),
        bar_chart([(words, 3.0), ("two", 0.0)], title=words, unit=words),
        contribution_chart([Part(words, 0.3), Part(words, -0.2)], title=words, unit=words),
    ]


@pytest.mark.parametrize("words", NASTY)
def test_the_shape_of_a_picture_does_not_depend_on_the_words_in_it(words):
    for plain, hostile in zip(chart_of("plain"), chart_of(words), strict=True):
        assert Reader(hostile.to_text()).tags == Reader(plain.to_text()).tags


def test_the_same_numbers_give_the_same_bytes():
    assert [c.to_text() for c in chart_of("a")] == [c.to_text() for c in chart_of("a")]


def test_a_picture_says_what_it_is_to_a_screen_reader():
    text = ladder_chart(STEPS, measure="log loss", cost="seconds", title="smoothing pays").to_text()
    assert 'role="img"' in text and "<title>smoothing pays</title>" in text and "<desc>" in text


def test_a_rung_without_a_finite_value_is_not_drawn():
    text = ladder_chart(STEPS, measure="log loss", cost="seconds", title="t").to_text()
    assert text.count("<circle") == 3
    empty = ladder_chart(STEPS[3:], measure="log loss", cost="seconds", title="t").to_text()
    assert "There is nothing to draw" in empty


def test_a_line_joins_a_rung_with_the_one_that_it_extends():
    steps = [STEPS[0], STEPS[1]._replace(below=1), STEPS[2]._replace(below=1), STEPS[3]._replace(below=3)]
    text = ladder_chart(steps, measure="m", cost="c", title="t").to_text()
    assert text.count('<path class="steps"') == 2  # the last has no finite value


def test_points_at_one_place_are_drawn_apart():
    steps = [step._replace(cost=1.0, value=0.5, low=0.4, high=0.6) for step in STEPS]
    text = ladder_chart(steps, measure="m", cost="c", title="t").to_text()
    places = re.findall(r'<circle class="[a-z ]+" cx="([\d.]+)" cy="([\d.]+)"', text)
    assert len(set(places)) == 4


def test_calibration_of_a_few_rows_says_that_they_are_too_few():
    assert "Too few rows" in calibration_chart([Bin(0.5, 0.5, 0.4, 0.6, 99)], title="t").to_text()


@given(
    st.floats(-1e6, 1e6).map(lambda low: low if abs(low) > 1e-280 else 0.0),
    st.floats(0, 1e6).filter(lambda width: width == 0 or width > 1e-290),
)
def test_ticks_are_even_and_enclose_the_range(low, width):
    ticks = even_ticks(low, low + width)
    gaps = {b - a for a, b in zip(ticks, ticks[1:], strict=False)}
    assert 2 <= len(ticks) <= 12
    slack = 1e-6 * (abs(low) + width) + 1e-6 * max(gaps)  # far less than a pixel
    assert ticks[0] <= low + slack and ticks[-1] >= low + width - slack
    assert max(gaps) - min(gaps) <= 1e-6 * max(gaps)


@given(st.floats(1e-4, 1e6), st.floats(1, 1e8))
def test_a_logarithmic_axis_has_a_few_ticks(low, factor):
    assert 1 <= len(decades(low, low * factor)) <= 16


@given(st.floats(-1e9, 1e9))
def test_numbers_in_pictures_have_no_exponent_and_no_minus_zero(value):
    assert re.fullmatch(r"-?\d+(\.\d{1,2})?", number(value)) and number(value) != "-0"


def test_numbers_for_readers():
    assert [short(3.0), short(0.123456), short(1234567.0)] == ["3", "0.1235", "1.235e+06"]
    assert [signed(0.3), signed(-0.25)] == ["+0.300", "\u22120.250"]
