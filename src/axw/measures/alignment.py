"""Which word belongs to which: links found against links made by hand. A link is (source word, target word), counted from 0."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from axw.errors import DataError, UsageError

Link = tuple[int, int]
PROTOCOL = "aer|links:source-target words|level:corpus"


class Alignment(NamedTuple):
    """The links of one sentence pair: `sure` ones, and `possible` ones, which hold the sure."""

    sure: frozenset[Link]
    possible: frozenset[Link]


@dataclass(frozen=True)
class AlignmentScore:
    """Shares from 0 to 1 (NaN where nothing is there to divide by): the error rate, precision, recall, their harmonic mean F."""

    error: float
    precision: float
    recall: float
    f: float
    protocol: str = PROTOCOL


def alignment_error_rate(
    sure: Sequence[AbstractSet[Link]], possible: Sequence[AbstractSet[Link]], found: Sequence[AbstractSet[Link]]
) -> AlignmentScore:
    """AER = 1 - (|A & S| + |A & P|) / (|A| + |S|), summed over the corpus (Och and Ney 2003).

    sure S, possible P, found A: the links of each sentence pair. P counts with S in it, whether S was given there or not.
    precision = |A & P| / |A|, recall = |A & S| / |S|. `DataError` where the three are not of as many sentences.
    """
    if not len(sure) == len(possible) == len(found):
        raise DataError(
            f"Links of {len(sure)}, {len(possible)} and {len(found)} sentences; allowed: as many of sure, possible and found.",
            "In alignment_error_rate.",
            "Give the links of each sentence, an empty set where there are none.",
        )
    triples = list(zip(sure, possible, found, strict=True))
    in_sure = sum(len(A & S) for S, _, A in triples)
    in_possible = sum(len(A & (P | S)) for S, P, A in triples)
    all_found, all_sure = sum(map(len, found)), sum(map(len, sure))
    precision, recall = _share(in_possible, all_found), _share(in_sure, all_sure)
    error = 1 - _share(in_sure + in_possible, all_found + all_sure)
    f = _share(2 * precision * recall, precision + recall) if precision + recall != 0 else 0.0
    return AlignmentScore(error, precision, recall, f)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


_PAIR = re.compile(r"(\d{1,9})([-?p])(\d{1,9})")


def read_pairs(lines: Iterable[str], where: str = "") -> list[Alignment]:
    """Links as GIZA++ and fast_align write them: a line for each sentence pair, `0-0 1-2 3?2`; `-` sure, `?` or `p` possible.

    An empty line is a sentence without links. `DataError` names the line and the link that is neither.
    """
    return [_pairs_of(line, number, where) for number, line in enumerate(lines, 1)]


def _pairs_of(line: str, number: int, where: str) -> Alignment:
    sure, possible = set(), set()
    for text in line.split():
        match = _PAIR.fullmatch(text)
        if match is None:
            raise _not_a_link(text, "source-target, such as 3-4 (sure) or 3?4 (possible)", number, where)
        link = (int(match[1]), int(match[3]))
        possible.add(link)
        if match[2] == "-":
            sure.add(link)
    return Alignment(frozenset(sure), frozenset(possible))


_NUMBERED = re.compile(r"(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})(?:\s+([SP]))?")


def read_numbered(
    lines: Iterable[str], sentences: int | None = None, *, first_word: int = 0, where: str = ""
) -> list[Alignment]:
    """Links as the shared tasks write them: a line for each link, `sentence source target S`, or P; without a letter, sure.

    Sentences are counted from 1, words from `first_word`. sentences: how many there are; None: as many as the last that has a
    link. `DataError` names the line that is not so, or that counts beyond.
    """
    found: dict[int, tuple[set[Link], set[Link]]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = _NUMBERED.fullmatch(line.strip())
        if match is None:
            raise _not_a_link(line.strip(), "sentence source target S or P, such as 1 3 4 S", number, where)
        sentence, link = int(match[1]), (int(match[2]) - first_word, int(match[3]) - first_word)
        if sentence < 1 or min(link) < 0 or (sentences is not None and sentence > sentences):
            most = "" if sentences is None else f" to {sentences}"
            raise _not_a_link(line.strip(), f"sentences from 1{most}, words from {first_word}", number, where)
        sure, possible = found.setdefault(sentence, (set(), set()))
        possible.add(link)
        if match[4] != "P":
            sure.add(link)
    count = max(found, default=0) if sentences is None else sentences
    empty: tuple[set[Link], set[Link]] = (set(), set())
    pairs = (found.get(i, empty) for i in range(1, count + 1))
    return [Alignment(frozenset(sure), frozenset(possible)) for sure, possible in pairs]


def _not_a_link(got: str, allowed: str, number: int, where: str) -> DataError:
    place = f"Line {number} of {where or 'the alignment'}."
    return DataError(f"{got[:60]!r} is not a link; allowed: {allowed}.", place, "Correct the line, or remove it.")


def word_attention(A: np.ndarray, target_words: np.ndarray, source_words: np.ndarray) -> np.ndarray:
    """A soft alignment of words from one of pieces: what a target word reads of a source word.

    A (n m), the attention of n target pieces on m source pieces; target_words (n,), source_words (m,): the number of the word
    that each belongs to, -1 for none. Read: summed over the pieces of a source word; asked: the mean over those of a target word.
    Gives (target words, source words). `UsageError` where the lengths do not match.
    """
    A, targets, sources = np.asarray(A, dtype=float), np.asarray(target_words), np.asarray(source_words)
    if A.shape != (len(targets), len(sources)):
        raise UsageError(
            f"A has shape {A.shape}; allowed: {(len(targets), len(sources))}, one word for each piece.",
            "In word_attention.",
            "Cut off the padding, and number the words of every piece.",
        )
    T, S = _belongs(targets), _belongs(sources)
    return np.asarray(T @ A @ S.T / np.maximum(T.sum(1, keepdims=True), 1))


def _belongs(words: np.ndarray) -> np.ndarray:
    """(pieces,) -> (words, pieces), 1 where the piece belongs to the word."""
    return np.asarray(np.arange(int(words.max(initial=-1)) + 1)[:, None] == words, dtype=float)


def best_links(A: np.ndarray, threshold: float = 0.0) -> frozenset[Link]:
    """Each target word is linked with the source word that it reads most, the first of equals: how Luong et al. 2015 (5.4) align.

    A (n m); a word that reads no source word more than `threshold` is linked with none.
    """
    A = np.asarray(A)
    if not A.size:
        return frozenset()
    most = A.argmax(1)
    return frozenset((int(j), i) for i, j in enumerate(most) if A[i, j] > threshold)
