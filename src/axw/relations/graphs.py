"""Graphs of other libraries as a table of edges: `libpysal.graph.Graph` and the older `libpysal.weights.W`.

They are known by what they carry, so nothing is imported for them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from axw.errors import UsageError

FOCAL, NEIGHBOR, WEIGHT = "focal", "neighbor", "weight"


def is_graph(value: object) -> bool:
    """A `libpysal.graph.Graph`, or a `libpysal.weights.W`."""
    return _is_adjacency(getattr(value, "adjacency", None)) or _is_weights(value)


def edge_table(graph: Any) -> pd.DataFrame:
    """focal, neighbor, weight: the focal row reads the neighbor, and the weight is that of the graph as it stands.

    A graph that was transformed to "r" keeps its rows that add up to 1, one of "b" its ones. A row that has no neighbor stands in
    a `Graph` as a loop of weight 0, and is left out. Raises `UsageError` for anything that is no graph.
    """
    adjacency: Any = getattr(graph, "adjacency", None)
    if _is_adjacency(adjacency):
        focal, neighbor = (adjacency.index.get_level_values(level).to_numpy() for level in (FOCAL, NEIGHBOR))
        weight = adjacency.to_numpy()
    elif _is_weights(graph):
        order = list(graph.id_order)
        focal = _column([i for i in order for _ in graph.neighbors[i]])
        neighbor = _column([j for i in order for j in graph.neighbors[i]])
        weight = np.array([w for i in order for w in graph.weights[i]], dtype=np.float64)
    else:
        raise UsageError(
            f"A graph was expected, and this is a {type(graph).__name__}; allowed: libpysal.graph.Graph, "
            "libpysal.weights.W.",
            "Edges.from_graph",
            "Write axw.Edges(frame, source, target) for a table of pairs.",
        )
    frame = pd.DataFrame({FOCAL: focal, NEIGHBOR: neighbor, WEIGHT: weight})
    return frame[frame[WEIGHT] != 0].reset_index(drop=True)


def _is_adjacency(value: object) -> bool:
    return isinstance(value, pd.Series) and list(value.index.names) == [FOCAL, NEIGHBOR]


def _is_weights(value: object) -> bool:
    parts = [getattr(value, name, None) for name in ("neighbors", "weights")]
    return all(isinstance(part, dict) for part in parts) and hasattr(value, "id_order")


def _column(ids: list[Any]) -> np.ndarray:
    """The ids (e,) in the type that they have: numbers stay numbers, and text is text."""
    return np.asarray(pd.Series(ids, dtype=object).infer_objects())
