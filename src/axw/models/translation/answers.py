"""Answers of a translator: for a line, and for a line from those for its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from axw.data.sentences import Sentences
from axw.data.vocabulary import UNK, Vocabulary
from axw.errors import UsageError


class Translation(NamedTuple):
    """One answer for one line: its text and ids, its score as the search compares them, its log-probability, and whether the
    end was said (or it was cut at the longest length)."""

    text: str
    ids: tuple[int, ...]
    score: float
    log_probability: float
    finished: bool


def begun_parts(prefix: Sequence[str], owner: np.ndarray, target: Vocabulary) -> Sentences:
    """The ids that the translation of each part begins with: of a line in parts, those of its first."""
    ids = target.encode(prefix)
    unknown = [i for i, sentence in enumerate(ids) if UNK in sentence]
    if unknown:
        raise UsageError(
            f"The prefix {prefix[unknown[0]][:60]!r} holds a word that the vocabulary does not have.",
            f"In the prefix of line {unknown[0] + 1}.",
            "Use other words, or a translator with pieces=bpe, which can write every text.",
        )
    first = np.concatenate([[True], np.diff(owner) > 0])
    return Sentences.of([ids[line] if begins else [] for line, begins in zip(owner, first, strict=True)])


def joined(parts: list[list[Translation]]) -> list[Translation]:
    """The answers for a line from those for its parts: the best with the best, and so on."""
    if len(parts) == 1:
        return parts[0]
    return [
        Translation(
            " ".join(part.text for part in answer),
            tuple(i for part in answer for i in part.ids),
            sum(part.score for part in answer),
            sum(part.log_probability for part in answer),
            all(part.finished for part in answer),
        )
        for answer in zip(*(part for part in parts if part), strict=False)
    ]
