"""What is answered, read from a table in an engine: the classes or numbers of a column, and their mean and spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from axw.errors import DataError, UsageError, did_you_mean
from axw.models.tables.problem import Target
from axw.sql.columns import kind_of, number
from axw.sql.engine import Engine

if TYPE_CHECKING:
    from ibis.expr.types import Table

MOST_CLASSES = 100
TASKS = ("classification", "regression")


@dataclass(frozen=True)
class Answer:
    """The target column: its classes in rising order (None where it is a number), and as a `Target` for the solver."""

    name: str
    classes: np.ndarray | None
    target: Target

    @property
    def names(self) -> tuple[str, ...]:
        """What the c outputs are called, as in the estimators."""
        if self.classes is None:
            return (self.name,)
        shown = self.classes[1:] if len(self.classes) == 2 else self.classes
        return tuple(f"{self.name} = {value}" for value in shown)

    def columns(self, table: Table) -> list[Any]:
        """Y (n c) as expressions: 0 and 1 for classes, one column for two of them; the number itself otherwise."""
        column = table[self.name]
        if self.classes is None:
            return [column.cast("float64")]
        shown = self.classes[1:] if len(self.classes) == 2 else self.classes
        return [(column == value).cast("int8").cast("float64") for value in shown.tolist()]


def read_answer(engine: Engine, table: Table, name: str, task: str | None) -> tuple[Answer, Table, int]:
    """(the answer, the rows whose target is known, how many are not). `task` None: told from the values, as in memory.

    Raises `DataError` for a target of one class, of more than `MOST_CLASSES`, or that is infinite; `UsageError` for a column that
    is not there, and a task that is neither.
    """
    if name not in table.columns:
        raise UsageError(f"There is no column {name!r}.", "target", did_you_mean(name, table.columns))
    if task is not None and task not in TASKS:
        raise UsageError(f"task is {task!r}.", "task", did_you_mean(task, TASKS))
    if table[name].type().is_decimal():
        table = table.mutate(**{name: table[name].cast("float64")})
    column, kind = table[name], kind_of(table, name)
    here = column.notnull() & ~column.isnan() if column.type().is_floating() else column.notnull()
    rows = table.filter(here)
    counted = engine.one(table.agg(n=table.count(), here=here.cast("int64").sum().fill_null(0)))
    n, known = int(counted["n"]), int(counted["here"])
    if not known:
        raise DataError(f"None of {n:,} rows has a {name}.", f"column {name!r}", "Check the target, and the table.")
    values = engine.fetch(rows.select(value=rows[name]).distinct().limit(MOST_CLASSES + 1)).column("value").to_pylist()
    if task == "classification" or (task is None and _is_classes(kind, values)):
        return _classes(engine, rows, name, values, known), rows, n - known
    if kind not in ("number", "boolean"):
        raise DataError(f"The target is a {kind}; allowed: numbers.", f"column {name!r}", "Say task='classification'.")
    return _numbers(engine, rows, name), rows, n - known


def _is_classes(kind: str, values: list[Any]) -> bool:
    """As `axw.data.leaks.is_classes`: text, booleans, and whole numbers of at most 20 different values."""
    if kind != "number":
        return kind != "date"
    return len(values) <= 2 or (len(values) <= 20 and all(float(value).is_integer() for value in values))


def _classes(engine: Engine, rows: Table, name: str, values: list[Any], known: int) -> Answer:
    if not 2 <= len(values) <= MOST_CLASSES:
        got = "one class" if len(values) == 1 else f"more than {MOST_CLASSES} classes"
        raise DataError(
            f"The target has {got}; allowed: 2 to {MOST_CLASSES}.",
            f"column {name!r}",
            "Say task='regression', or check it.",
        )
    text = isinstance(values[0], str)
    classes = np.array(sorted(values), dtype=object if text else None)
    counts = rows.group_by(value=rows[name]).agg(n=lambda t: t.count())
    share = {row["value"]: row["n"] / known for row in engine.fetch(counts).to_pylist()}
    prior = np.array([share[value] for value in classes.tolist()][1 if len(classes) == 2 else 0 :])
    return Answer(name, classes, Target("classes", prior, _spread(np.sqrt(prior * (1 - prior)), prior)))


def _numbers(engine: Engine, rows: Table, name: str) -> Answer:
    y = rows[name].cast("float64")
    seen = engine.one(rows.agg([y.mean().name("mean"), y.abs().max().name("most")]))
    if not np.isfinite(float(seen["most"])):
        raise DataError("The target holds infinite numbers.", f"column {name!r}", "Leave those rows out, or mend them.")
    away = y - number(seen["mean"])
    variance = float(engine.one(rows.agg(v=(away * away).mean()))["v"])
    prior = np.array([float(seen["mean"])])
    return Answer(name, None, Target("numbers", prior, _spread(np.sqrt([variance]), prior)))


def _spread(scale: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """As `Target.of`: 1 where nothing varies."""
    return np.asarray(np.where(scale > 1e-12 * np.maximum(1.0, np.abs(prior)), scale, 1.0))
