"""The rungs whose A is learned: X U V' X', X K Q' X', and their softmax over all rows or within a relation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from axw.learning.solve import Logistic, Solution, logistic, minimise, ridge
from axw.models.tables.linear import Linear
from axw.models.tables.problem import TableRows, Target, inner_folds
from axw.models.tables.reach import Reach
from axw.networks import RowNetwork, RowSettings, RowsToRead, merge
from axw.relations import Relation

FOLDS_OF_RELATED = 5
FOLDS_OF_ALL = 3
MOST_ITERATIONS = 80
# Cells of A (asking rows x rows that are read) that the objective may form: more asking rows are left out while the model learns.
# From SINGLE cells on it learns in single precision, which halves the time.
LEARNED_CELLS = 500_000
SINGLE = 250_000
# Where a row reads those alone that score highest, who they are is asked again ROUNDS times while the model learns.
ROUNDS = 4
# Rows that a related row's answer is learned from, at most: what is read by more would not fit.
MOST_ASKING = 100_000
# Of a metric, settled on tables that no page of results reports: how far rows are apart at first, head by head; what the labels
# of near rows add at first; and what weights pay, as a multiple of the penalty.
SPREADS = (4.0, 12.0)
LABELS_AT_FIRST = 0.3
CHEAP, DEAR = 0.3, 3.0


class Attending(NamedTuple):
    """The answer of the solver: the network, and what cross-fitting said of it."""

    network: RowNetwork
    held_out: np.ndarray
    iterations: int


class AttendingStep(Reach):
    """Y = X W + sum over relations and heads of A Z V + FeedForward, with Z = [1, labels, X] of the rows that are read.

    members  random starts. Each gives one network a fold of the cross-fit; the mean of all is one network with as many times the
             heads, and that is what is kept.
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
        super().__init__(settings, relations, labels, most)
        self.members, self.penalty = members, penalty

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
        if networks and self.settings.score in ("query-key", "metric") and self._softmax and not self.many(rows):
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
        if self.settings.score == "metric":
            self._start_near(network, start, c)
        return network.to(self._dtype(len(rows.X)))

    def _start_near(self, network: RowNetwork, start: Logistic, c: int) -> None:
        """Along the linear answer, and a little of the labels of what is near."""
        network.start_near(torch.as_tensor(start.W[:, 0], dtype=network.bias.dtype), SPREADS)
        if self.labels:
            with torch.no_grad():
                for part in range(len(network.parts)):
                    network.values(part)[:, 1 : 1 + c] = LABELS_AT_FIRST / self.settings.heads * torch.eye(c)

    def _prices(self, network: RowNetwork, c: int) -> list[tuple[Tensor, float | Tensor]]:
        """What each weight pays, as a multiple of the penalty. Biases are free; every other weight pays the same.

        But under a metric: where to look and whose labels to believe is cheap, and columns of the rows that are read are dear,
        since labels of near rows say most, and there are as many more weights as columns.
        """
        paying = {name: weight for name, weight in network.named_parameters() if "bias" not in name}
        if self.settings.score != "metric":
            return [(weight, 1.0) for weight in paying.values()]
        few = 1 + (c if self.labels else 0)

        def price(name: str, weight: Tensor) -> float | Tensor:
            if name.endswith("metric.weight"):
                return CHEAP
            if ".value." not in name:
                return 1.0
            return torch.cat([weight.new_full((few,), CHEAP), weight.new_full((weight.shape[1] - few,), DEAR)])

        return [(weight, price(name, weight)) for name, weight in paying.items()]

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
        few = self._asking(rest, part, seed)
        network = self.network(part, target, start, seed)
        watched = (rest.take(few), loss_weight[places[1]][few])
        found = self._minimise(network, part, target, loss_weight[places[0]], watched, seed)
        return network, found.iterations

    def _minimise(
        self,
        network: RowNetwork,
        rows: TableRows,
        target: Target,
        loss_weight: np.ndarray,
        watched: tuple[TableRows, np.ndarray] | None,
        seed: int,
        iterations: int = MOST_ITERATIONS,
    ) -> Solution:
        """Learn from rows; `watched` are held-out rows and their weights, by which it stops early."""
        asks, dtype = self._asking(rows, rows, seed), network.bias.dtype
        few = rows.take(asks)
        paying = self._prices(network, len(target.prior))
        share, tolerance = len(asks) / len(rows.X), 1e-7 if dtype == torch.float64 else 1e-5
        total, found = 0, Solution(0, float("nan"), None)
        rounds = min(ROUNDS, iterations) if self.many(rows) else 1
        for _ in range(rounds):
            loss = self._loss(network, few, rows, target, loss_weight[asks])
            held_out = None if watched is None else self._loss(network, watched[0], rows, target, watched[1])

            def objective(loss: Callable[[], Tensor] = loss) -> Tensor:
                penalty = torch.stack([(price * weight.square()).sum() for weight, price in paying]).sum()
                return (loss() + 0.5 * share * self.penalty * penalty) / float(loss_weight[asks].sum())

            watch = None if held_out is None else _without_gradient(held_out)
            found = minimise(
                objective, network.parameters(), iterations=iterations // rounds, tolerance=tolerance, held_out=watch
            )
            total += found.iterations
        return found._replace(iterations=total)

    def _loss(
        self, network: RowNetwork, asking: TableRows, memory: TableRows, target: Target, weight: np.ndarray
    ) -> Callable[[], Tensor]:
        """The summed loss of the asking rows, as a function of what the network's weights are when it is called."""
        dtype = network.bias.dtype
        assert asking.Y is not None
        with torch.no_grad():
            question = self.question(asking, memory, target, dtype, network)
            question = _those_read(question) if self.many(memory) else question
        answer, share = torch.as_tensor(target.learned(asking.Y), dtype=dtype), torch.as_tensor(weight, dtype=dtype)
        return lambda: target.loss(network(question), answer, share)

    def _dtype(self, n: int) -> torch.dtype:
        few = bool(self.relations) or self.settings.normalize == "none" or n * n < SINGLE
        return torch.float64 if few else torch.float32

    def _asking(self, rows: TableRows, memory: TableRows, seed: int) -> np.ndarray:
        """The rows whose answers are learned from: all, or as many as fit LEARNED_CELLS where each reads many rows."""
        n, m = len(rows.X), len(memory.X)
        if self.relations:
            fit = MOST_ASKING
        elif self.settings.normalize == "none":
            fit = n
        else:
            fit = max(1, LEARNED_CELLS // (self.most if self.many(memory) else m))
        if rows is not memory and not self.many(memory):
            fit = max(fit, n if not self.relations else MOST_ASKING)
        return np.arange(n) if fit >= n else np.sort(np.random.default_rng(seed).permutation(n)[:fit])


def _without_gradient(loss: Callable[[], Tensor]) -> Callable[[], float]:
    def value() -> float:
        with torch.no_grad():
            return float(loss())

    return value


def _those_read(question: RowsToRead) -> RowsToRead:
    """The question with the rows that somebody reads as its memory: of a million rows most are read by nobody that asks."""
    (reach,) = question.parts
    assert reach.places is not None
    read, places = torch.unique(reach.places, return_inverse=True)
    return question._replace(M=question.M[read], Z=question.Z[read], parts=(reach._replace(places=places),))


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
