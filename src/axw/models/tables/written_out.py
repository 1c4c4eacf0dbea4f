"""A fitted model as the terms of its equation, whichever kind it is, and how exact that is."""

from __future__ import annotations

from typing import Any

from axw.models.tables import terms
from axw.models.tables.explanation import Term
from axw.models.tables.linear import LinearStep
from axw.models.tables.problem import TableRows
from axw.models.tables.smoothing import SmoothingStep
from axw.models.tables.smoothing_terms import GIVEN_LENGTHS, smoothing_terms


def model_terms(model: Any, asking: TableRows) -> tuple[list[Term], str]:
    """(terms that add up to the output before the temperature, what of it is exact) of a table model."""
    step, fitted, memory, names = model.step_, model.fitted_, model.memory_, tuple(model._reader.columns.names)
    if isinstance(step, LinearStep):
        return terms.linear_terms(step, fitted, asking, memory, model.target_), terms.EXACT
    if isinstance(step, SmoothingStep):
        return smoothing_terms(step, fitted, asking, memory, names), GIVEN_LENGTHS
    found = terms.attending_terms(step, fitted, asking, memory, model.target_, names, model.targets_)
    return found, terms.GIVEN_A if model.feedforward is None else terms.ABOVE
