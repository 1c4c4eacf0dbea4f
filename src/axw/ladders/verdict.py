"""From the losses of all folds to a verdict: which rung pays, which one to use, and why, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from axw.ladders.rungs import Rung
from axw.ladders.statistics import Interval, holm_intervals


class Question(NamedTuple):
    """One way of holding rows out.

    name, title      "known_neighbours", "rows whose relatives are known"
    splitter         how the splitter was written
    folds            number of tests J;  train_size, test_size: mean numbers of rows
    warnings         what the splitter said
    """

    name: str
    title: str
    splitter: str
    folds: int
    train_size: float
    test_size: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """How one rung did on one question.

    folds        metric -> (J,), one number a fold
    calibration  expected calibration error of all out-of-fold rows; NaN for a regression
    seconds      (J,) to fit, fold by fold
    failed       message of the first fold that could not be fitted; "" = none
    warned       number of fits that warned, and the first warning
    predictions  (t c) or (t,) of all tested rows, fold after fold; None where a fold failed
    """

    folds: Mapping[str, np.ndarray] = field(default_factory=dict)
    calibration: float = float("nan")
    seconds: np.ndarray = field(default_factory=lambda: np.zeros(0))
    failed: str = ""
    warned: tuple[int, str] = (0, "")
    predictions: np.ndarray | None = field(default=None, repr=False, compare=False)


class Comparison(NamedTuple):
    """A rung minus the one below it in the primary loss: negative = better. `below` is the next lower rung that did not fail."""

    below: str
    interval: Interval

    @property
    def pays(self) -> bool:
        return self.interval.below_zero


class Choice(NamedTuple):
    """The rung to use for a question, and the one of least loss."""

    rung: str
    best: str


Answers = Mapping[str, Answer]  # of one question, by rung


def compare(
    rungs: Sequence[Rung], answers: Answers, question: Question, primary: str, level: float = 0.95
) -> dict[str, Comparison]:
    """Every rung against the one below it, paired fold by fold; Holm's correction over the rungs of the question."""
    alive = [rung.name for rung in rungs if not answers[rung.name].failed]
    lower = {name: [below for below in _lower(rungs, name) if below in alive] for name in alive}
    pairs = [(name, lower[name][0]) for name in alive if lower[name]]
    intervals = _differences(answers, pairs, question, primary, level)
    return {name: Comparison(below, found) for (name, below), found in zip(pairs, intervals, strict=True)}


def _differences(
    answers: Answers, pairs: Sequence[tuple[str, str]], question: Question, primary: str, level: float
) -> list[Interval]:
    """The loss of each pair's first minus that of its second; what is rounding is a share of the losses, whatever their unit."""
    losses = [(answers[one].folds[primary], answers[other].folds[primary]) for one, other in pairs]
    sizes = [(question.train_size, question.test_size)] * len(pairs)
    scales = [float(np.nan_to_num(np.abs(np.concatenate(both))).max(initial=0.0)) for both in losses]
    return holm_intervals([one - other for one, other in losses], sizes, level, scales)


def choose(
    rungs: Sequence[Rung],
    answers: Answers,
    question: Question,
    primary: str,
    compared: Mapping[str, Comparison],
    level: float = 0.95,
) -> Choice:
    """The simplest rung that is not significantly worse than the best.

    The simplest is the first in the order of the ladder. Significantly: paired corrected interval, Holm's correction over the
    simpler rungs. A rung is out, too, where one that builds on it pays and has the lower mean loss.
    """
    means = _means(rungs, answers, primary)
    alive = list(means)
    best = min(alive, key=means.__getitem__)
    simpler = alive[: alive.index(best)]
    worse = _differences(answers, [(name, best) for name in simpler], question, primary, level)
    behind = {
        lower
        for name, comparison in compared.items()
        for lower in _lower(rungs, name)
        if comparison.pays and lower in means and means[name] < means[lower]
    }
    for name, interval in zip(simpler, worse, strict=True):
        if not interval.above_zero and name not in behind:
            return Choice(name, best)
    return Choice(best, best)


def relation_pays(
    rungs: Sequence[Rung], answers: Answers, primary: str, compared: Mapping[str, Comparison], choice: Choice
) -> bool | None:
    """Whether the rung to use reads a relation, or one that adds a relation, or its labels, pays and is ahead of all rungs
    without a relation that it builds on. None where no rung reads a relation.
    """
    by_name, means = {rung.name: rung for rung in rungs}, _means(rungs, answers, primary)
    if not any(uses(by_name[name])[0] for name in means):
        return None
    for name, comparison in compared.items():
        if comparison.pays and uses(by_name[name]) > uses(by_name[comparison.below]):
            without = [lower for lower in _lower(rungs, name) if lower in means and not uses(by_name[lower])[0]]
            if all(means[name] < means[lower] for lower in without):
                return True
    return uses(by_name[choice.rung])[0]


def _means(rungs: Sequence[Rung], answers: Answers, primary: str) -> dict[str, float]:
    """Mean primary loss of the rungs that did not fail, in the order of the ladder."""
    alive = [rung.name for rung in rungs if not answers[rung.name].failed]
    return {name: float(np.nanmean(answers[name].folds[primary])) for name in alive}


def _lower(rungs: Sequence[Rung], name: str) -> list[str]:
    """All rungs that a rung builds on, the nearest first."""
    below = {rung.name: rung.below for rung in rungs}
    found: list[str] = []
    lower = below[name]
    while lower is not None:
        found.append(lower)
        lower = below[lower]
    return found


def uses(rung: Rung) -> tuple[bool, bool]:
    """Whether the rung reads related rows, and their labels."""
    related = bool(getattr(rung.estimator, "relations", ()))
    return related, related and bool(getattr(rung.estimator, "labels", False))


def sentence(
    questions: Sequence[Question],
    choices: Sequence[Choice],
    losses: Sequence[Mapping[str, float]],
    pays: Sequence[bool | None],
    measure: str,
) -> str:
    """What to use and why, one clause a question, and whether the relation pays.

    losses  of each question: mean primary loss by rung
    """
    reasons = [_reason(choice, loss, measure) for choice, loss in zip(choices, losses, strict=True)]
    parts = list(zip(questions, choices, reasons, strict=True))
    if len({choice.rung for choice in choices}) == 1:
        why = "; ".join(f"{question.title}: {reason}" for question, _, reason in parts)
        text = f"Use {choices[0].rung} ({reasons[0] if len(parts) == 1 else why})."
    else:
        text = "; ".join(f"for {question.title} use {choice.rung} ({reason})" for question, choice, reason in parts)
        text = text[0].upper() + text[1:] + "."
    return " ".join(filter(None, [text, _of_relation(questions, pays)]))


def _reason(choice: Choice, loss: Mapping[str, float], measure: str) -> str:
    if choice.rung == choice.best:
        return f"lowest {measure}, {loss[choice.best]:.4g}"
    return (
        f"{measure} {loss[choice.rung]:.4g}; the lowest, {loss[choice.best]:.4g} of {choice.best}, "
        "is not significantly better"
    )


def _of_relation(questions: Sequence[Question], pays: Sequence[bool | None]) -> str:
    asked = [(question.title, paid) for question, paid in zip(questions, pays, strict=True) if paid is not None]
    yes = [title for title, paid in asked if paid]
    no = [title for title, paid in asked if not paid]
    if yes and no:
        return f"The relation pays for {_listed(yes)}; it does not pay for {_listed(no)}."
    if yes:
        return f"The relation pays for {_listed(yes)}."
    if no:
        return (
            f"The relation does not pay for {_listed(no)}: reading related rows is not significantly better than not."
        )
    return ""


def _listed(titles: Sequence[str]) -> str:
    return " and for ".join(titles)
