"""Logistic regression, to the optimum: one pass over the rows a step, and few steps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy import optimize
from torch import Tensor


class Logistic(NamedTuple):
    """W (d c) and b (c); c = 1 for two classes."""

    W: np.ndarray
    b: np.ndarray


# Rows of X that one step of the pass over the data holds: as many numbers as stay in a core's cache between X W and X' R.
_NUMBERS, _FEWEST_ROWS = 150_000, 128
# Above this many columns the X'X that steers the search costs more than it saves.
_MOST_STEERED = 2_000


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
    `tolerance` is on its gradient over the sum of weights. Where rows outnumber columns, the search is for U = R W, with
    R'R = k X'SX + l I near the Hessian: all directions are then about as curved, and a third of the steps will do.
    """
    data, target = torch.as_tensor(X, dtype=torch.float64), torch.as_tensor(Y, dtype=torch.float64)
    (n, d), c = data.shape, target.shape[1]
    s = torch.ones(n, dtype=torch.float64) if weight is None else torch.as_tensor(weight, dtype=torch.float64)
    scale = 1.0 / float(s.sum())
    steering, by_class = _Steering.of(data, target, s, penalty), target.T.contiguous()
    first = (
        np.zeros((d + 1) * c) if start is None else steering.flat(torch.as_tensor(start.W), torch.as_tensor(start.b))
    )

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        W, b = steering.weights(torch.as_tensor(flat).view(d + 1, c))
        loss, by_W, by_b = _logistic_sums(data, by_class, s, W, b)
        value = scale * (loss + 0.5 * penalty * float(W.square().sum()))
        return value, scale * steering.gradient(by_W.add_(W, alpha=penalty), by_b)

    found = optimize.minimize(
        objective,
        first,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 1000, "maxfun": 2000, "gtol": tolerance, "ftol": 1e-15, "maxcor": 20},
    )
    W, b = steering.weights(torch.as_tensor(found.x).view(d + 1, c))
    return Logistic(W.numpy(), b.numpy())


class _Steering(NamedTuple):
    """The variables that L-BFGS sees: U = R W, and sqrt(k) (b + mean W); or W and b as they are, where R is None.

    R'R = k (X'SX - sum s mean mean') + l I over the sum of weights, upper triangular; k the mean of p (1 - p) over the classes.
    """

    R: Tensor | None
    mean: Tensor
    k: float

    @classmethod
    def of(cls, X: Tensor, Y: Tensor, s: Tensor, penalty: float) -> _Steering:
        n, d = X.shape
        total = float(s.sum())
        plain = cls(None, X.new_zeros(d), 1.0)
        if not 0 < 4 * d <= n or d > _MOST_STEERED:
            return plain
        mean, share = s @ X / total, (s @ Y / total).clamp(0.0, 1.0)
        k = max(float((share * (1 - share)).mean()), 1e-3)
        gram = X.new_zeros(d, d)
        for part in _parts(n, d):  # single precision will do: it decides how many steps are taken, not where they end
            rows = X[part].float()
            gram += (rows * s[part, None].float()).T @ rows
        curved = (k / total) * (gram - total * torch.outer(mean, mean))
        # Columns that say the same leave no curvature but the penalty's: a little more keeps R well-conditioned.
        curved.diagonal().add_(penalty / total + 1e-6 * float(curved.diagonal().abs().max()) + 1e-12)
        R, failed = torch.linalg.cholesky_ex(curved, upper=True)
        return plain if int(failed) else cls(R, mean, k**0.5)

    def weights(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """W (d c), b (c) of the variables (d + 1, c)."""
        U, b = flat[:-1], flat[-1]
        if self.R is None:
            return U.clone(), b.clone()
        W = torch.linalg.solve_triangular(self.R, U, upper=True)
        return W, b / self.k - self.mean @ W

    def flat(self, W: Tensor, b: Tensor) -> np.ndarray:
        """The variables of W and b."""
        U, free = (W, b) if self.R is None else (self.R @ W, self.k * (b + self.mean @ W))
        return torch.cat([U, free[None]]).reshape(-1).numpy()

    def gradient(self, by_W: Tensor, by_b: Tensor) -> np.ndarray:
        """The gradient by the variables, of that by W and b."""
        if self.R is not None:
            by_W = torch.linalg.solve_triangular(self.R.T, by_W - torch.outer(self.mean, by_b), upper=False)
            by_b = by_b / self.k
        return torch.cat([by_W, by_b[None]]).reshape(-1).numpy()


def _parts(n: int, d: int) -> list[slice]:
    """The rows in steps that stay in a core's cache."""
    step = max(_FEWEST_ROWS, _NUMBERS // max(d, 1))
    return [slice(start, start + step) for start in range(0, n, step)]


def _logistic_sums(X: Tensor, Y: Tensor, s: Tensor, W: Tensor, b: Tensor) -> tuple[float, Tensor, Tensor]:
    """sum_i s_i loss, and its gradients by W (d c) and b (c), in one pass over the rows. Y (c n): a class a row, since W' X' with
    few classes is several times as fast as X W."""
    loss, by_W, by_b = 0.0, X.new_zeros(W.T.shape), torch.zeros_like(b)
    for part in _parts(*X.shape):
        rows = X[part]
        each, residual = _loss_and_residual(torch.addmm(b[:, None], W.T, rows.T), Y[:, part])
        residual.mul_(s[part])
        loss += float(each @ s[part])
        by_W.addmm_(residual, rows)
        by_b.add_(residual.sum(1))
    return loss, by_W.T.contiguous(), by_b


def _loss_and_residual(logits: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    """Loss (n) and its gradient by the logits (c n), given Y (c n): p - y for either kind of logits."""
    if len(logits) == 1:
        return (torch.logaddexp(logits, logits.new_zeros(())) - Y * logits)[0], logits.sigmoid() - Y
    log_p = logits.log_softmax(0)
    return -(Y * log_p).sum(0), log_p.exp().mul_(Y.sum(0)).sub_(Y)
