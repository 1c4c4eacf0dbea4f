"""One word for every model: `explain(model, ...)` gives the display that fits, `display(value)` the one of a JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axw.errors import UsageError, did_you_mean
from axw.models.tables.estimators import AttentionClassifier, AttentionRegressor
from axw.models.tables.explanation import Explanation
from axw.models.translation.translator import Translator
from axw.models.trees.parser import ConstituencyParser
from axw.models.units import Unit, known_unit
from axw.models.words.classifier import FineTunedClassifier
from axw.models.words.masked_words import MaskedLanguageModel
from axw.show.alignment import AlignmentDisplay
from axw.show.attention import AttentionDisplay
from axw.show.classes import ClassesDisplay
from axw.show.curves import CurvesDisplay
from axw.show.faces import Display
from axw.show.ladder import CalibrationDisplay, LadderDisplay
from axw.show.masked_word import MaskedWordDisplay
from axw.show.rows import RowsDisplay
from axw.show.tree import TreeDisplay

DISPLAYS: dict[str, type[Display]] = {
    kind.schema: kind
    for kind in (
        RowsDisplay,
        AttentionDisplay,
        AlignmentDisplay,
        MaskedWordDisplay,
        TreeDisplay,
        ClassesDisplay,
        CurvesDisplay,
        LadderDisplay,
        CalibrationDisplay,
    )
}


def explain(model: Any, X: Any, target: str | None = None, *, unit: Unit = "words") -> Display:
    """Why a model answers as it does, with leaving one out beside its attention.

    a model of tables   X: at most 20 rows. A `RowsDisplay`
    a translator        X: a sentence; target: what it is made to say, None = its own translation. An `AlignmentDisplay`
    a masked-word model X: a line with [MASK]. A `MaskedWordDisplay`
    a parser            X: a sentence; target: a tree over it, None = its own. A `TreeDisplay`
    a classifier        X: a line. A `ClassesDisplay`
    unit                for a line: its "words", or the "pieces" that the network reads
    `UsageError` for another model, and what the display raises.
    """
    known_unit(unit, "explain")
    if isinstance(model, AttentionClassifier | AttentionRegressor):
        if unit == "pieces":
            raise UsageError("Rows of a table have no pieces; allowed: 'words'.", "In explain.", "Leave unit away.")
        return RowsDisplay.from_estimator(model, X)
    if isinstance(model, Translator):
        return AlignmentDisplay.from_estimator(model, X, target, unit=unit)
    if isinstance(model, MaskedLanguageModel):
        return MaskedWordDisplay.from_estimator(model, X, unit=unit)
    if isinstance(model, ConstituencyParser):
        return TreeDisplay.from_estimator(model, X, target, unit=unit)
    if isinstance(model, FineTunedClassifier):
        return ClassesDisplay.from_estimator(model, X, unit=unit)
    raise UsageError(
        f"A {type(model).__name__} cannot be explained so; allowed: a model that axw fit saves.",
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
