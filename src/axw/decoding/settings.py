"""What is searched for, and when the search ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from axw.data.vocabulary import BOS, EOS, PAD
from axw.errors import UsageError, did_you_mean

LengthPenalty = Literal["gnmt", "power", "average", "none"]
MOST = 1000


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Beam search, or sampling where `temperature` is set.

    beam             hypotheses of each sentence that are followed at once; where sampled, how many are drawn. 1: greedy
    nbest            how many of them are returned, best first
    length_penalty   what log P(Y) is divided by before hypotheses of different lengths are compared, |Y| counting the end:
                     gnmt: ((5 + |Y|) / 6)^alpha (Wu et al. 2016, eq. 14); power: |Y|^alpha; average: |Y|; none: 1
    alpha            of gnmt and power; 0 divides by 1
    coverage         beta of beta * sum_i log(min(sum_j A[j, i], 1)) added to the score (Wu et al. 2016, eq. 14); 0: not added
    min_length       ids before the end may be said
    max_factor, max_constant    at most factor * (length of the source) + constant ids, the end among them
                     (Vaswani et al. 2017, 6.1: input + 50)
    no_repeat_ngram  no n ids follow each other twice in one hypothesis; 0: they may
    temperature      T of p^(1/T), from which the next id is drawn; none: beam search
    top_k, top_p     draw from the k likeliest only; from the fewest likeliest whose probabilities reach p (Holtzman et al. 2020)
    seed             where the draws start: they are a function of seed, sentence, hypothesis and step
    start, end       the ids that begin and end every hypothesis
    never            ids that are never said
    """

    beam: int = 4
    nbest: int = 1
    length_penalty: LengthPenalty = "gnmt"
    alpha: float = 0.6
    coverage: float = 0.0
    min_length: int = 0
    max_factor: float = 1.0
    max_constant: int = 50
    no_repeat_ngram: int = 0
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0
    start: int = BOS
    end: int = EOS
    never: tuple[int, ...] = (PAD, BOS)

    def __post_init__(self) -> None:
        wrong = [*self._outside(), *self._sampling(), *self._ids()]
        if wrong:
            raise UsageError(" ".join(wrong), "In the search settings.", "Correct each of them.")

    def _outside(self) -> list[str]:
        wrong = []
        if not 1 <= self.beam <= MOST:
            wrong.append(f"beam is {self.beam}; allowed: 1 to {MOST}.")
        if not 1 <= self.nbest <= self.beam:
            wrong.append(f"nbest is {self.nbest}; allowed: 1 to the beam, {self.beam}.")
        if self.length_penalty not in get_args(LengthPenalty):
            wrong.append(f"length_penalty is {self.length_penalty!r}. {_names(self.length_penalty)}")
        for name in ("alpha", "coverage", "min_length", "max_factor", "max_constant", "no_repeat_ngram", "seed"):
            value = getattr(self, name)
            if not (0 <= value < math.inf):
                wrong.append(f"{name} is {value}; allowed: 0 or more.")
        if self.max_factor == 0 and self.max_constant == 0:
            wrong.append("max_factor and max_constant are both 0, so that nothing may be said; allowed: one above 0.")
        return wrong

    def _sampling(self) -> list[str]:
        wrong = []
        if self.temperature is not None and not 0 < self.temperature < math.inf:
            wrong.append(f"temperature is {self.temperature}; allowed: above 0, or none for beam search.")
        if self.top_k is not None and self.top_k < 1:
            wrong.append(f"top_k is {self.top_k}; allowed: 1 or more, or none.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            wrong.append(f"top_p is {self.top_p}; allowed: above 0, at most 1, or none.")
        if self.temperature is None and (self.top_k is not None or self.top_p is not None):
            wrong.append(
                "top_k and top_p are for sampling, and temperature is none; allowed: with a temperature, such as 1."
            )
        return wrong

    def _ids(self) -> list[str]:
        wrong = [
            f"{name} is {value}; allowed: 0 or more."
            for name, value in [("start", self.start), ("end", self.end), *(("never", i) for i in self.never)]
            if value < 0
        ]
        if self.end in self.never:
            wrong.append(f"never holds {self.end}, the end; allowed: other ids.")
        return wrong


def _names(got: object) -> str:
    return did_you_mean(str(got), get_args(LengthPenalty))
