"""How good the answers are on rows that were not learned from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn import metrics

# A probability of 0 for what then happens would cost infinitely much; this is what it costs instead: -log(1e-7) = 16.
LEAST_PROBABILITY = 1e-7

CLASSIFICATION = ("log_loss", "auroc", "accuracy", "brier")
REGRESSION = ("squared_error", "rmse", "mae", "r2")
PRIMARY = {"classification": "log_loss", "regression": "squared_error"}


def clipped(P: np.ndarray) -> np.ndarray:
    """Probabilities (n c) of at least LEAST_PROBABILITY whose rows add up to 1."""
    P = np.clip(np.asarray(P, dtype=float), LEAST_PROBABILITY, 1.0)
    return np.asarray(P / P.sum(1, keepdims=True))


def classification_metrics(y: np.ndarray, P: np.ndarray) -> dict[str, float]:
    """log_loss, auroc, accuracy, brier of probabilities P (n c) against class numbers y (n,) in 0 .. c - 1.

    Brier's score is the squared error of the probabilities: of the second class's where there are two, summed over the classes
    otherwise, as in scikit-learn.
    """
    labels = np.arange(P.shape[1])
    Q = clipped(P)
    return {
        "log_loss": float(metrics.log_loss(y, Q, labels=labels)),
        "auroc": auroc(y, P),
        "accuracy": float(metrics.accuracy_score(y, P.argmax(1))),
        "brier": float(metrics.brier_score_loss(y, Q, labels=labels)),
    }


def regression_metrics(y: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    """squared_error, rmse, mae and r2 (NaN for fewer than two rows) of numbers (n,)."""
    squared = float(metrics.mean_squared_error(y, prediction))
    return {
        "squared_error": squared,
        "rmse": float(np.sqrt(squared)),
        "mae": float(metrics.mean_absolute_error(y, prediction)),
        "r2": float(metrics.r2_score(y, prediction)) if len(y) > 1 else float("nan"),
    }


def auroc(y: np.ndarray, P: np.ndarray) -> float:
    """Area under the ROC curve; of more than two classes, the mean of each against the rest.

    A class that none or all of the rows belong to has no curve and is left out; NaN where none is left.
    """
    classes = [1] if P.shape[1] == 2 else range(P.shape[1])
    there = [c for c in classes if 0 < np.count_nonzero(y == c) < len(y)]
    areas = [metrics.roc_auc_score(y == c, P[:, c]) for c in there]
    return float(np.mean(areas)) if areas else float("nan")


class CalibrationBins(NamedTuple):
    """Per bin (bins,): mean confidence, share that was right, number of rows n."""

    confidence: np.ndarray
    right: np.ndarray
    n: np.ndarray


def bins_of(confidence: np.ndarray, bins: int) -> np.ndarray:
    """The bin (n,) of each row: bins of equal count by rising confidence, equal ones (to 12 decimals) in the bin of the first."""
    confidence = np.round(confidence, 12)
    order = np.sort(confidence)
    sizes = [len(part) for part in np.array_split(order, max(1, min(bins, len(order))))]
    return np.repeat(np.arange(len(sizes)), sizes)[np.searchsorted(order, confidence, side="left")]


def calibration_bins(y: np.ndarray, P: np.ndarray, bins: int = 10) -> CalibrationBins:
    """Rows sorted by the probability of their likeliest class, in bins of equal count (at most one bin a row).

    Rows of equal probability are in one bin, so the bins do not depend on the order of the rows.
    """
    confidence, right = P.max(1), P.argmax(1) == y
    bin_of = bins_of(confidence, bins)
    parts = [np.flatnonzero(bin_of == b) for b in np.unique(bin_of)]
    return CalibrationBins(
        np.array([confidence[part].mean() for part in parts]),
        np.array([right[part].mean() for part in parts]),
        np.array([len(part) for part in parts]),
    )


def calibration_error(y: np.ndarray, P: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: sum over bins of (n_bin / n) |share right - mean confidence|  (Guo et al. 2017, eq. 3).

    It is biased upwards where bins hold few rows, so it is taken of all out-of-fold rows together rather than fold by fold.
    NaN for no rows.
    """
    if not len(y):
        return float("nan")
    found = calibration_bins(y, P, bins)
    return float(found.n @ np.abs(found.right - found.confidence) / found.n.sum())
