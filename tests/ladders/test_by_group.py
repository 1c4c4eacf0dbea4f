"""By group: the numbers are those of the held-out answers, in text, frame and JSON alike."""

import json

import numpy as np
import pandas as pd
import pytest

import axw
from axw.errors import DataError, UsageError
from axw.ladders import KnownNeighbours, NewGroups, ladder
from axw.ladders.by_group import by_group
from tests.ladders.made_up import SAME, Broken, rungs, table


@pytest.fixture(scope="module")
def climbed():
    X, y = table(30)
    return ladder(X, y, relations=[SAME], cv=[KnownNeighbours(3, repeats=2), NewGroups(3)], rungs=rungs())


@pytest.fixture(scope="module")
def sex():
    rng = np.random.default_rng(5)
    return pd.Series(rng.choice(["f", "m", "m"], 120), name="sex")


@pytest.fixture(scope="module")
def found(climbed, sex):
    return by_group(climbed, sex, favourable="good", resamples=50)


def test_the_ladder_keeps_what_it_answered(climbed):
    X, y = table(30)
    held = climbed.held_out
    frame = held.to_frame("known_neighbours", "X W")
    assert len(frame) == 240 and (frame["true"] == y.loc[frame.index]).all()
    np.testing.assert_allclose(frame["P(bad)"] + frame["P(good)"], 1)
    assert (frame["predicted"] == np.where(frame["P(good)"] > frame["P(bad)"], "good", "bad")).all()
    measured = (frame["predicted"] == frame["true"]).mean()
    assert measured == pytest.approx(climbed.rows[1].cells["known_neighbours"].metrics["accuracy"])
    assert "held_out" not in json.dumps(climbed.to_json())


def test_rates_are_those_of_the_held_out_frame(climbed, sex, found):
    told = found.to_frame().set_index(["question", "rung", "group", "measure"])
    group = pd.Series(sex.to_numpy(), index=climbed.held_out.ids)
    for question, repeats in (("known_neighbours", 2), ("new_groups", 1)):
        frame = climbed.held_out.to_frame(question, "A X W")
        frame["sex"] = group.loc[frame.index].to_numpy()
        for name, rows in frame.groupby("sex"):
            line = told.loc[(question, "A X W", name, "selection_rate")]
            assert line["value"] == pytest.approx((rows["predicted"] == "good").mean())
            assert line["rows"] == pytest.approx(len(rows) / repeats)
            assert line["low"] <= line["value"] <= line["high"]


def test_fairlearn_works_on_it(climbed, sex, found):
    fairlearn = pytest.importorskip("fairlearn.metrics")
    frame = climbed.held_out.to_frame("new_groups", "X W")
    group = pd.Series(sex.to_numpy(), index=climbed.held_out.ids).loc[frame.index]
    theirs = fairlearn.MetricFrame(
        metrics=fairlearn.selection_rate,
        y_true=(frame["true"] == "good").astype(int),
        y_pred=(frame["predicted"] == "good").astype(int),
        sensitive_features=group,
    )
    told = found.to_frame().query("question == 'new_groups' and rung == 'X W' and measure == 'selection_rate'")
    assert told.set_index("group")["value"].to_dict() == pytest.approx(theirs.by_group.to_dict())
    between = told.set_index("group")["difference"].dropna().abs().max()
    assert between == pytest.approx(theirs.difference())


def test_every_rung_on_every_question(climbed, found):
    frame = found.to_frame()
    assert len(frame) == 2 * 4 * 2 * 5
    assert found.reference == "m" and found.drawn == "groups of related rows"
    assert frame.loc[frame["group"] == "m", "difference"].isna().all()


def test_homophily_is_that_of_the_pairs(climbed, sex, found):
    codes = sex.to_numpy().reshape(-1, 4)
    pairs = [a == b for four in codes for i, a in enumerate(four) for j, b in enumerate(four) if i != j]
    (along,) = found.homophily
    assert along.relation == "same household"
    assert along.likeness.observed == pytest.approx(np.mean(pairs))


def test_json_text_and_frame_say_the_same(found):
    value = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert value["schema"] == "axw.by_group/1" and value["column"] == "sex" and value["favourable"] == "good"
    assert len(value["measures"]) == len(found.to_frame())
    for width in (60, 80, 110, 140):
        assert max(map(len, found.to_text(width).splitlines())) <= width
    text = str(found)
    assert text.startswith("By sex (f ") and "same household: " in text and "95 % intervals" in text
    line = value["measures"][0]
    assert f"{line['value']:.2f} [{line['low']:.2f}, {line['high']:.2f}]" in text


def test_missing_groups_are_a_group_but_no_pair(climbed, sex):
    some = sex.mask(np.arange(120) % 4 == 0)
    found = by_group(climbed, some, resamples=5)
    assert found.groups["(missing)"] == 30 and found.column == "sex"
    some = sex.mask(np.arange(120) % 4 != 0)
    assert by_group(climbed, some, resamples=5).homophily[0].likeness is None


def test_a_rung_that_failed_is_left_out(sex):
    from axw.ladders import Rung

    X, y = table(30)
    found = ladder(X, y, cv=[KnownNeighbours(2)], rungs=[*rungs(())[:2], Rung("broken", "nothing", Broken())])
    told = axw.by_group(found, sex, resamples=5)
    assert {line.rung for line in told.lines} == {"constant", "X W"} and told.drawn == "rows" and told.homophily == ()


@pytest.mark.parametrize(
    ("group", "how", "kind", "text"),
    [
        (["f"], {}, DataError, "1 groups for 120 rows"),
        (list(range(120)), {}, UsageError, r"120 groups; allowed: at most 20.\ngroup\nMake ranges of the numbers"),
        (None, {"favourable": "god"}, UsageError, r"no class 'god'.\nfavourable\n.*Did you mean 'good'"),
        (None, {"reference": "x"}, UsageError, "no group 'x'"),
    ],
)
def test_errors(climbed, sex, group, how, kind, text):
    with pytest.raises(kind, match=text):
        by_group(climbed, sex if group is None else group, **how)


def test_a_ladder_of_numbers_has_no_rates():
    from sklearn.dummy import DummyRegressor

    from axw.ladders import Rung

    X, _ = table(5)
    found = ladder(X, X["x"], cv=[KnownNeighbours(2)], rungs=[Rung("mean", "nothing", DummyRegressor())])
    assert list(found.held_out.to_frame("known_neighbours", "mean")) == ["true", "predicted"]
    with pytest.raises(UsageError, match="answers with numbers; allowed: one of classes"):
        by_group(found, ["a"] * 20)


def test_held_out_errors(climbed):
    with pytest.raises(UsageError, match=r"no question 'new'.\nquestion\nAllowed: known_neighbours, new_groups"):
        climbed.held_out.to_frame("new", "X W")
    with pytest.raises(UsageError, match=r"no rung 'XW'.\nrung\n.*Did you mean 'X W'"):
        climbed.held_out.to_frame("new_groups", "XW")
