"""The report of a model on rows, lines and trees whose answers are known: its numbers, its words, what it is compared with."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from axw.data.trees import Tree
from axw.errors import DataError
from axw.measures import classification_metrics
from axw.models import AttentionClassifier, AttentionRegressor, load
from axw.models.tables.linear import Column
from axw.relations import SameValue
from axw.show.evaluation import HeldOut, OfTarget, Source, evaluation_report, samples_of, targets_report
from axw.show.more_samples import f1_of, flat_tree
from axw.show.run_page import run_page
from axw.show.run_samples import Samples
from axw.show.samples_page import slices_part
from axw.show.table_samples import by_class, held_out_answers, of_table, of_targets
from axw.show.weights import weights_of
from tests.models.tables import made_up
from tests.serve import tiny
from tests.show.nasty import NASTY
from tests.show.test_displays import known_lengths, numbers_are_known, told, without_ticks
from tests.show.test_report import known_numbers, shown_numbers

NOT_DATA = {"20", "100", "256", "3.0"}  # fewer than 20 lines, 0 to 100 %, SHA-256
SOURCE = Source("axw evaluate m f", {"axw": "0.1.0"}, {"rows": 7}, {"rank": 2}, 3)


def fitted(kind):
    frame = tiny.passengers(131).drop(columns=["born", "passenger"])
    y = tiny.survived(frame) if kind is AttentionClassifier else frame["age"].fillna(33.0) + 5.0 * frame["alone"]
    X = frame.drop(columns="age")
    return kind("given", relations=[SameValue("ticket")], labels=True).fit(X, y), X, y.to_numpy()


@pytest.mark.parametrize("kind", [AttentionClassifier, AttentionRegressor])
def test_rows_held_out_in_turn_are_compared_with_knowing_nothing(kind) -> None:
    model, X, y = fitted(kind)
    known, answers = held_out_answers(model)
    assert known.all() and len(answers) == len(y)
    found = of_table(model, X, y, answers)
    if kind is AttentionClassifier:
        codes = np.searchsorted(model.classes_, y)
        assert model.calibration_error_ == pytest.approx(found.calibration["error"], abs=1e-6)
        told_of = {line["measure"]: line for line in found.baselines}
        assert told_of["log loss"]["model"] == pytest.approx(classification_metrics(codes, answers)["log_loss"])
        shares = np.bincount(codes) / len(codes)
        assert told_of["log loss"]["value"] == pytest.approx(-(shares * np.log(shares)).sum())
        assert told_of["accuracy"]["value"] == pytest.approx(shares.max())
    else:
        assert found.baselines[0]["value"] == pytest.approx(np.abs(y - y.mean()).mean(), rel=1e-6)
        assert found.baselines[0]["model"] == pytest.approx(np.abs(y - answers).mean())
    for kind in {part["slice"] for part in found.slices}:
        assert sum(part["lines"] for part in found.slices if part["slice"] == kind) == len(y)
    assert len({part["slice"] for part in found.slices}) == 2, "by the answer, and by how many rows are read"
    assert {example["kind"] for example in found.examples} == {"typical", "best", "worst"}
    assert found.picture["schema"] == "axw.explanation/1"


@pytest.mark.parametrize("kind", [AttentionClassifier, AttentionRegressor])
def test_every_number_on_the_page_is_in_the_json(kind) -> None:
    model, X, y = fitted(kind)
    page, value = evaluation_report(of_table(model, X, y), model.evaluate(X, y), SOURCE, title="seven", unit="row")
    assert page == run_page(json.loads(json.dumps(value))) and len(page.encode()) < 1 << 20
    picture = value["picture"]["rows"][0]
    sums = pd.DataFrame(picture["contributions"]).groupby(["relation", "read", "feature"])["contribution"].sum()
    by_read = pd.DataFrame(picture["contributions"]).groupby(["relation", "read"])["contribution"].sum()
    more = {f"{number:+.3f}".replace("-", "−") for number in [*sums, *by_read]}
    allowed = known_numbers(value) | known_lengths(value) | known_numbers(list(more)) | {"95", "20", "1"}
    without = re.sub(r"<svg.*?</svg>", without_ticks, page, flags=re.S)
    without = re.sub(r"<details>.*?</details>", "", without, flags=re.S)
    without = re.sub(r"\d\.\d+e[-−]\d+", "", without)  # the smallest are written with a power of ten
    assert plain(shown_numbers(without)) <= plain(allowed)


def test_three_classes_and_several_numbers_have_reports_too() -> None:
    frame = made_up.table(households=41)
    X = made_up.features(frame)
    y = made_up.answers(frame, "multi-class")
    three = made_up.model("given", "multi-class", relations=[made_up.HOUSEHOLD], labels=True).fit(X, y)
    known, P = held_out_answers(three)
    found = of_table(three, X[known], y.to_numpy()[known], P)
    assert {line["measure"] for line in found.baselines} == {"log loss", "accuracy"} and found.calibration[
        "rows"
    ] == len(y)
    (output,) = found.picture["rows"][0]["outputs"]  # of the class that was said, and not of all
    assert output in three.targets_ and found.picture["rows"][0]["contributions"]
    Y = made_up.answers(frame, "several")
    several = made_up.model("given", "several", relations=[made_up.HOUSEHOLD]).fit(X, Y)
    _, answers = held_out_answers(several)
    told = of_targets(several, X, Y.to_numpy(), answers)
    parts = {name: OfTarget(one, {"mae": one.baselines[0]["model"]}) for name, one in told.items()}
    page, value = targets_report(parts, SOURCE, title="two numbers")
    assert page == run_page(json.loads(json.dumps(value))) and page.count("<h3><bdi>Measures</bdi></h3>") == 2
    for k, name in enumerate(Y.columns):
        assert value["targets"][k]["name"] == name
        error = np.abs(answers[:, k] - Y.iloc[:, k].to_numpy())
        assert value["targets"][k]["measures"]["mae"] == pytest.approx(error.mean(), rel=1e-6)
        assert list(value["targets"][k]["picture"]["rows"][0]["outputs"]) == [name]
    assert [line.split(":")[0] for line in value["verdict"]] == list(Y.columns)
    many, whole = targets_report({f"t{i}": parts["half"] for i in range(60)}, SOURCE, title="sixty numbers")
    assert len(many.encode()) < 1 << 20 and "Shown are 12 of 60 targets" in many and len(whole["targets"]) == 60


def test_what_was_learned_from_is_known_of_a_model_without_its_rows(tmp_path) -> None:
    frame = tiny.passengers(131).drop(columns=["born", "passenger", "ticket"])
    y = tiny.survived(tiny.passengers(131))
    model = AttentionClassifier("none").fit(frame, y)
    model.save(tmp_path / "m.axw", context="none")
    first, second = (of_table(one, frame, y.to_numpy()) for one in (model, load(tmp_path / "m.axw")))
    assert first.baselines == second.baselines and first.baselines[0]["value"] < 0.7


def test_parts_that_were_not_computed_are_named() -> None:
    W = np.array([[0.5, -1.25], [-2.0, 0.75], [0.125, 3.0]])
    columns = [Column("age", "", "age"), Column("mean(age | home)", "home", "age"), Column("n(home)", "home", "n")]
    weights = weights_of(columns, W, ["a", "b"], "log-odds")
    assert [block["sizes"] for block in weights["blocks"]] == [[0.5, 1.25], pytest.approx([4.015625**0.5, 9.5625**0.5])]
    page, value = evaluation_report(
        Samples(), {}, SOURCE, title="t", weights=weights, not_computed=["Examples: too dear."]
    )
    assert "Examples: too dear." in page and value["not_computed"] == ["Examples: too dear."]
    assert page.index("mean(age | home)") < page.index("All weights")
    numbers_are_known(page, json.loads(json.dumps(value)), NOT_DATA)


def test_an_interval_of_many_rows_is_that_of_a_bootstrap_without_the_drawing(monkeypatch) -> None:
    from axw.show import run_samples

    random = np.random.default_rng(0)
    by, value = random.random(997), random.gamma(2.0, 1.0, 997)
    drawn = run_samples.slices("x", by, value, "m")
    monkeypatch.setattr(run_samples, "MANY", 200)
    counted = run_samples.slices("x", by, value, "m")
    assert {part["interval"] for part in drawn} == {"bootstrap"} and {part["interval"] for part in counted} == {
        "normal"
    }
    for one, other in zip(drawn, counted, strict=True):
        assert one["value"] == other["value"] and one["lines"] == other["lines"]
        assert other["low"] == pytest.approx(one["low"], abs=0.03) and other["high"] == pytest.approx(
            one["high"], abs=0.03
        )
    assert "normal distribution" in slices_part(counted, "row") and "normal" not in slices_part(drawn, "row")


def test_classes_of_slices_are_the_commonest_and_those_that_were_learned_from() -> None:
    classes, codes = [f"c{k}" for k in range(30)], np.repeat(np.arange(-1, 29), np.arange(1, 31))
    parts = by_class(classes, codes, np.ones(len(codes)), "m")
    assert [part["from"] for part in parts] == [f"c{k}" for k in range(9, 29)] and parts[-1]["lines"] == 30


def plain(numbers):
    return {number.lstrip("+−-") for number in numbers}


def test_words_of_rows_stay_words() -> None:
    frame = pd.DataFrame({text: [text, f"no {text}"] * 60 for text in NASTY[:7]})
    y = np.array([NASTY[1], NASTY[2]] * 60)
    model = AttentionClassifier("none").fit(frame, y)
    page, _ = evaluation_report(of_table(model, frame, y), {NASTY[0]: 1.0}, SOURCE, title=NASTY[3], findings=NASTY)
    assert "<script>alert" not in page and "onerror" not in re.sub(r">[^<]*<", "><", page)
    assert told(page)


def test_lines_trees_and_classes() -> None:
    lines = tiny.lines(113, seed=3)
    labels = ["rot" if "rot" in line.split() else "other" for line in lines]
    found = samples_of(tiny.sentences(), HeldOut(lines, labels))
    assert found.baselines[0]["value"] == max(labels.count("rot"), labels.count("other")) / len(labels)
    assert found.picture["schema"] == "axw.classes/1" and found.calibration["rows"] == len(lines)
    trees = samples_of(tiny.parser(), HeldOut(tiny.TREES[:5]))
    assert trees.picture["schema"] == "axw.tree/1" and 0 <= trees.baselines[0]["model"] <= 100
    assert all(Tree.from_string(example["answer"]).words() for example in trees.examples)
    for samples in (found, trees):
        page, value = evaluation_report(samples, {}, SOURCE, title="lines")
        assert value["verdict"] and "By kind of line" in page
        numbers_are_known(page, json.loads(json.dumps(value)), NOT_DATA)
        assert len(page.encode()) < 1 << 20
    with pytest.raises(DataError, match="There are 113 lines and 0 answers."):
        samples_of(tiny.sentences(), HeldOut(lines))


def test_every_number_of_translations_and_hidden_words_is_in_the_json() -> None:
    lines = tiny.lines(31, seed=4)
    pairs = samples_of(tiny.translator(), HeldOut(lines, [line.upper() for line in lines]))
    for samples in (pairs, samples_of(tiny.words(), HeldOut(lines))):
        page, value = evaluation_report(samples, {"BLEU": 12.5}, SOURCE, title="lines", findings=["lines: 31 lines"])
        numbers_are_known(page, json.loads(json.dumps(value)), NOT_DATA)
        assert len(page.encode()) < 1 << 20 and "Met in the data" in page


def test_a_flat_tree_has_the_words_and_tags_and_one_phrase() -> None:
    tree = Tree.from_string(tiny.TREES[1])
    flat = flat_tree(tree)
    assert flat.to_string() == "(S (DT a) (NN dog) (VBD saw) (DT the) (NN bird))"
    from axw.models.trees.writing import score_trees

    same, other = score_trees([tree, tree], [tree, flat])
    assert f1_of(same) == 100 and 0 < f1_of(other) < 100
