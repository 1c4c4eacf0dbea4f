"""The rows of a table as a model sees them, and the question that is asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from axw.learning import solve
from axw.relations import Rows

TOGETHER = 4


class TableRows(NamedTuple):
    """n rows: who they are (ids and relation keys), X (n d) columns, Y (n c) answers where known, weight (n)."""

    rows: Rows
    X: np.ndarray
    Y: np.ndarray | None = None
    weight: np.ndarray | None = None

    def take(self, index: np.ndarray) -> TableRows:
        """The rows at those places."""
        rows = Rows(self.rows.ids[index], self.rows.columns.iloc[index])
        Y = None if self.Y is None else self.Y[index]
        return TableRows(rows, self.X[index], Y, None if self.weight is None else self.weight[index])

    def weights(self) -> np.ndarray:
        return np.ones(len(self.X)) if self.weight is None else self.weight


@dataclass(frozen=True)
class Target:
    """What is answered: `classes` outputs by cross-entropy (1 for two classes), or numbers by squared error.

    prior, scale (c,)  mean and standard deviation of each column of Y: what is known of a row of which nothing is known.
    A neighbour's label is read as (Y - prior) / scale, so that a label which says nothing new weighs nothing.
    """

    kind: str
    prior: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, kind: str, Y: np.ndarray, weight: np.ndarray) -> Target:
        prior = weight @ Y / weight.sum()
        scale = np.sqrt(weight @ (Y - prior) ** 2 / weight.sum())
        return cls(kind, prior, np.where(scale > 1e-12 * np.maximum(1.0, np.abs(prior)), scale, 1.0))

    def standard(self, Y: np.ndarray) -> np.ndarray:
        """(Y - prior) / scale."""
        return (Y - self.prior) / self.scale

    def learned(self, Y: np.ndarray) -> np.ndarray:
        """Y as the solver sees it: classes as they are, numbers standardised, so that one penalty suits every unit."""
        return Y if self.kind == "classes" else self.standard(Y)

    def loss(self, output: Tensor, Y: Tensor, weight: Tensor) -> Tensor:
        """Summed loss of outputs (n c)."""
        return (solve.class_loss if self.kind == "classes" else solve.square_loss)(output, Y, weight)

    def mean_loss(self, output: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> float:
        total = self.loss(torch.as_tensor(output), torch.as_tensor(self.learned(Y)), torch.as_tensor(weight))
        return float(total) / float(weight.sum())


def inner_folds(rows: TableRows, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(learned, held out) places: each class, and each range of numbers, dealt evenly to the folds.

    Rows that are equal in X and Y go to the same fold whatever their order, so that a row of weight 2 and the same row twice are
    the same to the model. More than TOGETHER equal ones are dealt out: in a table of few kinds of rows, a fold must not take away
    all of one kind.
    """
    assert rows.Y is not None
    content = np.ascontiguousarray(np.concatenate([rows.Y, rows.X], axis=1) + 0.0)
    group = np.unique(content, axis=0, return_inverse=True)[1].reshape(-1)
    many, again = np.bincount(group)[group] > TOGETHER, pd.Series(group).groupby(group).cumcount().to_numpy()
    single = np.stack([group, np.where(many, again, 0)], axis=1)
    _, first, group = np.unique(single, axis=0, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    # Consecutive runs have like answers, shuffled within ties.
    shuffle = np.random.default_rng(seed).permutation(len(first))
    order = np.lexsort((shuffle, *rows.Y[first].T))
    fold_of_group = np.empty(len(first), dtype=np.int64)
    fold_of_group[order] = np.arange(len(first)) % folds
    fold = fold_of_group[group]
    places = np.arange(len(rows.X))
    return [(places[fold != k], places[fold == k]) for k in range(folds) if (fold == k).any() and (fold != k).any()]
