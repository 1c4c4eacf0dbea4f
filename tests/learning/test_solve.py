"""Models that are solved: the closed form, L-BFGS and the temperature, each held against another way to the same answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as SklearnRidge

from axw.learning import logistic, row_sums, solve
from axw.learning.quasi_newton import Point

N, D, C = 41, 5, 3


def table(seed: int = 0, n: int = N, d: int = D, c: int = C) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X (n d), scores (n c) that it says something about, and positive weights (n)."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * np.geomspace(0.1, 10.0, d) + 3.0
    scores = (X - 3.0) @ rng.normal(size=(d, c)) / np.sqrt(d) + rng.normal(size=(n, c))
    return X, scores, rng.uniform(0.2, 3.0, n)


def one_hot(scores: np.ndarray) -> np.ndarray:
    return np.eye(scores.shape[1])[scores.argmax(1)]


# -- ridge ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 300.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_ridge_equals_scikit_learns(penalty, weighted):
    X, Y, weight = table()
    s = weight if weighted else None
    found = solve.ridge(X, Y, [penalty], s)
    peer = SklearnRidge(alpha=penalty, solver="cholesky").fit(X, Y, sample_weight=s)
    np.testing.assert_allclose(found.W, peer.coef_.T, atol=1e-8)
    np.testing.assert_allclose(X @ found.W + found.b, peer.predict(X), atol=1e-8)


@pytest.mark.parametrize("weighted", [False, True])
def test_left_out_equals_fitting_again_without_the_row(weighted):
    X, Y, _ = table()
    weight = np.random.default_rng(3).integers(1, 4, N).astype(float)
    found = solve.ridge(X, Y, [2.0], weight if weighted else None)
    for i in range(0, N, 5):
        rest = weight.copy() if weighted else np.ones(N)
        rest[i] -= 1.0  # of a row that stands for s rows, one is left out
        again = SklearnRidge(alpha=2.0, solver="cholesky").fit(X, Y, sample_weight=rest)
        np.testing.assert_allclose(found.left_out[i], again.predict(X[[i]])[0], atol=1e-8)


@given(seed=st.integers(0, 1000), n=st.integers(3, 23), d=st.integers(1, 29))
@settings(max_examples=20, deadline=None)
def test_left_out_never_depends_on_the_answer_that_is_left_out(seed, n, d):
    X, Y, weight = table(seed, n, d, 2)
    other = Y.copy()
    other[0] += 7.0
    before, after = (
        solve.ridge(X, answer, [5.0], np.maximum(weight, 1.0) * 0 + 1).left_out[0] for answer in (Y, other)
    )
    np.testing.assert_allclose(before, after, atol=1e-7)


def test_each_column_gets_the_penalty_of_least_leave_one_out_error():
    X, Y, _ = table()
    Y[:, 1] = np.random.default_rng(5).normal(size=N)  # nothing to learn: the greatest penalty is best
    penalties = [0.01, 1.0, 1e5]
    found = solve.ridge(X, Y, penalties)
    for column in range(C):
        each = [solve.ridge(X, Y[:, [column]], [penalty]) for penalty in penalties]
        errors = [np.square(Y[:, [column]] - one.left_out).mean() for one in each]
        best = each[int(np.argmin(errors))]
        assert found.penalty[column] == best.penalty[0]
        np.testing.assert_allclose(found.W[:, [column]], best.W, atol=1e-12)
        np.testing.assert_allclose(found.left_out[:, [column]], best.left_out, atol=1e-12)
    assert found.penalty[1] == 1e5


def test_a_row_of_weight_two_is_the_row_twice():
    X, Y, _ = table()
    weight = np.ones(N)
    weight[:7] = 2.0
    places = np.r_[np.arange(N), np.arange(7)]
    one, two = solve.ridge(X, Y, [0.1, 10.0], weight), solve.ridge(X[places], Y[places], [0.1, 10.0])
    np.testing.assert_allclose(one.W, two.W, atol=1e-10)
    np.testing.assert_array_equal(one.penalty, two.penalty)
    np.testing.assert_allclose(one.left_out, two.left_out[:N], atol=1e-9)


def test_more_columns_than_rows_and_no_penalty_stays_finite():
    X, Y, _ = table(n=7, d=19)
    found = solve.ridge(X, Y, [0.0])
    assert all(np.isfinite(part).all() for part in found)
    np.testing.assert_allclose(X @ found.W + found.b, Y, atol=1e-6)


# -- logistic ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_logistic_equals_scikit_learns(classes, weighted):
    X, scores, weight = table(c=classes, n=61)
    Y = one_hot(scores)
    s = weight if weighted else None
    found = solve.logistic(X, Y[:, 1:] if classes == 2 else Y, 2.0, s)
    peer = LogisticRegression(C=1 / 2.0, tol=1e-10, max_iter=20_000).fit(X, Y.argmax(1), sample_weight=s)
    np.testing.assert_allclose(found.W.T, peer.coef_, atol=1e-5)
    # Of several classes, only differences are told by the data: W adds up to 0 over them, and b may have any sum.
    assert classes == 2 or np.abs(found.W.sum(1)).max() < 1e-12
    b, peer_b = found.b, peer.intercept_
    np.testing.assert_allclose(
        b - (0 if classes == 2 else b.mean()), peer_b - (0 if classes == 2 else peer_b.mean()), atol=1e-4
    )


def test_logistic_gives_one_answer_from_every_start():
    X, scores, weight = table()
    Y = one_hot(scores)
    cold = solve.logistic(X, Y, 1.0, weight)
    warm = solve.logistic(X, Y, 1.0, weight, start=solve.logistic(X, Y, 100.0, weight))
    np.testing.assert_allclose(cold.W, warm.W, atol=1e-5)


@pytest.mark.parametrize("c", [1, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_of_the_row_sums(c, weighted):
    rng = np.random.default_rng(0)
    d, n = 3, 11
    X, weight = rng.normal(size=(n, d)), rng.uniform(0, 2, n) if weighted else None
    Y = (rng.random((n, 1)) < 0.5).astype(float) if c == 1 else np.eye(c)[rng.integers(0, c, n)] * 0.7 + 0.05
    lesson, flat = row_sums.Lesson(X, Y.T.copy(), weight), rng.normal(size=(d + 1) * c) * 3

    def sums(values: np.ndarray) -> row_sums.Sums:
        W = values.reshape(d + 1, c)
        return lesson.sums(W[:-1], W[-1])

    found = sums(flat)
    gradient = np.concatenate([found.by_W, found.by_b[None]]).ravel()
    np.testing.assert_allclose(gradient, optimize.approx_fprime(flat, lambda at: sums(at).loss, 1e-7), atol=1e-4)


@pytest.mark.parametrize("c", [1, 4])
def test_the_loss_by_hand_is_the_torch_loss(c):
    rng = np.random.default_rng(1)
    logits, weight = rng.normal(size=(13, c)) * 50, rng.uniform(0, 2, 13)
    Y = (rng.random((13, 1)) < 0.5).astype(float) if c == 1 else np.eye(c)[rng.integers(0, c, 13)]
    there = torch.tensor(logits, requires_grad=True)
    loss = solve.class_loss(there, torch.tensor(Y), torch.tensor(weight))
    loss.backward()
    by_row, gradient = row_sums.loss_and_residual(logits.T, Y.T)
    np.testing.assert_allclose(float(loss.detach()), weight @ by_row, rtol=1e-12)
    np.testing.assert_allclose(there.grad.numpy(), weight[:, None] * gradient.T, atol=1e-12)


def test_any_number_of_threads_sums_to_the_same_bit():
    rng = np.random.default_rng(2)
    lesson = row_sums.Lesson(rng.normal(size=(1311, 7)), np.eye(3)[rng.integers(0, 3, 1311)].T.copy(), None)
    W, b = rng.normal(size=(7, 3)), rng.normal(size=3)
    with ThreadPoolExecutor(3) as threads:
        many = lesson.sums(W, b, threads)
    one = lesson.sums(W, b)
    assert one.loss == many.loss and np.array_equal(one.by_W, many.by_W) and np.array_equal(one.by_b, many.by_b)


@pytest.mark.parametrize("c", [1, 3])
def test_single_precision_first_and_every_sixteenth_row_end_at_scikit_learns_optimum(c, monkeypatch):
    """The objective is within 1e-9 of it, as a share of itself."""
    rng = np.random.default_rng(6)
    X = rng.normal(size=(3011, 5)) * [0.1, 1, 3, 1, 1] + [1, 2, 3, 0, 0]
    scores = (X - X.mean(0)) @ rng.normal(size=(5, 3)) + rng.gumbel(size=(3011, 3))
    Y = one_hot(scores) if c == 3 else one_hot(scores[:, :2])[:, 1:]
    y, weight = (Y.argmax(1) if c == 3 else Y[:, 0]), rng.uniform(0.1, 2.0, 3011)
    monkeypatch.setattr(logistic, "_MANY", 0)
    monkeypatch.setattr(logistic, "_ROWS_A_WEIGHT", 1)
    peer = LogisticRegression(C=1 / 0.7, tol=1e-10, max_iter=20_000).fit(X, y, sample_weight=weight)

    def objective(W: np.ndarray, b: np.ndarray) -> float:
        return row_sums.Lesson(X, Y.T.copy(), weight).sums(W, b).loss + 0.35 * float(np.square(W).sum())

    found, best = logistic.logistic(X, Y, 0.7, weight), objective(peer.coef_.T, peer.intercept_)
    assert objective(*found) <= best * (1 + 1e-9)
    np.testing.assert_allclose(found.W, peer.coef_.T, atol=2e-5)


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("case", ["separable", "alike", "scales", "far from 0", "hardly a penalty"])
def test_hard_tables_in_single_precision_first_end_at_newtons_optimum(c, case, monkeypatch):
    rng = np.random.default_rng(8)
    X = rng.normal(size=(2003, 5))
    scores = X @ rng.normal(size=(5, 3)) * 3 + (0 if case == "separable" else 1) * rng.gumbel(size=(2003, 3))
    Y = one_hot(scores) if c == 3 else one_hot(scores[:, :2])[:, 1:]
    y, penalty = (Y.argmax(1) if c == 3 else Y[:, 0]), {"separable": 0.1, "hardly a penalty": 1e-6}.get(case, 1.0)
    X[:, 4] = X[:, 3] if case == "alike" else X[:, 4]
    X = X * np.geomspace(1e-2, 1e2, 5) if case == "scales" else X + 1e3 if case == "far from 0" else X
    monkeypatch.setattr(logistic, "_MANY", 0)
    monkeypatch.setattr(logistic, "_ROWS_A_WEIGHT", 1)
    peer = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=1000, solver="newton-cholesky").fit(X - X.mean(0), y)

    def objective(W: np.ndarray, b: np.ndarray) -> float:
        loss = row_sums.Lesson(X - X.mean(0), Y.T.copy(), None).sums(W, b).loss
        return loss + penalty / 2 * float(np.square(W).sum())

    W, b = logistic.logistic(X, Y, penalty)
    best = objective(peer.coef_.T, peer.intercept_)
    assert objective(W, b + X.mean(0) @ W) == pytest.approx(best, rel=1e-9)
    np.testing.assert_allclose(W, peer.coef_.T, atol=2e-4 * np.abs(peer.coef_).max())


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_in_single_precision_are_those_in_double(c, weighted):
    X, scores, weight = table(n=61, c=3)
    Y = (one_hot(scores) if c == 3 else one_hot(scores[:, :2])[:, 1:]).T.copy()
    lesson, W = row_sums.Lesson(X, Y, weight if weighted else None), np.random.default_rng(0).normal(size=(D, c)) / 9
    one, two = lesson.single().sums(W, np.zeros(c)), lesson.sums(W, np.zeros(c))
    for single, double in zip(one, two, strict=True):
        np.testing.assert_allclose(single, double, rtol=1e-5, atol=1e-4)


def test_the_first_metric_is_that_of_each_class_apart():
    X, scores, weight = table(n=61)
    lesson, b = row_sums.Lesson(X, one_hot(scores).T.copy(), weight), np.array([1.0, -0.5, -0.5])
    gradient = np.random.default_rng(0).normal(size=(D + 1) * C)
    ways = [
        logistic._Metric.of(lesson, 61, 1e-9, logistic.Logistic(np.full((D, C), w), b)).of_gradient(gradient)
        for w in (0.0, 1e-12)
    ]
    np.testing.assert_allclose(ways[0], ways[1], rtol=1e-3, atol=1e-5)


def test_a_step_that_leads_nowhere_is_not_taken():
    def bowl(x: np.ndarray) -> tuple[float, np.ndarray]:
        return float(x @ x), 2 * x

    at = Point(np.ones(3), *bowl(np.ones(3)))
    there = logistic._ahead(bowl, at, -0.9 * np.ones(3))
    assert isinstance(there, Point) and there.value == pytest.approx(0.03)
    assert logistic._ahead(bowl, at, 9 * np.ones(3)) is at.x
    assert logistic._ahead(bowl, at, np.full(3, np.nan)) is at.x


@pytest.mark.parametrize("scale", [1e-200, 1e30, 1e160])
def test_numbers_that_single_precision_does_not_hold(scale, monkeypatch):
    X, scores, _ = table(n=61)
    X, Y = (X - X.mean(0)) * scale, one_hot(scores[:, :2])[:, 1:]
    monkeypatch.setattr(logistic, "_MANY", 0)
    found = logistic.logistic(X, Y, 1.0)
    assert np.isfinite(found.W).all() and np.isfinite(found.b).all()


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("alike", [False, True])
def test_steered_or_not_the_search_ends_at_one_optimum(c, alike, monkeypatch):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(307, 5)) * [0.01, 1, 3, 1, 1] + 2.0
    X[:, 4] = X[:, 3] if alike else X[:, 4]
    scores = X @ rng.normal(size=(5, 3)) + rng.normal(size=(307, 3))
    Y = one_hot(scores) if c == 3 else one_hot(scores[:, :2])[:, 1:]
    weight = rng.uniform(0.1, 2.0, 307)
    steered = logistic.logistic(X, Y, 0.3, weight)
    monkeypatch.setattr(logistic, "_MOST_STEERED", 0)
    plain = logistic.logistic(X, Y, 0.3, weight, tolerance=1e-10)
    np.testing.assert_allclose(steered.W, plain.W, atol=2e-5)
    np.testing.assert_allclose(steered.b - steered.b.mean() * (c == 3), plain.b - plain.b.mean() * (c == 3), atol=5e-5)


def test_rows_in_many_steps_are_those_of_one(monkeypatch):
    X, scores, weight = table(n=97)
    Y = one_hot(scores)
    one = solve.logistic(X, Y, 1.0, weight)
    monkeypatch.setattr(row_sums, "BLOCK", 0)
    monkeypatch.setattr(row_sums, "FEWEST_ROWS", 7)
    many = solve.logistic(X, Y, 1.0, weight)
    np.testing.assert_allclose(one.W, many.W, atol=1e-7)


def test_gradients_of_the_torch_losses():
    rng = np.random.default_rng(2)
    weight = torch.tensor(rng.uniform(0.1, 2, 5))
    for loss, c in ((solve.class_loss, 1), (solve.class_loss, 3), (solve.square_loss, 2)):
        Y = torch.tensor(rng.random((5, c)))
        output = torch.tensor(rng.normal(size=(5, c)), requires_grad=True)
        assert torch.autograd.gradcheck(lambda x, Y=Y, loss=loss: loss(x, Y, weight), [output])


# -- minimise ------------------------------------------------------------------------------------------------------------------


def test_minimise_finds_the_least_squares():
    X, Y, _ = table()
    A, B = torch.tensor((X - X.mean(0)) / X.std(0)), torch.tensor(Y - Y.mean(0))
    W = torch.zeros(D, C, dtype=torch.float64, requires_grad=True)
    found = solve.minimise(lambda: (A @ W - B).square().mean(), [W], tolerance=1e-10)
    expected = np.linalg.lstsq(A.numpy(), B.numpy(), rcond=None)[0]
    np.testing.assert_allclose(W.detach().numpy(), expected, atol=1e-6)
    assert found.held_out is None and 0 < found.iterations <= 200
    assert found.objective == pytest.approx(float((A @ W - B).detach().square().mean()))


def test_minimise_gets_through_the_bent_valley():
    w = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    found = solve.minimise(lambda: (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2, [w], tolerance=1e-9)
    np.testing.assert_allclose(w.detach().numpy(), [1.0, 1.0], atol=1e-5)  # Rosenbrock 1960
    assert found.objective < 1e-10


def test_minimise_keeps_to_its_iterations():
    X, Y, _ = table()
    A, B = torch.tensor(X), torch.tensor(Y)
    W = torch.zeros(D, C, dtype=torch.float64, requires_grad=True)
    assert solve.minimise(lambda: (A @ W - B).square().mean(), [W], iterations=3).iterations == 3


def test_early_stopping_goes_back_to_the_best_weights():
    """The objective pulls w far beyond where the held-out loss is least."""
    w = torch.tensor([0.0, 0.0], dtype=torch.float64, requires_grad=True)
    seen: list[tuple[float, np.ndarray]] = []

    def held_out() -> float:
        loss = float((w.detach()[0] - 0.3).square() + 0.01 * w.detach()[1].square())
        seen.append((loss, w.detach().numpy().copy()))
        return loss

    def objective() -> torch.Tensor:
        return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2

    found = solve.minimise(objective, [w], iterations=60, held_out=held_out, every=1, patience=50)
    best = min(seen, key=lambda look: look[0])
    assert seen[-1][0] > best[0] < seen[0][0]
    np.testing.assert_array_equal(w.detach().numpy(), best[1])
    assert found.held_out == best[0]
    assert found.objective == pytest.approx(float(objective().detach()))
    # The same number of iterations, with no early stopping, arrives at the same weights.
    again = torch.tensor([0.0, 0.0], dtype=torch.float64, requires_grad=True)
    w_best, w = w.detach().numpy(), again
    solve.minimise(objective, [again], iterations=found.iterations)
    np.testing.assert_allclose(again.detach().numpy(), w_best, atol=1e-6)


def test_early_stopping_with_nothing_better_keeps_the_start():
    w = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    found = solve.minimise(
        lambda: (w - 5).square().sum(), [w], held_out=lambda: float(w.detach().abs().sum()), patience=2
    )
    assert found.iterations == 0 and w.item() == 1.0 and found.held_out == 1.0


# -- temperature ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("planted", [0.4, 1.0, 3.0])
def test_temperature_finds_the_planted_one(c, planted):
    rng = np.random.default_rng(4)
    true = rng.normal(size=(20_000, c)) * 2
    if c == 1:
        Y = (rng.random((len(true), 1)) < 1 / (1 + np.exp(-true))).astype(float)
    else:
        Y = np.eye(c)[(true + rng.gumbel(size=true.shape)).argmax(1)]
    assert solve.temperature(true * planted, Y) == pytest.approx(planted, rel=0.05)


def test_temperature_counts_weights_as_rows():
    rng = np.random.default_rng(6)
    logits, Y, weight = rng.normal(size=(37, 3)), np.eye(3)[rng.integers(0, 3, 37)], rng.integers(0, 4, 37)
    Y[::2] = np.eye(3)[logits[::2].argmax(1)]
    places = np.repeat(np.arange(37), weight)
    assert solve.temperature(logits, Y, weight) == pytest.approx(solve.temperature(logits[places], Y[places]), rel=1e-6)
