"""The ladder for tables: Y = A X W, from no A at all to several learned ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier, DummyRegressor

from axw.errors import UsageError, did_you_mean
from axw.relations import Relation

TASKS = ("classification", "regression")
IN_THE_SPAN = "in the span of X W: can differ only by regularisation"


class Rung(NamedTuple):
    """One model of a ladder.

    name       what it is called, unique in its ladder
    reads      which rows a row reads for its answer, in a word or two
    estimator  a scikit-learn classifier or regressor; it is cloned, never fitted itself
    below      name of the rung that it extends, and is compared with; None = none
    note       what a reader should know of it
    """

    name: str
    reads: str
    estimator: BaseEstimator
    below: str | None = None
    note: str = ""


class _Step(NamedTuple):
    """A rung before its estimator: settings of the estimator, and whether it needs relations."""

    name: str
    reads: str
    below: str | None
    settings: dict[str, Any]
    related: bool = False
    note: str = ""


_LABELS = "A X W + neighbours' labels"
_SOFTMAX = "softmax(X K Q' X')"
_WITHIN = "softmax within the relation"
_HEADS = "+ heads, feed-forward"
_DOT = {"normalize": "none", "heads": 1}
_MORE = {"attention": "query-key", "heads": 4, "feedforward": "swiglu", "members": 2}


def _steps(related: bool) -> list[_Step]:
    """Every rung but the constant. The three unnormalised ones read all rows, but X'X is one d x d matrix: A X W = X (X'X) W, so
    they only re-parametrise X W, and say so."""
    steps = [
        _Step("X W", "own row", "constant", {"attention": "none"}),
        _Step("A X W", "relatives", "X W", {"attention": "given"}, True),
        _Step(_LABELS, "and labels", "A X W", {"attention": "given", "labels": True}, True),
        _Step("A = X X'", "all rows", "X W", {"attention": "dot", **_DOT}, note=IN_THE_SPAN),
        _Step("A = X W X', rank r", "all rows", "X W", {"attention": "bilinear", "rank": 2, **_DOT}, note=IN_THE_SPAN),
        _Step(
            "A = X K Q' X', rank r", "all rows", "X W", {"attention": "query-key", "rank": 2, **_DOT}, note=IN_THE_SPAN
        ),
        _Step(_SOFTMAX, "all rows", "X W", {"attention": "query-key", "heads": 1, "labels": True, "members": 1}),
        _Step(_WITHIN, "relatives", _LABELS, {"attention": "query-key", "labels": True}, True),
    ]
    if related:
        return [*steps, _Step(_HEADS, "relatives", _WITHIN, {**_MORE, "labels": True}, True)]
    return [
        *(step for step in steps if not step.related),
        _Step(_HEADS, "all rows", _SOFTMAX, {**_MORE, "labels": True, "members": 1}),
    ]


def table_rungs(
    task: str, relations: Sequence[Relation], seed: int, id: str | None = None, names: Iterable[str] | None = None
) -> list[Rung]:
    """The rungs for a table, the simplest first: ten with relations; seven without, those that need none.

    task       "classification" or "regression"
    relations  who may read whom; rungs with a given A read all of them
    seed       of everything random in the estimators
    id         column that names the rows; None = the index
    names      only these rungs, in the order of the ladder; one whose lower rung is left out extends the next lower that is not

    Raises UsageError for an unknown task or name.
    """
    if task not in TASKS:
        raise UsageError(f"task is {task!r}.", "task", did_you_mean(str(task), TASKS))
    steps = _steps(bool(relations))
    wanted = _wanted([step.name for step in steps], names)
    below = {"constant": None, **{step.name: step.below for step in steps}}
    rungs = []
    if "constant" in wanted:
        constant = DummyClassifier(strategy="prior") if task == "classification" else DummyRegressor()
        rungs.append(Rung("constant", "nothing", constant))
    for step in steps:
        if step.name in wanted:
            lower = step.below
            while lower is not None and lower not in wanted:
                lower = below[lower]
            estimator = _estimator(task, step, relations, id, seed)
            rungs.append(Rung(step.name, step.reads, estimator, lower, step.note))
    return rungs


def _wanted(steps: list[str], names: Iterable[str] | None) -> set[str]:
    known = ["constant", *steps]
    if names is None:
        return set(known)
    wanted = [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in known:
            raise UsageError(f"There is no rung {name!r}.", "names", did_you_mean(str(name), known))
    return set(wanted)


def _estimator(task: str, step: _Step, relations: Sequence[Relation], id: str | None, seed: int) -> BaseEstimator:
    # Here, so that a ladder of other estimators does not import PyTorch.
    from axw.models import AttentionClassifier, AttentionRegressor

    kind = AttentionClassifier if task == "classification" else AttentionRegressor
    own = tuple(relations) if step.related else ()
    return kind(relations=own, id=id, random_state=seed, **step.settings)
