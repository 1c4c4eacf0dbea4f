"""Metrics: worked by hand, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from axw.measures import auroc, calibration_bins, calibration_error, classification_metrics, regression_metrics


def made_up(rows: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, rows), rng.dirichlet(np.ones(classes), rows)


def test_two_classes_by_hand():
    y, P = np.array([1, 0, 1]), np.array([[0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
    found = classification_metrics(y, P)
    assert found["log_loss"] == pytest.approx(-np.log([0.8, 0.6, 0.3]).mean(), abs=1e-6)
    assert found["brier"] == pytest.approx((0.04 + 0.16 + 0.49) / 3, abs=1e-6)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["auroc"] == pytest.approx(0.5)  # 0.8 > 0.4 > 0.3


def test_several_classes_as_scikit_learn():
    y, P = made_up(83, 5, 0)
    assert classification_metrics(y, P)["auroc"] == pytest.approx(metrics.roc_auc_score(y, P, multi_class="ovr"))
    assert classification_metrics(y, P)["log_loss"] == pytest.approx(metrics.log_loss(y, P), abs=1e-5)


def test_a_fold_without_a_class():
    y, P = made_up(40, 3, 1)
    kept = y != 2
    expected = np.mean([metrics.roc_auc_score(y[kept] == c, P[kept, c]) for c in (0, 1)])
    assert auroc(y[kept], P[kept]) == pytest.approx(expected)
    assert np.isnan(auroc(np.ones(7, int), made_up(7, 2, 2)[1]))
    assert np.isfinite(classification_metrics(np.ones(7, int), made_up(7, 2, 2)[1])["log_loss"])


def test_an_impossible_event_costs_much_but_not_everything():
    assert classification_metrics(np.array([1]), np.array([[1.0, 0.0]]))["log_loss"] == pytest.approx(16.1, abs=0.1)


def test_calibration_error_by_hand():
    # Two bins of two: confidence 0.6 and 0.9, half right and all right.
    y, P = np.array([0, 1, 0, 0]), np.array([[0.6, 0.4], [0.6, 0.4], [0.9, 0.1], [0.9, 0.1]])
    bins = calibration_bins(y, P, bins=2)
    assert bins.n.tolist() == [2, 2]
    assert bins.right.tolist() == [0.5, 1.0]
    assert calibration_error(y, P, bins=2) == pytest.approx(0.5 * 0.1 + 0.5 * 0.1)
    assert np.isnan(calibration_error(y[:0], P[:0]))


@given(st.integers(1, 60), st.integers(2, 5), st.integers(1, 12), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_bins_hold_every_row_once(rows, classes, bins, seed):
    y, P = made_up(rows, classes, seed)
    found = calibration_bins(y, P, bins)
    assert found.n.sum() == rows and found.n.min() >= 1
    assert 0 <= calibration_error(y, P, bins) <= 1


def test_regression():
    y, prediction = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0])
    found = regression_metrics(y, prediction)
    assert found["squared_error"] == pytest.approx(5 / 3)
    assert found["rmse"] == pytest.approx(np.sqrt(5 / 3))
    assert found["mae"] == pytest.approx(1.0)
    assert found["r2"] == pytest.approx(metrics.r2_score(y, prediction))
    assert np.isnan(regression_metrics(y[:1], prediction[:1])["r2"])
