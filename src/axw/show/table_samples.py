"""What a report shows of rows of a table whose answers are known: see `run_samples`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from axw.data.values import value_text
from axw.ladders.groups import rows_of
from axw.measures.tables import clipped
from axw.show.charts import short
from axw.show.ladder import CalibrationDisplay
from axw.show.rows import RowsDisplay
from axw.show.run_samples import Samples, a_slice, chosen, slices

if TYPE_CHECKING:
    from axw.models.tables.estimators import AttentionClassifier, AttentionRegressor
    from axw.models.tables.problem import Target

WITHOUT_ROWS = (
    "Examples, and one row looked at: the model was saved without its rows in the clear, and its folder stays so."
)
MOST_VALUES = 5  # of a row that is an example
MOST_CLASSES = 20  # slices of a model of many classes


def without_rows(samples: Samples) -> Samples:
    """The same for a folder that is to hold no row in the clear; see WITHOUT_ROWS."""
    return replace(samples, examples=[], picture=None)


def of_table(
    model: AttentionClassifier | AttentionRegressor, X: pd.DataFrame, y: Any, answers: np.ndarray | None = None
) -> Samples:
    """Each row answered and compared with what is known of it; one of the typical rows explained. Of a model of one target.

    answers   probabilities (n, classes) or numbers (n) where other models of the kind gave them, held out in turn; None: the
              model's own
    """
    if not len(X):
        return Samples()
    if hasattr(model, "classes_"):
        P = np.asarray(model.predict_proba(X) if answers is None else answers)
        found = of_classes(model.classes_.tolist(), shares_of(model.target_), X, np.asarray(y), P)
        outputs = [] if len(model.classes_) == 2 else [model.targets_[int(P[found.typical].argmax())]]
    else:
        said, mean = model.predict(X) if answers is None else answers, float(model.target_.prior[0])
        found, outputs = of_numbers(mean, X, np.asarray(y, dtype=float), said), []
    return _looked_into(model, X, found, outputs)


def of_targets(model: AttentionRegressor, X: pd.DataFrame, Y: np.ndarray, answers: np.ndarray) -> dict[str, Samples]:
    """The same for each target of a model that answers several numbers: target -> samples. Y and answers (n targets)."""
    told = {}
    for k, target in enumerate(model.targets_):
        found = of_numbers(float(model.target_.prior[k]), X, Y[:, k], answers[:, k])
        told[target] = _looked_into(model, X, found, [target])
    return told


def _looked_into(model: Any, X: pd.DataFrame, found: Compared, outputs: Sequence[str]) -> Samples:
    """With slices by what the rows read, and the typical row explained: its `outputs`, or all where none is named."""
    relations, parts = list(model.relations or []), []
    if relations:
        asking = rows_of(X, relations, model.id)
        parts = by_reads(
            np.sum([each.given(asking, model.memory_.rows).count() for each in relations], axis=0),
            found.each,
            found.measure,
        )
    shown = RowsDisplay.from_estimator(model, X.iloc[[found.typical]])
    parts = [*found.samples.slices, *parts]
    return replace(found.samples, slices=parts, picture=(shown.only(outputs) if outputs else shown).to_json())


def held_out_answers(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Of a model that was fitted now: which training rows (n) were held out in turn, and the answers that those got."""
    outputs = np.asarray(model._held_out, dtype=float)
    known = np.isfinite(outputs).all(1) & np.isfinite(model.memory_.Y).all(1)
    if hasattr(model, "classes_"):
        return known, model._probabilities(outputs[known] / model.temperature_)
    answers = outputs[known] * model.target_.scale + model.target_.prior
    return known, answers[:, 0] if answers.shape[1] == 1 else answers


def shares_of(target: Target) -> np.ndarray:
    """(classes,) how many of the rows learned from were of each class."""
    return np.append(1.0 - target.prior, target.prior) if len(target.prior) == 1 else target.prior


class Compared(NamedTuple):
    """Baselines, examples and calibration; how far off each row is (n) by `measure`; and which row is a typical one."""

    samples: Samples
    each: np.ndarray
    measure: str
    typical: int


def of_classes(classes: list[Any], shares: np.ndarray, X: pd.DataFrame, y: np.ndarray, P: np.ndarray) -> Compared:
    """Probabilities P (n classes) of rows whose classes y (n) are known. shares: of the classes, in the rows learned from."""
    codes = np.array([classes.index(value) if value in classes else -1 for value in y.tolist()])
    P = clipped(P)
    chance = np.where(codes >= 0, P[np.arange(len(P)), codes], P.min())
    loss, right = -np.log(chance), P.argmax(1) == codes
    blind = -np.log(np.maximum(shares[codes], 1e-7)) * (codes >= 0)
    said = [str(classes[i]) for i in P.argmax(1)]
    ranked = np.argsort(chance, kind="stable")
    examples = [
        _example(X, i, kind, str(y[i]), said[i], "probability of the answer", float(chance[i]))
        for kind, i in chosen(ranked)
    ]
    common = int(shares.argmax())
    baselines = [
        {
            "name": "always the shares of the classes learned from",
            "measure": "log loss",
            "value": float(blind.mean()),
            "model": float(loss.mean()),
            "better": "lower",
        },
        {
            "name": f"always saying \u201c{classes[common]}\u201d",
            "measure": "accuracy",
            "value": float((codes == common).mean()),
            "model": float(right.mean()),
            "better": "higher",
        },
    ]
    calibration = CalibrationDisplay.from_confidences(P.max(1), right).to_json() if len(y) >= 100 else None
    parts = by_class(classes, codes, loss, "log loss, mean")
    samples = Samples(baselines=baselines, examples=examples, slices=parts, calibration=calibration)
    return Compared(samples, loss, "log loss, mean", int(ranked[len(ranked) // 2]))


def of_numbers(mean: float, X: pd.DataFrame, y: np.ndarray, said: np.ndarray) -> Compared:
    """Numbers said (n) of rows whose numbers y (n) are known. mean: of the rows learned from."""
    error = np.abs(said - y)
    ranked = np.argsort(-error, kind="stable")
    examples = [
        _example(X, i, kind, short(float(y[i])), short(float(said[i])), "off by", float(error[i]))
        for kind, i in chosen(ranked)
    ]
    baseline = {
        "name": "always the mean of the rows learned from",
        "measure": "mean absolute error",
        "value": float(np.abs(y - mean).mean()),
        "model": float(error.mean()),
        "better": "lower",
    }
    parts = slices("number that it should be", y, error, "absolute error, mean")
    samples = Samples(baselines=[baseline], examples=examples, slices=parts)
    return Compared(samples, error, "absolute error, mean", int(ranked[len(ranked) // 2]))


def _example(
    X: pd.DataFrame, i: int, kind: str, reference: str, answer: str, measure: str, value: float
) -> dict[str, Any]:
    row = X.iloc[i]
    said = [(name, row[name]) for name in list(X.columns)[:MOST_VALUES]]
    shown = ", ".join(f"{name} = {value_text(value)}" for name, value in said)
    more = ", \u2026" if len(X.columns) > MOST_VALUES else ""
    return {
        "kind": kind,
        "source": f"{shown}{more}",
        "reference": reference,
        "answer": answer,
        "measure": measure,
        "value": value,
    }


def by_class(classes: Sequence[Any], codes: np.ndarray, each: np.ndarray, measure: str) -> list[dict[str, Any]]:
    """By the class that a row (n) should be, the commonest MOST_CLASSES of them; code -1: one that was not learned from."""
    counts = np.bincount(codes[codes >= 0], minlength=len(classes))
    shown = np.sort(np.argsort(-counts, kind="stable")[:MOST_CLASSES])
    rng = np.random.default_rng(0)
    return [
        a_slice("class that it should be", str(classes[k]), str(classes[k]), each[codes == k], measure, rng)
        for k in shown.tolist()
        if counts[k]
    ]


def by_reads(
    read: np.ndarray, each: np.ndarray, measure: str, name: str = "rows that are read"
) -> list[dict[str, Any]]:
    """By how many rows each row reads (n), or is related to."""
    read = read.astype(float)
    parts = [read == 0, read > 0]
    return [found for part in parts if part.any() for found in slices(name, read[part], each[part], measure)]
