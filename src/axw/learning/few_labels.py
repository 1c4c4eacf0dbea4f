"""Few labels and many settings: ridge for every penalty at once, a vote of the best, shares of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from axw.errors import DataError

TEMPERATURES = np.geomspace(0.02, 2.0, 20)


class Lines(NamedTuple):
    """One line for each penalty: outputs Z W[p] + b[p]. W (p d c), b (p c)."""

    W: np.ndarray
    b: np.ndarray


def ridges(Z: np.ndarray, Y: np.ndarray, penalties: Sequence[float], weight: np.ndarray | None = None) -> Lines:
    """min_W sum_i s_i |y_i - z_i W - b|^2 + l t |W|^2 for every l of `penalties`, by one decomposition.

    Z (n d), Y (n c), weight s (n) of mean 1. t is the mean of s_i |z_i - mean|^2, so that a penalty means the same in every unit
    and for any number of columns. W lies in the span of the rows, so n rows need an n x n decomposition, however many columns
    there are; with fewer columns than rows it is d x d.
    """
    s = np.ones(len(Z)) if weight is None else np.asarray(weight, dtype=np.float64)
    s = s / s.mean()
    z_mean, y_mean = s @ Z / s.sum(), s @ Y / s.sum()
    root = np.sqrt(s)[:, None]
    D, E = root * (Z - z_mean), root * (Y - y_mean)
    few = len(D) <= D.shape[1]
    values, vectors = np.linalg.eigh(D @ D.T if few else D.T @ D)
    size = max(float(np.square(D).sum()) / len(D), 1e-12)
    moment = vectors.T @ (E if few else D.T @ E)
    shrunk = [vectors @ (moment / (np.maximum(values, 0.0) + l * size)[:, None]) for l in penalties]  # noqa: E741
    W = np.stack([D.T @ alpha if few else alpha for alpha in shrunk])
    return Lines(W, y_mean - z_mean @ W)


def log_losses(outputs: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Mean log loss of softmax(outputs) for each of several answers (k n c) to the same rows, codes (n,): (k,)."""
    most = outputs.max(axis=2)
    exponent = np.log(np.exp(outputs - most[:, :, None]).sum(axis=2)) + most
    return np.asarray((exponent - outputs[:, np.arange(len(codes)), codes]).mean(1))


def temperatures(outputs: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Of TEMPERATURES, the T of least log loss of outputs / T, for each of several answers (k n c): (k,)."""
    losses = np.stack([log_losses(outputs / T, codes) for T in TEMPERATURES])
    return np.asarray(TEMPERATURES[losses.argmin(0)])


def vote(outputs: np.ndarray, codes: np.ndarray, rounds: int = 20) -> np.ndarray:
    """Weights (k,), which sum to 1, of several answers (k n c) to held-out rows: the mean of their outputs is the answer.

    Each round adds the answer, new or again, with which the mean has the least log loss: "Ensemble selection from libraries of
    models", Caruana et al. 2004. A mean of a few good ones hangs less on these rows than the best one does.
    """
    if not len(outputs) or outputs.shape[1] != len(codes):
        raise DataError(f"{outputs.shape} answers for {len(codes)} rows.", "vote", "Give one answer a held-out row.")
    chosen, total = np.zeros(len(outputs)), np.zeros(outputs.shape[1:])
    for count in range(1, rounds + 1):
        best = int(log_losses((total + outputs) / count, codes).argmin())
        chosen[best] += 1.0
        total = total + outputs[best]
    return chosen / chosen.sum()


def class_shares(outputs: np.ndarray, learned: np.ndarray, rounds: int = 5, strength: float = 1.0) -> np.ndarray:
    """Shares of the classes (c,) among rows without a label, from outputs (n c) and the shares (c,) that were learned from.

    share <- mean_i p_i, with p_i ~ softmax(outputs_i) (share / learned)^strength: EM of Saerens, Latinne and Decaestecker 2002.
    Where each class was given as many labels as every other, the rest seldom has as many rows of each.
    """
    share = learned
    for _ in range(rounds):
        moved = outputs + strength * log_ratio(share, learned)
        share = special.softmax(moved, axis=1).mean(0)
    return np.asarray(share)


def log_ratio(share: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """log(share / learned) of each class, 0 for one that was not learned: nothing is known of it."""
    there = learned > 0
    return np.asarray(np.where(there, np.log(np.maximum(share, 1e-6) / np.where(there, learned, 1.0)), 0.0))
