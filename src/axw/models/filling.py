"""Whole words for hidden places, from a model that guesses pieces; and which words each guess attended to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from axw.data.vocabulary import BOS, EOS, MASK, Vocabulary
from axw.errors import DataError, UsageError, did_you_mean
from axw.networks.masked_words import MaskedWords

TOKEN = "[MASK]"
ORDERS = ("together", "left-to-right")
_MOST_MASKS = 64
_MOST_WORDS = 30_000  # that can be an answer: those that the training text has most often
_LONGEST_WORD = 4  # pieces
_MARKS = ".,;:!?\"'`()[]{}«»“”„‘’…-–—"


class Guess(NamedTuple):
    word: str
    probability: float


class Attended(NamedTuple):
    """A word of the line, and the share of the guess's attention that it got; mean over heads and layers."""

    word: str
    place: int
    weight: float


class FilledMask(NamedTuple):
    """One [MASK]: its number from 1, the best words, and what was attended to, most first."""

    number: int
    guesses: list[Guess]
    attended: list[Attended]


@dataclass(frozen=True)
class Filled:
    """A line with its masks filled.

    line   as it was asked;  text: with the best word for each [MASK]
    cut    how many pieces at either end the model did not read, because the line is longer than it reads at once
    """

    line: str
    text: str
    masks: list[FilledMask]
    cut: int = 0

    def to_json(self) -> dict[str, Any]:
        masks = [
            {
                "mask": mask.number,
                "guesses": [guess._asdict() for guess in mask.guesses],
                "attended": [word._asdict() for word in mask.attended],
            }
            for mask in self.masks
        ]
        return {
            "schema": "axw.fill/1",
            "line": self.line,
            "text": self.text,
            "masks": masks,
            "pieces_not_read": self.cut,
        }

    def to_text(self) -> str:
        lines = [self.text]
        for mask in self.masks:
            lines += [f"[MASK] {mask.number}" if len(self.masks) > 1 else "[MASK]"]
            width = max((len(guess.word) for guess in mask.guesses), default=0)
            lines += [f"  {guess.word:<{width}}  {guess.probability:6.1%}" for guess in mask.guesses]
            seen = ", ".join(f"{word.word} {word.weight:.0%}" for word in mask.attended)
            lines += [f"  attended to: {seen}"] if seen else []
        if self.cut:
            lines.append(f"({self.cut} pieces far from the masks were not read)")
        return "\n".join(lines)

    __str__ = to_text


@dataclass(frozen=True)
class WordList:
    """The words that can be an answer, and how often each stands in the training text."""

    words: tuple[str, ...]
    counts: tuple[int, ...]

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> WordList:
        found = facts.get("words", {})
        return cls(tuple(map(str, found.get("words", ()))), tuple(map(int, found.get("counts", ()))))


def word_list(lines: Iterable[str], vocabulary: Vocabulary) -> dict[str, list[Any]]:
    """The most frequent words, without the marks around them, as JSON: see `WordList`."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(word.strip(_MARKS) or word for word in line.split())
    best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_WORDS]
    return {"words": [word for word, _ in best], "counts": [count for _, count in best]}


def fill_line(
    network: MaskedWords,
    vocabulary: Vocabulary,
    words: WordList,
    line: str,
    *,
    top: int,
    order: str,
    longest: int,
) -> Filled:
    """See `MaskedLanguageModel.fill`."""
    if order not in ORDERS:
        raise UsageError(f"Unknown order {order!r}.", "In fill.", did_you_mean(order, ORDERS))
    if not 1 <= top <= 1000:
        raise UsageError(f"top is {top}; allowed: 1 to 1000.", "In fill.")
    parts = line.split(TOKEN)
    count = len(parts) - 1
    if not 1 <= count <= _MOST_MASKS:
        what = f"The line has {count} {TOKEN}; allowed: 1 to {_MOST_MASKS}."
        raise DataError(what, repr(line[:80]), f'Put {TOKEN} where a word is to be guessed: "I like to {TOKEN}."')
    candidates = _Candidates(vocabulary, words)
    masks: list[FilledMask] = []
    chosen: list[str] = []
    cut = 0
    for number in range(count):
        if order == "left-to-right":
            said = [text for pair in zip(parts, [*chosen, *[TOKEN] * (count - number)], strict=False) for text in pair]
            asked, place = "".join(said) + parts[-1], 0
        else:
            asked, place = line, number
        found, cut = _fill_one(network, vocabulary, candidates, asked, place, top, longest)
        masks.append(FilledMask(number + 1, *found))
        chosen.append(found[0][0].word if found[0] else TOKEN)
    text = "".join(text for pair in zip(parts, [*chosen, ""], strict=True) for text in pair)
    return Filled(line, text, masks, cut)


class _Candidates:
    """The words by their number of pieces: ids (w k), and the log of how often each number of pieces stands in the text."""

    def __init__(self, vocabulary: Vocabulary, words: WordList) -> None:
        encoded = vocabulary.encode(words.words)
        counts = np.array(words.counts, float)
        self.by_pieces: dict[int, tuple[np.ndarray, list[str]]] = {}
        self.log_share: dict[int, float] = {}
        for k in range(1, _LONGEST_WORD + 1):
            at = np.flatnonzero(encoded.lengths == k)
            if len(at):
                self.by_pieces[k] = (encoded.take(at).ids.reshape(len(at), k), [words.words[i] for i in at])
                self.log_share[k] = float(np.log(counts[at].sum() / max(counts.sum(), 1.0)))


def _fill_one(
    network: MaskedWords,
    vocabulary: Vocabulary,
    candidates: _Candidates,
    line: str,
    place: int,
    top: int,
    longest: int,
) -> tuple[tuple[list[Guess], list[Attended]], int]:
    """The best words for the `place`-th [MASK], p(word) = softmax over all candidates of
    log share(k) + sum_i log p(piece_i | k masks beside each other), k the word's number of pieces."""
    ids = vocabulary.encode([line], mask_token=TOKEN)[0]
    where = int(np.flatnonzero(ids == MASK)[place])
    scores: list[np.ndarray] = []
    names: list[str] = []
    cut = 0
    for k, (pieces, spelled) in candidates.by_pieces.items():
        asked = np.concatenate([ids[:where], [MASK] * k, ids[where + 1 :]])
        asked, at, cut_now = _window(asked, where, k, longest)
        cut = max(cut, cut_now)
        with torch.no_grad():
            logits = network.logits(network(asked, torch.arange(at, at + k))).float()
            log_p = torch.log_softmax(logits, -1).numpy()
        scores.append(log_p[np.arange(k), pieces].sum(1) + candidates.log_share[k])
        names += spelled
    if not scores:
        return ([], []), cut
    joined = np.concatenate(scores)
    p = np.exp(joined - joined.max())
    p /= p.sum()
    best = np.argsort(-p, kind="stable")[:top]
    asked, at, _ = _window(ids, where, 1, longest)
    return ([Guess(names[i], float(p[i])) for i in best], _attended(network, vocabulary, asked, at)), cut


def _window(ids: np.ndarray, where: int, k: int, longest: int) -> tuple[torch.Tensor, int, int]:
    """(1 n) with BOS and EOS around the `longest` - 2 ids nearest to the mask; its place; how many ids were left out."""
    most = max(longest - 2, k)
    first = max(0, min(where + k // 2 - most // 2, len(ids) - most))
    part = ids[first : first + most]
    framed = torch.from_numpy(np.concatenate([[BOS], part, [EOS]]).astype(np.int64))[None]
    return framed, where - first + 1, len(ids) - len(part)


def _attended(
    network: MaskedWords, vocabulary: Vocabulary, ids: torch.Tensor, at: int, most: int = 5
) -> list[Attended]:
    """The words that the mask read, its pieces' weights summed; the mask itself and the marks around the line are left out."""
    found = network.attention(ids)
    if not found:
        return []
    A = torch.stack([A[0, :, at].mean(0) for A in found.values()]).mean(0).double().numpy()
    words, numbers = vocabulary.words_of(ids[0].numpy())
    weight = np.bincount(numbers, A, minlength=len(words))
    order: Sequence[int] = np.argsort(-weight, kind="stable").tolist()
    left_out = {0, len(words) - 1, int(numbers[at])}
    return [Attended(words[i], i, float(weight[i])) for i in order if i not in left_out][:most]
