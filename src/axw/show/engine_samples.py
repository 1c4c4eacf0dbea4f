"""What a report shows of a model that was fitted in an engine: of a sample of its training rows, each held out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from axw.measures import calibration_error, classification_metrics, regression_metrics
from axw.models.tables.linear import LinearStep
from axw.show.run_samples import Samples
from axw.show.table_samples import Compared, by_reads, of_classes, of_numbers, shares_of
from axw.show.weights import ODDS, UNITS, weights_of

if TYPE_CHECKING:
    from axw.sql.left_out import LeftOut
    from axw.sql.model import SqlModel


def engine_samples(model: SqlModel, told: LeftOut) -> tuple[Samples, dict[str, float]]:
    """(samples, measures) of the rows of `model.left_out`."""
    found, measures = _classes(model, told) if model.answer.classes is not None else _numbers(model, told)
    reads = _reads(model, told)
    parts = by_reads(reads.sum(1), found.each, found.measure) if reads.shape[1] else []
    return replace(found.samples, slices=[*found.samples.slices, *parts]), measures


def engine_weights(model: SqlModel) -> dict[str, Any]:
    """W by block, in the unit of the answer: calibrated log-odds or class scores, or the number itself."""
    step = _step(model)
    scale = model.answer.target.scale if model.answer.classes is None else 1.0 / model.temperature
    unit = UNITS if model.answer.classes is None else ODDS
    return weights_of(step.columns(), model.W * scale, model.answer.names, unit)


def relation_lines(model: SqlModel, told: LeftOut) -> list[str]:
    """One line a relation: how many of the sampled rows read others by it, and how many."""
    said = []
    for relation, read in zip(model.form.relations, _reads(model, told).T, strict=True):
        share, mean = float((read > 0).mean()), float(read.mean())
        said.append(f"{relation.name}: {100 * share:.1f} % of the rows looked at read others, {mean:.2f} on average")
    return said


def _classes(model: SqlModel, told: LeftOut) -> tuple[Compared, dict[str, float]]:
    from axw.sql.left_out import probabilities

    assert model.answer.classes is not None
    classes = model.answer.classes
    codes = told.Y[:, 0].astype(int) if told.Y.shape[1] == 1 else told.Y.argmax(1)
    P = probabilities(told.outputs / model.temperature)
    found = of_classes(classes.tolist(), shares_of(model.answer.target), _own(model, told), classes[codes], P)
    return found, {**classification_metrics(codes, P), "calibration_error": calibration_error(codes, P)}


def _numbers(model: SqlModel, told: LeftOut) -> tuple[Compared, dict[str, float]]:
    scale, mean = float(model.answer.target.scale[0]), float(model.answer.target.prior[0])
    y, said = told.Y[:, 0] * scale + mean, told.outputs[:, 0] * scale + mean
    measures = dict(regression_metrics(y, said))
    if told.error is not None and len(y) < model.rows:
        measures["rmse of all rows, each left out once"] = float(np.sqrt(told.error)) * scale
    return of_numbers(mean, _own(model, told), y, said), measures


def _own(model: SqlModel, told: LeftOut) -> Any:
    """The rows' own columns as they were."""
    columns = model.form.columns
    return columns.texts(told.Z[:, : len(columns.names)])


def _reads(model: SqlModel, told: LeftOut) -> np.ndarray:
    """(m relations): how many rows each row reads by each relation, back from log(1 + n)."""
    columns = enumerate(_step(model).columns())
    places = [place for place, column in columns if column.relation and column.name == f"n({column.relation})"]
    return np.round(np.expm1(told.Z[:, places]))


def _step(model: SqlModel) -> LinearStep:
    relations: Any = model.form.relations
    kind = "given" if relations else "none"
    return LinearStep(kind, relations, model.form.labels, model.form.columns.names, model.answer.names)
