"""Resampled corpora: against resampling the sentences themselves, and against what is known of means."""

from __future__ import annotations

import numpy as np
import pytest

from axw.errors import DataError, UsageError
from axw.measures import bootstrap as module
from axw.measures.bootstrap import bootstrap, paired_bootstrap, resampled
from axw.measures.translation import measure, public_bleu4


def mean(total: np.ndarray) -> np.ndarray:
    return total[..., 0] / total[..., 1]


def values(n: int, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.stack([np.random.default_rng(seed).normal(shift, 1.0, n), np.ones(n)], 1)


def test_a_resampled_score_is_the_score_of_the_resampled_sentences():
    rng = np.random.default_rng(1)
    hypotheses, references = ([" ".join(rng.choice(list("abcd"), 9)) for _ in range(13)] for _ in range(2))
    kind, samples, seed = measure("bleu4"), 7, 5
    found = resampled(kind.count(hypotheses, references), kind.score, samples=samples, seed=seed)
    weights = np.random.default_rng(seed).multinomial(13, np.full(13, 1 / 13), size=samples)
    for value, weight in zip(found, weights, strict=True):
        index = np.repeat(np.arange(13), weight)
        assert value == pytest.approx(
            public_bleu4([hypotheses[i] for i in index], [references[i] for i in index]).value
        )


def test_the_interval_of_a_mean_is_the_one_that_is_known():
    counts = values(400)
    found = bootstrap(counts, mean, "mean", samples=4000, seed=3)
    error = counts[:, 0].std() / 20
    assert found.value == pytest.approx(counts[:, 0].mean())
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.1 * error)
    assert found.protocol == "mean|bootstrap:4000|seed:3|level:0.95"


def test_a_difference_is_paired():
    ours, noise = values(300), values(300, seed=1)
    slightly = ours + np.array([0.05, 0.0])
    found = paired_bootstrap(slightly, ours, mean, "mean", seed=2)
    assert found.difference == pytest.approx(0.05) and found.low == pytest.approx(0.05) and found.p == 0
    back = paired_bootstrap(ours, slightly, mean, "mean", seed=2)
    assert (back.difference, back.low, back.p) == (pytest.approx(-0.05), pytest.approx(-found.high), 0)
    other = paired_bootstrap(ours, noise, mean, "mean", seed=2)
    assert other.low < 0 < other.high and other.p > 0.025
    assert paired_bootstrap(ours, ours, mean, "mean").p == 1


def test_it_is_a_function_of_the_seed_and_not_of_how_much_is_held_at_once(monkeypatch: pytest.MonkeyPatch):
    counts = values(50)
    once = resampled(counts, mean, samples=100, seed=4)
    monkeypatch.setattr(module, "AT_ONCE", 350)
    assert np.allclose(once, resampled(counts, mean, samples=100, seed=4), atol=1e-12)
    assert not np.allclose(once, resampled(counts, mean, samples=100, seed=5))


def test_what_cannot_be_resampled():
    with pytest.raises(DataError, match="There are no sentences; allowed: one or more"):
        resampled(np.zeros((0, 2)), mean)
    with pytest.raises(UsageError, match="samples is 0 and seed 0; allowed: 1 or more"):
        resampled(values(3), mean, samples=0)
    with pytest.raises(UsageError, match="level is 95; allowed: above 0, below 1"):
        bootstrap(values(3), mean, "mean", level=95)
    with pytest.raises(DataError, match=r"Counts of \(3, 2\) and \(4, 2\); allowed: one shape for both"):
        paired_bootstrap(values(3), values(4), mean, "mean")
