"""Lines that are longer than what a translator has learned from: cut where a sentence ends, translated part by part, joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from axw.data.vocabulary import Vocabulary

_PARTS = 40  # the bits of a line's number
_ENDS = (".", "!", "?", ";", ":", "…", "。", "！", "？")


def parts_of(line: str, vocabulary: Vocabulary, most: int) -> list[str]:
    """The line in parts of at most `most` pieces: after the last word that ends a sentence, else after the last that fits.

    A word that is longer than that is cut between characters, and its parts are words. Nothing is lost but the kind of blanks.
    """
    words = [part for word in line.split() for part in _short(word, vocabulary, most)]
    lengths = vocabulary.encode(words).lengths + 1  # a blank before a word may be a piece of its own
    ends = np.concatenate([[0], np.cumsum(lengths)])
    parts, start = [], 0
    while start < len(words):
        end = max(start + 1, int(np.searchsorted(ends, ends[start] + most, side="right")) - 1)
        if end < len(words):
            end = next((i + 1 for i in range(end - 1, start, -1) if words[i].endswith(_ENDS)), end)
        parts.append(" ".join(words[start:end]))
        start = end
    return parts


def _short(word: str, vocabulary: Vocabulary, most: int) -> Iterator[str]:
    if len(word) * 4 <= most or vocabulary.kind == "words" or vocabulary.encode([word]).lengths[0] < most:
        yield word
        return
    at_once = max(1, (most - 1) // 4)  # a character is at most four bytes, and a byte at most one piece
    yield from (word[i : i + at_once] for i in range(0, len(word), at_once))


def flat(lines: Sequence[str], lengths: np.ndarray, vocabulary: Vocabulary, most: int) -> tuple[list[str], np.ndarray]:
    """The lines, long ones in parts, and the number of the line that each belongs to. Each has a part, one of blanks too."""
    parts = [
        (parts_of(line, vocabulary, most) if n > most else []) or [line] for line, n in zip(lines, lengths, strict=True)
    ]
    return [part for line in parts for part in line], np.repeat(np.arange(len(lines)), [len(line) for line in parts])


def numbers_of_parts(owner: np.ndarray, first: int) -> list[int]:
    """What the samples of each part depend on: the number of its line, `first` that of line 0, and of a line in parts which one.

    So a line has the same samples whatever stands before it.
    """
    begins = np.flatnonzero(np.diff(owner, prepend=-1))
    place = np.arange(len(owner)) - np.repeat(begins, np.diff(begins, append=len(owner)))
    return (first + owner + (place << _PARTS)).tolist()
