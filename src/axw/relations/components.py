"""Which rows hang together, by whatever chain of relations: the groups that a new group shares nothing with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from axw.relations.base import Relation, Rows
from axw.relations.given import FactoredGiven


def components(relations: Sequence[Relation], rows: Rows) -> np.ndarray:
    """The component of each row, int64 (n,): rows are in one where a chain of reading, in either direction, joins them.

    Components are numbered by their first row. A relation of same values stays factored: each row is joined to its group,
    which is a node of its own, so n rows cost n edges. Without relations every row is a component.
    """
    n = len(rows.ids)
    ends, nodes = [np.zeros((2, 0), np.int64)], n
    for relation in relations:
        given = relation.given(rows, rows)
        if isinstance(given, FactoredGiven):
            row = np.flatnonzero(given.memory >= 0)
            ends.append(np.stack([row, nodes + given.memory[row]]))
            nodes += int(given.memory.max(initial=-1)) + 1
        else:
            A = given.csr().tocoo()
            ends.append(np.stack([A.row.astype(np.int64), A.col.astype(np.int64)]))
    source, target = np.concatenate(ends, axis=1)
    graph = coo_array((np.ones(len(source), np.int8), (source, target)), shape=(nodes, nodes)).tocsr()
    labels = connected_components(graph, directed=False)[1][:n]
    return np.asarray(pd.factorize(labels)[0], dtype=np.int64)
