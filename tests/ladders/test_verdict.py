"""Verdicts on made-up losses: which rung pays, which to use, and what the sentence says."""

from __future__ import annotations

import numpy as np
import pytest

from axw.ladders import Answer, Choice
from axw.ladders.verdict import choose, compare, relation_pays, sentence
from tests.ladders.made_up import answer, question, rungs

NAMES = [rung.name for rung in rungs()]
NOISE = np.array([0.004, -0.003, 0.001, -0.005, 0.003])
BASE = np.array([0.51, 0.49, 0.52, 0.50, 0.48])


def losses(*steps: float | None) -> dict[str, Answer]:
    """Mean differences from BASE by rung, each with noise of its own; None = failed."""
    made = {}
    for number, (name, step) in enumerate(zip(NAMES, steps, strict=True)):
        made[name] = Answer(failed="no") if step is None else answer(BASE + step + np.roll(NOISE, number))
    return made


def verdict(answers: dict[str, Answer]):
    compared = compare(rungs(), answers, question(), "log_loss")
    choice = choose(rungs(), answers, question(), "log_loss", compared)
    return compared, choice, relation_pays(rungs(), answers, "log_loss", compared, choice)


def test_ties_go_to_the_simplest():
    compared, choice, pays = verdict(losses(0.0, 0.0, 0.0, -0.0005))
    assert (choice.rung, choice.best) == ("constant", NAMES[3])
    assert not any(comparison.pays for comparison in compared.values()) and pays is False


def test_equal_losses_are_a_tie():
    answers = {name: answer(BASE) for name in NAMES}
    compared, choice, pays = verdict(answers)
    assert choice == ("constant", "constant") and pays is False
    assert all(comparison.interval == (0, 0, 0, 1) for comparison in compared.values())


def test_a_clear_gain_is_used():
    compared, choice, pays = verdict(losses(0.2, 0.1, 0.1, 0.0))
    assert choice == (NAMES[3], NAMES[3]) and pays is True
    assert [compared[name].pays for name in NAMES[1:]] == [True, False, True]


def test_the_simplest_of_those_that_tie_with_the_best():
    _, choice, pays = verdict(losses(0.2, 0.0, 0.001, -0.0005))
    assert choice == ("X W", NAMES[3]) and pays is False


def test_labels_that_only_mend_what_the_relation_broke_do_not_pay():
    compared, choice, pays = verdict(losses(0.2, 0.0, 0.1, 0.0002))
    assert compared[NAMES[3]].pays and not compared["A X W"].pays
    assert choice.rung == "X W" and pays is False


def test_many_small_steps_pay_together():
    """No step is significant, both together are: the sentence must not say both "use it" and "it does not pay"."""
    wild = {
        NAMES[0]: answer(BASE + 0.3 + NOISE),
        NAMES[1]: answer(BASE + 0.1 + NOISE),
        NAMES[2]: answer(BASE + 0.05 + 12 * NOISE),
        NAMES[3]: answer(BASE),
    }
    compared, choice, pays = verdict(wild)
    assert [compared[name].pays for name in NAMES[2:]] == [False, False]
    assert choice == ("A X W", NAMES[3]) and pays is True


def test_a_step_that_pays_leaves_all_behind_it():
    """The constant is so noisy that it is not significantly worse than anything; X W beaten by A X W is."""
    noisy = losses(0.05, 0.03, 0.0, 0.0)
    noisy[NAMES[0]] = answer(BASE + 0.05 + 30 * NOISE)
    compared, choice, _ = verdict(noisy)
    assert compared["A X W"].pays and choice.rung == "A X W"


def test_a_rung_that_failed_is_stepped_over():
    compared, choice, pays = verdict(losses(0.2, 0.1, None, 0.0))
    assert compared[NAMES[3]].below == "X W" and "A X W" not in compared
    assert choice.rung == NAMES[3] and pays is True


def test_no_relation_no_answer():
    plain = rungs()[:2]
    answers = {name: made for name, made in losses(0.2, 0.0, 0.0, 0.0).items() if name in NAMES[:2]}
    compared = compare(plain, answers, question(), "log_loss")
    assert relation_pays(plain, answers, "log_loss", compared, Choice("X W", "X W")) is None


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_verdict_does_not_depend_on_the_unit(scale):
    answers = {name: answer(a.folds["log_loss"] * scale) for name, a in losses(0.2, 0.1, 0.1, 0.0).items()}
    assert verdict(answers)[1].rung == NAMES[3]


def said(first: dict[str, Answer], second: dict[str, Answer]) -> str:
    asked = [question(), question("new_groups")]
    found = [verdict(first), verdict(second)]
    means = [{name: float(a.folds["log_loss"].mean()) for name, a in answers.items()} for answers in (first, second)]
    return sentence(asked, [choice for _, choice, _ in found], means, [pays for *_, pays in found], "log loss")


def test_two_questions_with_two_answers():
    assert said(losses(0.2, 0.1, 0.1, 0.0), losses(0.2, 0.0, 0.001, -0.0005)) == (
        "For rows whose relatives are known use A X W + neighbours' labels (lowest log loss, 0.5); "
        "for whole new groups use X W (log loss 0.5; the lowest, 0.4995 of A X W + neighbours' labels, is not significantly "
        "better). The relation pays for rows whose relatives are known; it does not pay for whole new groups."
    )


def test_two_questions_with_one_answer():
    text = said(losses(0.2, 0.0, 0.01, 0.01), losses(0.2, 0.0, 0.01, 0.02))
    assert text == (
        "Use X W (rows whose relatives are known: lowest log loss, 0.5; whole new groups: lowest log loss, 0.5). "
        "The relation does not pay for rows whose relatives are known and for whole new groups: "
        "reading related rows is not significantly better than not."
    )
