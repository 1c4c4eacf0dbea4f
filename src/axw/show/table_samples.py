"""What a report shows of rows of a table whose answers are known: see `run_samples`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from axw.ladders.groups import rows_of
from axw.measures.tables import clipped
from axw.show.charts import short
from axw.show.ladder import CalibrationDisplay
from axw.show.rows import RowsDisplay
from axw.show.run_samples import Samples, chosen, slices

if TYPE_CHECKING:
    from axw.models.tables.estimators import AttentionClassifier, AttentionRegressor

MOST_VALUES = 5  # of a row that is an example


def of_table(
    model: AttentionClassifier | AttentionRegressor, X: pd.DataFrame, y: Any, answers: np.ndarray | None = None
) -> Samples:
    """Each row answered and compared with what is known of it; one of the typical rows explained.

    answers   probabilities (n, classes) or numbers (n) where other models of the kind gave them, held out in turn; None: the
              model's own
    """
    if not len(X) or len(getattr(model, "targets_", [""])) > 2 or np.ndim(y) != 1:
        return Samples()
    if hasattr(model, "classes_"):
        return _of_classes(model, X, np.asarray(y), model.predict_proba(X) if answers is None else answers)
    return _of_numbers(model, X, np.asarray(y, dtype=float), model.predict(X) if answers is None else answers)


def held_out_answers(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Of a model that was fitted now: which training rows (n) were held out in turn, and the answers that those got."""
    outputs = np.asarray(model._held_out, dtype=float)
    known = np.isfinite(outputs).all(1) & np.isfinite(model.memory_.Y).all(1)
    if hasattr(model, "classes_"):
        return known, model._probabilities(outputs[known] / model.temperature_)
    answers = outputs[known] * model.target_.scale + model.target_.prior
    return known, answers[:, 0] if answers.shape[1] == 1 else answers


def _of_classes(model: Any, X: pd.DataFrame, y: np.ndarray, P: np.ndarray) -> Samples:
    classes = model.classes_.tolist()
    codes = np.array([classes.index(value) if value in classes else -1 for value in y.tolist()])
    P = clipped(P)
    chance = np.where(codes >= 0, P[np.arange(len(P)), codes], P.min())
    loss, right = -np.log(chance), P.argmax(1) == codes
    known = model._memory_codes()
    prior = np.bincount(known[known >= 0], minlength=len(classes)) / max((known >= 0).sum(), 1)
    blind = -np.log(np.maximum(prior[codes], 1e-7)) * (codes >= 0)
    said = [str(classes[i]) for i in P.argmax(1)]
    examples = [
        _example(X, i, kind, str(y[i]), said[i], "probability of the answer", float(chance[i]))
        for kind, i in chosen(np.argsort(chance, kind="stable"))
    ]
    common = int(prior.argmax())
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
    return Samples(
        baselines=baselines,
        examples=examples,
        slices=_slices(model, X, loss, "log loss, mean"),
        picture=_picture(model, X, chance),
        calibration=calibration,
    )


def _of_numbers(model: Any, X: pd.DataFrame, y: np.ndarray, said: np.ndarray) -> Samples:
    error = np.abs(said - y)
    mean = float(np.nanmean(model.memory_.Y)) if model.memory_.Y is not None else float(y.mean())
    examples = [
        _example(X, i, kind, short(float(y[i])), short(float(said[i])), "off by", float(error[i]))
        for kind, i in chosen(np.argsort(-error, kind="stable"))
    ]
    baseline = {
        "name": "always the mean of the rows learned from",
        "measure": "mean absolute error",
        "value": float(np.abs(y - mean).mean()),
        "model": float(error.mean()),
        "better": "lower",
    }
    return Samples(
        baselines=[baseline],
        examples=examples,
        slices=_slices(model, X, error, "absolute error, mean"),
        picture=_picture(model, X, -error),
    )


def _example(
    X: pd.DataFrame, i: int, kind: str, reference: str, answer: str, measure: str, value: float
) -> dict[str, Any]:
    row = X.iloc[i]
    said = [(name, row[name]) for name in list(X.columns)[:MOST_VALUES]]
    shown = ", ".join(f"{name} = {'not known' if pd.isna(value) else value}" for name, value in said)
    more = ", \u2026" if len(X.columns) > MOST_VALUES else ""
    return {
        "kind": kind,
        "source": f"{shown}{more}",
        "reference": reference,
        "answer": answer,
        "measure": measure,
        "value": value,
    }


def _slices(model: Any, X: pd.DataFrame, value: np.ndarray, measure: str) -> list[dict[str, Any]]:
    """By how many remembered rows each row reads; nothing for a model without relations, whose rows all read the same."""
    relations = list(model.relations or [])
    if not relations:
        return []
    asking = rows_of(X, relations, model.id)
    read = np.sum([relation.given(asking, model.memory_.rows).count() for relation in relations], axis=0).astype(float)
    parts = [read == 0, read > 0]
    return [
        found
        for part in parts
        if part.any()
        for found in slices("rows that are read", read[part], value[part], measure)
    ]


def _picture(model: Any, X: pd.DataFrame, goodness: np.ndarray) -> dict[str, Any]:
    typical = int(np.argsort(goodness, kind="stable")[len(goodness) // 2])
    return RowsDisplay.from_estimator(model, X.iloc[[typical]]).to_json()
