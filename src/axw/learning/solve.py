"""Models that are solved: ridge in closed form, everything smooth and small by L-BFGS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy import optimize
from torch import Tensor
from torch.nn import functional as F

from axw.learning.logistic import Logistic, logistic

__all__ = [
    "Logistic",
    "Ridge",
    "Solution",
    "class_loss",
    "logistic",
    "minimise",
    "ridge",
    "square_loss",
    "temperature",
]


class Solution(NamedTuple):
    """Where a minimisation ended: iterations used, the objective there, and the held-out loss there (None if none was asked)."""

    iterations: int
    objective: float
    held_out: float | None


def minimise(
    objective: Callable[[], Tensor],
    parameters: Iterable[Tensor],
    *,
    iterations: int = 200,
    tolerance: float = 1e-6,
    held_out: Callable[[], float] | None = None,
    every: int = 4,
    patience: int = 3,
) -> Solution:
    """Minimise a smooth objective by L-BFGS (Byrd, Lu, Nocedal and Zhu 1995), with gradients by autograd.

    The parameters are changed in place. It stops when the greatest absolute gradient is below `tolerance`, when the objective no
    longer falls, or after `iterations`. With `held_out`, that loss is looked at every `every` iterations; it stops after
    `patience` looks without a better one, and the parameters go back to where it was best (early stopping).
    """
    weights = list(parameters)

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        _set(weights, flat)
        value = objective()
        gradients = torch.autograd.grad(value, weights)
        return float(value.detach()), _flat(gradients)

    watch = _Watch(weights, held_out, every, patience)
    found = optimize.minimize(
        value_and_gradient,
        _flat(weights),
        jac=True,
        method="L-BFGS-B",
        callback=watch,
        options={"maxiter": iterations, "maxfun": 2 * iterations, "gtol": tolerance, "ftol": 1e-12, "maxcor": 20},
    )
    if held_out is None:
        _set(weights, found.x)
        return Solution(int(found.nit), float(found.fun), None)
    watch.look(found.x)
    _set(weights, watch.best_weights)
    return Solution(watch.best_iteration, float(objective().detach()), watch.best)


class _Watch:
    """Looks at the held-out loss as the minimisation goes on, remembers where it was least, and says when to stop."""

    def __init__(self, weights: list[Tensor], held_out: Callable[[], float] | None, every: int, patience: int) -> None:
        self.weights, self.held_out, self.every, self.patience = weights, held_out, every, patience
        self.iteration, self.waited, self.best_iteration = 0, 0, 0
        self.best_weights = _flat(weights)
        self.best = held_out() if held_out else np.inf

    def __call__(self, intermediate_result: optimize.OptimizeResult) -> None:
        self.iteration += 1
        if self.held_out is not None and self.iteration % self.every == 0:
            self.look(intermediate_result.x)
            if self.waited >= self.patience:
                raise StopIteration

    def look(self, flat: np.ndarray) -> None:
        assert self.held_out is not None
        _set(self.weights, flat)
        loss = self.held_out()
        if loss < self.best:
            self.best, self.best_iteration, self.waited = loss, self.iteration, 0
            self.best_weights = flat.copy()
        else:
            self.waited += 1


def _flat(tensors: Iterable[Tensor]) -> np.ndarray:
    return np.concatenate([tensor.detach().double().reshape(-1).numpy() for tensor in tensors])


def _set(weights: list[Tensor], flat: np.ndarray) -> None:
    values, start = torch.as_tensor(flat), 0
    with torch.no_grad():
        for weight in weights:
            weight.copy_(values[start : start + weight.numel()].view_as(weight))
            start += weight.numel()


class Ridge(NamedTuple):
    """W (d c), b (c), the chosen penalty (c), and the leave-one-out predictions (n c)."""

    W: np.ndarray
    b: np.ndarray
    penalty: np.ndarray
    left_out: np.ndarray


def ridge(X: np.ndarray, Y: np.ndarray, penalties: Sequence[float], weight: np.ndarray | None = None) -> Ridge:
    """min_W sum_i s_i |y_i - x_i W - b|^2 + l |W|^2, for each column of Y with its own l of least leave-one-out error.

    X (n d), Y (n c), weight s (n). One eigendecomposition of the weighted, centred X'X serves every l; the leave-one-out error is
    exact and needs no refit: e_i / (1 - h_i), h_i = 1 / sum s + x_i (X'X + l I)^-1 x_i (Golub, Heath and Wahba 1979). A row of
    weight s stands for s rows, of which one is left out.
    """
    s = np.ones(len(X)) if weight is None else np.asarray(weight, float)
    total = s.sum()
    x_mean, y_mean = s @ X / total, s @ Y / total
    Xc, Yc = X - x_mean, Y - y_mean
    values, vectors = np.linalg.eigh((Xc * s[:, None]).T @ Xc)
    values = np.maximum(values, 0.0)
    XV, moment = Xc @ vectors, vectors.T @ ((Xc * s[:, None]).T @ Yc)
    best = np.full(Y.shape[1], np.inf)
    chosen, W, left_out = np.zeros(Y.shape[1]), np.zeros((X.shape[1], Y.shape[1])), np.zeros_like(Yc)
    for penalty in penalties:
        shrink = np.where(
            values + penalty > 1e-12 * max(values.max(initial=0.0), 1.0), 1.0 / (values + penalty + 1e-300), 0.0
        )
        leverage = np.minimum(s, 1.0) * (1.0 / total + (XV**2) @ shrink)
        residual = Yc - XV @ (shrink[:, None] * moment)
        error = residual / np.maximum(1.0 - leverage, 1e-10)[:, None]
        loss = s @ error**2 / total
        better = loss < best
        best = np.where(better, loss, best)
        chosen[better] = penalty
        W[:, better] = vectors @ (shrink[:, None] * moment[:, better])
        left_out[:, better] = (Y - error)[:, better]
    return Ridge(W, y_mean - x_mean @ W, chosen, left_out)


def class_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """sum_i s_i loss: binary cross-entropy of logits (n 1), or cross-entropy of (n c) against one-hot or soft targets."""
    if logits.shape[1] == 1:
        loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")[:, 0]
    else:
        loss = -(target * logits.log_softmax(1)).sum(1)
    return weight @ loss


def square_loss(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """sum_i s_i |y_i - output_i|^2 / 2."""
    return 0.5 * (weight @ (target - output).square().sum(1))


def temperature(logits: np.ndarray, Y: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The T > 0 at which loss(logits / T, Y) is least (Guo et al. 2017, section 4.2): one number, so ranks never change.

    The logits must be of rows that the model did not learn from.
    """
    scores, target = torch.as_tensor(logits), torch.as_tensor(Y, dtype=torch.as_tensor(logits).dtype)
    s = torch.ones(len(scores), dtype=scores.dtype) if weight is None else torch.as_tensor(weight, dtype=scores.dtype)

    def loss(log_t: float) -> float:
        return float(class_loss(scores * float(np.exp(-log_t)), target, s))

    return float(np.exp(optimize.minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x))
