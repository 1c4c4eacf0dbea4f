"""L-BFGS from a metric: its step is that of the dense formula, and it ends where SciPy's does."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from axw.learning.quasi_newton import PAIRS, Curvature, Point, descend


def bowl(seed: int = 0, p: int = 7):
    """(objective, Hessian, lowest point) of a quadratic of uneven curvature."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(p, p)))[0]
    H, lowest = Q @ np.diag(np.geomspace(0.01, 10.0, p)) @ Q.T, rng.normal(size=p)
    return lambda x: (float((x - lowest) @ H @ (x - lowest) / 2) + 3.0, H @ (x - lowest)), H, lowest


def test_the_two_loops_are_the_dense_formula():
    rng = np.random.default_rng(1)
    _, hessian, _ = bowl(1)
    M = np.diag(rng.uniform(0.5, 2.0, 7))
    curvature = Curvature()
    for _ in range(PAIRS + 3):
        s = rng.normal(size=7)
        curvature = curvature.seen(s, hessian @ s)
    assert len(curvature.pairs) == PAIRS
    assert curvature.seen(s, -hessian @ s) is curvature  # an objective that curves down is not believed
    s, y = curvature.pairs[-1]
    H = M * (s @ y) / (y @ M @ y)
    for s, y in curvature.pairs:
        left = np.eye(7) - np.outer(s, y) / (s @ y)
        H = left @ H @ left.T + np.outer(s, s) / (s @ y)
    g = rng.normal(size=7)
    np.testing.assert_allclose(curvature.step(g, lambda v: M @ v), -H @ g, rtol=1e-9)
    np.testing.assert_array_equal(Curvature().step(g, lambda v: M @ v), -M @ g)


def test_an_exact_metric_needs_one_step():
    objective, H, lowest = bowl()
    calls = []
    found, _ = descend(
        lambda x: (calls.append(1), objective(x))[1], np.zeros(7), lambda v: np.linalg.solve(H, v), tolerance=1e-9
    )
    np.testing.assert_allclose(found.x, lowest, atol=1e-9)
    assert len(calls) == 2


def test_a_point_that_is_known_is_not_looked_at_again():
    objective, H, lowest = bowl()
    calls = []
    start = Point(np.zeros(7), *objective(np.zeros(7)))
    found, _ = descend(
        lambda x: (calls.append(1), objective(x))[1], start, lambda v: np.linalg.solve(H, v), tolerance=1e-9
    )
    np.testing.assert_allclose(found.x, lowest, atol=1e-9)
    assert len(calls) == 1


def test_it_ends_where_scipys_ends_from_a_metric_that_is_far_off():
    rng = np.random.default_rng(2)
    A, b = rng.normal(size=(41, 7)) * np.geomspace(0.1, 30.0, 7), rng.normal(size=7)

    def objective(x):
        z = A @ x
        return float(np.logaddexp(0, z).sum() + 0.05 * x @ x + b @ x), A.T @ (1 / (1 + np.exp(-z))) + 0.1 * x + b

    best = optimize.minimize(objective, np.zeros(7), jac=True, method="BFGS", options={"gtol": 1e-8})
    for scale in (1e-6, 1.0, 1e4):
        found, _ = descend(objective, np.zeros(7), lambda v, scale=scale: scale * v, tolerance=1e-7)
        np.testing.assert_allclose(found.x, best.x, atol=1e-5)


def test_steps_below_the_rounding_of_the_objective_are_told_by_their_slope():
    objective, _, lowest = bowl()

    def rounded(x):
        value, gradient = objective(x)
        return float(np.float32(value)), gradient

    found, _ = descend(rounded, np.zeros(7), lambda v: v, tolerance=1e-8, noise=1e-7)
    np.testing.assert_allclose(found.x, lowest, atol=1e-5)


def test_it_stays_where_the_objective_is_not_finite_and_where_nothing_falls():
    start = np.ones(3)
    found, curvature = descend(lambda x: (np.nan, x), start, lambda v: v, tolerance=1e-8)
    assert found.x is start and curvature == Curvature()
    found, _ = descend(lambda x: (0.0, -np.ones(3)), start, lambda v: v, tolerance=1e-8)
    assert np.isfinite(found.x).all()
    wild, _ = descend(lambda x: (float(x @ x) if x is start else np.inf, 2 * x), start, lambda v: v, tolerance=1e-8)
    assert wild.x is start
