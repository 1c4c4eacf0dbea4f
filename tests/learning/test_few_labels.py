"""Ridge by any number of columns, the vote, temperatures, and the shares of the classes: two ways, one answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss

from axw.errors import DataError
from axw.learning.few_labels import TEMPERATURES, class_shares, log_losses, ridges, temperatures, vote


@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 13), d=st.integers(1, 17), seed=st.integers(0, 999))
def test_every_penalty_is_scikit_learns_ridge(n, d, seed):
    rng = np.random.default_rng(seed)
    Z, Y, weight = rng.normal(size=(n, d)), rng.normal(size=(n, 3)), rng.integers(1, 4, n).astype(float)
    weight = weight / weight.mean()
    found = ridges(Z, Y, (0.1, 2.0), weight)
    centred = Z - weight @ Z / weight.sum()
    size = (weight * (centred**2).sum(1)).mean()
    for number, penalty in enumerate((0.1, 2.0)):
        plain = Ridge(penalty * size).fit(Z, Y, weight)
        np.testing.assert_allclose(found.W[number], plain.coef_.T, atol=1e-8)
        np.testing.assert_allclose(found.b[number], plain.intercept_, atol=1e-8)


def test_a_constant_table_answers_the_mean():
    found = ridges(np.ones((5, 2)), np.eye(5)[:, :2], (1.0,))
    np.testing.assert_allclose(found.W, 0.0, atol=1e-12)
    np.testing.assert_allclose(found.b[0], [0.2, 0.2])


def test_log_losses_and_temperatures():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 200)
    logits = 2.0 * np.eye(3)[codes] + rng.normal(size=(200, 3))
    P = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(log_losses(logits[None], codes), [log_loss(codes, P)])
    T = temperatures(np.stack([logits, 0.1 * logits]), codes)
    at = [int(np.argmin(np.abs(TEMPERATURES - t))) for t in T]
    losses = [log_losses(logits[None] / t, codes)[0] for t in TEMPERATURES]
    assert at[0] == int(np.argmin(losses)) and T[1] < T[0]


def test_the_vote_is_no_worse_than_the_best_and_takes_what_completes_it():
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 2, 300)
    half = np.arange(300) % 2 == 0
    good = 3.0 * np.eye(2)[codes]
    answers = np.stack(
        [np.where(half[:, None], good, 0.0), np.where(half[:, None], 0.0, good), rng.normal(size=(300, 2))]
    )
    shares = vote(answers, codes)
    assert shares.sum() == pytest.approx(1.0) and shares[2] == 0 and min(shares[:2]) > 0.3
    mean = np.einsum("k,knc->nc", shares, answers)
    assert log_losses(mean[None], codes)[0] <= log_losses(answers, codes).min()
    with pytest.raises(DataError, match="Give one answer a held-out row."):
        vote(answers, codes[:-1])


def test_shares_of_classes_are_found_again():
    rng = np.random.default_rng(2)
    true = np.array([0.7, 0.2, 0.1])
    codes = rng.choice(3, 4000, p=true)
    x = 2.0 * np.eye(3)[codes] + rng.normal(size=(4000, 3))
    logits = 2.0 * x  # the exact log-odds under equal shares
    even = np.full(3, 1 / 3)
    found = class_shares(logits, even, rounds=50)
    np.testing.assert_allclose(found, true, atol=0.03)
    softer = class_shares(logits, even, strength=0.5)
    assert softer[0] < found[0] and softer.sum() == pytest.approx(1.0)
