"""One next id drawn for each hypothesis. A draw is a function of counters, so it does not depend on the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from axw.decoding.settings import SearchSettings
from axw.decoding.top import BLOCK, best
from axw.learning.randomness import hash64


def uniforms(seed: int, numbers: Sequence[int], w: int, step: int) -> Tensor:
    """u (b w) in [0, 1), a function of (seed, sentence number, hypothesis, step) alone."""
    draws = [[hash64(seed, "sampling", number, j, step) / 2**63 for j in range(w)] for number in numbers]
    return torch.tensor(draws, dtype=torch.float64).view(len(numbers), w).clamp_(max=1 - 2**-53)


class Draws(NamedTuple):
    """What may be drawn, (r c) each, likeliest first if any were left out: ids, the decoder's log p, and the probabilities."""

    ids: Tensor
    log_p: Tensor
    p: Tensor


def distribution(log_p: Tensor, settings: SearchSettings, never: list[int]) -> Draws:
    """log_p (r V) -> p_v ~ exp(log_p_v / T), over the `top_k` likeliest; of those, over the fewest that reach `top_p`.

    The probabilities are right up to a factor. The likeliest id is always among them, those of `never` never. A row without any
    allowed id has probabilities of 0.
    """
    if settings.top_k is not None:
        log_p, _, ids = best(log_p[:, None], log_p.new_zeros(len(log_p), 1), settings.top_k, never)
    else:
        log_p, ids = log_p.clone(), torch.arange(log_p.shape[1], device=log_p.device).expand_as(log_p)
        log_p[:, [i for i in never if i < log_p.shape[1]]] = -torch.inf
        if settings.top_p is not None:
            log_p, ids = log_p.sort(dim=1, descending=True, stable=True)
    assert settings.temperature is not None
    p = torch.softmax(log_p / settings.temperature, 1)
    some = log_p.amax(1, keepdim=True) > -torch.inf
    if not bool(some.all()):
        p = torch.where(some, p, 0.0)
    if settings.top_p is not None:
        before = p.cumsum(1, dtype=torch.float64) - p
        p = p * (before < settings.top_p)
    return Draws(ids, log_p, p)


def draw(log_p: Tensor, uniform: Tensor, settings: SearchSettings, never: list[int]) -> tuple[Tensor, Tensor]:
    """One id for each row, and its log p, (r,) each: the first id whose cumulated probability is above u, uniform (r,).

    log_p (r V). A row that holds NaN gets NaN; one without any allowed id gets -inf.
    """
    ids, log_p, p = distribution(log_p, settings, never)
    place = _first_above(p, uniform.to(p.device)[:, None])
    most = log_p.amax(1)
    return ids.gather(1, place).squeeze(1), torch.where(most > -torch.inf, log_p.gather(1, place).squeeze(1), most)


def _first_above(p: Tensor, u: Tensor) -> Tensor:
    """The first place where sum_{i <= place} p_i > u sum_i p_i; p (r c), u (r 1) -> (r 1). Blocks first, then within one.

    A place of probability 0 is never given but where all are 0.
    """
    blocks = F.pad(p, (0, -p.shape[1] % BLOCK)).unflatten(1, (-1, BLOCK))
    cumulated = blocks.sum(2).double().cumsum(1)
    wanted = u * cumulated[:, -1:]
    block = _place(cumulated, wanted)
    before = F.pad(cumulated, (1, 0)).gather(1, block)
    inside = blocks.gather(1, block[..., None].expand(-1, -1, BLOCK)).squeeze(1).double().cumsum(1)
    return block * BLOCK + _place(inside, wanted - before)


def _place(cumulated: Tensor, wanted: Tensor) -> Tensor:
    # Rounding must not lead behind the last place that adds something, which is the first to reach the sum.
    last = torch.searchsorted(cumulated, cumulated[:, -1:].contiguous())
    return torch.minimum(torch.searchsorted(cumulated, wanted, right=True), last)
