"""The layers of attention of any model of the house, and how far each head agrees with leaving one word out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from axw.errors import UsageError
from axw.models.attention_by_word import LayerAttention, of_line, of_pair
from axw.models.leave_one_out import TOKEN, source_words_left_out, words_left_out
from axw.models.tables.estimators import AttentionClassifier, AttentionRegressor
from axw.models.tables.explanation import OWN, Explanation
from axw.models.translation.translator import Translator
from axw.models.units import Unit, known_unit
from axw.models.words.masked_words import MaskedLanguageModel
from axw.show.agreement import rank_correlation

Compared = Callable[[LayerAttention], list[float | None]]
MOST_READ = 60  # rows of a table that are columns of a picture: those that are read most


def layers_of(model: Any, X: Any, target: str | None, unit: Unit) -> tuple[list[LayerAttention], Compared | None]:
    """The layers, and what compares a head with leaving one out; None where nothing can be left out one by one."""
    known_unit(unit, "AttentionDisplay")
    if isinstance(model, AttentionClassifier | AttentionRegressor):
        return of_rows(model.explain(X)), None
    if isinstance(model, Translator):
        said = model.translate([X])[0] if target is None else target
        compared = _translation(model, X, said, unit) if said.split() and X.split() else None
        return of_pair(model, X, said, unit), compared
    if isinstance(model, MaskedLanguageModel):
        compared = _masked(model, X, unit) if TOKEN in X.split() else None
        return of_line(model, X, unit), compared
    raise UsageError(
        f"A {type(model).__name__} has no attention that can be shown so.",
        "In AttentionDisplay.from_estimator.",
        "Give plain arrays: AttentionDisplay.from_predictions(A, rows, columns).",
    )


def of_rows(told: Explanation) -> list[LayerAttention]:
    """One layer a relation: A (1 rows, rows that are read), those that are read most first. `UsageError` where none is read."""
    lines = told.contributions
    lines = lines[(lines["relation"] != OWN) & (lines["read"] != "")]
    if not len(lines):
        raise UsageError(
            "No row was read, so there is no attention to show.", "In AttentionDisplay.", "Use a model with relations."
        )
    layers = []
    for relation, mine in lines.groupby("relation", sort=False):
        weights = mine.groupby(["place", "read"], sort=False)["weight"].max().unstack(fill_value=0.0)
        most = weights.sum().sort_values(ascending=False, kind="stable").index[:MOST_READ]
        A = weights.reindex(index=range(len(told.ids)), columns=most, fill_value=0.0).to_numpy(float)
        layers.append(LayerAttention(str(relation), [str(i) for i in told.ids], [str(j) for j in most], A[None]))
    return layers


def _translation(model: Translator, source: str, target: str, unit: Unit) -> Compared:
    lost = source_words_left_out(model, source, target, unit)
    n, m = lost.shape

    def compared(layer: LayerAttention) -> list[float | None]:
        if not layer.name.startswith("cross"):
            return [None] * len(layer.A)
        return [_mean([rank_correlation(A[i, :m], lost[i]) for i in range(n)]) for A in layer.A]

    return compared


def _masked(model: MaskedLanguageModel, line: str, unit: Unit) -> Compared:
    lost = words_left_out(model, line, unit=unit).drop
    mask = 1 + int(np.flatnonzero(np.isnan(lost))[0])  # behind the mark of the beginning

    def compared(layer: LayerAttention) -> list[float | None]:
        fits = len(layer.columns) == len(lost) + 2
        return [rank_correlation(A[mask, 1:-1], lost) if fits else None for A in layer.A]

    return compared


def _mean(found: list[float | None]) -> float | None:
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None
