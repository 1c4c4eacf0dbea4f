"""A linear model, or one in which rows read each other by given relations, fitted where the table is.

Y = [X, A X, log(1 + count), A L] W + b        the rungs "none" and "given" of `axw.models`, to the same numbers
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from axw.errors import DataError, DataWarning, UsageError, did_you_mean
from axw.relations.table import MOST_KEY_LEVELS
from axw.sql import solve
from axw.sql.columns import add, fit_columns, number
from axw.sql.design import UNIT, Form, design
from axw.sql.engine import Engine
from axw.sql.installed import ibis
from axw.sql.left_out import Chosen, LeftOut, choose
from axw.sql.relations import SqlRelation, checked, key_columns, needs_ids
from axw.sql.target import Answer, read_answer

if TYPE_CHECKING:
    from ibis.expr.types import Table

SAMPLE = 50_000
"""Rows that are fetched for what a sample decides well enough."""
RIDGE_PENALTIES = tuple(np.geomspace(1e-2, 1e4, 13))


@dataclass(frozen=True)
class SqlModel:
    """What was fitted: a value that needs no engine. The rows that new rows read stay in their table.

    form         what is read of a table
    answer       the target and its classes
    W, b         (p c), (c)
    penalty      on the squared weights
    temperature  the outputs are divided by it (Guo et al. 2017); 1 for numbers
    calibration_error  of the sampled rows, each held out in turn from learning W; None for numbers
    rows         rows learned from
    names        the columns of the table that it was given: features, keys and id
    left_out     what is known of sampled rows; None for a model that was loaded, for no row is saved
    """

    form: Form
    answer: Answer
    W: np.ndarray
    b: np.ndarray
    penalty: float
    temperature: float
    calibration_error: float | None
    rows: int
    names: tuple[str, ...]
    left_out: LeftOut | None = field(default=None, repr=False, compare=False)

    def remembered(self, engine: Engine, table: Table) -> Table:
        """The training table as the memory that new rows read: those of its rows whose target is known."""
        column = table[self.answer.name]
        here = column.notnull() & ~column.isnan() if column.type().is_floating() else column.notnull()
        known = table.filter(here)
        return self.form.rows(engine, known, self.answer.columns(known))

    def predict(self, engine: Engine, table: Table, memory: Table | None = None) -> Table:
        """The rows of `table` with their answers: `prediction` and, for classes, `p_0`, `p_1`, ... in the order of the classes.

        memory  the training table, which is read by the relations; None where there is no relation. A row that is in it by its id
                does not read itself

        Raises `UsageError` where the memory is missing, `DataError` where columns are.
        """
        if self.form.relations and memory is None:
            raise UsageError(
                "The model reads rows of the training table, and none was given.", "memory", "Give the training table."
            )
        asking = self.form.rows(engine, table)
        remembered = asking if memory is None else self.remembered(engine, memory)
        found = self.outputs(engine, asking, remembered)
        named = [self.form.id] if self.form.id is not None else []
        return found.select(*named, **self.answers(found))

    def outputs(self, engine: Engine, asking: Table, remembered: Table, unit: float = UNIT) -> Table:
        """The id, and o0, o1, ...: calibrated log-odds or class scores of rows that ask, as `Form.rows` makes them."""
        Z = design(engine, self.form, asking, remembered, self.answer.target, unit=unit)
        columns = [Z[f"z{i}"] for i in range(len(self.W))]
        outputs = [add(columns, self.W[:, k]) + number(self.b[k]) for k in range(len(self.b))]
        named = {self.form.id: Z.row} if self.form.id is not None else {}
        return Z.select(**named, **{f"o{k}": output / number(self.temperature) for k, output in enumerate(outputs)})

    def answers(self, found: Table) -> dict[str, Any]:
        """What is answered by those outputs: `prediction` and, for classes, `p_0`, `p_1`, ..."""
        if self.answer.classes is None:
            scale, prior = self.answer.target.scale[0], self.answer.target.prior[0]
            return {"prediction": found.o0 * number(scale) + number(prior)}
        if len(self.b) == 1:
            clipped = ibis.greatest(number(-solve.FURTHEST), ibis.least(number(solve.FURTHEST), found.o0))
            positive = number(1.0) / (number(1.0) + (-clipped).exp())
            P = [number(1.0) - positive, positive]
        else:
            top = ibis.greatest(*(found[f"o{k}"] for k in range(len(self.b))))
            powers = [(found[f"o{k}"] - top).exp() for k in range(len(self.b))]
            total = add(powers, np.ones(len(powers)))
            P = [power / total for power in powers]
        best = ibis.greatest(*P)
        classes = self.answer.classes.tolist()
        chosen = ibis.cases(
            *[(p == best, value) for p, value in zip(P[:-1], classes[:-1], strict=True)], else_=classes[-1]
        )
        return {"prediction": chosen, **{f"p_{k}": p for k, p in enumerate(P)}}


def fit(  # noqa: PLR0913  (one call says the whole question; there is no state to spread it over)
    engine: Engine,
    table: Table,
    target: str,
    *,
    relations: Sequence[Any] = (),
    labels: bool = False,
    id: str | None = None,
    as_of: str | None = None,
    drop: Sequence[str] = (),
    task: str | None = None,
    penalty: float | None = None,
    seed: int = 0,
) -> SqlModel:
    """Fit Y = [X, A X, log(1 + count), A L] W + b where the table is. W is learned from sums over the rows; what
    is said of single rows (`left_out`) is of a sample of them, of at most `SAMPLE`.

    table      a table of the engine, `engine.read("rows.parquet")`
    target     the column to predict; rows in which it is missing are left out, with a `DataWarning`
    relations  `SameValue`, `Ref` and `EdgeTable`; without one, Y = X W + b
    labels     rows read the labels of the rows that they read, never their own
    id         the column that names the rows; `Ref` and `EdgeTable` need it
    as_of      a column of moments: a row reads only rows that are before it
    drop       columns that are no features
    task       "classification" or "regression"; None = told from the values
    penalty    None = least error on rows left out (numbers: exact, over all rows; classes: five folds of a sample)
    seed       decides which rows are sampled (for classes: their penalty, temperature and Hessian)

    The label of a row never reaches its own columns: labels are added as whole numbers, and its own is taken off exactly.
    Raises `DataError` (table, target, ids, edges), `UsageError` (columns, settings), `ResourceError` (the engine).
    """
    related = checked(relations)
    answer, rows, lost = read_answer(engine, table, target, task)
    if lost:
        warnings.warn(f"{lost:,} rows have no {target} and are left out.", DataWarning, stacklevel=2)
    _check_columns(rows, related, target, id, as_of, drop)
    features = _features(engine, rows, related, target, id, [*drop, *([as_of] if as_of is not None else [])])
    form = Form(fit_columns(engine, rows, features), related, id, as_of, labels and bool(related))
    with engine.passing():
        memory = engine.keep(form.rows(engine, rows, answer.columns(rows)))
        if id is not None:
            check_ids(engine, memory, id)
        W, b, found, n = _solved(engine, form, answer, memory, penalty, seed)
    error, told = found.calibration_error, found.left_out
    given = tuple(name for name in rows.columns if name not in {target, as_of, *drop})
    return SqlModel(form, answer, W, b, found.penalty, found.temperature, error, n, given, told)


def _solved(
    engine: Engine, form: Form, answer: Answer, memory: Table, penalty: float | None, seed: int
) -> tuple[np.ndarray, np.ndarray, Chosen, int]:
    """W (p c), b (c), the penalty with what else was chosen, and the number of rows."""
    Z = design(engine, form, memory, memory, answer.target, square=True)
    p, c = sum(name[0] == "z" for name in Z.columns), len(answer.target.prior)
    learned = _learned(answer, Z, p, c)
    n = int(engine.one(learned.agg(n=learned.count()))["n"])
    if answer.classes is None:
        penalties = RIDGE_PENALTIES if penalty is None else (penalty,)
        ridge = solve.ridge(engine, learned, p, c, penalties)
        Z, Y = _sample(engine, learned, p, c, n, seed)
        left_out = LeftOut(Z, Y, ridge.left_out(Z, Y), float(ridge.left_out_error[0]))
        return ridge.W, ridge.b, Chosen(float(ridge.penalty.max()), 1.0, None, left_out), n
    sample = _sample(engine, learned, p, c, n, seed)
    chosen = choose(answer.target, sample, n, penalty, seed)
    fitted = solve.logistic(engine, learned, p, c, chosen.penalty, sample).fitted
    return fitted.W, fitted.b, chosen, n


def _learned(answer: Answer, Z: Table, p: int, c: int) -> Table:
    """z0 ... and y0 ... as the solver sees them: numbers in standard deviations."""
    target = answer.target
    Y = {f"y{k}": Z[f"y{k}"] for k in range(c)}
    if answer.classes is None:
        Y = {name: (y - number(target.prior[k])) / number(target.scale[k]) for k, (name, y) in enumerate(Y.items())}
    return Z.select(*(f"z{i}" for i in range(p)), **Y)


def _sample(engine: Engine, Z: Table, p: int, c: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rows = Z if n <= SAMPLE else Z.sample(SAMPLE / n, method="row", seed=seed)
    found = engine.fetch(rows)
    values = np.stack([found.column(name).to_numpy() for name in rows.columns], axis=1).astype(np.float64)
    # The same rows in an order of their own: engines give them in any.
    values = values[np.lexsort(values.T)]
    return values[:, :p], values[:, p : p + c]


def _features(
    engine: Engine, rows: Table, relations: Sequence[SqlRelation], target: str, id: str | None, left_out: Sequence[str]
) -> list[str]:
    """The columns that are features: neither target nor id, and no key that is a name of a group rather than a value."""
    names = [name for name in rows.columns if name not in {target, id, *left_out}]
    keys = [name for name in key_columns(relations) if name in names and not rows[name].type().is_floating()]
    for name in keys:
        levels = rows.select(rows[name]).filter(rows[name].notnull()).distinct().limit(MOST_KEY_LEVELS + 1)
        if int(engine.one(levels.agg(n=levels.count()))["n"]) > MOST_KEY_LEVELS:
            names.remove(name)
    return names


def _check_columns(
    rows: Table, relations: Sequence[SqlRelation], target: str, id: str | None, as_of: str | None, drop: Sequence[str]
) -> None:
    wanted = {"relations": key_columns(relations), "drop": list(drop)}
    wanted |= {"id": [id] if id is not None else [], "as_of": [as_of] if as_of is not None else []}
    for where, names in wanted.items():
        for name in names:
            if name not in rows.columns:
                raise UsageError(f"There is no column {name!r}.", where, did_you_mean(name, rows.columns))
    if target in (id, as_of, *drop, *key_columns(relations)):
        raise UsageError(f"{target!r} is the target and can be nothing else.", "target", "Choose another column.")
    if id is None and needs_ids(relations):
        raise UsageError("A relation names rows by their ids, and no column holds the ids.", "id", "Say id='column'.")
    if as_of is not None and not (rows[as_of].type().is_temporal() or rows[as_of].type().is_numeric()):
        raise UsageError(f"{as_of!r} holds {rows[as_of].type()}.", "as_of", "Name a column of moments or numbers.")


def check_ids(engine: Engine, rows: Table, id: str) -> None:
    """`DataError` for ids that are missing or stand twice: a join over them would count rows twice, or many times."""
    twice = rows.group_by("row").agg(n=rows.count())
    seen = engine.one(
        twice.agg(
            lost=twice.row.isnull().ifelse(twice.n, 0).sum().fill_null(0),
            rows=twice.n.sum().fill_null(0),
            double=(twice.row.notnull() & (twice.n > 1)).cast("int64").sum().fill_null(0),
            joined=twice.row.notnull().ifelse(twice.n * twice.n, 0).sum().fill_null(0),
        )
    )
    lost, double = int(seen["lost"]), int(seen["double"])
    if lost or double:
        size = f"joined by id, {int(seen['rows']):,} rows would become {int(seen['joined']):,}"
        what = f"{lost:,} rows have no id" if lost else f"{double:,} ids stand more than once: {size}"
        raise DataError(
            f"{what}; each row needs one of its own.", f"column {id!r}", "Mend the ids, or name another column."
        )
