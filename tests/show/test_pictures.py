"""What each display shows: of made-up arrays with a known answer, and of models."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from axw.errors import DataError, UsageError
from axw.ladders import KnownNeighbours, ladder, table_rungs
from axw.show import (
    AlignmentDisplay,
    AttentionDisplay,
    CalibrationDisplay,
    CurvesDisplay,
    LadderDisplay,
    MaskedWordDisplay,
    RowsDisplay,
    display,
    explain,
)
from axw.show.agreement import agreement_note, rank_correlation
from axw.show.heads import entropy, head_kind
from axw.show.rows import steps_of
from axw.show.waterfall import MOST_NODES, Read, ring
from tests.models.tables.made_up import HOUSEHOLD, answers, features, model, table
from tests.models.test_explanation_words import translator, words  # noqa: F401 (fixtures)
from tests.serve import tiny
from tests.show.displays import history

WORDS = "one two three four five six seven".split()


@given(st.lists(st.tuples(st.integers(-5, 5), st.floats(-9, 9)), min_size=4, max_size=17))
def test_rank_correlation_is_scipys(pairs: list[tuple[int, float]]) -> None:
    a, b = map(list, zip(*pairs, strict=True))
    found = rank_correlation(a, b)
    if len(set(a)) > 1 and len(set(b)) > 1:
        assert found == pytest.approx(spearmanr(a, b).statistic, abs=1e-9)
    else:
        assert found is None


def test_what_agreement_is_called() -> None:
    assert "do not agree: rank correlation \u22120.40" in agreement_note(-0.4, "word")
    assert "agree: rank correlation 0.90" in agreement_note(0.9, "word")
    assert agreement_note(None, "word").startswith("Attention shows where the model looked, not why.")
    assert rank_correlation([1, 2, 3], [1, 2, 3]) is None  # three ranks say nothing


def test_heads_are_named_by_where_they_look() -> None:
    n = 7
    assert head_kind(np.eye(n), True) == "same word"
    assert head_kind(np.eye(n, k=-1), True) == "previous word"
    assert head_kind(np.eye(n, k=1), True) == "next word"
    assert head_kind(np.eye(n)[[0] * n], False) == "first word"
    assert head_kind(np.eye(n)[[n - 1] * n], False) == "last word"
    assert head_kind(np.full((n, n), 1 / n), True) == "broad"
    assert head_kind(np.zeros((n, n)), True) == "nothing"
    assert entropy(np.full((3, 8), 1 / 8)) == pytest.approx(3.0)
    assert entropy(np.eye(5)) == 0.0


def test_dropped_and_invented_words_are_marked() -> None:
    A = np.zeros((4, 7))
    A[0, 0] = A[1, 2] = A[2, 3] = 0.9
    A[3] = 0.1
    shown = AlignmentDisplay.from_predictions(WORDS, WORDS[:4], A)
    assert shown.to_json()["dropped"] == [1, 4, 5, 6] and shown.to_json()["invented"] == [3]
    assert "perhaps dropped: two, five, six, seven; perhaps invented: four" in shown.title()
    svg = shown.drawings()[0].svg.to_text()
    assert svg.count('class="lost"') == 4 + 1 and svg.count('class="made"') == 1 + 1  # and one each in the legend
    assert shown.to_frame()["linked"].sum() == 4


def test_an_empty_side_is_said() -> None:
    shown = AlignmentDisplay.from_predictions([], WORDS, np.zeros((7, 0)))
    assert "nothing to align" in shown.to_text() and shown.to_html() and shown.to_svg() and not len(shown.to_frame())


def test_a_translator_is_explained_by_its_alignment_and_by_leaving_words_out(translator) -> None:  # noqa: F811
    source = "ein mann sitzt rot blau"
    shown = explain(translator, source, "UALB TOR TZTIS")
    assert isinstance(shown, AlignmentDisplay) and shown.left_out is not None
    np.testing.assert_allclose(shown.soft, translator.alignment(source, "UALB TOR TZTIS").soft, atol=1e-6)
    assert "leaving each source word out" in shown.to_text(200)
    heads = AttentionDisplay.from_estimator(translator, source, "UALB TOR TZTIS", layer="cross 1", head=2)
    A = translator.attention(source, "UALB TOR TZTIS")
    assert [layer["name"] for layer in heads.to_json()["layers"]] == list(A)
    assert heads.to_json()["layers"][2]["kinds"][0]["agreement"] is not None
    assert "agrees most with leaving each word out" in heads.to_text(200)
    pieces = AttentionDisplay.from_estimator(translator, source, "UALB", unit="pieces", layer="cross 1", head=1)
    np.testing.assert_allclose(pieces.picked().A[0], translator.attention(source, "UALB")["cross 1"][0], atol=1e-6)


def test_a_masked_word_is_explained(words) -> None:  # noqa: F811
    shown = explain(words, "ein mann [MASK] rot blau hund")
    assert isinstance(shown, MaskedWordDisplay)
    value = shown.to_json()
    assert value["mask"] == 2 and value["left_out"][2] is None and len(value["guesses"]) == 5
    best = words.fill("ein mann [MASK] rot blau hund", top=1).masks[0].guesses[0]
    assert value["guesses"][0]["word"] == best.word
    assert shown.to_frame()["mask"].tolist() == [False, False, True, False, False, False]
    heads = AttentionDisplay.from_estimator(words, "ein mann [MASK] rot blau hund")
    assert heads.to_json()["layers"][0]["kinds"][0]["agreement"] is not None


@pytest.mark.parametrize("kind", ["translation", "words", "trees", "sentences"])
def test_pieces_are_shown_on_demand(kind) -> None:
    model = tiny.MAKERS[kind]()
    line = {"words": "ein zweihundert [MASK] blau", "trees": "the skateboarder sat"}.get(kind, "ein zweihundert sitzt")
    by_word, by_piece = explain(model, line), explain(model, line, unit="pieces")
    one, other = by_word.to_json(), by_piece.to_json()
    assert (one["unit"], other["unit"]) == ("words", "pieces") and type(by_word) is type(by_piece)
    assert display(other) == by_piece
    said = re.compile("each (source )?piece", re.I).search
    assert said(by_piece.to_text(200)) and not said(by_word.to_text(200))
    assert max(map(len, by_piece.to_text().split("\n"))) <= 80
    vocabulary = (
        model._sides("forward")[0]
        if kind == "translation"
        else model.vocabulary
        if kind != "trees"
        else model._sides()[0]
    )
    names = vocabulary.pieces(vocabulary.encode([line], mask_token="[MASK]" if kind == "words" else None)[0])
    shown = by_piece.to_json()[{"translation": "source", "trees": "units"}.get(kind, "words")]
    assert shown == names and len(by_piece.to_frame()) >= len(names)
    if kind == "trees":
        assert np.shape(other["attention"]) == (len(names), len(names)) and len(other["hidden"]) == len(names)
    del one["unit"]
    assert display(one).to_html() == by_word.to_html()  # what was written before there were units is shown as it was


def test_pieces_of_what_has_none() -> None:
    with pytest.raises(UsageError, match="Rows of a table have no pieces; allowed: 'words'"):
        explain(tiny.table(), tiny.passengers().head(1), unit="pieces")
    with pytest.raises(UsageError, match="unit is 'letters'; allowed: 'words', 'pieces'"):
        explain(tiny.words(), "ein [MASK]", unit="letters")  # type: ignore[arg-type]


def test_rows_are_explained_and_their_bars_add_up() -> None:
    frame = table()
    X, y = features(frame), answers(frame, "binary")
    fitted = model("given", relations=[HOUSEHOLD], labels=True).fit(X, y)
    shown = explain(fitted, X.iloc[[5]])
    assert isinstance(shown, RowsDisplay)
    row = shown.rows[0]
    (output, value), told = next(iter(row["outputs"].items())), fitted.explain(X.iloc[[5]])
    base, parts = steps_of(row["contributions"])
    assert base + sum(part.value for part in parts) == pytest.approx(value, abs=1e-5)
    assert value == pytest.approx(told.outputs[0, 0], rel=1e-6) and output in shown.title()
    assert len(shown.to_frame()) == len(told.to_frame()) and row["left_out"]
    assert display(told).to_json()["rows"][0]["outputs"] == row["outputs"]
    across = AttentionDisplay.from_estimator(fitted, X.head(11))
    assert len(across.picked().rows) == 11
    with pytest.raises(DataError, match="X has 69 rows; allowed: 1 to 20"):
        RowsDisplay.from_estimator(fitted, X)


def test_a_bar_says_the_value_that_it_comes_from() -> None:
    frame = table()
    X, y = features(frame), answers(frame, "binary")
    fitted = model("given", relations=[HOUSEHOLD], labels=True).fit(X, y)
    row = X.iloc[[5]].assign(age=39.0, region="<i>east</i>" + "e" * 300)
    shown = explain(fitted, row)
    _, parts = steps_of(shown.rows[0]["contributions"])
    mates = [name for name in X.index[X["household"] == X["household"].iloc[5]] if name != X.index[5]]
    read = {part.label.split(",")[0].removeprefix("row "): part for part in parts if part.label.startswith("row ")}
    assert set(read) == set(mates)
    for name, part in read.items():
        told = [each for each in part.under.split(", ") if each != "\u2026"]
        assert told and len(part.under) <= 52
        for each in told:
            column, value = each.split(" = ")
            stands = y[name] if column == "risk" else X.loc[name, column]
            assert value == stands if isinstance(stands, str) else float(value) == pytest.approx(stands)
    labels = [part.label for part in parts]
    assert "age = 39" in labels and f"how many are read = {len(mates)}, same household" in labels
    for face in (shown.to_html(), shown.to_svg(), shown.to_text()):
        assert "age = 39" in face and "<i>" not in face and "e" * 60 not in face
        assert any(part.under.split(",")[0] in face for part in read.values())
    told = shown.to_frame().set_index("feature")["value"]
    assert told["age"].iloc[0] == "39" and shown.to_json()["rows"][0]["contributions"][1]["column"]
    bare = shown.to_json()
    for line in bare["rows"][0]["contributions"]:
        del line["column"], line["value"]
    other = display(bare)  # what another program wrote, or this one before
    assert (
        " age " in other.to_text()
        and len(other.to_frame()) == len(shown.to_frame())
        and "age = 39" not in other.to_html()
    )


def test_many_rows_read_are_drawn_as_some_and_the_others() -> None:
    svg = ring("r", [Read(f"r{i}", "same", 1 / (i + 1), -0.1) for i in range(60)], title="t").to_text()
    assert svg.count('class="spoke less"') == MOST_NODES + 1 and f"{60 - MOST_NODES} others" in svg


def test_curves_count_a_step_that_was_done_again_once_and_find_the_best() -> None:
    again = [*history(), {"step": 230, "split": "train", "name": "loss", "value": 0.5, "seconds": 99.0}]
    again += [{"step": 240, "split": "train", "name": "loss", "value": None, "seconds": 99.0}]
    shown = CurvesDisplay.from_predictions(again)
    train = next(curve for curve in shown.curves if curve.split == "train")
    assert len(train.points) == 23 and train.points[-1] == [230, 0.5, 99.0]
    assert shown.to_json()["best"] == {"step": 200, "value": pytest.approx(1.16)}
    assert "step 200: 1.16" in shown.title()
    long = [{"step": k, "split": "train", "name": "loss", "value": 1 / k, "seconds": k} for k in range(1, 5001)]
    assert len(CurvesDisplay.from_predictions(long).curves[0].points) == 400
    assert "no history" in CurvesDisplay.from_predictions([]).to_text() and CurvesDisplay.from_predictions([]).to_html()
    with pytest.raises(DataError, match="record 1"):
        CurvesDisplay.from_predictions([{"step": 1}])


def test_a_ladder_is_shown_as_it_was_found() -> None:
    frame = table()
    rungs = table_rungs("classification", [HOUSEHOLD], 0, None, ["constant", "X W"])
    found = ladder(
        features(frame), answers(frame, "binary"), relations=[HOUSEHOLD], cv=[KnownNeighbours(3)], rungs=rungs
    )
    shown = LadderDisplay.from_estimator(found)
    assert [rung["name"] for rung in shown.to_json()["rungs"]] == ["constant", "X W"]
    losses = [next(iter(row.cells.values())).loss.mean for row in found.rows]
    assert [rung["value"] for rung in shown.to_json()["rungs"]] == pytest.approx(losses, rel=1e-6)
    with pytest.raises(UsageError, match="There is no question 'other'"):
        LadderDisplay.from_estimator(found, question="other")
    with pytest.raises(DataError, match="There are 2 names, and 1, 2, 2, 2 costs, values, intervals and rungs below"):
        LadderDisplay.from_predictions(["a", "b"], [1.0], [1.0, 2.0], [(0, 1), (0, 1)])
    with pytest.raises(UsageError, match="There is no rung 'c'"):
        LadderDisplay.from_predictions(["a"], [1.0], [1.0], [(0, 1)], chosen="c")


def test_calibration_of_two_classes_in_both_ways() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(307)
    y = (rng.random(307) < p).astype(int)
    one, other = (
        CalibrationDisplay.from_predictions(y, p),
        CalibrationDisplay.from_predictions(y, np.stack([1 - p, p], 1)),
    )
    assert one == other and one.to_json()["error"] < 0.1
    named = np.array(["no", "yes"])
    assert CalibrationDisplay.from_predictions(named[y], np.stack([1 - p, p], 1), classes=named) == one
    sure = np.maximum(p, 1 - p)
    assert CalibrationDisplay.from_confidences(sure, (p > 0.5) == y) == one
    for part in one.to_json()["bins"]:
        assert 0 <= part["low"] <= part["true"] <= part["high"] <= 1
    with pytest.raises(DataError, match=r"y has 3 answers and P the shape \(4, 2\)"):
        CalibrationDisplay.from_predictions([0, 1, 1], [0.1] * 4)
    assert "no rows" in CalibrationDisplay.from_predictions([], np.zeros((0, 2))).to_text()


def test_arrays_that_do_not_fit_say_what_would() -> None:
    with pytest.raises(DataError, match=r"An array of shape \(2, 2\); allowed: finite numbers of shape \(7, 7\)"):
        AttentionDisplay.from_predictions(np.ones((2, 2)), WORDS)
    with pytest.raises(DataError, match="A has 1 axes; allowed"):
        AttentionDisplay.from_predictions(np.ones(7), WORDS)
    with pytest.raises(DataError, match="numbers that are not finite"):
        AttentionDisplay.from_predictions(np.full((7, 7), math.nan), WORDS)
    with pytest.raises(DataError, match="Got one text; allowed: a list of words"):
        AttentionDisplay.from_predictions(np.ones((3, 3)), "one two three")
    with pytest.raises(UsageError, match="There is no head 3 in 'attention'; allowed: 1 to 2"):
        AttentionDisplay.from_predictions(np.ones((2, 7, 7)), WORDS, head=3)
    with pytest.raises(UsageError, match="There is no layer 'atention'.*\n.*\n.*Did you mean 'attention'"):
        AttentionDisplay.from_predictions(np.ones((2, 7, 7)), WORDS, layer="atention")
    with pytest.raises(DataError, match="mask is 7; allowed: 0 to 6"):
        MaskedWordDisplay.from_predictions(WORDS, 7, {"a": 1.0}, attention=np.ones(7))
    with pytest.raises(DataError, match=r"attention has shape \(6,\); allowed: \(7,\)"):
        MaskedWordDisplay.from_predictions(WORDS, 1, {"a": 1.0}, attention=np.ones(6))
    with pytest.raises(UsageError, match="A dict cannot be explained so"):
        explain({}, "x")
    with pytest.raises(UsageError, match="A dict has no attention that can be shown so"):
        AttentionDisplay.from_estimator({}, "x")
