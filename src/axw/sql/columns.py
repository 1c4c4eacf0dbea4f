"""A table's columns as numbers, in SQL: the same `axw.data.Columns` as in memory, learned by counting and applied as expressions.

number     z = (x 2^-e - mean) / std       missing: the median of the fit, and a column "age is missing"
category   one column a level seen often enough, "class = other" for the rest, "class is missing"
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from axw.data import Columns
from axw.data.parts import FEWEST_ROWS, FURTHEST, ID_RATIO, ID_ROWS, MOST_LEVELS, Category, Number
from axw.data.values import Kind
from axw.errors import DataError, did_you_mean
from axw.sql.engine import Engine
from axw.sql.installed import ibis

if TYPE_CHECKING:
    from ibis.expr.types import Table

TOGETHER = 64
"""Columns whose sums are asked for in one query: engines slow down, or fail, on queries of thousands of sums."""
_DAY = 86_400.0


def number(value: float) -> Any:
    """A constant as a double: written as 0.1 it is a decimal, and engines go on in decimals from there."""
    return ibis.literal(repr(float(value))).cast("float64")


def add(columns: Sequence[Any], weight: np.ndarray) -> Any:
    """sum_i columns_i weight_i, added in pairs: an expression of a thousand terms in a row is too deep for a parser."""
    terms = [column * number(value) for column, value in zip(columns, weight, strict=True)]
    while len(terms) > 1:
        terms = [left + right for left, right in zip(terms[::2], terms[1::2], strict=False)] + terms[len(terms) & ~1 :]
    return terms[0] if terms else number(0.0)


def kind_of(table: Table, name: str) -> Kind:
    """How a column is read, from its type. Raises `DataError` for types that are no number, truth, date or text."""
    dtype = table.schema()[name]
    if dtype.is_boolean():
        return "boolean"
    if dtype.is_numeric():
        return "number"
    if dtype.is_date() or dtype.is_timestamp():
        return "date"
    if dtype.is_string():
        return "category"
    raise DataError(
        f"Column {name!r} is of the type {dtype}; allowed: numbers, true and false, dates, timestamps, text.",
        f"column {name!r}",
        "Drop it, or write it as one of those.",
    )


def fit_columns(engine: Engine, table: Table, names: Sequence[str]) -> Columns:
    """`Columns.fit` of those columns, computed by the engine: four passes over the numbers, and two over each text column.

    Raises `DataError` for infinite numbers and for types that cannot be read.
    """
    kinds = {name: kind_of(table, name) for name in names}
    rows = int(engine.one(table.agg(n=table.count()))["n"])
    found: dict[str, Number | Category | str] = {}
    numbers = [name for name in names if kinds[name] != "category"]
    for start in range(0, len(numbers), TOGETHER):
        found |= _fit_numbers(engine, table, {name: kinds[name] for name in numbers[start : start + TOGETHER]}, rows)
    for name in names:
        if kinds[name] == "category":
            found[name] = _fit_category(engine, table, name, rows)
    parts = tuple(part for name in names if not isinstance(part := found[name], str))
    return Columns(parts, {name: part for name in names if isinstance(part := found[name], str)}, rows)


def transform(engine: Engine, table: Table, columns: Columns) -> list[Any]:
    """The d columns of X as expressions over `table`, in the order of `columns.names`, called x0, x1, ...

    Raises `DataError` where a column is missing or holds something else than in the fit.
    """
    absent = [part.name for part in columns.parts if part.name not in table.columns]
    if absent:
        raise DataError(
            f"{len(absent)} of {len(columns.parts)} columns are missing, the first is {absent[0]!r}.",
            "columns of the table",
            did_you_mean(absent[0], table.columns),
        )
    expressions: list[Any] = []
    for part in columns.parts:
        kind = part.kind if isinstance(part, Number) else "category"
        if (got := kind_of(table, part.name)) != kind:
            raise DataError(
                f"Column {part.name!r} holds a {got}; it held a {kind} when the model was fitted.",
                f"column {part.name!r}",
                "Write it as it was written for the fit.",
            )
        expressions += _number(engine, table, part) if isinstance(part, Number) else _category(table, part)
    return [expression.name(f"x{place}") for place, expression in enumerate(expressions)]


def as_double(engine: Engine, table: Table, name: str, kind: Kind) -> Any:
    """A column as a double, null where it is missing; dates in days since 1970-01-01 UTC."""
    column = table[name]
    if kind == "date":
        if column.type().is_date():
            column = column.cast("timestamp")
        return engine.seconds(column) / number(_DAY)
    if kind == "boolean":
        column = column.cast("int8")
    floating = column.type().is_floating()
    x = column.cast("float64")
    return x.isnan().ifelse(ibis.null("float64"), x) if floating else x


def _number(engine: Engine, table: Table, part: Number) -> list[Any]:
    x = as_double(engine, table, part.name, part.kind)
    expressions = []
    if part.varies:
        z = (_scaled(x.fill_null(number(part.fill)), part.exponent) - number(part.mean)) / number(part.std)
        expressions.append(ibis.greatest(number(-FURTHEST), ibis.least(number(FURTHEST), z)))
    if part.missing:
        expressions.append(x.isnull().cast("int8").cast("float64"))
    return expressions


def _scaled(x: Any, exponent: int) -> Any:
    """x 2^-exponent, in two steps: 2^1074 is no double."""
    half = exponent // 2
    return x * number(math.ldexp(1.0, -half)) * number(math.ldexp(1.0, half - exponent)) if exponent else x


def _category(table: Table, part: Category) -> list[Any]:
    text = table[part.name]
    parts = [text == level for level in part.levels]
    if part.other:
        parts.append(text.notin(part.levels) if part.levels else text.notnull())
    parts = [one.fill_null(False) for one in parts]  # null is no level, and not another one either
    if part.missing:
        parts.append(text.isnull())
    return [one.cast("int8").cast("float64") for one in parts]


def _fit_numbers(engine: Engine, table: Table, kinds: dict[str, Kind], rows: int) -> dict[str, Number | str]:
    x = {name: as_double(engine, table, name, kind) for name, kind in kinds.items()}
    values = table.select(**{f"c{place}": column for place, column in enumerate(x.values())})
    names, places = list(x), [f"c{place}" for place in range(len(x))]
    seen = engine.one(
        values.agg(
            [values[c].count().name(f"n{c}") for c in places]
            + [values[c].isinf().cast("int64").sum().name(f"inf{c}") for c in places]
            + [values[c].min().name(f"low{c}") for c in places]
            + [values[c].max().name(f"high{c}") for c in places]
        )
    )
    found: dict[str, Number | str] = {}
    to_scale: dict[str, tuple[str, int]] = {}
    for name, c in zip(names, places, strict=True):
        if seen[f"inf{c}"]:
            raise DataError(
                f"Column {name!r} holds infinite numbers in {seen[f'inf{c}']:,} of {rows:,} rows.",
                f"column {name!r}",
                "Replace infinite values by a number, or by null where the value is not known.",
            )
        part = _plain_number(engine, values, c, name, kinds[name], seen, rows)
        found[name] = part
        if isinstance(part, Number) and part.varies and part.kind != "boolean":
            to_scale[name] = (c, int(np.frexp(max(abs(seen[f"low{c}"]), abs(seen[f"high{c}"])))[1]))
    if to_scale:
        found |= _with_spread(engine, values, found, to_scale)
    return found


def _plain_number(
    engine: Engine, values: Table, c: str, name: str, kind: Kind, seen: dict[str, Any], rows: int
) -> Number | str:
    known, low, high = int(seen[f"n{c}"]), seen[f"low{c}"], seen[f"high{c}"]
    if not known:
        return "every value is missing"
    varies = bool(high / 2 - low / 2 > 2 * np.finfo(np.float64).eps * max(abs(low), abs(high)))
    missing = known < rows
    if not varies and not missing:
        return f"every value is {low:g}"
    median = float(engine.one(values.agg(m=values[c].median()))["m"])
    return Number(name, kind, varies, missing, float(round(median)) if kind == "boolean" else median, 0, 0.0, 1.0)


def _with_spread(
    engine: Engine, values: Table, found: dict[str, Number | str], to_scale: dict[str, tuple[str, int]]
) -> dict[str, Number | str]:
    """Mean and then standard deviation of x 2^-e, two passes: the mean square less the squared mean would lose digits."""
    u = {name: _scaled(values[c], exponent) for name, (c, exponent) in to_scale.items()}
    of = {name: f"m{place}" for place, name in enumerate(u)}
    means = engine.one(values.agg([u[name].mean().name(of[name]) for name in u]))
    away = {name: u[name] - number(means[of[name]]) for name in u}
    squares = engine.one(values.agg([(away[name] * away[name]).mean().name(of[name]) for name in u]))
    done: dict[str, Number | str] = {}
    for name, (_, exponent) in to_scale.items():
        plain = found[name]
        assert isinstance(plain, Number)
        mean, std = float(means[of[name]]), math.sqrt(float(squares[of[name]]))
        done[name] = Number(name, plain.kind, True, plain.missing, plain.fill, exponent, mean, std)
    return done


def _fit_category(engine: Engine, table: Table, name: str, rows: int) -> Category | str:
    level = table[name]
    counts = table.filter(level.notnull()).group_by(level=level).agg(n=lambda t: t.count())
    total = engine.one(counts.agg(present=counts.count(), known=counts.n.sum().fill_null(0)))
    present, known = int(total["present"]), int(total["known"])
    if not known:
        return "every value is missing"
    if known > ID_ROWS and present > ID_RATIO * known:
        return f"names its rows: {present} different values in {known} rows"
    missing, fewest = known < rows, max(FEWEST_ROWS, -(-rows // 1000))
    often = counts.filter(counts.n >= fewest).order_by([ibis.desc("n"), "level"]).limit(MOST_LEVELS)
    levels = tuple(sorted(engine.fetch(often).column("level").to_pylist()))
    if present == 1 and not missing:
        return f"every value is {levels[0] if levels else 'one text'!r}"
    if not levels and not missing:
        return f"no value is seen in {fewest} rows or more"
    return Category(name, levels, other=present > len(levels), missing=missing)
