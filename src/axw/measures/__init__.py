"""How good answers are, on what was not learned from; one file a kind of answer. Nothing here knows any model."""

from axw.measures.groups import GROUP_MEASURES, Draws, Estimate, GroupMeasure, group_measures
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
    "Draws",
    "Estimate",
    "GROUP_MEASURES",
    "GroupMeasure",
    "LEAST_PROBABILITY",
    "PRIMARY",
    "REGRESSION",
    "auroc",
    "calibration_bins",
    "calibration_error",
    "classification_metrics",
    "clipped",
    "group_measures",
    "regression_metrics",
]
