"""Relations over tables in an engine: what `SameValue`, `Ref` and a table of edges are in SQL.

The rows come with `row` (their id), `key0`, `key1`, ... (the columns that the relations read, in the order of `key_columns`) and,
where there is one, `time`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axw.errors import DataError, UsageError
from axw.relations import Ref, Relation, SameValue
from axw.sql.columns import number
from axw.sql.engine import Engine
from axw.sql.given import Entries, Groups, SqlGiven
from axw.sql.installed import ibis

if TYPE_CHECKING:
    from ibis.expr.types import Table

SMALLEST, LARGEST = 1e-100, 1e100


@dataclass(frozen=True)
class EdgeTable:
    """Edges too many for memory: A[i, j] = weight of the edges from row i to row j, and with `both` of those from j to i.

    path            Parquet with one edge a row
    source, target  its columns with the ids of the rows: the source reads the target, and with `both` the target the source
    weight          the column with how much is read; weights of equal edges are added. None = an edge weighs 1, however often
                    it stands there
    both            False: only the source reads
    distinct        True: you vouch that each pair stands once, in the direction in which it is read, so that the edges need not
                    be merged, which is most of the work. Only with both=False
    """

    path: str | os.PathLike[str]
    source: str
    target: str
    weight: str | None = None
    both: bool = True
    distinct: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", os.fspath(self.path))
        if self.distinct and self.both:
            raise UsageError(
                "distinct=True and both=True: edges that are read in both directions must be merged.",
                "EdgeTable",
                "Say both=False, with each direction an edge of its own, or leave distinct away.",
            )

    @property
    def name(self) -> str:
        """How the relation is called in the names of columns."""
        return f"{self.source}-{self.target}"


SqlRelation = SameValue | Ref | EdgeTable


def key_columns(relations: Sequence[SqlRelation]) -> list[str]:
    """The columns of the table that the relations read, each once."""
    return list(dict.fromkeys(name for one in relations if isinstance(one, Relation) for name in one.columns))


def needs_ids(relations: Sequence[SqlRelation]) -> bool:
    """A relation names rows, so rows must have names."""
    return any(isinstance(one, Ref | EdgeTable) for one in relations)


def checked(relations: Sequence[Any]) -> tuple[SqlRelation, ...]:
    """The relations; `UsageError` for kinds that need memory, and for two of one name."""
    for one in relations:
        if not isinstance(one, SameValue | Ref | EdgeTable):
            raise UsageError(
                f"{one!r} cannot be read by a SQL engine; allowed: SameValue, Ref, EdgeTable.",
                "relations",
                "Write the pairs as Parquet and give EdgeTable(path, source, target), or use the engine memory.",
            )
    names = [one.name for one in relations]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise UsageError(f"Two relations are called {double[0]!r}.", "relations", "Leave one out.")
    return tuple(relations)


def given(
    engine: Engine,
    relation: SqlRelation,
    asking: Table,
    memory: Table,
    *,
    keys: Mapping[str, str],
    square: bool = False,
    timed: bool = False,
) -> SqlGiven:
    """A (n m) of a relation between the rows of two tables.

    keys    column that a relation reads: what it is called in the tables
    square  both tables are the same rows, in which case a group needs no ids
    timed   a row reads only rows whose `time` is before its own

    Raises `DataError` for an empty table of edges, for keys of another type than the ids, and for weights that are not allowed.
    """
    if isinstance(relation, SameValue):
        columns = tuple(keys[name] for name in relation.columns)
        for column, name in zip(columns, relation.columns, strict=True):
            same_type(asking[column], memory[column], f"column {name!r}, relation {relation.name!r}")
        return Groups(engine, asking, memory, square, timed, columns)
    entries = _refs(relation, keys, asking, memory) if isinstance(relation, Ref) else edges(engine, relation, memory)
    return Entries(engine, asking, memory, square, timed, entries)


def known(column: Any) -> Any:
    """A key, null where it is missing: NaN and blank text are nobody's key."""
    if column.type().is_string():
        return column.re_search(r"\S").ifelse(column, ibis.null(column.type()))
    if column.type().is_floating():
        return column.isnan().ifelse(ibis.null(column.type()), column)
    return column.cast("int64") if column.type().is_integer() and str(column.type()) != "uint64" else column


def alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Two columns of keys as one type, so that 7 and 7.0 are one key, and a union takes both."""
    if left.type() == right.type():
        return left, right
    common = "float64" if left.type().is_numeric() else "timestamp"
    return left.cast(common), right.cast(common)


def same_type(left: Any, right: Any, where: str) -> None:
    """`DataError` where one column holds text and the other numbers: "007" is not 7, and no row would be found."""
    kinds = [_kind(column) for column in (left, right)]
    if kinds[0] != kinds[1]:
        raise DataError(
            f"keys do not match: {kinds[0]} vs {kinds[1]}.",
            where,
            "Make both columns text, or both numbers; keys with leading zeros must be text.",
        )


def edges(engine: Engine, relation: EdgeTable, rows: Table) -> Table:
    """The entries of A: asks, reads, weight. Computed by the engine once, where there is something to merge."""
    table = engine.read(relation.path)
    where = f"edges {os.fspath(relation.path)}"
    named = [relation.source, relation.target, *([relation.weight] if relation.weight is not None else [])]
    for name in named:
        if name not in table.columns:
            raise DataError(
                f"There is no column {name!r} among the edges.", where, f"Its columns: {', '.join(table.columns[:8])}"
            )
    for name in (relation.source, relation.target):
        same_type(table[name], rows.row, f"column {name!r} of the {where} and the ids of the rows")
    weight = number(1.0) if relation.weight is None else _weight(engine, table, relation.weight, where)
    asks, reads = alike(known(table[relation.source]), known(table[relation.target]))
    ends = table.select(asks=asks, reads=reads, weight=weight)
    _refuse_nothing(engine, table, ends, where)
    ends = ends.filter(ends.asks.notnull(), ends.reads.notnull(), ends.asks != ends.reads, ends.weight > 0)
    if relation.distinct:
        return ends
    if relation.both:
        ends = ends.union(ends.select(asks="reads", reads="asks", weight="weight"))
    merged = ends.group_by("asks", "reads")
    return engine.keep(merged.agg(weight=number(1.0) if relation.weight is None else ends.weight.sum()))


def _refuse_nothing(engine: Engine, table: Table, ends: Table, where: str) -> None:
    """`DataError` where no edge joins two rows, as `Edges` does in memory."""
    first = ends.filter(ends.asks != ends.reads, ends.weight > 0).limit(1)
    if engine.one(first.agg(n=first.count()))["n"]:
        return
    rows = int(engine.one(table.agg(n=table.count()))["n"])
    if not rows:
        raise DataError("The table of edges is empty.", where, "Leave the relation out, or fill the table.")
    what = f"None of {rows:,} edges joins two rows: ends are missing, an edge ends where it starts, or weighs 0."
    raise DataError(what, where, "Check the columns, or leave the relation out.")


def _weight(engine: Engine, table: Table, name: str, where: str) -> Any:
    column = table[name]
    if not column.type().is_numeric():
        raise DataError(
            f"Weights are {column.type()}; allowed: numbers.", where, "Mend the weights, or leave them out."
        )
    weight = column.cast("float64")
    fine = (weight == 0) | ((weight >= number(SMALLEST)) & (weight <= number(LARGEST)))
    wrong = int(engine.one(table.agg(n=(~fine.fill_null(False)).cast("int64").sum().fill_null(0)))["n"])
    if wrong:
        raise DataError(
            f"{wrong:,} weights are not allowed; allowed: 0, or {SMALLEST:g} to {LARGEST:g}.",
            where,
            "Mend those weights, leave the edges out, or leave weight out.",
        )
    return weight


def _refs(relation: Ref, keys: Mapping[str, str], asking: Table, memory: Table) -> Table:
    """A[i, j] = 1 where row i names row j and, with `both`, where row j names row i."""
    key = keys[relation.name]
    where = f"column {relation.name!r} and the ids of the rows, relation {relation.name!r}"
    same_type(asking[key], memory.row, where)
    asks, reads = alike(asking.row, asking[key])
    pairs = asking.select(asks=asks, reads=reads)
    if relation.both:
        same_type(memory[key], asking.row, where)
        asks, reads = alike(memory[key], memory.row)
        pairs = pairs.union(memory.select(asks=asks, reads=reads))
    pairs = pairs.filter(pairs.asks.notnull(), pairs.reads.notnull(), pairs.asks != pairs.reads)
    return pairs.distinct().mutate(weight=number(1.0))


def _kind(column: Any) -> str:
    dtype = column.type()
    for kind, is_so in (("text", dtype.is_string()), ("number", dtype.is_numeric() or dtype.is_boolean())):
        if is_so:
            return kind
    return "date" if dtype.is_temporal() else str(dtype)
