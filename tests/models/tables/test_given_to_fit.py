"""What `fit` and `evaluate` are given, and what a wrong one is told; labels that choose, keys of other types."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import axw
from axw.errors import DataError, DataWarning, UsageError
from axw.ladders import Rung
from axw.measures import calibration_error
from axw.relations import Rows, SameValue
from axw.relations.index import KeyIndex
from axw.relations.keys import kinds, places

N = 61
RNG = np.random.default_rng(0)
X = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.normal(size=N)})
Y = pd.Series((X["a"] + 0.5 * RNG.normal(size=N) > 0).astype(int))


def plain() -> axw.AttentionClassifier:
    return axw.AttentionClassifier("none")


@pytest.mark.parametrize("given", [{0: -1.0, 1: 1.0}, {0: np.nan, 1: 1.0}, {0: 0.0, 1: 1.0}, "balnced"], ids=str)
def test_class_weights_that_leave_one_class_are_refused(given: object) -> None:
    with pytest.raises(UsageError, match="class_weight is"):
        axw.AttentionClassifier("none", class_weight=given).fit(X, Y)


def test_other_wrong_settings_and_answers_are_said() -> None:
    for weight in (np.nan, -1.0):
        with pytest.raises(DataError, match="sample_weight holds negative, infinite or only zero weights"):
            plain().fit(X, Y, sample_weight=weight)
    with pytest.raises(UsageError, match="random_state is -1"):
        axw.AttentionClassifier("none", random_state=-1).fit(X, Y)
    days = pd.Series(pd.date_range("2020-01-01", periods=N)).where(X["a"] > -9, pd.NaT)
    with pytest.raises(DataError, match=r"y holds datetime64.*, not numbers"):
        axw.AttentionRegressor("none").fit(X, days)
    with pytest.raises(DataError, match=r"y holds 1e\+200; allowed: up to 1e\+150"):
        axw.AttentionRegressor("none").fit(X, np.r_[1e200, np.ones(N - 1)])
    fitted = plain().fit(X, Y)
    with pytest.raises(DataError, match=r"y holds '[01]' and the model learned 0"):
        fitted.evaluate(X, Y.astype(str))
    with pytest.raises(DataError, match="X has 61 rows, y has 60"):
        fitted.evaluate(X, Y[:-1])


def test_answers_as_python_objects_are_classes_too() -> None:
    found = plain().fit(X, np.array(Y.tolist(), dtype=object))
    np.testing.assert_array_equal(found.predict(X), plain().fit(X, Y).predict(X))


def test_a_ladder_is_climbed_for_one_column() -> None:
    rungs = [Rung("mean", "", LinearRegression())]
    one = axw.ladder(X[["a"]], X[["b"]], cv=axw.KnownNeighbours(3), rungs=rungs)
    other = axw.ladder(X[["a"]], X["b"], cv=axw.KnownNeighbours(3), rungs=rungs)
    first, second = (ladder.to_json()["rungs"][0]["metrics"] for ladder in (one, other))
    assert first == second
    with pytest.raises(DataError, match="The target has 2 columns; allowed: one"):
        axw.ladder(X, X, cv=axw.KnownNeighbours(3), rungs=rungs)


def test_rows_that_choose_are_those_that_were_named() -> None:
    weight = np.ones(N)
    weight[:20] = 0.0
    model = axw.AttentionClassifier("smoothing", validation=list(range(40, 60))).fit(X, Y, sample_weight=weight)
    told = ~np.isnan(model._held_out).any(1)
    assert [model.memory_.rows.ids[i] for i in np.flatnonzero(told)] == list(range(40, 60))
    with pytest.raises(UsageError, match="validation is a mask of 61 True and False"):
        axw.AttentionClassifier("smoothing", validation=np.arange(N) >= 40).fit(X, Y)


def test_the_only_label_of_a_class_does_not_make_the_others_choose_for_themselves() -> None:
    codes = Y.to_numpy().copy()
    codes[0] = 2
    model = axw.AttentionClassifier("smoothing").fit(X, codes)
    told = ~np.isnan(model._held_out).any(1)
    assert not told[0] and told[1:].all()
    with pytest.warns(DataWarning, match="Every class has one label"):
        axw.AttentionClassifier("smoothing").fit(X, np.r_[0, 1, np.full(N - 2, np.nan)])


def test_calibration_does_not_depend_on_the_order_of_rows_that_are_equally_likely() -> None:
    y, P = np.array([0] * 60 + [1] * 40), np.tile([0.6, 0.4], (100, 1))
    assert calibration_error(y, P) == pytest.approx(0.0, abs=1e-12)
    assert calibration_error(y[::-1], P) == pytest.approx(0.0, abs=1e-12)


def test_a_row_whose_id_is_of_another_kind_is_said_not_taken_for_a_new_one() -> None:
    frame = X.assign(who=range(N), k=np.arange(N) // 2)
    model = axw.AttentionClassifier("given", relations=[SameValue("k")], labels=True, id="who").fit(frame, Y)
    with pytest.raises(DataError, match=r"keys do not match: '0' vs 0 \(text and number\)"):
        model.predict(frame.iloc[:2].assign(who=["0", "1"]))


def test_a_day_is_a_day_and_a_time_zone_is_said() -> None:
    stamps = pd.Series(pd.to_datetime(["2020-01-01", "2020-01-02"]))
    days = pd.Series([datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)], dtype=object)
    relation = SameValue("k")

    def read(asking: pd.Series, memory: pd.Series) -> np.ndarray:
        one, other = (Rows(np.arange(2) + at, pd.DataFrame({"k": k})) for at, k in ((10, asking), (0, memory)))
        return np.asarray(relation.given(one, other).count())

    assert read(days, stamps).tolist() == read(stamps, days).tolist() == [1, 1]
    assert kinds(stamps.dt.tz_localize("UTC")) == {"date with a time zone"}
    with pytest.raises(DataError, match="date with a time zone and date"):
        read(stamps.dt.tz_localize("UTC"), stamps)


def test_a_decimal_is_found_alone_as_among_many() -> None:
    memory, asking = (
        pd.Series([7, 8, 11]),
        pd.Series([Decimal(8), Decimal("7.5"), Decimal("NaN"), None, 7.0], dtype=object),
    )
    assert KeyIndex(memory).places(asking, "here").tolist() == [1, -1, -1, -1, 0]
    assert places(pd.Series([Decimal(8)], dtype=object), memory).tolist() == [1]
