"""One search for every decoder: `search` says what follows, whatever `step` and `select` belong to.

decoder.py      what a decoder is: `step(tokens, state)` and `select(state, sentences, parents)`
settings.py     what is searched for: beam or samples, length penalty, limits
search.py       the loop;  top.py the best continuations;  sampling.py one drawn;  restrict.py what may not follow
constraints.py  what may follow;  ensemble.py several decoders as one;  scoring.py log-probabilities of given targets
"""

from axw.decoding.constraints import AllowedIds, Constraint
from axw.decoding.decoder import Decoder, StepWithAttention
from axw.decoding.ensemble import Ensemble
from axw.decoding.hypotheses import Hypothesis, length_penalty
from axw.decoding.scoring import score
from axw.decoding.search import search
from axw.decoding.settings import SearchSettings

__all__ = [
    "AllowedIds",
    "Constraint",
    "Decoder",
    "Ensemble",
    "Hypothesis",
    "SearchSettings",
    "StepWithAttention",
    "length_penalty",
    "score",
    "search",
]
