"""What one call of `search` was given, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from axw.decoding.hypotheses import Limits, length_penalty
from axw.decoding.settings import SearchSettings
from axw.errors import UsageError


class Task(NamedTuple):
    """settings; source_lengths and numbers of the B sentences; limits; prefix (B p), -1 behind the end of each."""

    settings: SearchSettings
    source_lengths: list[int]
    numbers: list[int]
    limits: Limits
    prefix: Tensor

    @property
    def sentences(self) -> int:
        return len(self.source_lengths)

    def check_prefix(self, V: int) -> None:
        """UsageError for an id that the vocabulary of V ids does not have."""
        if int(self.prefix.max()) >= V:
            sentence = int(self.prefix.amax(1).argmax())
            raise _prefix_error(
                f"The prefix of sentence {sentence} holds the id {int(self.prefix.max())}; allowed: 0 to {V - 1}."
            )


def task(
    settings: SearchSettings,
    source_lengths: Sequence[int],
    prefix: Sequence[Sequence[int]] | None,
    numbers: Sequence[int] | None,
    device: torch.device,
) -> Task:
    """What was given, as `Task`. Raises UsageError for lengths that do not match, and for prefixes that cannot be said."""
    lengths = [int(n) for n in source_lengths]
    for name, given in [("prefix", prefix), ("numbers", numbers)]:
        if given is not None and len(given) != len(lengths):
            raise UsageError(
                f"{name} is of {len(given)} sentences, source_lengths of {len(lengths)}; allowed: one each.",
                f"In search, {name}.",
                f"Give {name} for each sentence, in the order of the state.",
            )
    most = [int(settings.max_factor * n) + settings.max_constant for n in lengths]
    forced = [[int(i) for i in ids] for ids in prefix] if prefix is not None else [[] for _ in lengths]
    for sentence, (ids, limit) in enumerate(zip(forced, most, strict=True)):
        _check(sentence, ids, limit, settings)
    padded = torch.full((len(lengths), max(map(len, forced), default=0)), -1, dtype=torch.int64)
    for row, ids in zip(padded, forced, strict=True):
        row[: len(ids)] = torch.tensor(ids, dtype=torch.int64)
    penalty = [length_penalty(settings.length_penalty, settings.alpha, limit) for limit in most]
    own = list(range(len(lengths))) if numbers is None else [int(n) for n in numbers]
    return Task(settings, lengths, own, Limits(most, penalty), padded.to(device))


def _check(sentence: int, ids: list[int], limit: int, settings: SearchSettings) -> None:
    if limit < 1:
        raise UsageError(
            f"Sentence {sentence} may have {limit} ids; allowed: 1 or more.",
            "In the search settings, max_factor and max_constant.",
            "Raise one of them.",
        )
    wrong = [i for i in ids if i < 0 or i == settings.end or i in settings.never]
    if wrong:
        raise _prefix_error(
            f"The prefix of sentence {sentence} holds the id {wrong[0]}; allowed: ids that may be said before the end."
        )
    if len(ids) >= limit:
        raise _prefix_error(
            f"The prefix of sentence {sentence} has {len(ids)} ids; allowed: fewer than its limit, {limit}."
        )


def _prefix_error(what: str) -> UsageError:
    return UsageError(what, "In search, prefix.", "Give a prefix without start and end, in the decoder's vocabulary.")
