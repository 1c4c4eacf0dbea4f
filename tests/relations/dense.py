"""The plain way: A as a full matrix, pair by pair, from the words of the relation alone. And rows to try it on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from axw.relations import Edges, Near, Ref, Relation, Rows, SameValue


def _missing(value):
    return value is None or value is pd.NA or value != value or (isinstance(value, str) and not value.strip())


def same(columns, asking, memory):
    def key(rows, i):
        values = tuple(rows.columns[name].iloc[i] for name in columns)
        return None if any(map(_missing, values)) else values

    return _pairs(asking, memory, lambda i, j: float(key(asking, i) is not None and key(asking, i) == key(memory, j)))


def ref(column, both, asking, memory):
    def names(rows, i, identity):
        value = rows.columns[column].iloc[i]
        return not _missing(value) and value == identity

    return _pairs(
        asking,
        memory,
        lambda i, j: float(names(asking, i, memory.ids[j]) or (both and names(memory, j, asking.ids[i]))),
    )


def edges(table, weighted, both, asking, memory):
    weight: dict = {}
    for source, target, w in table:
        weight[source, target] = weight.get((source, target), 0.0) + w

    def of(i, j):
        a, b = asking.ids[i], memory.ids[j]
        total = weight.get((a, b), 0.0) + (weight.get((b, a), 0.0) if both else 0.0)
        return total if weighted else float(total > 0)

    return _pairs(asking, memory, of)


def near(columns, k, asking, memory):
    """Only right where no two distances are equal."""
    points, asks = (rows.columns[columns].to_numpy(dtype=float) for rows in (memory, asking))
    A, there = np.zeros((len(asks), len(points))), ~np.isnan(points).any(1)
    if not there.any():
        return A
    scale = points[there].std(0)
    scale[scale == 0] = 1.0
    for i in np.flatnonzero(~np.isnan(asks).any(1)):
        distance = (((asks[i] - points) / scale) ** 2).sum(1)
        may = there & (memory.ids != asking.ids[i])
        A[i, np.flatnonzero(may)[np.argsort(distance[may])[:k]]] = 1.0
    return A


def _pairs(asking, memory, weight):
    A = np.zeros((len(asking.ids), len(memory.ids)))
    for i in range(len(asking.ids)):
        for j in range(len(memory.ids)):
            if asking.ids[i] != memory.ids[j]:
                A[i, j] = weight(i, j)
    return A


def rows(n: int, seed: int, start: int = 0) -> Rows:
    """n people: t and u are keys of groups, s the id of another, x and y where they are; some of each missing."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"p{i}" for i in range(start, start + n)], dtype=object)
    frame = pd.DataFrame(
        {
            "t": rng.choice(np.array(["a", "b", "c", None, " "], dtype=object), n),
            "u": rng.choice([1.0, 2.0, np.nan], n),
            "s": [None if rng.random() < 0.3 else f"p{rng.integers(0, 2 * max(n, 1))}" for _ in range(n)],
            "x": rng.normal(size=n),
            "y": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
        }
    )
    return Rows(ids, frame)


def edge_table(n: int, seed: int, people: int) -> list[tuple[str, str, float]]:
    rng = np.random.default_rng(seed)
    ends = rng.integers(0, people, size=(n, 2))
    ends[0] = (0, 1)
    return [(f"p{a}", f"p{b}", float(w)) for (a, b), w in zip(ends, rng.random(n) + 0.1, strict=True) if a != b]


def edge_frame(table):
    return pd.DataFrame(table, columns=["from", "to", "w"])


def one_kind(kind: int, n: int, seed: int) -> tuple[Relation, Callable[[Rows, Rows], np.ndarray]]:
    """A relation, and the function that gives its dense A."""
    table = edge_table(3 * n + 1, seed, n + 5)
    makers = [
        lambda: (SameValue("t"), lambda a, m: same(["t"], a, m)),
        lambda: (SameValue("t", "u"), lambda a, m: same(["t", "u"], a, m)),
        lambda: (Ref("s"), lambda a, m: ref("s", True, a, m)),
        lambda: (Ref("s", both=False), lambda a, m: ref("s", False, a, m)),
        lambda: (Edges(edge_frame(table), "from", "to"), lambda a, m: edges(table, False, True, a, m)),
        lambda: (Edges(edge_frame(table), "from", "to", "w"), lambda a, m: edges(table, True, True, a, m)),
        lambda: (Edges(edge_frame(table), "from", "to", "w", both=False), lambda a, m: edges(table, True, False, a, m)),
        lambda: (Near(["x", "y"], k=3), lambda a, m: near(["x", "y"], 3, a, m)),
    ]
    return makers[kind]()


def every_kind(n: int, seed: int) -> list[tuple[Relation, Callable[[Rows, Rows], np.ndarray]]]:
    return [one_kind(kind, n, seed) for kind in KINDS]


KINDS = range(8)
sizes = st.integers(1, 13)
seeds = st.integers(0, 2**20)
