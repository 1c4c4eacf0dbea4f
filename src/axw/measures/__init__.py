"""How good answers are, on what was not learned from; one file a kind of answer. Nothing here knows any model."""

from axw.measures.tables import (
    CLASSIFICATION,
    LEAST_PROBABILITY,
    PRIMARY,
    REGRESSION,
    auroc,
    calibration_bins,
    calibration_error,
    classification_metrics,
    clipped,
    regression_metrics,
)

__all__ = [
    "CLASSIFICATION",
    "LEAST_PROBABILITY",
    "PRIMARY",
    "REGRESSION",
    "auroc",
    "calibration_bins",
    "calibration_error",
    "classification_metrics",
    "clipped",
    "regression_metrics",
]
