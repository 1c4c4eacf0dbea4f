"""Logistic regression, to the optimum: one pass over the rows a step, most of them in single precision, and few steps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize, special

from axw.learning.row_sums import Lesson, threads_for


class Logistic(NamedTuple):
    """W (d c) and b (c); c = 1 for two classes."""

    W: np.ndarray
    b: np.ndarray


# Above this many columns the X'X that steers the search costs more than it saves; so many rows a column tell enough of it.
_MOST_STEERED, _ROWS_A_COLUMN = 2_000, 30
# From so many numbers of X on, the search goes in single precision until its gradient is below _ROUGH.
_MANY, _ROUGH = 100_000, 1e-5
# Where every _EVERYth row leaves so many rows a weight, those alone say where to start.
_EVERY, _ROWS_A_WEIGHT, _START = 16, 20, 1e-3


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
    `tolerance` is on its gradient over the sum of weights, in double precision. Where rows outnumber columns, the search is for
    U = R W, with R'R = k X'SX + l I near the Hessian: all directions are then about as curved, and a third of the steps will do.
    Large tables are searched in single precision first, which halves what is read; double precision goes on from there.
    """
    X, Y = np.ascontiguousarray(X, dtype=np.float64), np.asarray(Y, dtype=np.float64)
    s = None if weight is None else np.asarray(weight, dtype=np.float64)
    lesson = Lesson(X, np.ascontiguousarray(Y.T), s)
    with threads_for(X) as threads:
        return _solve(lesson, penalty, start, tolerance, threads)


def _solve(
    lesson: Lesson, penalty: float, start: Logistic | None, tolerance: float, threads: ThreadPoolExecutor | None
) -> Logistic:
    (n, d), c = lesson.X.shape, len(lesson.Y)
    if start is None and n // _EVERY > _ROWS_A_WEIGHT * (d + 1) * c:
        few = lesson.every(_EVERY)
        if few.total() > 0:
            share = few.total() / lesson.total()
            start = _solve(few, penalty * share, None, max(tolerance, _START), threads)
    start = Logistic(np.zeros((d, c)), np.zeros(c)) if start is None else start
    search = _Search(penalty, lesson.total(), _Steering.of(lesson, penalty, start))
    at = search.steering.flat(*start)
    if lesson.X.size > _MANY:
        at = search.down(lesson.single(), at, max(tolerance, _ROUGH), threads)
    at = search.down(lesson, at, tolerance, threads)
    return Logistic(*search.steering.weights(at.reshape(d + 1, c)))


class _Search(NamedTuple):
    """One objective, in the variables of the steering; `total` is the sum of the weights, by which it is divided."""

    penalty: float
    total: float
    steering: _Steering

    def down(self, lesson: Lesson, at: np.ndarray, tolerance: float, threads: ThreadPoolExecutor | None) -> np.ndarray:
        """From there to where the gradient is below the tolerance, or the objective no longer falls in that precision."""

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            W, b = self.steering.weights(flat.reshape(lesson.X.shape[1] + 1, -1))
            loss, by_W, by_b = lesson.sums(W, b, threads)
            value = loss + 0.5 * self.penalty * float(np.square(W).sum())
            return value / self.total, self.steering.gradient(by_W + self.penalty * W, by_b) / self.total

        value, gradient = objective(at)
        # The first step of L-BFGS-B has length 1. In variables divided by the gradient's length, it is a step of Newton's.
        unit = float(np.linalg.norm(gradient)) if self.steering.R is not None else 1.0
        if not np.isfinite(value) or not np.isfinite(unit) or np.abs(gradient).max(initial=0.0) <= tolerance:
            return at

        def scaled(flat: np.ndarray) -> tuple[float, np.ndarray]:
            there = flat * unit
            now, by = (value, gradient) if np.array_equal(there, at) else objective(there)
            return now, by * unit

        # In single precision the objective is known to some 1e-9 of it: where it falls by less, a line search finds only noise.
        single = lesson.X.dtype == np.float32
        options = {"maxiter": 1000, "maxfun": 2000, "gtol": tolerance * unit, "maxcor": 20}
        options |= {"ftol": 1e-9, "maxls": 5} if single else {"ftol": 1e-15}
        found = optimize.minimize(scaled, at / unit, jac=True, method="L-BFGS-B", options=options)
        return found.x * unit if np.isfinite(found.fun) else at


class _Steering(NamedTuple):
    """The variables that L-BFGS sees: U = R W, and sqrt(k) (b + mean W); or W and b as they are, where R is None.

    R'R = X'QX - sum q mean mean' + l I over the sum of weights, upper triangular; q_i = s_i times the mean of p (1 - p) over the
    classes, p as `start` has it: the Hessian there, but for what ties the classes to each other.
    """

    R: np.ndarray | None
    mean: np.ndarray
    k: float

    @classmethod
    def of(cls, lesson: Lesson, penalty: float, start: Logistic) -> _Steering:
        (n, d), plain = lesson.X.shape, cls(None, np.zeros(lesson.X.shape[1]), 1.0)
        if not 0 < 4 * d <= n or d > _MOST_STEERED:
            return plain
        # It decides how many steps are taken, not where they end: some of the rows and single precision will do.
        few = lesson.every(max(1, n // max(1_000, _ROWS_A_COLUMN * d)))
        with np.errstate(all="ignore"):
            logits = start.W.T @ few.X.T + (start.b if start.W.any() else _prior(few))[:, None]
            p = special.expit(logits) if len(logits) == 1 else special.softmax(logits, axis=0)
            q = np.maximum((p * (1 - p)).mean(0), 1e-3) * (1.0 if few.s is None else few.s)
            mean = q @ few.X / q.sum()
            Z = ((few.X - mean) * np.sqrt(q)[:, None]).astype(np.float32)
            curved = (Z.T @ Z).astype(np.float64) / few.total()
            # Columns that say the same leave no curvature but the penalty's: a little more keeps R well-conditioned.
            ridge = penalty / lesson.total() + 1e-6 * curved.diagonal().max() + 1e-12
        np.fill_diagonal(curved, curved.diagonal() + ridge)
        try:
            return cls(linalg.cholesky(curved), mean, float(np.sqrt(q.sum() / few.total())))
        except (linalg.LinAlgError, ValueError):  # not positive, or not finite
            return plain

    def weights(self, variables: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """W (d c), b (c) of the variables (d + 1, c)."""
        U, b = variables[:-1], variables[-1]
        if self.R is None:
            return U.copy(), b.copy()
        W = linalg.solve_triangular(self.R, U, check_finite=False)
        return W, b / self.k - self.mean @ W

    def flat(self, W: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The variables of W and b."""
        U, free = (W, b) if self.R is None else (self.R @ W, self.k * (b + self.mean @ W))
        return np.concatenate([U, free[None]]).ravel()

    def gradient(self, by_W: np.ndarray, by_b: np.ndarray) -> np.ndarray:
        """The gradient by the variables, of that by W and b."""
        if self.R is not None:
            by_W = linalg.solve_triangular(self.R, by_W - np.outer(self.mean, by_b), trans="T", check_finite=False)
            by_b = by_b / self.k
        return np.concatenate([by_W, by_b[None]]).ravel()


def _prior(lesson: Lesson) -> np.ndarray:
    """The b (c,) that answers how common each class is."""
    share = np.clip(np.average(lesson.Y, axis=1, weights=lesson.s), 1e-6, 1 - 1e-6)
    return np.log(share / (1 - share)) if len(share) == 1 else np.log(share)
