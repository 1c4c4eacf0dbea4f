"""A table of pairs: calls, citations, payments."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import narwhals as nw
import numpy as np
import pandas as pd

from axw.errors import DataError, UsageError, did_you_mean
from axw.relations.base import KeyCounts, Relation, Rows, Saved, column_names
from axw.relations.given import SparseGiven, from_pairs
from axw.relations.graphs import FOCAL, NEIGHBOR, WEIGHT, edge_table
from axw.relations.index import Cut, KeyIndex, Members, RowIndex
from axw.relations.keys import Coded, coded, examples, kinds, objects, places, same_kinds, together

SMALLEST, LARGEST = 1e-100, 1e100


class _Edges(NamedTuple):
    """e different edges between u different keys: source, target (e,) are places among the keys."""

    keys: pd.Series
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None
    counts: KeyCounts


class Edges(Relation):
    """A[i, j] = weight of the edges from row i to row j and, with `both`, of those from j to i.

    frame           a table with one edge a row (pandas, polars, or whatever narwhals knows)
    source, target  the columns with the row ids: the source reads the target and, with `both` (the default), the
                    target reads the source
    weight          the column with how much is read, where the weights of equal edges are added; None = an edge
                    weighs 1, however often it stands in the table
    both            False: only the source reads
    name            how the relation is called; None = "source-target"

    An edge whose ends are one row is dropped, and so is one of weight 0; an end that is no row of the table is
    counted by `check`. Raises `DataError` where no edge is left, and for weights that are missing, negative,
    infinite, or beyond 1e-100 to 1e100.
    """

    by_id: ClassVar[bool] = True
    pairwise: ClassVar[bool] = True
    source: str
    target: str
    weight: str | None
    both: bool
    _edges: _Edges
    _digest: str

    def __init__(
        self,
        frame: Any,
        source: str,
        target: str,
        weight: str | None = None,
        *,
        both: bool = True,
        name: str | None = None,
    ) -> None:
        column_names((source, target), "Edges")
        edges = _edges(*_read(frame, source, target, weight), f"Edges({source!r}, {target!r})")
        self._set(columns=(), name=name or f"{source}-{target}", both=bool(both))
        self._set(source=source, target=target, weight=weight, _edges=edges, _digest=_digest(edges))

    @classmethod
    def from_graph(cls, graph: Any, name: str = "graph") -> Self:
        """A[i, j] = the weight that a `libpysal.graph.Graph`, or a `libpysal.weights.W`, gives row i for its neighbor j.

        Ids are kept, and so are weights: row-standardised ones ("r") stay so, and so do ones ("b"); only a loop is dropped, as no
        row reads itself. Raises `UsageError` for what is no graph, `DataError` for one without an edge or with a negative weight.
        """
        return cls(edge_table(graph), FOCAL, NEIGHBOR, WEIGHT, both=False, name=name)

    def given(self, asking: Rows, memory: Rows) -> SparseGiven:
        ids = objects(memory.ids)
        asks = ids if asking.ids is memory.ids else objects(asking.ids)
        same_kinds(self._edges.keys, ids, self._where())
        same_kinds(self._edges.keys, asks, self._where())
        of_memory = places(self._edges.keys, ids)
        of_asking = of_memory if asks is ids else places(self._edges.keys, asks)
        directions = [(self._edges.source, self._edges.target), (self._edges.target, self._edges.source)]
        found = [_between(of_asking, of_memory, *ends, self._edges.weight) for ends in directions[: 1 + self.both]]
        reader, read, weights = (np.concatenate(parts) for parts in zip(*found, strict=True))
        weight = None if self._edges.weight is None else weights
        own = np.where(ids.isna(), -1, np.arange(len(ids))) if asks is ids else places(asks, ids)
        return from_pairs(reader, read, weight, (len(asks), len(ids)), own)

    def index(self, memory: Rows) -> RowIndex:
        return _EndIndex(self, memory)

    def counts(self, rows: Rows) -> KeyCounts:
        """`keys` and `dangling` count the different ends of the edges."""
        ids = objects(rows.ids)
        same_kinds(self._edges.keys, ids, self._where())
        lost = places(self._edges.keys, ids) < 0
        return self._edges.counts._replace(
            keys=len(self._edges.keys), dangling=int(lost.sum()), dangling_examples=examples(self._edges.keys[lost])
        )

    def _cut(self, edges: _Edges) -> Edges:
        """The same relation with some of its edges."""
        cut = object.__new__(type(self))
        cut._set(columns=(), name=self.name, both=self.both, source=self.source, target=self.target, weight=self.weight)
        cut._set(_edges=edges, _digest=_digest(edges))
        return cut

    def frame(self) -> pd.DataFrame:
        """The edges, merged: source, target and, where there is one, weight."""
        columns = {
            self.source: self._edges.keys.iloc[self._edges.source].to_list(),
            self.target: self._edges.keys.iloc[self._edges.target].to_list(),
        }
        table = pd.DataFrame(columns)
        return table if self.weight is None else table.assign(**{self.weight: self._edges.weight})

    def to_config(self) -> Saved:
        table = f"edges-{self._digest[:16]}"
        config = {"kind": "Edges", "source": self.source, "target": self.target, "weight": self.weight}
        return Saved(
            {**config, "both": self.both, "name": self.name, "table": table, "sha256": self._digest},
            {table: self.frame()},
        )

    @classmethod
    def from_config(cls, config: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Self:
        if config["table"] not in tables:
            raise DataError(
                f"The table {config['table']!r} of the relation {config['name']!r} is missing.",
                "relation",
                "Copy it along.",
            )
        frame = tables[config["table"]]
        made = cls(
            frame, config["source"], config["target"], config["weight"], both=config["both"], name=config["name"]
        )
        if made._digest != config["sha256"]:
            raise DataError(
                f"The table of the relation {config['name']!r} is not the one that was saved.",
                f"table {config['table']!r}",
                "Take the table that was saved with the model, or fit again.",
            )
        return made

    @property
    def fingerprint(self) -> str:
        settings = repr((self.source, self.target, self.weight, self.both, self.name, self._digest))
        return hashlib.sha256(settings.encode()).hexdigest()

    def __repr__(self) -> str:
        columns = [self.source, self.target, *([] if self.weight is None else [self.weight])]
        both = "" if self.both else ", both=False"
        return f"Edges({len(self._edges.source):,} edges, {', '.join(map(repr, columns))}{both})"

    def _where(self) -> str:
        return f"columns {self.source!r}, {self.target!r} and the ids of the rows, relation {self.name!r}"


def _read(frame: Any, source: str, target: str, weight: str | None) -> tuple[Coded, Coded, np.ndarray | None]:
    try:
        table = nw.from_native(frame, eager_only=True)
    except TypeError:
        raise UsageError(
            f"Edges got {type(frame).__name__}; allowed: a DataFrame with one edge a row.",
            "Edges",
            "Read the file first.",
        ) from None
    for name in (source, target, weight):
        if name is not None and name not in table.columns:
            raise DataError(
                f"There is no column {name!r} among the edges.",
                "Edges",
                did_you_mean(str(name), map(str, table.columns)),
            )
    sources, targets = (coded(table[name].to_pandas(), f"column {name!r} of the edges") for name in (source, target))
    return sources, targets, None if weight is None else _weights(table[weight].to_pandas(), weight)


def _weights(values: pd.Series, name: str) -> np.ndarray:
    where, todo = f"column {name!r} of the edges", "Mend those weights, leave the edges out, or leave weight out."
    if not pd.api.types.is_numeric_dtype(values.dtype):
        raise DataError(f"Weights are {values.dtype}; allowed: numbers.", where, todo)
    weight = values.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = ~((weight == 0) | ((weight >= SMALLEST) & (weight <= LARGEST)))
    if wrong.any():
        raise DataError(
            f"{int(wrong.sum()):,} of {len(weight):,} weights are not allowed, for example {float(weight[wrong][0])}; "
            f"allowed: 0, or {SMALLEST:g} to {LARGEST:g}.",
            where,
            todo,
        )
    return np.asarray(weight)


def _edges(sources: Coded, targets: Coded, weights: np.ndarray | None, where: str) -> _Edges:
    """The edges that join two rows, equal ones merged: their weights are added in rising order, so that the order of the
    table changes no bit."""
    n = len(sources.code)
    if not n:
        raise DataError("The table of edges is empty.", where, "Leave the relation out, or fill the table.")
    start, end, keys = together(sources, targets)
    here, loops = (start >= 0) & (end >= 0), (start == end) & (start >= 0)
    keep = here & ~loops & (True if weights is None else weights > 0)
    lost, looping = int((~here).sum()), int(loops.sum())
    if not keep.any():
        light = "" if weights is None else ", the others weigh 0"
        what = f"None of {n:,} edges joins two rows: {lost:,} miss an end, {looping:,} end where they start{light}."
        raise DataError(what, where, "Check the columns, or leave the relation out.")
    m = len(keys)
    kept = None if weights is None else weights[keep]
    A = from_pairs(start[keep], end[keep], kept, (m, m), np.full(m, -1)).csr()
    counts = KeyCounts(missing=lost, duplicates=int(keep.sum()) - A.nnz, itself=looping)
    source, target = np.repeat(np.arange(m), np.diff(A.indptr)), A.indices.astype(np.int64)
    return _Edges(keys, source, target, None if weights is None else A.data, counts)


def _between(
    of_asking: np.ndarray, of_memory: np.ndarray, source: np.ndarray, target: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(reader, read, weight) of the edges whose source asks and whose target may be read; no weight where there is none."""
    reader = of_asking[source]
    asked = np.flatnonzero(reader >= 0)  # of few asking rows few edges are looked at further
    reader, read = reader[asked], of_memory[target[asked]]
    known = read >= 0
    if not known.all():
        reader, read, asked = reader[known], read[known], asked[known]
    return reader, read, np.zeros(0) if weight is None else weight[asked]


def _digest(edges: _Edges) -> str:
    """SHA-256 of the edges as a set: their order in the table plays no part."""
    name = _names(edges.keys)
    # Any order that the edges alone decide will do: this one needs a single sort.
    order = np.argsort(name[edges.source] * np.uint64(0x9E3779B97F4A7C15) + name[edges.target])
    total = hashlib.sha256(",".join(sorted(kinds(edges.keys))).encode())
    total.update(name[edges.source[order]].tobytes() + name[edges.target[order]].tobytes())
    total.update(b"" if edges.weight is None else edges.weight[order].tobytes())
    return total.hexdigest()


def _names(keys: pd.Series) -> np.ndarray:
    """A number for each key, uint64 (u,), that depends on nothing but the key; 7, 7.0 and numpy's 7 are one."""
    whole = _whole(keys)
    if whole is not None:  # splitmix64: neighbouring numbers become far ones
        mixed = whole.view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)))
    texts = (key if isinstance(key, str) else repr(_plain(key)) for key in keys)
    digests = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts]
    return np.frombuffer(b"".join(digests), np.uint64)


def _whole(keys: pd.Series) -> np.ndarray | None:
    """The keys as int64, where they are whole numbers that fit."""
    if kinds(keys) != {"number"}:
        return None
    try:
        whole = keys.astype(np.int64)
        return whole.to_numpy() if (whole == keys).all() else None
    except (OverflowError, TypeError, ValueError):
        return None


def _plain(key: Any) -> Any:
    """A number as Python's own."""
    if isinstance(key, bool | np.bool_ | int | np.integer):
        return int(key)
    if isinstance(key, float | np.floating):
        return int(key) if float(key).is_integer() else float(key)
    return key


class _EndIndex(RowIndex):
    """Edges by the row where they start and, where they are read both ways, by that where they end."""

    def __init__(self, relation: Edges, memory: Rows) -> None:
        self._relation, edges, ids = relation, relation._edges, objects(memory.ids)
        same_kinds(edges.keys, ids, relation._where())
        self._places = places(edges.keys, ids)
        self._keys = KeyIndex(edges.keys)
        ends = (edges.source, edges.target)[: 1 + relation.both]
        self._by_end = [Members(end, len(edges.keys)) for end in ends]

    def cut(self, asking: Rows) -> Cut:
        edges = self._relation._edges
        asks = self._keys.places(objects(asking.ids), self._relation._where())
        few = np.unique(np.concatenate([members.of(asks) for members in self._by_end]))
        ends, code = np.unique(np.stack([edges.source[few], edges.target[few]]), return_inverse=True)
        code = code.reshape(2, -1)
        weight = None if edges.weight is None else edges.weight[few]
        cut = _Edges(edges.keys.iloc[ends].reset_index(drop=True), code[0], code[1], weight, edges.counts)
        found = self._places[ends]
        return Cut(np.sort(found[found >= 0]), self._relation._cut(cut))
