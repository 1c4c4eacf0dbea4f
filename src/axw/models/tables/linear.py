"""The rungs that are solved: constant A. X W, A X W with A given, and A = X X'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from axw.learning import solve
from axw.models.tables.problem import TableRows, Target, inner_folds
from axw.relations import Given, Relation

PENALTIES = (0.1, 0.5, 2.0, 8.0, 32.0)


class Column(NamedTuple):
    """One column of the design: its name, the relation it comes by ("" = the row's own), and the column of X that it reads."""

    name: str
    relation: str
    feature: str


class Linear(NamedTuple):
    """The answer of the solver: W (p c), b (c), and what cross-fitting said of it."""

    W: np.ndarray
    b: np.ndarray
    penalty: float
    held_out: np.ndarray
    """(n c): outputs for rows that were not learned from"""


class LinearStep:
    """Y = Z W + b with Z = X, or Z = [X, A X, A L, counts] for each relation given, or Z = X (X'X / m) for A = X X'.

    A X  is the mean over the rows that a row reads (0 where it reads none).
    A L  is the sum of the standardised labels over (degree + 1): a mean that is drawn to the prior, without the row's own label.
    """

    def __init__(
        self, attention: str, relations: Sequence[Relation], labels: bool, names: Sequence[str], targets: Sequence[str]
    ):
        self.attention, self.labels = attention, labels
        self.relations = tuple(relations) if attention == "given" else ()
        self.names, self.targets = tuple(names), tuple(targets)

    def columns(self) -> list[Column]:
        """What each column of the design is, in its order."""
        own = [Column(name, "", name) for name in self.names]
        for relation in self.relations:
            by = relation.name
            own += [Column(f"mean({name} | {by})", by, name) for name in self.names]
            own.append(Column(f"n({by})", by, "n"))
            if self.labels:
                own += [Column(f"rate({target} | {by})", by, target) for target in self.targets]
        return own

    def design(self, asking: TableRows, memory: TableRows, target: Target) -> np.ndarray:
        """Z (n p): row i of `asking` reads the rows of `memory`, never itself."""
        if self.attention == "dot":
            return asking.X @ gram(memory)
        blocks = [asking.X]
        for relation in self.relations:
            blocks += self.read(relation.given(asking.rows, memory.rows), memory, target)
        return np.concatenate(blocks, axis=1) if len(blocks) > 1 else asking.X

    def _fold(self, rows: TableRows, learned: np.ndarray, target: Target, among: Sequence[Given | None]) -> np.ndarray:
        """The design of all rows, which read the learned ones alone. What a row reads depends on no other that asks."""
        part = rows.take(learned)
        if not self.relations:
            return self.design(rows, part, target)
        blocks = [rows.X]
        for relation, whole in zip(self.relations, among, strict=True):
            given = relation.given(rows.rows, part.rows) if whole is None else whole.reading(learned)
            blocks += self.read(given, part, target)
        return np.concatenate(blocks, axis=1)

    def read(self, given: Given, memory: TableRows, target: Target) -> list[np.ndarray]:
        """A X, log(1 + count), and A L, of one relation."""
        blocks = [given.mean(memory.X), np.log1p(given.count())[:, None]]
        if self.labels:
            assert memory.Y is not None
            blocks.append(given.sum(target.standard(memory.Y)) / (given.degree() + 1.0)[:, None])
        return blocks

    def solve(
        self, rows: TableRows, target: Target, loss_weight: np.ndarray, penalty: float | None, seed: int
    ) -> Linear:
        """W, with the penalty of least held-out loss among PENALTIES unless one is given."""
        if target.kind == "numbers":
            return self._ridge(rows, target, loss_weight, penalty)
        penalties = PENALTIES if penalty is None else (penalty,)
        outputs = self._cross_fit(rows, target, loss_weight, penalties, seed)
        assert rows.Y is not None
        losses = [target.mean_loss(output, rows.Y, loss_weight) for output in outputs]
        best = int(np.argmin(losses))
        fitted = solve.logistic(self.design(rows, rows, target), rows.Y, penalties[best], loss_weight)
        return Linear(fitted.W, fitted.b, penalties[best], outputs[best])

    def _ridge(self, rows: TableRows, target: Target, loss_weight: np.ndarray, penalty: float | None) -> Linear:
        assert rows.Y is not None
        grid = tuple(np.geomspace(1e-2, 1e4, 13)) if penalty is None else (penalty,)
        fitted = solve.ridge(self.design(rows, rows, target), target.standard(rows.Y), grid, loss_weight)
        return Linear(fitted.W, fitted.b, float(fitted.penalty.max(initial=0.0)), fitted.left_out)

    def _cross_fit(
        self, rows: TableRows, target: Target, loss_weight: np.ndarray, penalties: Sequence[float], seed: int
    ) -> list[np.ndarray]:
        """For each penalty the outputs (n c) of rows held out in turn: they read the learned rows, and were not learned from."""
        assert rows.Y is not None
        outputs = [np.tile(_prior_output(target), (len(rows.X), 1)) for _ in penalties]
        # A over all rows is built once, and what a fold reads is cut out of it, where that is the same.
        among = [relation.given(rows.rows, rows.rows) if relation.pairwise else None for relation in self.relations]
        for learned, held_out in inner_folds(rows, 5, seed):
            design = self._fold(rows, learned, target, among)
            inside, outside = design[learned], design[held_out]
            del design
            fitted: solve.Logistic | None = None
            for number, penalty in reversed(list(enumerate(penalties))):
                fitted = solve.logistic(inside, rows.Y[learned], penalty, loss_weight[learned], fitted, 1e-5)
                outputs[number][held_out] = outside @ fitted.W + fitted.b
        return outputs


def gram(memory: TableRows) -> np.ndarray:
    """X'X / m over its greatest eigenvalue, so that the penalty means the same at every size."""
    X, weight = memory.X, memory.weights()
    product = (X * weight[:, None]).T @ X
    return product / gram_scale(memory) if product.size else product


def gram_scale(memory: TableRows) -> float:
    """The greatest eigenvalue of X'X."""
    X, weight = memory.X, memory.weights()
    return max(float(np.linalg.eigvalsh((X * weight[:, None]).T @ X)[-1]), 1e-12) if X.size else 1.0


def _prior_output(target: Target) -> np.ndarray:
    """The outputs that answer the prior: for rows that no fold held out."""
    if target.kind == "numbers":
        return np.zeros_like(target.prior)
    p = np.clip(target.prior, 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p)) if len(p) == 1 else np.log(p)
