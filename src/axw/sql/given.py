"""A that is given, in SQL: the same operator as `axw.relations.Given`, as expressions over tables.

    sum     A X        a join and a sum for each row that asks; where rows read those of their group, the sum of the group less
                       the row itself, and no pair is ever formed
    A has no diagonal: no row reads itself.

Tables are asked for their columns by name: `row` is the id, `key0`, `key1`, ... the keys, `time` the moment of the row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axw.errors import ResourceError
from axw.sql.columns import number
from axw.sql.engine import Engine
from axw.sql.installed import ibis

if TYPE_CHECKING:
    from ibis.expr.types import Table

MOST_PAIRS = 2_000_000_000
"""More pairs than this are not formed; the error says how many there would have been."""
WIDEST = 64
"""Columns that are carried through one join over the pairs."""


@dataclass(frozen=True)
class SqlGiven(ABC):
    """A (n m) between the rows of `asking` and those of `memory`.

    square  the two tables are the same rows
    timed   a row reads only rows whose `time` is before its own: strictly, so rows of one moment do not read each other. A row
            without a time reads nothing and is read by nobody
    """

    engine: Engine
    asking: Table
    memory: Table
    square: bool
    timed: bool

    @abstractmethod
    def read(self, values: Sequence[str]) -> Table:
        """The rows of `asking` with three kinds of columns more, 0 for a row that reads nothing:

        count     the number of rows read (n)
        degree    the sum of their weights, A 1 (n)
        sum_v     A X (n d), for each column v of the memory that is named; whole numbers are added exactly
        """

    @abstractmethod
    def pairs(self) -> Table:
        """The entries of A: asks, reads (ids) and weight. Raises `ResourceError` beyond `MOST_PAIRS`, before any is formed."""


@dataclass(frozen=True)
class Groups(SqlGiven):
    """A = M N' less itself: rows with the same keys read each other. `keys` are columns of both tables."""

    keys: tuple[str, ...]

    def read(self, values: Sequence[str]) -> Table:
        totals, asking = self._totals(values), self._with_own(values)
        found = asking.left_join(totals, [asking[key] == totals[f"of_{key}"] for key in self._by])
        count = _or_zero(found.total_count) - found.own_count
        return found.select(
            *self.asking.columns,
            count=count,
            degree=count.cast("float64"),
            **{f"sum_{v}": _or_zero(found[f"total_{v}"]) - found[f"own_{v}"] for v in values},
        )

    def _with_own(self, values: Sequence[str]) -> Table:
        """The asking rows with what each itself adds to the sum of the group that it reads: own_count and own_v."""
        asking, nothing = self.asking, {v: _zero(self.memory[v]) for v in values}
        named = "row" in asking.columns and "row" in self.memory.columns
        if self.timed or not (self.square or named):  # what is before, or has no name, is not the row itself
            return asking.mutate(own_count=_zero_count(), **{f"own_{v}": nothing[v] for v in values})
        if self.square:
            inside, own = _all([asking[key].notnull() for key in self.keys]), {v: asking[v] for v in values}
        else:
            remembered = self.memory.select(
                own_row="row", **{f"was_{key}": key for key in self.keys}, **{f"own_{v}": v for v in values}
            )
            asking = asking.left_join(remembered, asking.row == remembered.own_row)
            # A row whose key has changed since reads a group that it is not in.
            inside = _all([asking[key] == asking[f"was_{key}"] for key in self.keys]).fill_null(False)
            own = {v: asking[f"own_{v}"] for v in values}
        return asking.select(
            *self.asking.columns,
            own_count=inside.cast("int64"),
            **{f"own_{v}": inside.ifelse(own[v], nothing[v]) for v in values},
        )

    def _totals(self, values: Sequence[str]) -> Table:
        """One row a group, or with `timed` a group and moment: what the rows of the group add up to (before that moment)."""
        members = self.memory.filter([self.memory[key].notnull() for key in self._by])
        totals = members.group_by(self._by).agg(
            [members.count().name("total_count"), *(members[v].sum().name(f"total_{v}") for v in values)]
        )
        names = ["total_count", *(f"total_{v}" for v in values)]
        if self.timed:
            totals = self._before(totals, names)
        return totals.rename({f"of_{key}": key for key in self._by})

    def _before(self, moments: Table, names: Sequence[str]) -> Table:
        """The sums over all earlier moments of the group, for every moment at which somebody asks."""
        if not self.square:  # somebody may ask at a moment at which nobody of the memory was seen
            asked = self.asking.filter([self.asking[key].notnull() for key in self._by]).select(*self._by).distinct()
            nothing = asked.mutate(**{name: ibis.literal(0).cast(moments[name].type()) for name in names})
            both = moments.select(*self._by, *names).union(nothing.select(*self._by, *names))
            moments = both.group_by(self._by).agg([both[name].sum().name(name) for name in names])
        window = ibis.window(group_by=list(self.keys), order_by="time", preceding=(None, 1))
        return moments.select(*self._by, **{name: _or_zero(moments[name].sum().over(window)) for name in names})

    @property
    def _by(self) -> list[str]:
        return [*self.keys, *(["time"] if self.timed else [])]

    def pairs(self) -> Table:
        members = self.memory.filter([self.memory[key].notnull() for key in self.keys])
        sizes = members.group_by(self.keys).agg(m=members.count())
        asked = self.asking.filter([self.asking[key].notnull() for key in self.keys])
        asked = asked.group_by(self.keys).agg(n=asked.count())
        both = asked.inner_join(sizes, list(self.keys))
        refuse_pairs(self.engine.one(both.agg(pairs=(both.n.cast("float64") * both.m).sum()))["pairs"], "same keys")
        left = self.asking.select(asks="row", **{f"of_{key}": key for key in self._by})
        right = self.memory.select(reads="row", **{key: key for key in self._by}).view()
        on = [left[f"of_{key}"] == right[key] for key in self.keys] + [left.asks != right.reads]
        pairs = left.inner_join(right, on + ([right.time < left.of_time] if self.timed else []))
        return pairs.select("asks", "reads", weight=number(1.0))


@dataclass(frozen=True)
class Entries(SqlGiven):
    """A by its entries: a table asks, reads (ids) and weight, in which no pair stands twice and no row reads itself."""

    entries: Table

    def read(self, values: Sequence[str]) -> Table:
        # In blocks of columns: a join carries its columns through memory, and a wide one is spilled to disk over and over.
        blocks = [list(values[start : start + WIDEST]) for start in range(0, max(1, len(values)), WIDEST)]
        found = self.asking
        for place, block in enumerate(blocks):
            sums = self._sums(block, counted=place == 0)
            found = found.left_join(sums, found.row == sums.asks).drop("asks")
        names = ["count", "degree", *(f"sum_{v}" for v in values)]
        return found.mutate(**{name: _or_zero(found[name]) for name in names})

    def _sums(self, values: list[str], counted: bool) -> Table:
        # A join to the values leaves out what names no row; only a count without values must look for itself.
        pairs = self.entries if values and not self.timed else self._readable()
        if values:
            remembered = self.memory.select(of_row="row", **{f"of_{v}": v for v in values})
            pairs = pairs.inner_join(remembered, pairs.reads == remembered.of_row)
        sums = [_weighted(pairs, v).sum().name(f"sum_{v}") for v in values]
        if counted:
            sums += [pairs.count().name("count"), pairs.weight.sum().name("degree")]
        return pairs.group_by("asks").agg(sums)

    def pairs(self) -> Table:
        pairs, asks = self._readable(), self.asking.select(asks_row="row").view()
        return pairs.semi_join(asks, pairs.asks == asks.asks_row)

    def _readable(self) -> Table:
        """The entries that name a row of the memory, and with `timed` those that lead back in time."""
        columns = ["row", *(["time"] if self.timed else [])]
        reads, asks = self.memory.select(*columns).view(), self.asking.select(*columns).view()
        pairs = self.entries.semi_join(reads, self.entries.reads == reads.row)
        if not self.timed:
            return pairs
        reads, asks = reads.rename(reads_row="row", reads_time="time"), asks.rename(asks_row="row", asks_time="time")
        pairs = pairs.inner_join(reads, pairs.reads == reads.reads_row)
        pairs = pairs.inner_join(asks, pairs.asks == asks.asks_row)
        return pairs.filter(pairs.reads_time < pairs.asks_time).select("asks", "reads", "weight")


def _weighted(pairs: Table, value: str) -> Any:
    column = pairs[f"of_{value}"]
    return pairs.weight * column.cast("float64")


def refuse_pairs(count: float | None, what: str) -> None:
    """`ResourceError` before pairs are formed that no disk would hold."""
    if count is not None and count > MOST_PAIRS:
        raise ResourceError(
            f"{count:,.0f} pairs of rows would be formed ({what}), {count * 24 / 2**30:,.0f} GiB; allowed: {MOST_PAIRS:,}.",
            "pairs of rows",
            "Use sums over groups (`read`), which form no pair, or keys that fewer rows share.",
        )


def _zero(column: Any) -> Any:
    return ibis.literal(0).cast(column.type())


def _zero_count() -> Any:
    return ibis.literal(0).cast("int64")


def _or_zero(column: Any) -> Any:
    return column.fill_null(_zero(column))


def _all(conditions: Sequence[Any]) -> Any:
    """All of them; there is at least one."""
    together = conditions[0]
    for condition in conditions[1:]:
        together = together & condition
    return together
