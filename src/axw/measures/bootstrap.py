"""Is one translator better than another on these sentences? Corpus scores of resampled test sets, from counts that add up."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from axw.errors import DataError, UsageError

# So many numbers of resampled weights are held at once.
AT_ONCE = 5_000_000


class ScoreInterval(NamedTuple):
    """A score of a corpus, its interval at `level`, and how it was found."""

    value: float
    low: float
    high: float
    protocol: str


class PairedInterval(NamedTuple):
    """First score minus second, its interval, and p, the share of resampled corpora in which the better one is not better."""

    difference: float
    low: float
    high: float
    p: float
    protocol: str


def resampled(
    counts: np.ndarray, score: Callable[[np.ndarray], np.ndarray], *, samples: int = 1000, seed: int = 0
) -> np.ndarray:
    """The score (samples,) of corpora of n sentences drawn with replacement from these n, counts (n s).

    The same seed draws the same sentences, whatever is counted of them. `UsageError` for fewer than 1 sample or a seed below 0;
    `DataError` for no sentences.
    """
    if samples < 1 or seed < 0:
        raise UsageError(
            f"samples is {samples} and seed {seed}; allowed: 1 or more, and 0 or more.", "In the bootstrap."
        )
    n = len(counts)
    if not n:
        raise DataError("There are no sentences; allowed: one or more.", "In the bootstrap.", "Give it sentences.")
    draws, found = np.random.default_rng(seed), []
    for first in range(0, samples, step := max(1, AT_ONCE // n)):
        # How often each sentence is drawn is all that a sum of counts depends on.
        weights = draws.multinomial(n, np.full(n, 1 / n), size=min(step, samples - first))
        found.append(score(weights @ counts))
    return np.concatenate(found)


def bootstrap(
    counts: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    protocol: str,
    *,
    samples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> ScoreInterval:
    """The score of counts (n s) and the percentile interval of it over resampled corpora (Koehn 2004).

    With `kind = measure("bleu")`: `bootstrap(kind.count(hypotheses, references), kind.score, kind.protocol())`.
    """
    low, high = _ends(resampled(counts, score, samples=samples, seed=seed), level)
    return ScoreInterval(float(score(counts.sum(0))), low, high, _protocol(protocol, samples, seed, level))


def paired_bootstrap(
    first: np.ndarray,
    second: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    protocol: str,
    *,
    samples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> PairedInterval:
    """Is the difference real? Both scored on the same resampled corpora (Koehn 2004).

    first, second (n s), counts of two systems for the same sentences in the same order. p is the share of corpora in which the
    one that is better on the whole corpus is not better; 1 where both are equal on it. `DataError` for different shapes.
    """
    if first.shape != second.shape:
        raise DataError(
            f"Counts of {first.shape} and {second.shape}; allowed: one shape for both.",
            "In paired_bootstrap.",
            "Score both systems on the same sentences, with the same measure.",
        )
    ours, theirs = (resampled(counts, score, samples=samples, seed=seed) for counts in (first, second))
    difference = float(score(first.sum(0)) - score(second.sum(0)))
    low, high = _ends(ours - theirs, level)
    p = float(np.mean(np.sign(difference) * (ours - theirs) <= 0))
    return PairedInterval(difference, low, high, p, _protocol(protocol, samples, seed, level))


def _ends(values: np.ndarray, level: float) -> tuple[float, float]:
    if not 0 < level < 1:
        raise UsageError(f"level is {level}; allowed: above 0, below 1.", "In the bootstrap.", "0.95 is usual.")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _protocol(protocol: str, samples: int, seed: int, level: float) -> str:
    return f"{protocol}|bootstrap:{samples}|seed:{seed}|level:{level:g}"
