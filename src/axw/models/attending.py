"""The rungs whose A is learned: X U V' X', X K Q' X', and their softmax over all rows or within a relation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from axw.errors import ResourceError
from axw.learning.solve import Logistic, Solution, logistic, minimise, ridge
from axw.models.linear import Linear
from axw.models.problem import TableRows, Target, inner_folds
from axw.networks import Reachable, RowNetwork, RowSettings, RowsToRead, merge, near
from axw.relations import Relation

FOLDS_OF_RELATED = 5
FOLDS_OF_ALL = 3
MOST_ITERATIONS = 80
# Cells of A (asking rows x remembered rows) that one look at all rows may form: more asking rows are taken in chunks when they
# predict, and left out of the objective when the model learns.
CELLS = 4_000_000
# The same while the model learns; and from SINGLE cells on it learns in single precision, which halves the time.
LEARNED_CELLS = 500_000
SINGLE = 250_000
MOST_ROWS = 100_000


class Attending(NamedTuple):
    """The answer of the solver: the network, and what cross-fitting said of it."""

    network: RowNetwork
    held_out: np.ndarray
    iterations: int


class AttendingStep:
    """Y = X W + sum over relations and heads of A Z V + FeedForward, with Z = [1, labels, X] of the rows that are read.

    members  random starts. Each gives one network a fold of the cross-fit; the mean of all is one network with as many times the
             heads, and that is what is kept.
    most     rows that a row may read by one relation; of more, an evenly spaced sample.
    """

    def __init__(
        self,
        settings: RowSettings,
        relations: Sequence[Relation],
        labels: bool,
        *,
        members: int,
        penalty: float,
        most: int = 64,
    ) -> None:
        self.settings = replace(settings, parts=max(1, len(relations)))
        self.relations, self.labels = tuple(relations), labels
        self.members, self.penalty, self.most = members, penalty, most

    def question(
        self, asking: TableRows, memory: TableRows, target: Target, dtype: torch.dtype = torch.float64
    ) -> RowsToRead:
        """X, M, Z and who may read whom. A row never reads itself: the answer it holds is the one that is asked."""
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
        else:
            parts = (self._all_rows(asking, memory, dtype),)
        return RowsToRead(X, M, values, parts)

    def _related(self, relation: Relation, asking: TableRows, memory: TableRows, dtype: torch.dtype) -> Reachable:
        index, weight, mask = relation.given(asking.rows, memory.rows).neighbours(self.most)
        bias = None if (weight[mask] == 1).all() else torch.as_tensor(np.log(np.where(mask, weight, 1.0)), dtype=dtype)
        return Reachable(torch.as_tensor(index), torch.as_tensor(mask), bias)

    def _all_rows(self, asking: TableRows, memory: TableRows, dtype: torch.dtype) -> Reachable:
        """Every row but itself. A row of weight w is read as w rows: log w is added to its score, log (w - 1) by itself."""
        if self.settings.normalize == "none":
            return Reachable()
        _check_size(len(memory.X))
        weight = np.broadcast_to(memory.weights(), (len(asking.X), len(memory.X)))
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

    def outputs(self, network: RowNetwork, asking: TableRows, memory: TableRows, target: Target) -> np.ndarray:
        """(n c), in chunks of asking rows where all rows are read."""
        chunk = len(asking.X) if self.relations else max(1, CELLS // max(1, len(memory.X)))
        dtype = next(network.parameters()).dtype
        with torch.no_grad():
            parts = [
                network(self.question(asking.take(places), memory, target, dtype)).double().numpy()
                for places in np.array_split(np.arange(len(asking.X)), max(1, -(-len(asking.X) // max(chunk, 1))))
            ]
        return np.concatenate(parts)

    def solve(self, rows: TableRows, target: Target, loss_weight: np.ndarray, linear: Linear, seed: int) -> Attending:
        """Cross-fit and average: each network learns from all folds but one, stops early by that one, and all are merged.

        It starts at `linear`, the model X W, solved: attention has only to add to it, and with no iterations that is the answer.
        The held-out outputs are those of rows that a network neither started from, learned from, nor read the labels of.
        """
        start = Logistic(linear.W, linear.b)
        folds = FOLDS_OF_RELATED if self.relations else FOLDS_OF_ALL
        held_out, times = np.zeros((len(rows.X), len(target.prior))), np.zeros(len(rows.X))
        networks, iterations = [], []
        for member in range(self.members):
            for learned, rest in inner_folds(rows, folds, seed + member):
                begin = _linear(rows.take(learned), target, loss_weight[learned], linear.penalty)
                network, used = self._early(rows, (learned, rest), target, loss_weight, begin, seed + member)
                networks.append(network.double())
                iterations.append(used)
                held_out[rest] += self.outputs(network, rows.take(rest), rows.take(learned), target)
                times[rest] += 1
        held_out = np.where(times[:, None] > 0, held_out / np.maximum(times, 1)[:, None], start.b)
        count = round(float(np.mean(iterations or [MOST_ITERATIONS])))
        if networks and self.settings.score == "query-key" and self.settings.normalize != "none":
            return Attending(merge(networks), held_out, count)
        return Attending(self._refit(rows, target, loss_weight, start, count, seed), held_out, count)

    def _refit(
        self, rows: TableRows, target: Target, loss_weight: np.ndarray, start: Logistic, iterations: int, seed: int
    ) -> RowNetwork:
        """One network learned from all rows, for as long as was best on held-out rows: where a mean would have a higher rank."""
        network = self.network(rows, target, start, seed)
        self._minimise(network, rows, target, loss_weight, None, seed, max(1, iterations))
        return network.double()

    def network(self, rows: TableRows, target: Target, start: Logistic, seed: int) -> RowNetwork:
        """A network at its start."""
        d, c = rows.X.shape[1], len(target.prior)
        e = 1 + (c if self.labels else 0) + d
        network = RowNetwork(d, e, c, self.settings, seed)
        with torch.no_grad():
            network.bias.copy_(torch.as_tensor(start.b))
            if network.own is not None:
                network.own.weight.copy_(torch.as_tensor(start.W.T))
        return network.to(self._dtype(len(rows.X)))

    def _early(
        self,
        rows: TableRows,
        places: tuple[np.ndarray, np.ndarray],
        target: Target,
        loss_weight: np.ndarray,
        start: Logistic,
        seed: int,
    ) -> tuple[RowNetwork, int]:
        """A network learned from the first places, and the iterations after which the rows at the second were answered best."""
        part, rest = rows.take(places[0]), rows.take(places[1])
        network = self.network(part, target, start, seed)
        dtype = network.bias.dtype
        question = self.question(rest, part, target, dtype)
        assert rest.Y is not None
        answer = torch.as_tensor(target.learned(rest.Y), dtype=dtype)
        weight = torch.as_tensor(loss_weight[places[1]], dtype=dtype)

        def held_out() -> float:
            with torch.no_grad():
                return float(target.loss(network(question), answer, weight))

        found = self._minimise(network, part, target, loss_weight[places[0]], held_out, seed)
        return network, found.iterations

    def _minimise(
        self,
        network: RowNetwork,
        rows: TableRows,
        target: Target,
        loss_weight: np.ndarray,
        held_out: Callable[[], float] | None,
        seed: int,
        iterations: int = MOST_ITERATIONS,
    ) -> Solution:
        asks, dtype = self._asking(rows, seed), network.bias.dtype
        question = self.question(asks_rows := rows.take(asks), rows, target, dtype)
        assert asks_rows.Y is not None
        answer = torch.as_tensor(target.learned(asks_rows.Y), dtype=dtype)
        weight = torch.as_tensor(loss_weight[asks], dtype=dtype)
        # Biases are free; every other weight pays the same.
        paying = [parameter for name, parameter in network.named_parameters() if "bias" not in name]
        share = len(asks) / len(rows.X)

        def objective() -> Tensor:
            penalty = torch.stack([parameter.square().sum() for parameter in paying]).sum()
            return (
                target.loss(network(question), answer, weight) + 0.5 * share * self.penalty * penalty
            ) / weight.sum()

        tolerance = 1e-7 if dtype == torch.float64 else 1e-5
        return minimise(objective, network.parameters(), iterations=iterations, tolerance=tolerance, held_out=held_out)

    def _dtype(self, n: int) -> torch.dtype:
        few = bool(self.relations) or self.settings.normalize == "none" or n * n < SINGLE
        return torch.float64 if few else torch.float32

    def _asking(self, rows: TableRows, seed: int) -> np.ndarray:
        """The rows whose answers are learned from: all, or as many as fit CELLS where each reads all rows."""
        n = len(rows.X)
        fit = n if self.relations or self.settings.normalize == "none" else max(1, LEARNED_CELLS // n)
        return np.arange(n) if fit >= n else np.sort(np.random.default_rng(seed).permutation(n)[:fit])


def _linear(rows: TableRows, target: Target, loss_weight: np.ndarray, penalty: float) -> Logistic:
    """X W, solved from these rows alone."""
    assert rows.Y is not None
    if target.kind == "classes":
        found = logistic(rows.X, rows.Y, penalty, loss_weight)
        # A class that none of these rows has pulls its b to minus infinity: 10 is far enough.
        b = found.b if len(found.b) == 1 else found.b - found.b.max()
        return Logistic(found.W, np.clip(b, -10.0, 10.0))
    solved = ridge(rows.X, target.standard(rows.Y), (penalty,), loss_weight)
    return Logistic(solved.W, solved.b)


def _same(asking: TableRows, memory: TableRows) -> tuple[np.ndarray, np.ndarray]:
    """(places among the asking, places in the memory) of the rows that are the same row."""
    place = {identity: j for j, identity in enumerate(memory.rows.ids)}
    found = [(i, place[identity]) for i, identity in enumerate(asking.rows.ids) if identity in place]
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _check_size(m: int) -> None:
    if m > MOST_ROWS:
        gigabytes = m * m * 8 / 2**30
        raise ResourceError(
            f"A over all rows would be {m:,} x {m:,} ({gigabytes:,.0f} GiB in float64); at most {MOST_ROWS:,} rows can be read.",
            "attention='query-key' without a relation",
            "Give a relation, so that a row reads few rows, or fit on a sample of the rows.",
        )
