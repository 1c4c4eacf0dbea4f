"""What ensembles of models that write share: one vocabulary, and what is asked of a member alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from axw.data.batches import batches_by_length, pad
from axw.data.sentences import Sentences
from axw.data.vocabulary import EOS
from axw.decoding import score
from axw.errors import UsageError
from axw.models.text_model import TextModel

Begin = Callable[[torch.Tensor], tuple[Any, Any]]
"""ids of sources (b m) -> a decoder and its first state."""


def same_vocabularies(members: Sequence[TextModel[Any, Any]], what: str, text: str) -> None:
    """`UsageError` where the members do not write in the same pieces."""
    if len({tuple(sorted((n, v.to_bytes()) for n, v in member._vocabularies.items())) for member in members}) != 1:
        raise UsageError(
            f"The {len(members)} {what} have other vocabularies; allowed: one or more with the same.",
            "In an ensemble.",
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
