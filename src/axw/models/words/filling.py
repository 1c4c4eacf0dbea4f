"""Whole words for hidden places, from a model that guesses pieces; and which words each guess attended to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from axw.data.vocabulary import BOS, EOS, MASK, Vocabulary
from axw.errors import ModelError
from axw.models.words.filled import TOKEN, Attended, Filled, FilledMask, Guess, asked_parts, nothing_to_read
from axw.networks.masked_words import MaskedWords

_MOST_WORDS = 30_000  # that can be an answer: those that the training text has most often
_LONGEST_WORD = 4  # pieces
_MARKS = ".,;:!?\"'`()[]{}«»“”„‘’…-–—"
_MOST_SHOWN = 5  # words that were attended to, and unseen words that are named


@dataclass(frozen=True)
class WordList:
    """The words that can be an answer, and how often each stands in the training text."""

    words: tuple[str, ...]
    counts: tuple[int, ...]

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> WordList:
        """What `word_list` wrote. `ModelError` for anything else."""
        found = facts.get("words", {"words": [], "counts": []})
        try:
            words, counts = tuple(found["words"]), tuple(found["counts"])
        except (KeyError, TypeError) as error:
            raise _no_words() from error
        numbers = all(isinstance(count, int) and not isinstance(count, bool) and count > 0 for count in counts)
        if len(words) != len(counts) or not numbers or not all(isinstance(word, str) for word in words):
            raise _no_words()
        return cls(words, counts)


def _no_words() -> ModelError:
    return ModelError(
        "The list of words is not one that axw writes: it needs as many counts as words.",
        "In the facts of the model.",
        "Copy the model again from where it came from.",
    )


def word_list(lines: Iterable[str]) -> dict[str, list[Any]]:
    """The most frequent words, without the marks around them, as JSON: see `WordList`."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(_bare(word) for word in line.split())
    best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_WORDS]
    return {"words": [word for word, _ in best], "counts": [count for _, count in best]}


def _bare(word: str) -> str:
    return word.strip(_MARKS) or word


class Spelled(NamedTuple):
    """Words of k pieces: ids (w k), the words, and log of the share of the text that words of k pieces have."""

    ids: np.ndarray
    words: list[str]
    log_share: float


def spelled_by_length(vocabulary: Vocabulary, words: WordList) -> dict[int, Spelled]:
    """The words that the vocabulary can spell, by their number of pieces, at most four."""
    encoded = vocabulary.encode(words.words)
    counts = np.array(words.counts, float)
    unknown = np.zeros(len(encoded), bool)
    sentence = np.repeat(np.arange(len(encoded)), encoded.lengths)
    unknown[sentence[encoded.ids < vocabulary.first]] = True  # whole words that are <unk> to the model
    found = {}
    for k in range(1, _LONGEST_WORD + 1):
        at = np.flatnonzero((encoded.lengths == k) & ~unknown)
        if len(at):
            log_share = float(np.log(counts[at].sum() / counts.sum()))
            found[k] = Spelled(encoded.take(at).ids.reshape(len(at), k), [words.words[i] for i in at], log_share)
    return found


class WordFiller:
    """Fills [MASK] with words: p(word) = softmax over all candidates of
    log share(k) + sum_i log p(piece_i | k masks beside each other), k the word's number of pieces.

    share(k) is how much of the training text words of k pieces are: the model itself does not know how long a word will be.
    """

    def __init__(self, network: MaskedWords, vocabulary: Vocabulary, words: WordList, longest: int) -> None:
        self.network, self.vocabulary, self.longest = network, vocabulary, longest
        self.candidates = spelled_by_length(vocabulary, words)
        self.known = frozenset(words.words)

    def fill(self, line: str, *, top: int = 5, order: str = "together") -> Filled:
        """See `MaskedLanguageModel.fill`."""
        parts = asked_parts(line, top, order)
        count = len(parts) - 1
        masks: list[FilledMask] = []
        chosen: list[str] = []
        cut = 0
        for number in range(count):
            asked, place = line, number
            if order == "left-to-right":
                texts = [*chosen, *[TOKEN] * (count - number)]
                asked, place = "".join(a + b for a, b in zip(parts, [*texts, ""], strict=True)), 0
            guesses, attended, cut_now = self._fill_one(asked, place, top)
            masks.append(FilledMask(number + 1, guesses, attended))
            chosen.append(guesses[0].word)
            cut = max(cut, cut_now)
        text = "".join(a + b for a, b in zip(parts, [*chosen, ""], strict=True))
        return Filled(line, text, masks, cut, tuple(self._notes(parts, cut)))

    def _fill_one(self, line: str, place: int, top: int) -> tuple[list[Guess], list[Attended], int]:
        """The best words for the `place`-th [MASK], what the mask read, and how many pieces were not read."""
        ids = self.vocabulary.encode([line], mask_token=TOKEN)[0]
        where = int(np.flatnonzero(ids == MASK)[place])
        cut = max(0, len(ids) - (self.longest - 2))
        return self.guesses(ids, place + 1, top), self._attended(ids, where), cut

    def guesses(self, ids: np.ndarray, number: int, top: int) -> list[Guess]:
        """The `top` best words for mask `number`, from 1, of a line that is ids already, the other masks hidden."""
        where = int(np.flatnonzero(ids == MASK)[number - 1])
        scores: list[np.ndarray] = []
        names: list[str] = []
        for k, spelled in self.candidates.items():
            longer = np.concatenate([ids[:where], [MASK] * k, ids[where + 1 :]])
            window = _window(longer, where, k, self.longest)
            log_p = self._log_p(window, k)
            scores.append(log_p[np.arange(k), spelled.ids].sum(1) + spelled.log_share)
            names += spelled.words
        if not names:
            raise ModelError(
                "The model has no list of words to choose from.", "In the facts of the model.", "Train it again."
            )
        joined = np.concatenate(scores)
        p = np.exp(joined - joined.max())
        p /= p.sum()
        best = np.argsort(-p, kind="stable")[:top]
        return [Guess(names[i], float(p[i])) for i in best]

    def _log_p(self, window: _Window, k: int) -> np.ndarray:
        """(k V) log p(piece) at each of the k masks."""
        with torch.no_grad():
            hidden = self.network(window.ids, torch.arange(window.at, window.at + k))
            return torch.log_softmax(self.network.logits(hidden).float(), -1).numpy()

    def _attended(self, ids: np.ndarray, where: int) -> list[Attended]:
        """The words that the mask read, its pieces' weights summed; the mask itself and the marks around are left out."""
        window = _window(ids, where, 1, self.longest)
        found = self.network.attention(window.ids)
        if not found:
            return []
        A = torch.stack([A[0, :, window.at].mean(0) for A in found.values()]).mean(0).double().numpy()
        weights = np.zeros(len(ids))
        weights[window.first : window.first + window.length] = A[1:-1]
        return attended_words(self.vocabulary, ids, weights, [where])

    def _notes(self, parts: list[str], cut: int) -> list[str]:
        notes = nothing_to_read(parts)
        if cut:
            notes.append(
                f"{cut:,} pieces far from the masks were not read: the model reads {self.longest - 2} pieces at once"
            )
        said = [_bare(word) for part in parts for word in part.split()]
        unseen = [word for word in dict.fromkeys(said) if word not in self.known]
        if unseen:
            named = ", ".join(unseen[:_MOST_SHOWN]) + (", ..." if len(unseen) > _MOST_SHOWN else "")
            how = "as <unk>" if self.vocabulary.kind == "words" else "piece by piece"
            notes.append(f"not among the words of the training text, so read {how}: {named}")
        return notes


def attended_words(
    vocabulary: Vocabulary, ids: np.ndarray, weights: np.ndarray, left_out: Iterable[int] = ()
) -> list[Attended]:
    """The words of `ids` with the sum of their pieces' weights (n,), most first; not the words of the pieces `left_out`."""
    words, numbers = vocabulary.words_of(ids)
    total = np.bincount(numbers[numbers >= 0], weights[numbers >= 0], minlength=len(words))
    hidden = {int(numbers[i]) for i in left_out}
    order = [i for i in np.argsort(-total, kind="stable").tolist() if i not in hidden]
    return [Attended(words[i], i, float(total[i])) for i in order[:_MOST_SHOWN]]


class _Window(NamedTuple):
    """ids (1 n) with BOS and EOS around; the place of the mask in it; which ids of the line they are."""

    ids: torch.Tensor
    at: int
    first: int
    length: int


def _window(ids: np.ndarray, where: int, k: int, longest: int) -> _Window:
    """The `longest` - 2 ids nearest to the k masks at `where`."""
    most = max(longest - 2, k)
    first = max(0, min(where + k // 2 - most // 2, len(ids) - most))
    part = ids[first : first + most]
    framed = torch.from_numpy(np.concatenate([[BOS], part, [EOS]]).astype(np.int64))[None]
    return _Window(framed, where - first + 1, first, len(part))
