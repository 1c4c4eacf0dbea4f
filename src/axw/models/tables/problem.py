"""The rows of a table as a model sees them, and the question that is asked of them."""

from __future__ import annotations

from collections.abc import Sequence
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
    group = _alike([*rows.Y.T, *rows.X.T])
    many, again = np.bincount(group)[group] > TOGETHER, pd.Series(group).groupby(group).cumcount().to_numpy()
    again = np.where(many, again, 0)
    _, first, group = np.unique(group * (int(again.max(initial=0)) + 1) + again, return_index=True, return_inverse=True)
    # Consecutive runs have like answers, shuffled within ties.
    shuffle = np.random.default_rng(seed).permutation(len(first))
    order = np.lexsort((shuffle, *rows.Y[first].T))
    fold_of_group = np.empty(len(first), dtype=np.int64)
    fold_of_group[order] = np.arange(len(first)) % folds
    fold = fold_of_group[group]
    places = np.arange(len(rows.X))
    return [(places[fold != k], places[fold == k]) for k in range(folds) if (fold == k).any() and (fold != k).any()]


def _alike(columns: Sequence[np.ndarray]) -> np.ndarray:
    """The number of each row (n,) among the different ones, in their order by the columns: equal rows have one number.

    Column after column, and only where rows are still tied: in a table of a million rows few are, after two columns of numbers.
    """
    n = len(columns[0])
    start = np.zeros(n, np.int64)  # how many rows come before the group of this one
    tied = np.arange(n)
    for column in columns:
        tied = tied[np.lexsort((column[tied], start[tied]))]
        group, value = start[tied], column[tied]
        new_group = np.append(True, group[1:] != group[:-1])[: len(tied)]
        new = new_group | np.append(True, value[1:] != value[:-1])[: len(tied)]
        at = np.arange(len(tied))
        start[tied] = (
            group + np.maximum.accumulate(np.where(new, at, 0)) - np.maximum.accumulate(np.where(new_group, at, 0))
        )
        alone = new & np.append(new[1:], True)[: len(tied)]
        tied = tied[~alone]
        if not len(tied):
            break
    return np.cumsum(np.bincount(start, minlength=n) > 0)[start] - 1
