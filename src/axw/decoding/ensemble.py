"""Several decoders as one: the mean of their probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from axw.decoding.decoder import Decoder, StepWithAttention
from axw.errors import UsageError


class Ensemble:
    """p(y_t | y_<t, x) = (1 / M) sum_m p_m(y_t | y_<t, x), itself a decoder; its state is the tuple of theirs.

    The decoders may differ in all but their vocabulary. `UsageError` for none of them, for vocabularies of different sizes, and,
    where attention is asked for, for a member that cannot say it.
    """

    def __init__(self, decoders: Sequence[Decoder[Any]]) -> None:
        if not decoders:
            raise UsageError("An ensemble of no decoders; allowed: one or more.", "In Ensemble.", "Give it decoders.")
        self.decoders = tuple(decoders)

    def step(self, tokens: Tensor, state: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
        """log-mean-exp of the members' log-probabilities, (b w V)."""
        answers = [decoder.step(tokens, own) for decoder, own in self._with(state)]
        return _log_mean_exp([log_p for log_p, _ in answers]), tuple(own for _, own in answers)

    def step_with_attention(self, tokens: Tensor, state: tuple[Any, ...]) -> tuple[Tensor, Tensor, tuple[Any, ...]]:
        """As `step`, with the mean of what the members read, (b w m), between."""
        answers = []
        for number, (decoder, own) in enumerate(self._with(state), 1):
            if not isinstance(decoder, StepWithAttention):
                raise UsageError(
                    f"Decoder {number} of the ensemble does not say what it reads; the coverage penalty needs it.",
                    "In the search settings, coverage.",
                    "Set coverage to 0, or leave this decoder out.",
                )
            answers.append(decoder.step_with_attention(tokens, own))
        A = torch.stack([attention for _, attention, _ in answers]).mean(0)
        return _log_mean_exp([log_p for log_p, _, _ in answers]), A, tuple(own for _, _, own in answers)

    def select(self, state: tuple[Any, ...], sentences: Tensor, parents: Tensor) -> tuple[Any, ...]:
        """Each member's own."""
        return tuple(decoder.select(own, sentences, parents) for decoder, own in self._with(state))

    def _with(self, state: tuple[Any, ...]) -> list[tuple[Decoder[Any], Any]]:
        if len(state) != len(self.decoders):
            raise UsageError(
                f"{len(state)} states for {len(self.decoders)} decoders; allowed: one each.",
                "In Ensemble.",
                "Start every decoder, and give the tuple of their states.",
            )
        return list(zip(self.decoders, state, strict=True))


def _log_mean_exp(log_p: list[Tensor]) -> Tensor:
    sizes = [p.shape[-1] for p in log_p]
    if len(set(sizes)) > 1:
        raise UsageError(
            f"Vocabularies of {', '.join(map(str, sizes))} ids; allowed: one vocabulary for all.",
            "In Ensemble.",
            "Use models that were trained with the same vocabulary.",
        )
    if len(log_p) == 1:
        return log_p[0]
    return torch.logsumexp(torch.stack([p.float() for p in log_p]), 0) - math.log(len(log_p))
