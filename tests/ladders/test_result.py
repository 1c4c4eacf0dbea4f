"""What a ladder shows: a table for a terminal, values for a program."""

from __future__ import annotations

import json

import numpy as np
import pytest

from axw.ladders import Answer, Ladder
from axw.ladders.result import build
from tests.ladders.made_up import answer, question, rungs

NOISE = np.array([0.004, -0.003, 0.001, -0.005, 0.003])
BASE = np.array([0.51, 0.49, 0.52, 0.50, 0.48])


@pytest.fixture
def found() -> Ladder:
    steps = rungs()
    steps[2] = steps[2]._replace(note="a note that says something of this rung")
    first = {
        step.name: answer(BASE + d + np.roll(NOISE, i))
        for i, (step, d) in enumerate(zip(steps, (0.2, 0.1, 0.1, 0.0), strict=True))
    }
    second = {
        step.name: answer(BASE + d + np.roll(NOISE, i))
        for i, (step, d) in enumerate(zip(steps, (0.2, 0.1, 0.1, 0.1), strict=True))
    }
    second["A X W"] = Answer(seconds=np.zeros(5), failed="ValueError: singular")
    questions = [question(), question("new_groups")]
    answers = {"known_neighbours": first, "new_groups": second}
    return build(steps, questions, answers, "classification", {"rows": 100, "target": None}, {"seed": 0, "level": 0.95})


TEXT = """\
Rows whose relatives are known (5 tests, about 80 rows learned from and 20 tested)
rung                           reads       log loss  AUROC  accuracy  Δ vs rung below [95 % CI]    fit  pays?
-------------------------------------------------------------------------------------------------------------
"""


def test_the_text(found):
    text = found.to_text(110)
    assert text == SNAPSHOT
    assert text.startswith(TEXT) and str(found) == text


@pytest.mark.parametrize("width", [60, 70, 80, 95, 110, 200])
def test_no_line_is_wider_than_the_terminal(found, width):
    lines = found.to_text(width).splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)
    assert any("pays?" in line for line in lines)
    assert any("log loss" in line and "rung" in line for line in lines)


def test_the_narrow_text_leaves_out_columns_not_verdicts(found):
    head = next(line for line in found.to_text(80).splitlines() if line.startswith("rung"))
    assert head.split("  ")[0] == "rung" and "pays?" in head and "AUROC" in head and "reads" not in head


def test_json_is_plain_and_complete(found):
    content = found.to_json()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert list(content) == ["schema", "rungs", "use", "data", "settings"] and content["schema"] == "axw.ladder/1"
    assert set(content["use"]) == {"rung", "why"}
    for rung in content["rungs"]:
        assert list(rung) == [
            "rung", "reads", "below", "metrics", "difference", "interval", "pays", "seconds", "note", "by_question",
        ]  # fmt: skip
        assert set(rung["metrics"]) == set(rung["by_question"]) == {"known_neighbours", "new_groups"}
    lowest, _, given, labels = content["rungs"]
    assert set(lowest["metrics"]["known_neighbours"]) == {"log_loss", "auroc", "accuracy", "brier", "calibration_error"}
    assert lowest["difference"] is None and lowest["interval"] is None and lowest["pays"] is None
    assert labels["difference"] == pytest.approx(-0.1) and labels["pays"] is True
    assert labels["interval"][0] < labels["difference"] < labels["interval"][1] < 0
    assert labels["difference"] == labels["by_question"]["known_neighbours"]["difference"]
    assert given["by_question"]["new_groups"]["failed"] == "ValueError: singular"
    assert given["metrics"]["new_groups"] == {} and labels["by_question"]["new_groups"]["compared_with"] == "X W"


def test_what_is_no_number_is_null(found):
    steps = rungs()[:2]
    answers = {step.name: answer([0.5]) for step in steps}
    answers["X W"].folds["auroc"][:] = np.nan
    content = build(steps, [question(folds=1)], {"known_neighbours": answers}, "classification", {}, {}).to_json()
    assert content["rungs"][1]["metrics"]["known_neighbours"]["auroc"] is None
    assert content["rungs"][1]["interval"] == [None, None] and content["rungs"][1]["pays"] is False
    json.dumps(content, allow_nan=False)


def test_the_frame_has_one_row_a_rung_and_question(found):
    frame = found.to_frame()
    assert len(frame) == 8
    labels = frame.set_index(["question", "rung"]).loc[("known_neighbours", "A X W + neighbours' labels")]
    assert labels["difference"] == pytest.approx(-0.1) and labels["low"] < labels["high"] < 0
    assert labels["log_loss"] == pytest.approx(found.rows[3].first.metrics["log_loss"])


SNAPSHOT = (
    TEXT
    + """\
 1 constant                    nothing        0.700  0.300     0.650                             20 ms
 2 X W                         own row        0.600  0.400     0.700    -0.100 [-0.117, -0.083]  20 ms    yes
 3 A X W                       relatives      0.600  0.400     0.700    +0.000 [-0.012, +0.012]  20 ms     no
 4 A X W + neighbours' labels  and labels     0.500  0.500     0.750    -0.100 [-0.115, -0.085]  20 ms    yes

Whole new groups (5 tests, about 80 rows learned from and 20 tested)
rung                           reads       log loss  AUROC  accuracy  Δ vs rung below [95 % CI]    fit   pays?
--------------------------------------------------------------------------------------------------------------
 1 constant                    nothing        0.700  0.300     0.650                             20 ms
 2 X W                         own row        0.600  0.400     0.700    -0.100 [-0.115, -0.085]  20 ms     yes
 3 A X W                       relatives                                                                failed
 4 A X W + neighbours' labels  and labels     0.600  0.400     0.700    +0.000 [-0.011, +0.011]  20 ms      no

3. a note that says something of this rung; failed: ValueError: singular

Δ: log loss minus that of the rung below (negative = better), with an interval that is corrected for
overlapping training sets and for the number of rungs. A rung pays where all of it is below 0.

For rows whose relatives are known use A X W + neighbours' labels (lowest log loss, 0.5); for whole new groups
use X W (lowest log loss, 0.6). The relation pays for rows whose relatives are known; it does not pay for
whole new groups.
"""
)
