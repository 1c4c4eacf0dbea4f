"""Z = [X, A X, log(1 + count), A L] as a table: the columns that `axw.models.tables.linear` learns from, in its order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axw.data import Columns
from axw.errors import DataError, did_you_mean
from axw.models.tables.problem import Target
from axw.sql.columns import number, transform
from axw.sql.engine import Engine
from axw.sql.given import SqlGiven
from axw.sql.relations import SqlRelation, given, key_columns, known

if TYPE_CHECKING:
    from ibis.expr.types import Table

UNIT = 2.0**-30
"""Labels that neighbours read are added as whole multiples of this part of a standard deviation. Whole numbers add up exactly, so
a row's own label is taken off the sum of its group to the last bit. They cannot overflow: n labels in standard deviations add up
to n at most."""


@dataclass(frozen=True)
class Form:
    """What is read of a table, and how it is called in the engine: `row`, `key0` ..., `time`, `x0` ..., `y0` ...

    columns    the features
    relations  who may read whom
    id         the column that names the rows, or None
    as_of      the column with the moment of a row: it reads only rows before it; or None
    labels     rows read the labels of the rows that they read
    """

    columns: Columns
    relations: tuple[SqlRelation, ...]
    id: str | None
    as_of: str | None
    labels: bool

    @property
    def keys(self) -> Mapping[str, str]:
        """Column that a relation reads: its name in the engine."""
        return {name: f"key{place}" for place, name in enumerate(key_columns(self.relations))}

    def rows(self, engine: Engine, table: Table, Y: Sequence[Any] = ()) -> Table:
        """The rows as the engine sees them. Y: the labels (n c) as expressions over `table`, for rows that may be read."""
        needed = [*self.keys, *(name for name in (self.id, self.as_of) if name is not None)]
        for name in needed:
            if name not in table.columns:
                raise DataError(
                    f"There is no column {name!r}.", "columns of the table", did_you_mean(name, table.columns)
                )
        named = {"row": known(table[self.id])} if self.id is not None else {}
        named |= {short: known(table[name]) for name, short in self.keys.items()}
        if self.as_of is not None:
            named["time"] = known(table[self.as_of])
        named |= {f"y{place}": column.cast("float64") for place, column in enumerate(Y)}
        return table.select(*transform(engine, table, self.columns), **named)


def design(
    engine: Engine,
    form: Form,
    asking: Table,
    memory: Table,
    target: Target,
    *,
    square: bool = False,
    unit: float = UNIT,
) -> Table:
    """Z (n p): columns z0, z1, ..., and those of `asking` but x. What rows read is computed here; the rest is an expression.

    asking, memory  tables as `Form.rows` makes them, the memory with its labels y0, ...
    square          they are the same rows
    unit            labels are added as whole multiples of this part of a standard deviation
    """
    names = [name for name in memory.columns if name.startswith("x")]
    labels = [name for name in memory.columns if name.startswith("y")] if form.labels else []
    whole = {f"l{name}": _in_units(memory[name], target, place, unit) for place, name in enumerate(labels)}
    memory = memory.mutate(**whole)
    own = asking.columns
    found = memory if square else asking
    Z = [f"x{place}" for place in range(len(names))]
    for place, relation in enumerate(form.relations):
        A = given(engine, relation, found, memory, keys=form.keys, square=square, timed=form.as_of is not None)
        read = engine.keep(_read(A, names, list(whole), f"r{place}_", unit))
        if place > 0:
            engine.drop(found)
        found = read
        Z += [name for name in found.columns if name.startswith(f"r{place}_")]
    return found.select(
        *[name for name in own if name not in Z], **{f"z{place}": found[name] for place, name in enumerate(Z)}
    )


def _read(A: SqlGiven, names: Sequence[str], labels: Sequence[str], prefix: str, unit: float) -> Table:
    """mean(x | relation), log(1 + n), rate(y | relation): as `LinearStep.read` does."""
    read = A.read([*names, *labels])
    divisor = (read.degree > 0).ifelse(read.degree, number(1.0))
    means = {f"{prefix}{name}": read[f"sum_{name}"] / divisor for name in names}
    count = {f"{prefix}n": (read["count"].cast("float64") + number(1.0)).ln()}
    rates = {
        f"{prefix}{name}": read[f"sum_{name}"].cast("float64") * number(unit) / (read.degree + number(1.0))
        for name in labels
    }
    return read.select(*A.asking.columns, **means, **count, **rates)


def _in_units(label: Any, target: Target, place: int, unit: float) -> Any:
    standard = (label - number(target.prior[place])) / number(target.scale[place])
    return (standard / number(unit)).round().cast("int64")
