"""What may follow: a constraint has a state of its own, which goes with the hypotheses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from axw.data.vocabulary import EOS

ConstraintState = TypeVar("ConstraintState")


class Constraint(Protocol[ConstraintState]):
    """Which ids may follow each hypothesis, for the whole batch at once.

    The search calls `start` once; then, at each step, `allowed`, `select` with the hypotheses that go on, and `advance` with the
    id that each of them has said. A place in the beam without a hypothesis is told the end. The end is an id like any other:
    nothing ends that may not end.
    """

    def start(self, count: int) -> ConstraintState:
        """The state of `count` sentences of one hypothesis each, nothing said yet."""
        ...

    def allowed(self, state: ConstraintState) -> Tensor:
        """bool (b w V), True = may follow. What is said of a place whose last id is the end is not used."""
        ...

    def advance(self, state: ConstraintState, tokens: Tensor) -> ConstraintState:
        """Hypothesis (i, j) has said tokens[i, j] (b w)."""
        ...

    def select(self, state: ConstraintState, sentences: Tensor, parents: Tensor) -> ConstraintState:
        """Keep `sentences` (b2,); hypothesis j of kept sentence i goes on from parents[i, j] (b2 w2)."""
        ...


class SaidSoFar(NamedTuple):
    """sentences (b,), their numbers in the call; said (b w t), the ids of each hypothesis."""

    sentences: Tensor
    said: Tensor


class AllowedIds:
    """A constraint from a plain function: `allow(sentence, ids_so_far)` gives the ids that may follow.

    size: V; end: the id after which it is not asked. The function is called for each hypothesis at each step, so a constraint
    that is used much should be a class of its own that works on the whole batch.
    """

    def __init__(self, allow: Callable[[int, tuple[int, ...]], Iterable[int]], size: int, end: int = EOS) -> None:
        self.allow, self.size, self.end = allow, size, end

    def start(self, count: int) -> SaidSoFar:
        return SaidSoFar(torch.arange(count), torch.zeros(count, 1, 0, dtype=torch.int64))

    def allowed(self, state: SaidSoFar) -> Tensor:
        mask = torch.zeros(*state.said.shape[:2], self.size, dtype=torch.bool)
        for i, (sentence, hypotheses) in enumerate(zip(state.sentences.tolist(), state.said.tolist(), strict=True)):
            for j, said in enumerate(hypotheses):
                if not said or said[-1] != self.end:
                    mask[i, j, list(self.allow(sentence, tuple(said)))] = True
        return mask

    def advance(self, state: SaidSoFar, tokens: Tensor) -> SaidSoFar:
        return SaidSoFar(state.sentences, torch.cat([state.said, tokens.cpu()[..., None]], 2))

    def select(self, state: SaidSoFar, sentences: Tensor, parents: Tensor) -> SaidSoFar:
        sentences, parents = sentences.cpu(), parents.cpu()
        return SaidSoFar(state.sentences[sentences], state.said[sentences[:, None], parents])
