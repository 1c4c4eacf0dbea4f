"""Every rung on the same folds, so that rungs can be compared pair by pair."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor

from axw.data import as_frame
from axw.data.leaks import is_classes
from axw.errors import DataError, DataWarning, UsageError
from axw.ladders.fitting import Fit, Target, answer_of, in_any_order
from axw.ladders.groups import Fold, check_relations, rows_of
from axw.ladders.held_out import HeldOut
from axw.ladders.result import Ladder, build
from axw.ladders.rungs import Rung, table_rungs
from axw.ladders.splitters import KnownNeighbours, NewGroups
from axw.ladders.verdict import Answer, Question
from axw.measures import PRIMARY
from axw.relations import Relation, as_relations, check_named, only_keys

QUESTIONS = (KnownNeighbours(10), NewGroups(10))
LEVEL = 0.95


def ladder(
    X: Any,
    y: Any,
    *,
    relations: Sequence[Relation] = (),
    cv: Any = QUESTIONS,
    rungs: Sequence[Rung] | None = None,
    seed: int = 0,
    jobs: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
    id: str | None = None,
) -> Ladder:
    """Fit every rung on the same folds of every question, and say which rung pays.

    X, y       the table (n rows) and the target (n,): classes of any kind, or numbers
    relations  who may read whom; NewGroups without relations of its own holds out their groups
    cv         questions: splitters, the most important first; the verdict of `Ladder.use` is about the first
    rungs      None = `table_rungs`; others may be any scikit-learn classifiers with predict_proba, or regressors
    seed       of the estimators (a splitter has its own)
    jobs       processes; each computes with one thread, so the numbers are the same for any number of them
    progress   called as progress(done, total, text) after every fit
    id         column that names the rows; None = the index

    A rung that fails on any fold is reported as failed, with its message, and the rest goes on. Raises DataError for a target
    that cannot be used, UsageError for settings that do not go together, and DataError where every rung fails.
    """
    if not isinstance(jobs, int) or jobs < 1:
        raise UsageError(f"jobs is {jobs!r}; allowed: a whole number of at least 1.", "jobs")
    frame, relations = as_frame(X), as_relations(relations)
    check_named(frame, relations, id)
    y = _one_column(y)
    task = _task(y, rungs)
    target = _target(y, task, len(frame))
    rungs = _checked(table_rungs(task, relations, seed, id) if rungs is None else rungs)
    check_relations(frame, relations, id)
    questions, folds = _questions(cv, frame, target, relations, id)
    work = [(q, r, f) for q in range(len(questions)) for r in range(len(rungs)) for f in range(len(folds[q]))]
    frames = [_seen(frame, rung, relations, id) for rung in rungs]
    calls = ((rungs[r].estimator, frames[r], target, folds[q][f]) for q, r, f in work)
    fits: dict[tuple[int, int, int], Fit] = {}
    for number, fit in in_any_order(calls, jobs):
        fits[work[number]] = fit
        if progress is not None:
            q, r, _ = work[number]
            progress(len(fits), len(work), f"{rungs[r].name}: {questions[q].title}")
    answers = {
        question.name: {
            rung.name: answer_of([fits[q, r, f] for f in range(len(folds[q]))], [test for _, test in folds[q]], target)
            for r, rung in enumerate(rungs)
        }
        for q, question in enumerate(questions)
    }
    for question in questions:
        _check_any(question, answers[question.name])
    settings = {"cv": [q.splitter for q in questions], "seed": seed, "level": LEVEL, "primary": PRIMARY[task], "id": id}
    found = build(rungs, questions, answers, task, _about(frame, y, target, relations), settings)
    places = {question.name: np.concatenate([test for _, test in folds[q]]) for q, question in enumerate(questions)}
    return replace(found, held_out=_held_out(frame, target, places, answers, relations, id))


def _held_out(
    frame: pd.DataFrame,
    target: Target,
    places: dict[str, np.ndarray],
    answers: dict[str, dict[str, Answer]],
    relations: tuple[Relation, ...],
    id: str | None,
) -> HeldOut:
    predictions = {
        question: {rung: answer.predictions for rung, answer in rungs.items() if answer.predictions is not None}
        for question, rungs in answers.items()
    }
    ids = (frame.index if id is None else frame[id]).to_numpy()
    who = rows_of(frame, relations, id) if relations else None
    return HeldOut(target.codes, target.classes, ids, places, predictions, relations, who)


def _one_column(y: Any) -> Any:
    """The target as one column. `DataError` where it has several."""
    y = np.asarray(y) if isinstance(y, list | tuple) else y
    if getattr(y, "ndim", 1) < 2:
        return y
    values = y if isinstance(y, pd.DataFrame) else pd.DataFrame(np.asarray(y))
    if values.shape[1] != 1:
        raise DataError(
            f"The target has {values.shape[1]} columns; allowed: one, for a ladder is climbed for one answer.",
            "y",
            "Give one column, such as y['a'].",
        )
    return values.iloc[:, 0]


def _task(y: Any, rungs: Sequence[Rung] | None) -> str:
    """What the estimators are; without any, what the target looks like."""
    if not rungs:
        return "classification" if is_classes(pd.Series(y)) else "regression"
    kinds = {
        "classification" if is_classifier(r.estimator) else "regression" if is_regressor(r.estimator) else ""
        for r in rungs
    }
    if len(kinds) > 1 or "" in kinds:
        raise UsageError(
            "The rungs mix classifiers, regressors or other things; allowed: all classifiers, or all regressors.",
            "rungs",
        )
    return kinds.pop()


def _target(y: Any, task: str, rows: int) -> Target:
    series = pd.Series(y)
    if len(series) != rows:
        raise DataError(f"The target has {len(series)} values for {rows} rows.", "y", "Give one value for each row.")
    missing = int(series.isna().sum())
    if missing:
        raise DataError(f"{missing} of {rows} rows have no target.", "y", "Leave these rows out.")
    if task == "regression":
        values = series.to_numpy(dtype=float)
        if not np.isfinite(values).all():
            raise DataError(
                f"{int((~np.isfinite(values)).sum())} targets are not finite.", "y", "Leave these rows out."
            )
        return Target(values, values, None)
    codes, found = pd.factorize(series, sort=True)
    if len(found) < 2:
        what = f"All {rows} rows have the target {found[0]!r}." if rows else "There are no rows."
        raise DataError(what, "y", "A classifier needs rows of two classes.")
    classes = pd.Series(list(found), dtype=object).infer_objects().to_numpy()
    return Target(classes[codes], np.asarray(codes), classes)


def _checked(rungs: Sequence[Rung]) -> list[Rung]:
    """Names unique, and every `below` the name of an earlier rung."""
    if not rungs:
        raise UsageError("There are no rungs; allowed: at least one.", "rungs")
    known: set[str] = set()
    for rung in rungs:
        if rung.name in known:
            raise UsageError(f"Two rungs are called {rung.name!r}.", "rungs", "Give each rung a name of its own.")
        if rung.below is not None and rung.below not in known:
            raise UsageError(
                f"The rung {rung.name!r} extends {rung.below!r}, which does not come before it.",
                "rungs",
                "List the lower rung first.",
            )
        known.add(rung.name)
    return list(rungs)


def _questions(
    cv: Any, frame: pd.DataFrame, target: Target, relations: tuple[Relation, ...], id: str | None
) -> tuple[list[Question], list[list[Fold]]]:
    """The questions, and the folds of each."""
    splitters = [cv] if hasattr(cv, "split") else list(cv)
    own = [s for s in splitters if not isinstance(s, NewGroups) or s.relations or relations]
    if not own:
        raise UsageError(
            "There is no question to ask: NewGroups needs relations, and there are none."
            if splitters
            else "cv is empty.",
            "cv",
            "Give relations, or cv=[axw.KnownNeighbours(10)].",
        )
    questions: list[Question] = []
    folds = []
    for splitter in own:
        if isinstance(splitter, NewGroups):
            splitter = splitter.with_relations(relations, id)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            parts = list(splitter.split(frame, target.values))
        name, title = _called(splitter, [question.name for question in questions])
        said = tuple(str(warning.message) for warning in caught if issubclass(warning.category, DataWarning))
        sizes = np.array([[len(train), len(test)] for train, test in parts], dtype=float).mean(0)
        questions.append(Question(name, title, repr(splitter), len(parts), float(sizes[0]), float(sizes[1]), said))
        folds.append(parts)
    return questions, folds


def _called(splitter: Any, taken: Sequence[str]) -> tuple[str, str]:
    """Name and title of a question; another splitter of scikit-learn is called what its class is."""
    kind = type(splitter).__name__
    name = getattr(splitter, "name", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower())
    title = getattr(splitter, "title", kind)
    number = 1 + sum(other == name or other.startswith(f"{name}_") for other in taken)
    return (name, title) if number == 1 else (f"{name}_{number}", f"{title} ({number})")


def _seen(frame: pd.DataFrame, rung: Rung, relations: Sequence[Relation], id: str | None) -> pd.DataFrame:
    """The columns that a rung gets. A model of this package that reads no relation does not get columns that only say who belongs
    together: the rung above drops them, and the two shall differ by the relation alone."""
    if getattr(rung.estimator, "relations", None) is None:
        return frame
    own = {name for relation in as_relations(rung.estimator.relations) for name in relation.columns}
    keys = {name for relation in relations for name in relation.columns} - own - {id}
    return frame.drop(columns=only_keys(frame, [name for name in frame.columns if name in keys], id))


def _check_any(question: Question, answers: dict[str, Answer]) -> None:
    if all(answer.failed for answer in answers.values()):
        name, first = next(iter(answers.items()))
        raise DataError(
            f"Every rung failed on {question.title}; the first, {name!r}: {first.failed}",
            question.splitter,
            "Look at the data: axw.check(X).",
        )


def _about(frame: pd.DataFrame, y: Any, target: Target, relations: Sequence[Relation]) -> dict[str, Any]:
    """What the ladder was made from."""
    classes = target.classes
    return {
        "rows": len(frame),
        "columns": [str(name) for name in frame.columns],
        "target": None if getattr(y, "name", None) is None else str(y.name),
        "task": "regression" if classes is None else "classification",
        "classes": None if classes is None else {str(c): int((target.codes == k).sum()) for k, c in enumerate(classes)},
        "relations": [relation.name for relation in relations],
    }
