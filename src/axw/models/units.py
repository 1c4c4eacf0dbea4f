"""What a line is made of for its reader: words, or the pieces that the network reads. And the line without one of them."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from axw.data.vocabulary import Vocabulary
from axw.data.words import between_blanks
from axw.errors import UsageError, did_you_mean

Unit = Literal["words", "pieces"]
UNITS: tuple[Unit, ...] = ("words", "pieces")


class Units(NamedTuple):
    """Their names, and which of them (n,) each piece belongs to."""

    names: list[str]
    numbers: np.ndarray


class LeftOut(NamedTuple):
    """The ids of a line, the names of its words or pieces, and the ids without each of them."""

    ids: np.ndarray
    names: list[str]
    without: list[np.ndarray]


def known_unit(unit: str, where: str) -> None:
    """`UsageError` for anything but "words" and "pieces"."""
    if unit not in UNITS:
        raise UsageError(f"unit is {unit!r}; allowed: 'words', 'pieces'.", f"In {where}.", did_you_mean(unit, UNITS))


def units_of(vocabulary: Vocabulary, ids: np.ndarray, unit: Unit) -> Units:
    """The words that the ids spell, or each of them by itself."""
    if unit == "pieces":
        return Units(vocabulary.pieces(ids), np.arange(len(ids)))
    words, numbers = vocabulary.words_of(ids)
    return Units(words, numbers)


def each_left_out(vocabulary: Vocabulary, line: str, unit: Unit, mask_token: str | None = None) -> LeftOut:
    """The line without each of its words, which is spelled anew, or without each of its pieces, the others as they are."""
    ids = vocabulary.encode([line], mask_token=mask_token)[0]
    if unit == "pieces":
        return LeftOut(ids, vocabulary.pieces(ids), [np.delete(ids, place) for place in range(len(ids))])
    words = between_blanks(line)
    shorter = [" ".join([*words[:place], *words[place + 1 :]]) for place in range(len(words))]
    return LeftOut(ids, words, list(vocabulary.encode(shorter, mask_token=mask_token)))
