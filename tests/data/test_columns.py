"""Columns: whatever a table holds becomes finite numbers, the same each time."""

import json
import pickle

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings

from axw.data import Columns, as_frame
from axw.data.values import value_text
from axw.errors import DataError, ModelError, UsageError


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [30.0, None, 50.0, 40.0, 20.0],
            "owner": [True, False, True, True, False],
            "sex": ["female", "male", "female", None, "male"],
            "since": pd.to_datetime(["2020-01-01", None, "2020-01-03", "2020-01-02", "2020-01-05"]),
            "children": pd.array([1, None, 3, 2, 2], dtype="Int64"),
            "class": pd.Categorical(["1st", "1st", "2nd", "2nd", "3rd"]),
            "country": ["AT"] * 5,
            "nothing": [None] * 5,
        }
    )


def test_names_and_sources_tell_what_each_column_is() -> None:
    columns = Columns.fit(table())
    assert columns.names == [
        "age", "age is missing", "owner", "sex = female", "sex = male", "sex is missing", "since", "since is missing",
        "children", "children is missing", "class = 1st", "class = 2nd", "class = other",
    ]  # fmt: skip
    assert columns.source[:3] == ["age", "age", "owner"] and columns.source[-1] == "class"
    assert columns.dropped == {"country": "every value is 'AT'", "nothing": "every value is missing"}


def test_numbers_are_filled_with_the_median_flagged_and_standardised() -> None:
    X = Columns.fit(table()).transform(table())
    age = np.array([30, 35, 50, 40, 20.0])
    known = np.array([30, 50, 40, 20.0])
    np.testing.assert_allclose(X[:, 0], (age - known.mean()) / known.std(), rtol=1e-14)
    np.testing.assert_array_equal(X[:, 1], [0, 1, 0, 0, 0])
    np.testing.assert_array_equal(X[:, 2], [1, 0, 1, 1, 0])
    days = np.array([18262, 18264, 18263, 18266.0])
    np.testing.assert_allclose(X[[0, 2, 3, 4], 6], (days - days.mean()) / days.std(), rtol=1e-9)


def test_plain_numbers_agree_with_the_formula_of_the_textbook() -> None:
    A = np.random.default_rng(0).normal(3, 5, (101, 3))
    columns = Columns.fit(as_frame(A))
    assert columns.names == ["x0", "x1", "x2"]
    np.testing.assert_allclose(columns.transform(as_frame(A)), (A - A.mean(0)) / A.std(0), rtol=1e-12, atol=1e-14)


def test_a_config_is_json_and_gives_an_equal_value_back() -> None:
    columns = Columns.fit(table())
    again = Columns.from_config(json.loads(json.dumps(columns.to_config())))
    assert again == columns
    np.testing.assert_array_equal(again.transform(table()), columns.transform(table()))
    assert pickle.loads(pickle.dumps(columns)) == columns


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: c.pop("columns"),
        lambda c: c.update(version=2),
        lambda c: c["columns"][0].update(std=0.0),
        lambda c: c["columns"][0].update(mean=float("nan")),
        lambda c: c["columns"][0].update(mean="3"),
        lambda c: c["columns"][0].update(kind="tensor"),
        lambda c: c["columns"][0].update(extra=1),
        lambda c: c["columns"][0].update(exponent=1.5),
        lambda c: c["columns"][2].update(levels="abc"),
        lambda c: c["columns"][2].update({"is": "code"}),
        lambda c: c.update(columns=7),
        lambda c: c.update(rows=None),
    ],
)
def test_a_damaged_config_is_refused(damage) -> None:
    config = Columns.fit(table()[["age", "owner", "sex"]]).to_config()
    damage(config)
    with pytest.raises(ModelError, match="description of the columns cannot be read"):
        Columns.from_config(config)


def test_order_of_columns_and_extra_ones_change_no_bit() -> None:
    columns, frame = Columns.fit(table()), table()
    other = frame[frame.columns[::-1]].assign(extra=1)
    np.testing.assert_array_equal(columns.transform(other), columns.transform(frame))
    np.testing.assert_array_equal(
        columns.transform(frame.drop(columns=["nothing", "country"])), columns.transform(frame)
    )


def test_missing_columns_are_named() -> None:
    with pytest.raises(DataError, match=r"2 of 6 columns are missing: 'age', 'sex'"):
        Columns.fit(table()).transform(table().drop(columns=["age", "sex"]))


def test_rows_one_by_one_or_together_are_the_same_bits() -> None:
    columns, frame = Columns.fit(table()), table()
    singly = np.concatenate([columns.transform(frame.iloc[[at]]) for at in range(len(frame))])
    np.testing.assert_array_equal(singly, columns.transform(frame))


def test_rare_and_unseen_levels_are_other_or_zero_and_counted() -> None:
    columns = Columns.fit(pd.DataFrame({"c": ["a", "a", "b", "b", "once"], "d": ["u", "u", "v", "v", "u"]}))
    assert columns.names == ["c = a", "c = b", "c = other", "d = u", "d = v"]
    new = pd.DataFrame({"c": ["new", "a", None], "d": ["new", "v", None]})
    np.testing.assert_array_equal(columns.transform(new), [[0, 0, 1, 0, 0], [1, 0, 0, 0, 1], [0, 0, 0, 0, 0]])
    assert columns.unseen(new) == {"c": 1, "d": 1}


def test_a_level_called_other_keeps_a_name_of_its_own() -> None:
    columns = Columns.fit(pd.DataFrame({"c": ["other", "other", "b", "b", "once"]}))
    assert columns.names == ["c = b", "c = 'other'", "c = other"]
    clash = pd.DataFrame({"a": [1.0, None, 3], "a is missing": [1.0, 2, 3]})
    assert Columns.fit(clash).names == ["a", "a is missing", "a is missing (2)"]


def test_levels_are_capped_at_the_most_frequent() -> None:
    values = [f"v{at:02}" for at in range(60) for _ in range(3 if at >= 10 else 2)]
    columns = Columns.fit(pd.DataFrame({"c": values}))
    assert len(columns.names) == 51 and columns.names[0] == "c = v10" and columns.names[-1] == "c = other"


def test_text_that_names_rows_is_dropped_with_the_reason() -> None:
    frame = pd.DataFrame({"id": [f"p{at}" for at in range(21)], "x": np.arange(21.0)})
    assert Columns.fit(frame).dropped == {"id": "names its rows: 21 different values in 21 rows"}
    assert (
        "id" not in Columns.fit(frame.iloc[:20]).dropped
        or "2 rows or more" in Columns.fit(frame.iloc[:20]).dropped["id"]
    )


def test_categorical_by_name_reads_numbers_as_levels_also_when_they_turn_to_float() -> None:
    frame = pd.DataFrame({"zip": [1010, 1010, 1020, 1020]})
    columns = Columns.fit(frame, categorical=["zip"])
    assert columns.names == ["zip = 1010", "zip = 1020"]
    np.testing.assert_array_equal(columns.transform(frame.astype(float)), columns.transform(frame))
    with pytest.raises(UsageError, match="Did you mean 'zip'"):
        Columns.fit(frame, categorical=["zipp"])
    with pytest.raises(UsageError, match="from_dtype"):
        Columns.fit(frame, categorical="zip")


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinite_numbers_name_column_and_count(bad: float) -> None:
    frame = pd.DataFrame({"a": [1.0, 2, 3], "b": [1.0, bad, bad]})
    with pytest.raises(DataError, match=r"Column 'b' holds inf.* in 2 of 3 rows"):
        Columns.fit(frame)
    with pytest.raises(DataError, match="'b' holds inf"):
        Columns.fit(frame.assign(b=[1.0, 2, 3])).transform(frame)


EXTREMES = {
    "large": [1e308, -1e308, 5.0, 1.0],
    "subnormal": [5e-324, 1e-310, 0.0, 2e-310],
    "tiny": [1e-300, 2e-300, 3e-300, -1e-300],
    "int64 min": np.array([-(2**63), 2**63 - 1, 0, 1]),
    "uint64": np.array([2**64 - 1, 0, 1, 2], dtype=np.uint64),
    "big python": [2**100, -(2**100), 1, 2],
    "shifted": [1e15, 1e15 + 1, 1e15 + 2, 1e15 + 3],
    "constant": [0.1 + 0.2, 0.3, 0.3, 0.3],
}


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_numbers_stay_finite(name: str) -> None:
    frame = pd.DataFrame({"a": EXTREMES[name], "b": [1, 2, 3, 4]})
    columns = Columns.fit(frame)
    assert ("a" in columns.dropped) == (name == "constant")
    X = columns.transform(frame)
    assert np.isfinite(X).all()
    np.testing.assert_allclose(X.std(axis=0), 1, rtol=1e-6)
    far = pd.DataFrame({"a": [1e308, -1e308, np.nan, 5e-324], "b": [1e308, -1e308, 0, 1]})
    assert np.isfinite(columns.transform(far)).all()


def test_scaling_by_a_power_of_two_changes_no_bit() -> None:
    x = np.random.default_rng(1).normal(size=97)
    near, far = (Columns.fit(pd.DataFrame({"a": x * s})).transform(pd.DataFrame({"a": x * s})) for s in (1.0, 2.0**900))
    np.testing.assert_array_equal(near, far)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.floats(allow_infinity=False), st.integers(-(2**70), 2**70)), min_size=1, max_size=13
    ),
    st.lists(st.one_of(st.none(), st.floats(allow_infinity=False)), min_size=1, max_size=7),
)
def test_nothing_that_is_not_finite_comes_out(seen: list, new: list) -> None:
    columns = Columns.fit(pd.DataFrame({"a": pd.Series(seen, dtype=object)}))
    frames = [pd.DataFrame({"a": pd.Series(values, dtype=object)}) for values in (seen, new)]
    for frame in frames:
        X = columns.transform(frame)
        assert X.shape == (len(frame), len(columns.names)) and np.isfinite(X).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=3), st.booleans(), st.integers(0, 3)), min_size=1, max_size=23))
def test_any_mix_of_values_gives_unique_names_and_at_most_one_level_a_row(values: list) -> None:
    frame = pd.DataFrame({"a": pd.Series(values, dtype=object)})
    columns = Columns.fit(frame, categorical=["a"])
    assert len(set(columns.names)) == len(columns.names)
    assert (columns.transform(frame).sum(axis=1) <= 1).all()


def test_weights_are_repetitions_and_zero_is_absence() -> None:
    random = np.random.default_rng(2)
    frame = pd.DataFrame(
        {"a": random.normal(size=31), "b": random.integers(0, 3, 31), "c": random.choice(list("xy"), 31)}
    )
    frame.loc[3:9, "a"] = np.nan
    weight = random.integers(0, 4, 31)
    weighted = Columns.fit(frame, sample_weight=weight)
    repeated = Columns.fit(frame.loc[np.repeat(frame.index, weight)].reset_index(drop=True))
    np.testing.assert_allclose(weighted.transform(frame), repeated.transform(frame), rtol=1e-12, atol=1e-13)
    scaled = Columns.fit(frame, sample_weight=weight / 7)
    np.testing.assert_allclose(weighted.transform(frame), scaled.transform(frame), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("weight", "match"),
    [
        ([0.0] * 5, "weights are zero"),
        ([1.0] * 4, "one weight a row"),
        ([1, 1, 1, 1, -1.0], "negative"),
        ([1, 1, 1, 1, np.nan], "NaN"),
    ],
)
def test_weights_that_mean_nothing_are_refused(weight: list, match: str) -> None:
    with pytest.raises(DataError, match=match):
        Columns.fit(table(), sample_weight=weight)


def test_other_kinds_of_value_at_transform_are_read_where_they_can_be() -> None:
    columns = Columns.fit(
        pd.DataFrame({"a": [1.0, 2, 4], "t": pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-05"])})
    )
    X = columns.transform(pd.DataFrame({"a": ["1", " 2", None], "t": ["2020-01-01", "2020-01-02T00:00", None]}))
    Y = columns.transform(
        pd.DataFrame({"a": [1, 2, np.nan], "t": pd.to_datetime(["2020-01-01", "2020-01-02", None], utc=True)})
    )
    np.testing.assert_array_equal(X, Y)
    good = pd.to_datetime(["2020-01-01"] * 2)
    with pytest.raises(DataError, match=r"Column 'a' should hold a number, and 1 of 2 rows do not: 'old'"):
        columns.transform(pd.DataFrame({"a": ["1", "old"], "t": good}))
    with pytest.raises(DataError, match="Column 'a' should hold a number"):
        columns.transform(pd.DataFrame({"a": good, "t": good}))
    with pytest.raises(DataError, match="Column 't' should hold a date"):
        columns.transform(pd.DataFrame({"a": [1, 2], "t": [1, 2]}))
    with pytest.raises(DataError, match=r"Column 't' should hold a date.*'01/02/2020'"):
        columns.transform(pd.DataFrame({"a": [1], "t": ["01/02/2020"]}))


def test_pandas_polars_nullable_and_arrow_agree() -> None:
    plain = {
        "a": [1.0, None, 3.0, 5.0],
        "i": [1, 2, None, 4],
        "s": ["x", "y", None, "x"],
        "b": [True, None, False, True],
    }
    pandas = pd.DataFrame(plain)
    frames = [
        pandas,
        pandas.convert_dtypes(),
        pandas.convert_dtypes(dtype_backend="pyarrow"),
        as_frame(pl.DataFrame(plain)),
        pd.DataFrame({k: pd.Series([pd.NA if v is None else v for v in vs], dtype=object) for k, vs in plain.items()}),
    ]
    columns = Columns.fit(pandas)
    for frame in frames:
        assert Columns.fit(frame).names == columns.names
        np.testing.assert_array_equal(columns.transform(frame), columns.transform(pandas))


def test_columns_that_say_nothing_leave_a_matrix_without_columns() -> None:
    columns = Columns.fit(pd.DataFrame({"a": [1, 1]}))
    assert columns.names == [] and columns.transform(pd.DataFrame({"b": [1, 2, 3]})).shape == (3, 0)


def test_an_all_missing_column_changes_no_bit() -> None:
    frame = table().drop(columns="nothing")
    np.testing.assert_array_equal(Columns.fit(frame).transform(frame), Columns.fit(table()).transform(table()))


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="Complex data not supported"):
        Columns.fit(pd.DataFrame({"a": [1j, 2.0]}))


def test_the_matrix_says_what_stood_in_the_table() -> None:
    frame = table()
    columns = Columns.fit(frame)
    told = columns.texts(columns.transform(frame))
    assert list(told.columns) == columns.used
    expected = pd.DataFrame({name: [value_text(value) for value in frame[name]] for name in columns.used}, dtype=object)
    expected.loc[4, "class"] = "other"  # a level that one row has
    pd.testing.assert_frame_equal(told, expected)
    assert told.loc[0].tolist() == ["30", "True", "female", "2020-01-01", "1", "1st"]
    assert told.loc[1].tolist() == ["not known", "False", "male", "not known", "not known", "1st"]


@settings(deadline=None)
@given(st.lists(st.floats(-1e9, 1e9).map(lambda x: round(x, 3)), min_size=2, max_size=19), st.integers(-60, 60))
def test_numbers_come_back_to_twelve_digits(values: list[float], power: int) -> None:
    frame = pd.DataFrame({"x": np.ldexp(values, power)})
    columns = Columns.fit(frame)
    if columns.used:
        told = columns.texts(columns.transform(frame))["x"].astype(float).to_numpy()
        np.testing.assert_allclose(told, frame["x"], rtol=1e-11, atol=1e-11 * np.abs(frame["x"]).max())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (39, "39"),
        (39.0, "39"),
        (7.1, "7.1"),
        (np.float32(7.1), "7.1"),
        ("39.0", "39.0"),
        (True, "True"),
        (None, "not known"),
        (float("nan"), "not known"),
        (pd.NaT, "not known"),
        (pd.Timestamp("1912-04-10"), "1912-04-10"),
        (pd.Timestamp("1912-04-10T23:40", tz="UTC"), "1912-04-10 23:40:00"),
        (pd.Timedelta("2 days"), "2 days"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_a_cell_is_written_as_it_was_given(value: object, text: str) -> None:
    assert value_text(value) == text


def test_days_and_spans_of_time_come_back() -> None:
    moments = [pd.Timestamp("1912-04-14T23:40:00.25"), pd.Timestamp("2024-02-29")]
    frame = pd.DataFrame({"at": moments, "for": pd.to_timedelta([0, 3], unit="h")})
    columns = Columns.fit(frame)
    told = columns.texts(columns.transform(frame))
    assert told["at"].tolist() == ["1912-04-14 23:40:00.250000", "2024-02-29"]
    assert told["for"].tolist() == ["0 days", "0 days 03:00:00"]
