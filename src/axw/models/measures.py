"""How good an answer is, on rows that were not learned from."""

from __future__ import annotations

import numpy as np
from sklearn import metrics


def calibration_error(probabilities: np.ndarray, codes: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: |accuracy - confidence| over bins of equal count of the likeliest class's probability
    (Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017, eq. 3). probabilities (n c), codes (n)."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == codes
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, max(1, len(order))))
    return float(sum(len(part) * abs(right[part].mean() - confidence[part].mean()) for part in parts) / max(1, len(order)))


def measures(answer: np.ndarray, truth: np.ndarray, classes: np.ndarray | None) -> dict[str, float]:
    """Of probabilities (n c) against labels (n), or of numbers (n) or (n t) against numbers."""
    if classes is None:
        return {
            "rmse": float(np.sqrt(metrics.mean_squared_error(truth, answer))),
            "mae": float(metrics.mean_absolute_error(truth, answer)),
            "r2": float(metrics.r2_score(truth, answer)) if len(truth) > 1 else float("nan"),
        }
    codes = np.searchsorted(classes, truth)
    known = (codes < len(classes)) & (classes[np.minimum(codes, len(classes) - 1)] == truth)
    p = np.clip(answer, 1e-15, 1.0)
    likelihood = np.where(known, p[np.arange(len(p)), np.minimum(codes, len(classes) - 1)], 1e-15)
    one_hot = np.eye(len(classes))[np.minimum(codes, len(classes) - 1)] * known[:, None]
    return {
        "log_loss": float(-np.log(likelihood).mean()),
        "auroc": _auroc(answer, codes, len(classes)),
        "accuracy": float((classes[answer.argmax(1)] == truth).mean()),
        "brier": float(((answer - one_hot) ** 2).sum(1).mean() / (2 if len(classes) == 2 else 1)),
        "calibration_error": calibration_error(answer, codes),
    }


def _auroc(answer: np.ndarray, codes: np.ndarray, classes: int) -> float:
    """Area under the ROC curve; of several classes the mean of one against the rest; NaN where only one class is there."""
    wanted = [1] if classes == 2 else range(classes)
    areas = [
        metrics.roc_auc_score(codes == number, answer[:, number])
        for number in wanted
        if 0 < (codes == number).sum() < len(codes)
    ]
    return float(np.mean(areas)) if areas else float("nan")
