"""What ensembles of models that write share: one vocabulary, and what is asked of a member alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from axw.data.batches import batches_by_length, pad
from axw.data.sentences import Sentences
from axw.data.vocabulary import EOS, Vocabulary
from axw.decoding import score
from axw.errors import UsageError

Begin = Callable[[torch.Tensor], tuple[Any, Any]]
"""ids of sources (b m) -> a decoder and its first state."""


def same_vocabularies(members: Sequence[Mapping[str, Vocabulary]], what: str, text: str, where: str) -> None:
    """`UsageError` where those of the members are not the same pieces, or there is no member."""
    if len({tuple((name, one.to_bytes()) for name, one in sorted(own.items())) for own in members}) != 1:
        raise UsageError(
            f"The {len(members)} {what} have other vocabularies; allowed: one or more with the same.",
            where,
            f"Train them on the same {text}, with other seeds.",
        )


def of_one(members: int, what: str, why: str, name: str) -> UsageError:
    """The error for what an ensemble cannot be asked."""
    return UsageError(
        f"An ensemble of {members} {what} {why}.", f"In {name}.", f"Ask a member: ensemble.{what}[0].{name}(...)."
    )


def forced(begin: Begin, source: Sentences, target: Sentences, *, at_once: int = 64) -> np.ndarray:
    """(n,) log p of each target and its end, by forced decoding; ids without marks."""
    found = np.zeros(len(source))
    for index in batches_by_length(source.lengths + 1, 4096, seed=0, epoch=0, most=at_once):
        decoder, state = begin(torch.from_numpy(pad(source, index, after=(EOS,))))
        for i, logs in zip(index, score(decoder, state, [target[i].tolist() for i in index]), strict=True):
            found[i] = float(logs.sum(dtype=np.float64))
    return found
