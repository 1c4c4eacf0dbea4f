"""What the search found, and how hypotheses of different lengths are compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from axw.decoding.settings import LengthPenalty, SearchSettings

# What a source word that nothing read costs in the coverage penalty: log 1e-10 rather than log 0.
LEAST_COVERAGE = 1e-10


@dataclass(frozen=True)
class Hypothesis:
    """One answer.

    ids              what was said, without start and end; a forced prefix is part of it
    score            log_probability / length penalty + coverage penalty: what hypotheses are compared by
    log_probability  sum of log p(y_t | y_<t, x), the end included where it was said
    finished         whether the end was said; False: cut at the length limit, or where nothing was allowed to follow
    """

    ids: tuple[int, ...]
    score: float
    log_probability: float
    finished: bool


def length_penalty(kind: LengthPenalty, alpha: float, length: int) -> float:
    """gnmt: ((5 + |Y|) / 6)^alpha; power: |Y|^alpha; average: |Y|; none: 1. It never falls as |Y| grows; the least |Y| is 1."""
    if kind == "power":
        return float(max(length, 1) ** alpha)
    if kind == "gnmt":
        return float(((5 + max(length, 1)) / 6) ** alpha)
    return float(max(length, 1)) if kind == "average" else 1.0


def coverage_penalty(beta: float, seen: Tensor) -> float:
    """beta * sum_i log(min(seen_i, 1)), seen (m,): how much of each source word was read, over all steps."""
    return beta * float(seen.double().clamp(LEAST_COVERAGE, 1.0).log().sum())


class Limits(NamedTuple):
    """Of each sentence: the most ids, the end among them, and the length penalty of so many."""

    length: list[int]
    penalty: list[float]


class Found:
    """The hypotheses of each sentence that are whole, and those that were cut; it lives as long as one call of `search`."""

    def __init__(self, settings: SearchSettings, source_lengths: list[int]) -> None:
        self.settings, self.source_lengths = settings, source_lengths
        self.whole: list[list[Hypothesis]] = [[] for _ in source_lengths]
        self.cut: list[list[Hypothesis]] = [[] for _ in source_lengths]
        # The score that a hypothesis must beat to be among the n best.
        self.worst = [-math.inf] * len(source_lengths)

    def add(self, sentence: int, ids: list[int], log_probability: float, finished: bool, seen: Tensor | None) -> None:
        """One more hypothesis of this sentence; ids without the end."""
        settings = self.settings
        penalty = length_penalty(settings.length_penalty, settings.alpha, len(ids) + finished)
        score = log_probability / penalty
        if seen is not None:
            score += coverage_penalty(settings.coverage, seen[: self.source_lengths[sentence]])
        (self.whole if finished else self.cut)[sentence].append(
            Hypothesis(tuple(ids), score, log_probability, finished)
        )
        if finished:
            if len(self.whole[sentence]) >= settings.nbest:
                self.worst[sentence] = sorted((h.score for h in self.whole[sentence]), reverse=True)[settings.nbest - 1]

    def lacks(self, sentence: int) -> bool:
        """Whether fewer than n are whole."""
        return len(self.whole[sentence]) < self.settings.nbest

    def results(self) -> list[list[Hypothesis]]:
        """The n best of each sentence: the whole ones by score, then the cut ones; of equals, the one found first."""
        return [
            (sorted(whole, key=_by_score) + sorted(cut, key=_by_score))[: self.settings.nbest]
            for whole, cut in zip(self.whole, self.cut, strict=True)
        ]


def _by_score(hypothesis: Hypothesis) -> float:
    return -hypothesis.score
