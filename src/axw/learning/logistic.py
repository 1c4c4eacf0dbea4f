"""Logistic regression, to the optimum: one pass over the rows a step, and few steps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, cast

import numpy as np
from scipy import linalg, special
from scipy.sparse import csr_array, issparse

from axw.learning.quasi_newton import Curvature, Objective, Point, descend
from axw.learning.row_sums import Lesson, threads_for
from axw.learning.usual import differences


class Logistic(NamedTuple):
    """W (d c) and b (c); c = 1 for two classes."""

    W: np.ndarray
    b: np.ndarray


# Above so many columns X'QX costs more than it saves, and above so many one must do for all classes. It may cost as much as so
# many steps, or so many products in any case. So many rows a column tell enough of it.
_MOST_STEERED, _MOST_APART, _STEPS, _PRODUCTS, _ROWS_A_COLUMN = 2_000, 256, 40, 100_000_000, 50
# From so many numbers of X on, the search goes in single precision until its gradient is below _ROUGH, or near the tolerance.
_MANY, _ROUGH, _NEAR = 100_000, 1e-6, 2
# Where every kth row leaves so many rows a weight, those alone say where to start.
_EVERY, _LEAST_EVERY, _ROWS_A_WEIGHT, _START = 16, 4, 8, 1e-3


def logistic(
    X: np.ndarray,
    Y: np.ndarray,
    penalty: float,
    weight: np.ndarray | None = None,
    start: Logistic | None = None,
    tolerance: float = 1e-8,
) -> Logistic:
    """min_W sum_i s_i loss(x_i W + b, y_i) + l/2 |W|^2 by L-BFGS; b is not penalised.

    X (n d); Y (n 1) of 0 and 1, or (n c) one-hot for c > 2 classes; weight s (n). The objective is scikit-learn's with C = 1 / l;
    `tolerance` is on its gradient over the sum of weights, in double precision. The search starts from a metric near the inverse
    of the Hessian (`_Metric`). Where rows are many more than weights, it is over some of them first: all the rows then need but
    a few steps. The first steps are in single precision, the last in double. Columns that mostly hold one value are sparse to it,
    whatever the value is (`differences`).
    """
    X, Y = np.ascontiguousarray(X, dtype=np.float64), np.asarray(Y, dtype=np.float64)
    s = None if weight is None else np.asarray(weight, dtype=np.float64)
    found = differences(X)
    D, usual = (X, np.zeros(X.shape[1])) if found is None else (found.D, found.usual)
    start = None if start is None else Logistic(start.W, start.b + usual @ start.W)
    with threads_for(D.size) as threads:
        W, b = _solve(_Search(penalty, threads), Lesson(D, np.ascontiguousarray(Y.T), s), start, tolerance)
    return Logistic(W, b - usual @ W)


class _Search(NamedTuple):
    penalty: float
    threads: ThreadPoolExecutor | None

    def objective(self, lesson: Lesson) -> Objective:
        """Over the sum of the weights, so that a part of the rows has nearly the same."""
        total, d = lesson.total(), lesson.X.shape[1]

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            W, b = flat.reshape(d + 1, -1)[:-1], flat.reshape(d + 1, -1)[-1]
            loss, by_W, by_b = lesson.sums(W, b, self.threads)
            value = loss + 0.5 * self.penalty * float(np.square(W).sum())
            return value / total, np.concatenate([by_W + self.penalty * W, by_b[None]]).ravel() / total

        return objective

    def share(self, share: float) -> _Search:
        return self._replace(penalty=self.penalty * share)


def _solve(search: _Search, lesson: Lesson, start: Logistic | None, tolerance: float) -> Logistic:
    (n, d), c = lesson.X.shape, len(lesson.Y)
    every = min(_EVERY, n // (_ROWS_A_WEIGHT * (d + 1) * c))
    few = lesson.every(every) if start is None and every >= _LEAST_EVERY else None
    few = None if few is None or not few.total() > 0 else few
    if few is not None:
        part = search.share(few.total() / lesson.total())
        start = _solve(part, few, None, max(tolerance, _START))
    start = Logistic(np.zeros((d, c)), _prior(lesson)) if start is None else start
    metric = _Metric.of(lesson if few is None else few, n, search.penalty / lesson.total(), start)
    begin: np.ndarray | Point = np.concatenate([_across(start.W), start.b[None]]).ravel()
    objective, curvature = search.objective(lesson), Curvature()
    if lesson.X.size > _MANY:
        single, enough = search.objective(lesson.single()), max(_NEAR * tolerance, _ROUGH)
        found, curvature = descend(single, begin, metric.of_gradient, tolerance=enough, noise=1e-7)
        begin = _ahead(objective, found, curvature.step(found.gradient, metric.of_gradient))
        if isinstance(begin, Point):
            curvature = curvature.seen(begin.x - found.x, begin.gradient - found.gradient)
    found, _ = descend(objective, begin, metric.of_gradient, curvature, tolerance=tolerance)
    weights = found.x.reshape(d + 1, c)
    return Logistic(weights[:-1].copy(), weights[-1].copy())


def _ahead(objective: Objective, found: Point, step: np.ndarray) -> Point | np.ndarray:
    """Where the next step leads: `found` in single precision need not be looked at again. `found` where that is no better."""
    with np.errstate(all="ignore"):
        there = Point(found.x + step, *objective(found.x + step))
    return there if np.isfinite(there.value) and there.steepest() <= found.steepest() else found.x


class _Metric(NamedTuple):
    """Near the inverse of the Hessian, class by class: (R'R)^-1 for W, and 1 / k² for b + mean W.

    R'R = X'QX - sum q mean mean' + l I over the sum of weights, upper triangular (d d), or the roots of its diagonal alone (d 1);
    q_i = s_i p_i (1 - p_i) of the class, p as `start` has it: the blocks on the Hessian's diagonal there. Or their mean for all
    classes: then there is one R, mean (1 d) and k (1). At W = 0 one product X'QX serves all classes.
    """

    R: tuple[np.ndarray, ...]
    mean: np.ndarray
    k: np.ndarray

    @classmethod
    def of(cls, lesson: Lesson, n: int, ridge: float, start: Logistic) -> _Metric:
        """For a search over n rows. It decides how many steps are taken, not where they end: some rows a column tell enough."""
        (m, d), c = lesson.X.shape, len(lesson.Y)
        few = lesson.every(max(1, round(m / max(1_000, _ROWS_A_COLUMN * d, n // max(d, 1)))))
        few = few if few.total() > 0 else lesson
        with np.errstate(all="ignore"):
            logits = start.W.T @ few.X.T + start.b[:, None]
            p = special.expit(logits) if len(logits) == 1 else special.softmax(logits, axis=0)
            q = np.maximum(np.nan_to_num(p * (1 - p)), 1e-4) * (1.0 if few.s is None else few.s)
            products = len(q.T) * d * d * (c if d <= _MOST_APART else 1)
            whole = 0 < 4 * d <= m and d <= _MOST_STEERED and products <= max(_PRODUCTS, _STEPS * 2 * n * d * c)
            level, total = q.sum(1) / q.sum(), few.total()
            apart = whole and d <= _MOST_APART
            q = q if apart and start.W.any() else q.mean(0, keepdims=True)
            size, mean = q.sum(1), q @ few.X / q.sum(1)[:, None]
            middle = mean.mean(0)
            R = _roots(_less(few.X, middle), q, mean - middle, total, ridge) if whole else None
            if R is not None and apart and len(q) < c:  # all rows had one p: the classes differ by a factor alone
                R, size = tuple(R[0] * np.sqrt(c * each) for each in level), c * level * size
            if R is None:
                q, size, mean = q.mean(0, keepdims=True), np.full(1, size.mean()), middle[None]
                R = (_diagonal(few.X, q, middle, total, ridge),)
        return cls(R, mean, np.sqrt(size / total))

    def of_gradient(self, gradient: np.ndarray) -> np.ndarray:
        """The step that Newton would take, but for its sign."""
        by = gradient.reshape(self.mean.shape[1] + 1, -1)
        by_W, b = by[:-1] - self.mean.T * by[-1], by[-1] / self.k**2
        if len(self.R) == 1:
            W = _solved(self.R[0], by_W)
        else:
            W = np.concatenate([_solved(R, by_W[:, [j]]) for j, R in enumerate(self.R)], axis=1)
        return _across(np.concatenate([W, (b - (self.mean.T * W).sum(0))[None]])).ravel()


def _less(X: np.ndarray | csr_array, middle: np.ndarray) -> np.ndarray:
    """X - middle, in single precision."""
    X = cast(csr_array, X).toarray() if issparse(X) else X
    return np.subtract(X, middle, out=np.empty(X.shape, np.float32), casting="same_kind")


def _roots(Z: np.ndarray, q: np.ndarray, mean: np.ndarray, total: float, ridge: float) -> tuple[np.ndarray, ...] | None:
    """R of each class, for rows Z (n d) and their mean (c d) from a common middle; None where one is not positive or finite."""
    found, weighted = [], np.empty_like(Z)
    for weight, off in zip(q, mean, strict=True):
        np.multiply(Z, np.sqrt(weight, dtype=np.float32)[:, None], out=weighted)
        curved = ((weighted.T @ weighted).astype(np.float64) - weight.sum() * np.outer(off, off)) / total
        # Columns that say the same leave no curvature but the penalty's: a little more keeps R well-conditioned.
        np.fill_diagonal(curved, curved.diagonal() + ridge + 1e-6 * curved.diagonal().max(initial=0.0) + 1e-12)
        try:
            found.append(linalg.cholesky(curved))
        except (linalg.LinAlgError, ValueError):
            return None
    return tuple(found)


def _diagonal(X: np.ndarray | csr_array, q: np.ndarray, mean: np.ndarray, total: float, ridge: float) -> np.ndarray:
    """The roots (d 1) of the diagonal, q (1 n)."""
    if issparse(X):
        spread = np.sqrt(np.maximum((q @ cast(csr_array, X).power(2))[0] - q.sum() * mean**2, 0.0) / total)
    else:  # over the greatest number of each column, so that no square is too large or too small
        Z = (X - mean) * np.sqrt(q.T)
        size = np.maximum(np.abs(Z).max(0, initial=0.0), 1e-300)
        spread = size * np.sqrt(np.square(Z / size).sum(0) / total)
    return np.asarray(np.hypot(spread, np.sqrt(ridge) + 1e-6)[:, None])


def _across(W: np.ndarray) -> np.ndarray:
    """W less its mean over the classes: the loss knows their differences alone, and the penalty is least where they add up to 0.

    So all steps have that sum, and none goes where nothing curves but the penalty.
    """
    return W if W.shape[1] == 1 else W - W.mean(1, keepdims=True)


def _solved(R: np.ndarray, by: np.ndarray) -> np.ndarray:
    """(R'R)^-1 by."""
    return np.asarray(linalg.cho_solve((R, False), by, check_finite=False) if R.shape[1] > 1 else by / R / R)


def _prior(lesson: Lesson) -> np.ndarray:
    """The b (c,) that answers how common each class is."""
    share = np.clip(np.average(lesson.Y, axis=1, weights=lesson.s), 1e-6, 1 - 1e-6)
    return np.log(share / (1 - share)) if len(share) == 1 else np.log(share) - np.log(share).mean()
