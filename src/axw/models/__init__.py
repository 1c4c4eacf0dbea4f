"""The doors: fit and predict."""

from axw.models.explanation import Explanation
from axw.models.saved import load
from axw.models.tables import AttentionClassifier, AttentionRegressor

__all__ = ["AttentionClassifier", "AttentionRegressor", "Explanation", "load"]
