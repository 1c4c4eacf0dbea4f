"""Which rows a row may read, in every kind of attention over rows; and the answer of a network to that question.

Of few rows all are scored. Of many, where there is a softmax, those alone that score highest are read (`nearest_rows`); where
there is none, A is never formed, and what a row would read of itself is taken off. By a relation a row reads its relatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from axw.models.tables.nearest_rows import nearest
from axw.models.tables.problem import TableRows, Target
from axw.networks import Reachable, RowNetwork, RowSettings, RowsToRead, near
from axw.relations import Relation
from axw.relations.given import refuse_above

# Cells of A (asking rows x rows that are read) that are in memory at once: more asking rows are taken in chunks.
CELLS = 4_000_000
# Of more rows than MOST_ROWS a row reads those alone that score highest: a softmax over a million rows lies in few of them, and
# n x n is never formed.
MOST_ROWS = 20_000


class Reach:
    """The question that rows are: X, M, Z and who may read whom.

    most     rows that a row may read by one relation, of more an evenly spaced sample; and of many rows those that score highest
    """

    def __init__(self, settings: RowSettings, relations: Sequence[Relation], labels: bool, most: int = 64) -> None:
        self.settings = replace(settings, parts=max(1, len(relations)))
        self.relations, self.labels, self.most = tuple(relations), labels, most

    def question(
        self,
        asking: TableRows,
        memory: TableRows,
        target: Target,
        dtype: torch.dtype = torch.float64,
        network: RowNetwork | None = None,
    ) -> RowsToRead:
        """X, M, Z and who may read whom. A row never reads itself: the answer it holds is the one that is asked.

        network  scores the rows where a row reads only those that score highest (`many`)
        """
        Z = [np.ones((len(memory.X), 1))]
        if self.labels:
            assert memory.Y is not None
            Z.append(target.standard(memory.Y))
        X, M = torch.as_tensor(asking.X, dtype=dtype), torch.as_tensor(memory.X, dtype=dtype)
        M = M if self.settings.normalize == "none" else near(M)
        values = torch.cat([torch.as_tensor(np.concatenate(Z, axis=1), dtype=dtype), M], 1)
        if self.settings.normalize == "none" and not self.relations:
            # Without a softmax, the mean over all rows, by their weights, keeps the size of A Z V the same at any number of rows.
            values = values * torch.as_tensor(memory.weights() / memory.weights().sum(), dtype=dtype)[:, None]
        if self.relations:
            parts = tuple(self._related(relation, asking, memory, dtype) for relation in self.relations)
        elif self.many(memory):
            assert network is not None
            parts = (self._highest(network, X, M, asking, memory),)
        else:
            parts = (self._all_rows(asking, memory, dtype),)
        return RowsToRead(X, M, values, parts)

    def many(self, memory: TableRows) -> bool:
        """There are too many rows to score them all: each row reads those that score highest."""
        return not self.relations and self.settings.normalize != "none" and len(memory.X) > MOST_ROWS

    def _related(self, relation: Relation, asking: TableRows, memory: TableRows, dtype: torch.dtype) -> Reachable:
        index, weight, mask = relation.given(asking.rows, memory.rows).neighbours(self.most)
        places, may = torch.as_tensor(index), torch.as_tensor(mask)
        if (weight[mask] == 1).all():
            return Reachable(places, may)
        if not self._softmax:
            return Reachable(places, may, weight=torch.as_tensor(weight, dtype=dtype))
        return Reachable(places, may, torch.as_tensor(np.log(np.where(mask, weight, 1.0)), dtype=dtype))

    @property
    def _softmax(self) -> bool:
        """A weight w within the softmax is log w added to the score, and else A times w."""
        return self.settings.normalize.startswith("softmax")

    def _all_rows(self, asking: TableRows, memory: TableRows, dtype: torch.dtype) -> Reachable:
        """Every row but itself. A row of weight w is read as w rows: log w is added to its score, log (w - 1) by itself."""
        weight = memory.weights()
        if self.settings.normalize == "none":
            if not self.labels:
                return Reachable()  # X X' X: a row's own columns are no answer, and with them Y lies in the span of X
            own = _places(asking, memory)
            share = np.where(own >= 0, np.minimum(1.0, 1.0 / np.maximum(weight[own], 1e-300)), 0.0)
            return Reachable(itself=torch.as_tensor(own), share=torch.as_tensor(share, dtype=dtype))
        weight = np.broadcast_to(weight, (len(asking.X), len(memory.X)))
        asks, itself = _same(asking, memory)
        if memory.weight is None and not len(asks):
            return Reachable()
        weight = weight.copy()
        weight[asks, itself] -= 1.0
        mask = torch.as_tensor(weight > 0)
        bias = (
            None if memory.weight is None else torch.as_tensor(np.log(np.where(weight > 0, weight, 1.0)), dtype=dtype)
        )
        return Reachable(None, mask, bias)

    def _highest(self, network: RowNetwork, X: Tensor, M: Tensor, asking: TableRows, memory: TableRows) -> Reachable:
        """The rows that score highest with any head, `most` in all, and never itself."""
        queries, keys = network.sides(0, X, M)
        own, each = _places(asking, memory), max(1, self.most // len(keys))
        if (
            memory.weight is not None
        ):  # a weight adds its logarithm to the score: one more number, which every query multiplies by 1
            log_weight = np.log(np.maximum(memory.weight, 1e-300))
            keys = np.concatenate([keys, np.broadcast_to(log_weight[:, None], (*keys.shape[:2], 1))], 2)
            queries = np.concatenate([queries, np.ones((*queries.shape[:2], 1))], 2)
        found = [nearest(Q, K, each, own) for Q, K in zip(queries, keys, strict=True)]
        places = np.sort(np.concatenate(found, axis=1), axis=1)
        mask = np.ones(places.shape, bool)
        mask[:, 1:] = places[:, 1:] != places[:, :-1]  # a row that two heads look at is read once
        bias = None if memory.weight is None else torch.as_tensor(log_weight[places], dtype=X.dtype)
        return Reachable(torch.as_tensor(places), torch.as_tensor(mask), bias)

    def outputs(self, network: RowNetwork, asking: TableRows, memory: TableRows, target: Target) -> np.ndarray:
        """(n c), in chunks of asking rows: what they read is never in memory all at once."""
        dtype, n = next(network.parameters()).dtype, len(asking.X)
        pairs = self.settings.normalize != "none" and not self.relations and not self.many(memory)
        with torch.no_grad():
            if pairs:
                chunk = max(1, CELLS // max(1, len(memory.X)))
                asked = (asking.take(np.arange(at, min(at + chunk, n))) for at in range(0, max(n, 1), chunk))
                parts = [network(self.question(part, memory, target, dtype)).double().numpy() for part in asked]
            else:
                whole = self.question(asking, memory, target, dtype, network)
                widest = max([1, *(reach.places.shape[1] for reach in whole.parts if reach.places is not None)])
                chunk = max(1, CELLS // (widest * network.settings.heads))
                asks = (slice(at, at + chunk) for at in range(0, max(n, 1), chunk))
                parts = [network(_part_of(whole, part)).double().numpy() for part in asks]
        return np.concatenate(parts)


def _part_of(question: RowsToRead, part: slice) -> RowsToRead:
    """The question of some of the asking rows."""
    reach = (Reachable(*(None if each is None else each[part] for each in whole)) for whole in question.parts)
    return question._replace(X=question.X[part], parts=tuple(reach))


def _places(asking: TableRows, memory: TableRows) -> np.ndarray:
    """The place in the memory of each asking row (n,), -1 where it is not there."""
    place = {identity: j for j, identity in enumerate(memory.rows.ids)}
    return np.array([place.get(identity, -1) for identity in asking.rows.ids], dtype=np.int64)


def _same(asking: TableRows, memory: TableRows) -> tuple[np.ndarray, np.ndarray]:
    """(places among the asking, places in the memory) of the rows that are the same row."""
    own = _places(asking, memory)
    asks = np.flatnonzero(own >= 0)
    return asks, own[asks]


def check_pairs(n: int, m: int) -> None:
    """`ResourceError` before A over all rows is written out, where it would not fit: an explanation names every row read."""
    refuse_above(n * m * 16, f"A over all rows, {n:,} x {m:,},", "Explain fewer rows at once.")
