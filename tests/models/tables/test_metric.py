"""attention="metric": near rows are read, and what near means is learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from axw.errors import UsageError
from axw.models import AttentionClassifier, AttentionRegressor, load

N = 211


@pytest.mark.slow
@parametrize_with_checks([AttentionClassifier("metric", heads=1, rank=1)])
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def ring(seed: int = 0, n: int = N) -> tuple[pd.DataFrame, np.ndarray]:
    """Inside or outside of a ring in two columns; three more are noise. No line tells them apart."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    inside = np.square(X[:, :2]).sum(1) < 1.4
    return pd.DataFrame(X, columns=list("abcde")), np.where(inside, "in", "out")


@pytest.fixture(scope="module")
def model() -> AttentionClassifier:
    return AttentionClassifier("metric", labels=True, rank=3).fit(*ring())


def test_it_learns_what_no_line_can_tell_and_which_columns_matter(model: AttentionClassifier) -> None:
    X, y = ring(1, 307)
    line = AttentionClassifier("none").fit(*ring())
    assert model.evaluate(X, y)["log_loss"] < 0.75 * line.evaluate(X, y)["log_loss"]
    L = model.fitted_.parts[0].score.metric.weight.detach().numpy()
    assert np.linalg.norm(L[:, :2]) > 2 * np.linalg.norm(L[:, 2:])


def test_contributions_add_up_and_near_rows_are_read(model: AttentionClassifier) -> None:
    X, _ = ring(2, 7)
    told = model.explain(X)
    total = told.by().groupby("place")["contribution"].sum()
    np.testing.assert_allclose(total, model.decision_function(X), atol=1e-9)
    weights = told.contributions[told.contributions["relation"] == "all rows"]
    assert weights.groupby("place")["read"].nunique().eq(N).all()


def test_saved_and_loaded_it_predicts_bit_for_bit_the_same(model: AttentionClassifier, tmp_path: Path) -> None:
    X, _ = ring(3, 13)
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert "|x L - x' L|^2" in (tmp_path / "m" / "README.md").read_text()


def test_where_there_is_nothing_to_read_it_stays_at_the_line() -> None:
    """Labels that a line makes, and noise: attention adds next to nothing."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2 * N, 4))
    y = (X @ [1.5, -1.0, 0.0, 0.0] + rng.logistic(size=2 * N) > 0).astype(int)
    losses = [
        AttentionClassifier(kind, labels=True).fit(X[:N], y[:N]).evaluate(X[N:], y[N:]) for kind in ("none", "metric")
    ]
    assert losses[1]["log_loss"] < losses[0]["log_loss"] + 0.02


def test_numbers_members_and_a_feed_forward_layer() -> None:
    X, _ = ring()
    y = np.sin(2 * X["a"]) + 0.1 * X["c"]
    found = AttentionRegressor("metric", labels=True, members=2, feedforward="swiglu").fit(X, y)
    line = AttentionRegressor("none").fit(X, y)
    new, _ = ring(5, 101)
    truth = np.sin(2 * new["a"]) + 0.1 * new["c"]
    assert found.evaluate(new, truth)["squared_error"] < 0.8 * line.evaluate(new, truth)["squared_error"]


def test_a_distance_needs_a_softmax() -> None:
    with pytest.raises(
        UsageError, match="attention='metric' is a distance, which needs a softmax; got normalize='none'."
    ):
        AttentionClassifier("metric", normalize="none").fit(*ring())
