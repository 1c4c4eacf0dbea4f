"""One word for every model: `explain(model, ...)` gives the display that fits, `display(value)` the one of a JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axw.errors import UsageError, did_you_mean
from axw.models.tables.estimators import AttentionClassifier, AttentionRegressor
from axw.models.tables.explanation import Explanation
from axw.models.translation.translator import Translator
from axw.models.words.masked_words import MaskedLanguageModel
from axw.show.alignment import AlignmentDisplay
from axw.show.attention import AttentionDisplay
from axw.show.curves import CurvesDisplay
from axw.show.faces import Display
from axw.show.ladder import CalibrationDisplay, LadderDisplay
from axw.show.masked_word import MaskedWordDisplay
from axw.show.rows import RowsDisplay

DISPLAYS: dict[str, type[Display]] = {
    kind.schema: kind
    for kind in (
        RowsDisplay,
        AttentionDisplay,
        AlignmentDisplay,
        MaskedWordDisplay,
        CurvesDisplay,
        LadderDisplay,
        CalibrationDisplay,
    )
}


def explain(model: Any, X: Any, target: str | None = None) -> Display:
    """Why a model answers as it does, with leaving one out beside its attention.

    a model of tables   X: at most 20 rows. A `RowsDisplay`
    a translator        X: a sentence; target: what it is made to say, None = its own translation. An `AlignmentDisplay`
    a masked-word model X: a line with [MASK]. A `MaskedWordDisplay`
    `UsageError` for another model, and what the display raises.
    """
    if isinstance(model, AttentionClassifier | AttentionRegressor):
        return RowsDisplay.from_estimator(model, X)
    if isinstance(model, Translator):
        return AlignmentDisplay.from_estimator(model, X, target)
    if isinstance(model, MaskedLanguageModel):
        return MaskedWordDisplay.from_estimator(model, X)
    raise UsageError(
        f"A {type(model).__name__} cannot be explained so; allowed: a model of tables, a translator, a masked-word model.",
        "In explain.",
        "Show its attention from arrays: AttentionDisplay.from_predictions(A, rows, columns).",
    )


def display(value: Explanation | Mapping[str, Any]) -> Display:
    """The display of a value: of an `Explanation`, or of what `to_json` gave. `UsageError` for an unknown schema."""
    plain = value.to_json() if isinstance(value, Explanation) else value
    schema = str(plain.get("schema"))
    if schema not in DISPLAYS:
        raise UsageError(
            f"There is no display for the schema {schema!r}.", "In display.", did_you_mean(schema, DISPLAYS)
        )
    return DISPLAYS[schema](plain)
