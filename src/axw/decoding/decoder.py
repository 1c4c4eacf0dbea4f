"""What a decoder is to the search: two functions and a state that is a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from axw.errors import UsageError

State = TypeVar("State")


class Decoder(Protocol[State]):
    """log p(y_t | y_<t, x) for w hypotheses of each of b sentences, and a state that goes in and comes out."""

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """tokens (b w) int64, the last id of each hypothesis -> log-probabilities (b w V) of the next, and the state then.

        The search reads the log-probabilities and never writes into them. None may be above 0; -inf is allowed, NaN is not.
        """
        ...

    def select(self, state: State, sentences: Tensor, parents: Tensor) -> State:
        """Keep `sentences` (b2,); hypothesis j of kept sentence i goes on from parents[i, j] (b2 w2). w2 may differ from w."""
        ...


@runtime_checkable
class StepWithAttention(Protocol[State]):
    """A decoder that can also say what it read: needed for the coverage penalty only."""

    def step_with_attention(self, tokens: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """As `step`, with A (b w m) between: how much each hypothesis reads of each source word; rows add up to 1."""
        ...

    def select(self, state: State, sentences: Tensor, parents: Tensor) -> State:
        """As in `Decoder`."""
        ...


@runtime_checkable
class StepBest(Protocol[State]):
    """A decoder that finds the likeliest continuations itself, in less time than it would take to write all down."""

    def step_best(
        self, tokens: Tensor, state: State, total: Tensor, k: int, never: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor, State]:
        """`axw.decoding.top.best` of what `step` says: totals float64, hypotheses and ids, (b k) each, and the state then.

        total (b w) float64, what the hypotheses have so far, -inf of a place that holds none; never: ids that are left out.
        Where a log-probability is not a number, totals of its sentence are not.
        """
        ...

    def select(self, state: State, sentences: Tensor, parents: Tensor) -> State:
        """As in `Decoder`."""
        ...


def device_of(state: object) -> torch.device:
    """The device of the first tensor in a state made of tuples; the CPU where there is none."""
    stack = [state]
    while stack:
        part = stack.pop()
        if isinstance(part, Tensor):
            return part.device
        if isinstance(part, (tuple, list)):
            stack.extend(reversed(part))
    return torch.device("cpu")


def of_as_many(sentences: int, expected: int, where: str) -> None:
    """`UsageError` where the decoder answered for other sentences than were asked."""
    if sentences != expected:
        raise UsageError(
            f"The state is of {sentences} sentences, and {expected} were asked for; allowed: the same number.",
            where,
            "Start the decoder with those sentences alone.",
        )
