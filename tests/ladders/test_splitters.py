"""Splitters: every row once, nobody's relative on the other side, the past before the future, the same every time."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier

from axw.errors import DataError, DataWarning, UsageError
from axw.ladders import AsOf, KnownNeighbours, NewGroups
from axw.ladders.groups import Links, rows_of
from axw.relations import Edges, SameValue


def same(a, b) -> bool:
    return all(np.array_equal(p, q) for one, other in zip(a, b, strict=True) for p, q in zip(one, other, strict=True))


def quiet(splitter, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return list(splitter.split(*arguments))


def households(labels) -> pd.DataFrame:
    return pd.DataFrame({"x": np.arange(len(labels)), "household": [f"h{label}" for label in labels]})


# -- known neighbours --------------------------------------------------------------------------------------------------


@given(
    st.lists(st.sampled_from("abcd"), min_size=12, max_size=60), st.integers(2, 5), st.integers(1, 2), st.integers(0, 9)
)
@settings(deadline=None, max_examples=80)
def test_known_neighbours_test_every_row_once_and_spread_the_classes(y, folds, repeats, seed):
    X, splitter = np.zeros((len(y), 2)), KnownNeighbours(folds, repeats, seed)
    parts = quiet(splitter, X, y)
    assert len(parts) == splitter.get_n_splits() == folds * repeats
    assert same(parts, quiet(splitter, X, y))
    counts = pd.Series(y).value_counts()
    several = np.array([counts[label] > 1 for label in y]) | (len(counts) == 1)
    for repeat in range(repeats):
        tests = [test for _, test in parts[repeat * folds : (repeat + 1) * folds]]
        assert sorted(np.concatenate(tests)) == np.flatnonzero(several).tolist()
        sizes = [len(test) for test in tests]
        assert max(sizes) - min(sizes) <= 1
        for label in counts.index[counts > 1]:
            held = [sum(y[i] == label for i in test) for test in tests]
            assert max(held) - min(held) <= 1
    for train, test in parts:
        assert sorted([*train, *test]) == list(range(len(y)))


def test_a_class_with_one_row_is_always_learned_from_and_counted():
    y = ["a"] * 9 + ["b"] * 9 + ["c"]
    with pytest.warns(DataWarning, match="1 classes have one row; these rows are always learned from"):
        parts = list(KnownNeighbours(3).split(np.zeros((19, 1)), y))
    assert all(18 in train for train, _ in parts)


def test_numbers_are_split_at_random():
    y = np.random.default_rng(0).normal(size=31)
    parts = list(KnownNeighbours(4).split(np.zeros((31, 1)), y))
    assert sorted(np.concatenate([test for _, test in parts])) == list(range(31))


def test_repeats_and_seeds_differ():
    X = np.zeros((40, 1))
    first, second = (parts for parts in np.array_split(np.arange(8), 2))
    parts = list(KnownNeighbours(4, repeats=2).split(X))
    assert not same([parts[i] for i in first], [parts[i] for i in second])
    assert not same(KnownNeighbours(4, seed=1).split(X), KnownNeighbours(4, seed=2).split(X))


def test_scikit_learn_takes_them():
    frame = pd.DataFrame({"x": np.arange(60), "household": np.repeat(np.arange(20), 3)})
    y = np.arange(60) % 2
    for cv in (KnownNeighbours(3), NewGroups(3, [SameValue("household")]), AsOf("x", 3)):
        assert len(cross_val_score(DecisionTreeClassifier(max_depth=1), frame, y, cv=cv)) == 3


# -- new groups --------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 15), min_size=20, max_size=90), st.integers(2, 4), st.integers(0, 9))
@settings(deadline=None, max_examples=40)
def test_no_relative_is_on_both_sides(labels, folds, seed):
    frame = households(labels)
    y = ["yes" if label % 3 else "no" for label in labels]
    splitter = NewGroups(folds, [SameValue("household")], seed=seed)
    try:
        parts = quiet(splitter, frame, y)
    except DataError as error:
        assert "nothing is left to learn from" in str(error)
        return
    assert same(parts, quiet(splitter, frame, y))
    assert sorted(np.concatenate([test for _, test in parts])) == list(range(len(labels)))
    for train, test in parts:
        assert len(train) and len(test)
        assert not set(frame["household"].iloc[train]) & set(frame["household"].iloc[test])


edges = st.lists(st.tuples(st.integers(0, 39), st.integers(1, 39)), min_size=1, max_size=60)


@given(edges, st.integers(2, 5), st.integers(0, 9))
@settings(deadline=None, max_examples=40)
def test_no_edge_leads_from_one_side_to_the_other(pairs, folds, seed):
    ids = [f"p{i}" for i in range(40)]
    calls = pd.DataFrame([(f"p{a}", f"p{(a + step) % 40}") for a, step in pairs], columns=["from", "to"], dtype=str)
    frame = pd.DataFrame({"x": range(40)}, index=ids)
    try:
        parts = quiet(NewGroups(folds, [Edges(calls, "from", "to")], seed=seed), frame)
    except DataError as error:
        assert "nothing is left to learn from" in str(error)
        return
    assert sorted(np.concatenate([test for _, test in parts])) == list(range(40))
    for train, test in parts:
        train, test = {ids[i] for i in train}, {ids[i] for i in test}
        assert not any((a in train and b in test) or (b in train and a in test) for a, b in calls.to_numpy())


def test_groups_are_balanced_in_rows_and_classes():
    labels = np.repeat(np.arange(120), np.random.default_rng(0).integers(1, 6, 120))
    y = np.where(np.random.default_rng(1).random(len(labels)) < 0.2, "yes", "no")
    parts = list(NewGroups(5, [SameValue("household")]).split(households(labels), y))
    sizes = [len(test) for _, test in parts]
    rates = [(y[test] == "yes").mean() for _, test in parts]
    assert max(sizes) - min(sizes) <= 4
    assert max(rates) - min(rates) < 0.05


def test_a_giant_component_is_cut_and_its_buffer_is_counted():
    """A chain of 101 rows: 5 stretches, and at each cut one row on the other side is dropped."""
    ids = [f"p{i}" for i in range(101)]
    chain = pd.DataFrame({"from": ids[:-1], "to": ids[1:]})
    frame = pd.DataFrame({"x": range(101)}, index=ids)
    with pytest.warns(DataWarning, match="holds 101 of 101 rows, more than 1 / 5 of them. It was cut, and on average"):
        parts = list(NewGroups(5, [Edges(chain, "from", "to")]).split(frame))
    dropped = [101 - len(train) - len(test) for train, test in parts]
    assert max(dropped) <= 4
    for train, test in parts:
        assert min(abs(a - b) for a in train for b in test) >= 2


def test_a_large_group_is_never_made_into_pairs():
    """Two thirds of 3,000 rows share one value; what is tested of them has nothing in common with what is learned from."""
    frame = households(np.r_[np.zeros(2000, int), np.arange(1, 1001)])
    parts = quiet(NewGroups(5, [SameValue("household")]), frame)
    relations = [SameValue("household")]
    graph = Links.of(relations, rows_of(frame, relations, None)).graph(np.arange(3000))
    assert graph.nnz == 2 * 3000
    for train, test in parts:
        assert not set(frame["household"].iloc[train]) & set(frame["household"].iloc[test])


def test_groups_given_by_hand():
    groups = np.repeat(np.arange(13), 3)
    for train, test in NewGroups(4).split(np.zeros((39, 2)), None, groups):
        assert not set(groups[train]) & set(groups[test])


def test_the_id_column_names_the_rows():
    frame = pd.DataFrame({"who": list("abcdefgh"), "x": range(8)})
    calls = pd.DataFrame({"from": ["a"], "to": ["h"]})
    for train, test in NewGroups(4, [Edges(calls, "from", "to")], id="who").split(frame):
        assert (0 in test) == (7 in test) and (0 in train) == (7 in train)


# -- as of -------------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 30), min_size=10, max_size=80), st.integers(1, 5))
@settings(deadline=None, max_examples=80)
def test_train_is_strictly_before_test(days, folds):
    frame = pd.DataFrame({"day": pd.Timestamp("2024-02-27") + pd.to_timedelta(days, unit="D")})
    try:
        parts = list(AsOf("day", folds).split(frame))
    except DataError as error:
        assert "cannot be cut into" in str(error)
        return
    assert len(parts) == folds
    day = np.array(days)
    for train, test in parts:
        assert day[train].max() < day[test].min()
    tested = np.concatenate([test for _, test in parts])
    assert len(set(tested)) == len(tested)
    assert sorted([*parts[0][0], *tested]) == list(range(len(days)))


def test_dates_as_text_as_numbers_and_missing():
    days = pd.date_range("2024-01-01", periods=12)
    as_dates = list(AsOf("when", 3).split(pd.DataFrame({"when": days})))
    assert same(as_dates, AsOf("when", 3).split(pd.DataFrame({"when": days.strftime("%Y-%m-%d")})))
    assert same(as_dates, AsOf("when", 3).split(pd.DataFrame({"when": np.arange(12) / 7})))
    with pytest.warns(DataWarning, match="2 of 14 rows have no 'when'"):
        some = list(AsOf("when", 3).split(pd.DataFrame({"when": [*days, pd.NaT, None]})))
    assert same(as_dates, some)


# -- what is not allowed -----------------------------------------------------------------------------------------------


def test_messages():
    frame = households(np.zeros(12, int))
    for make, text in (
        (lambda: KnownNeighbours(1), "folds is 1; allowed: a whole number of at least 2"),
        (lambda: NewGroups(3, repeats=0), "repeats is 0; allowed: a whole number of at least 1"),
        (lambda: AsOf("x", 0), "folds is 0; allowed: a whole number of at least 1"),
        (lambda: list(NewGroups(3).split(frame)), "no relations and was given no groups"),
        (lambda: list(NewGroups(3, [SameValue("household")]).split(frame, None, [1] * 12)), "given groups as well"),
    ):
        with pytest.raises(UsageError, match=text):
            make()
    for make, text in (
        (lambda: list(KnownNeighbours(20).split(frame)), "12 rows that can be tested cannot be cut into 20 parts"),
        (lambda: list(KnownNeighbours(3).split(frame, list("abcdefghijkl"))), "0 rows that can be tested"),
        (
            lambda: list(NewGroups(3, [SameValue("hous")]).split(frame)),
            "no column 'hous'.*\n.*\n.*Did you mean 'household'",
        ),
        (
            lambda: list(NewGroups(3, [SameValue("household")]).split(frame)),
            "All 12 rows are directly related to the 4",
        ),
        (lambda: list(NewGroups(3).split(frame, None, [1] * 12)), "1 groups of related rows cannot fill 3 parts"),
        (lambda: list(NewGroups(3).split(frame, None, [1] * 5)), "5 groups were given for 12 rows"),
        (
            lambda: list(NewGroups(3, [SameValue("household")]).split(frame.set_index(frame.x // 2))),
            "6 rows have the name of",
        ),
        (lambda: list(AsOf("y").split(frame)), "no column 'y'"),
        (lambda: list(AsOf("household").split(frame)), "Not all values are dates"),
        (lambda: list(AsOf("x", 12).split(frame)), "12 different dates cannot be cut into 13 stretches"),
    ):
        with pytest.raises(DataError, match=text):
            quiet_call(make)


def quiet_call(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return make()
