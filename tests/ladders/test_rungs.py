"""The ten rungs: what they are, in which order, and on what each builds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.base import clone

from axw.errors import UsageError
from axw.ladders import KnownNeighbours, NewGroups, ladder, table_rungs
from tests.ladders.made_up import SAME, table

SPAN = ["A = X X'", "A = X W X', rank r", "A = X K Q' X', rank r"]
BELOW = {
    "constant": None,
    "X W": "constant",
    "A X W": "X W",
    "A X W + neighbours' labels": "A X W",
    **dict.fromkeys(SPAN, "X W"),
    "softmax(X K Q' X')": "X W",
    "softmax within the relation": "A X W + neighbours' labels",
    "+ heads, feed-forward": "softmax within the relation",
}


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_ten_rungs_and_what_they_build_on(task):
    rungs = table_rungs(task, [SAME], seed=3, id="who")
    assert {rung.name: rung.below for rung in rungs} == BELOW
    assert [rung.name for rung in rungs] == list(BELOW)
    assert {rung.name for rung in rungs if "can differ only by regularisation" in rung.note} == set(SPAN)
    for rung in rungs[1:]:
        settings = clone(rung.estimator).get_params()
        assert settings["random_state"] == 3 and settings["id"] == "who"
        assert (settings["normalize"] == "none") == (rung.name in SPAN)
        assert bool(settings["relations"]) == (rung.reads in ("relatives", "and labels"))


def test_without_relations_only_those_that_need_none():
    rungs = table_rungs("classification", [], seed=0)
    assert [rung.name for rung in rungs] == ["constant", "X W", *SPAN, "softmax(X K Q' X')", "+ heads, feed-forward"]
    assert rungs[-1].below == "softmax(X K Q' X')"
    assert all(not rung.estimator.relations for rung in rungs[1:])


def test_some_rungs_close_the_gap():
    rungs = table_rungs("regression", [SAME], seed=0, names=["softmax within the relation", "X W"])
    assert [(rung.name, rung.below) for rung in rungs] == [("X W", None), ("softmax within the relation", "X W")]


def test_messages():
    with pytest.raises(UsageError, match="task is 'classify'.*\n.*\n.*Did you mean 'classification'"):
        table_rungs("classify", [], 0)
    with pytest.raises(UsageError, match="There is no rung 'AXW'"):
        table_rungs("classification", [SAME], 0, names=["AXW"])


def test_the_ladder_finds_a_planted_effect():
    names = ["X W", "A X W", "A X W + neighbours' labels"]
    X, y = table(60)
    rungs = table_rungs("classification", [SAME], 0, names=names)
    found = ladder(X, y, relations=[SAME], cv=[KnownNeighbours(5), NewGroups(2)], rungs=rungs)
    assert not any(cell.failed for row in found.rows for cell in row.cells.values())
    assert found.pays == {"known_neighbours": True, "new_groups": False}
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_all_ten_rungs_fit(task):
    X, y = table(25)
    target = y if task == "classification" else (y == "good") + np.random.default_rng(0).normal(size=len(y))
    found = ladder(X, target, relations=[SAME], cv=[KnownNeighbours(2), NewGroups(2)])
    assert [row.rung for row in found.rows if any(cell.failed for cell in row.cells.values())] == []
    span = [found.rows[i].first.metrics for i in (4, 5, 6)]
    assert all(np.isfinite(list(metrics.values())).all() for metrics in span)
