"""From a model that was fitted in an engine to the estimator of `axw.models`, where its rows fit in memory.

The estimator has the same W, and predicts, explains and is saved as if it had been fitted in memory. One that reads other rows
holds them; where those are too many, the model stays a `SqlModel`, whose rows stay in their table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from axw.errors import ResourceError, UsageError
from axw.models import AttentionClassifier, AttentionRegressor
from axw.models.tables.linear import Linear
from axw.models.tables.nearby import MemoryIndex
from axw.models.tables.problem import TableRows
from axw.models.tables.reading import Reader
from axw.models.tables.saved_config import unfitted_step
from axw.relations import Edges, Relation, Rows
from axw.sql.engine import Engine
from axw.sql.model import SqlModel
from axw.sql.relations import EdgeTable, SqlRelation

if TYPE_CHECKING:
    from ibis.expr.types import Table

MOST_ROWS = 2_000_000
MOST_EDGES = 5_000_000
MOST_BYTES = 2**30


def to_estimator(model: SqlModel, engine: Engine, table: Table) -> AttentionClassifier | AttentionRegressor:
    """The fitted estimator with the rows of the training table that it may read; none of them where it reads none.

    Raises `ResourceError` where they are more than `MOST_ROWS`, `MOST_BYTES` or `MOST_EDGES`, before they are fetched, and
    `UsageError` for a model with `as_of`, which the estimators do not know.
    """
    form, answer = model.form, model.answer
    if form.as_of is not None:
        raise UsageError(
            f"The model reads only rows before a row's {form.as_of!r}; the estimators in memory know no such limit.",
            "to_estimator",
            "Save it as it is: axw.sql.save(model, path).",
        )
    relations = [_in_memory(engine, one) for one in form.relations]
    made = AttentionClassifier if answer.classes is not None else AttentionRegressor
    attention = "given" if relations else "none"
    estimator: Any = made(attention, relations=relations, labels=form.labels, id=form.id)
    memory = _memory(model, engine, table) if relations else _counted(model)
    estimator._reader = Reader(form.columns, tuple(form.keys), form.id, form.id is not None, form.id is None)
    estimator.n_features_in_ = len(model.names)
    estimator.feature_names_in_ = np.array(model.names, dtype=object)
    estimator.targets_, estimator.target_, estimator.memory_ = answer.names, answer.target, memory
    estimator.step_ = unfitted_step(estimator, model.penalty)
    estimator._index = MemoryIndex.of(estimator.step_, memory, estimator._reader)
    estimator.fitted_ = Linear(model.W, model.b, model.penalty, np.zeros((0, len(model.b))))
    estimator.temperature_, estimator.n_iter_ = model.temperature, 1
    if answer.classes is not None:
        estimator.classes_, estimator.calibration_error_ = answer.classes, model.calibration_error
    else:
        estimator._one_target = True
    fitted: AttentionClassifier | AttentionRegressor = estimator
    return fitted


def _in_memory(engine: Engine, relation: SqlRelation) -> Relation:
    if not isinstance(relation, EdgeTable):
        return relation
    table = engine.read(relation.path)
    columns = [relation.source, relation.target, *([relation.weight] if relation.weight is not None else [])]
    refuse(int(engine.one(table.agg(n=table.count()))["n"]), MOST_EDGES, "edges")
    frame = engine.fetch(table.select(*columns)).to_pandas()
    return Edges(frame, relation.source, relation.target, relation.weight, both=relation.both)


def _memory(model: SqlModel, engine: Engine, table: Table) -> TableRows:
    """The training rows, in the order of their ids, or in one of their own where they have none."""
    d, c = len(model.form.columns.names), len(model.b)
    refuse(model.rows, min(MOST_ROWS, MOST_BYTES // (8 * (d + c))), f"rows of {d + c} numbers")
    rows = model.remembered(engine, table)
    frame = engine.fetch(rows).to_pandas()
    by = ["row"] if model.form.id is not None else list(frame.columns)
    frame = frame.sort_values(by, kind="stable", ignore_index=True)
    ids = frame["row"].to_numpy(dtype=object) if model.form.id is not None else np.arange(len(frame)).astype(object)
    keys = frame[list(model.form.keys.values())].set_axis(list(model.form.keys), axis=1)
    X, Y = (frame[[f"{name}{at}" for at in range(size)]].to_numpy(np.float64) for name, size in (("x", d), ("y", c)))
    return TableRows(Rows(ids, keys), np.ascontiguousarray(X), np.ascontiguousarray(Y))


def _counted(model: SqlModel) -> TableRows:
    """As many rows as were learned from, without their contents: nobody reads them, and the model card says how many."""
    n = model.rows
    ids = np.broadcast_to(np.array(None, dtype=object), (n,))
    X, Y = (np.broadcast_to(0.0, (n, size)) for size in (len(model.form.columns.names), len(model.b)))
    return TableRows(Rows(ids, pd.DataFrame(index=range(n))), X, Y)


def refuse(count: int, most: int, what: str) -> None:
    """`ResourceError` before they are fetched."""
    if count > most:
        raise ResourceError(
            f"The model reads {count:,} {what}; at most {most:,} are kept in a model folder.",
            "rows that the model reads",
            "Save it without them: axw.sql.save(model, path). Its rows stay in their table, where axw.sql predicts.",
        )
