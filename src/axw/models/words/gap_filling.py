"""What stood in the gaps of a line, written by an encoder-decoder: any number of words for each gap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from axw.data.vocabulary import BOS, EOS, MASK, UNK, Vocabulary
from axw.decoding import Hypothesis, SearchSettings, search
from axw.errors import DataError
from axw.models.words.filled import (
    TOKEN,
    Attended,
    Filled,
    FilledMask,
    Guess,
    asked_parts,
    nothing_to_read,
    too_many_masks,
)
from axw.models.words.filling import attended_words
from axw.models.words.gap_lesson import sentinel_ids
from axw.networks.transformer import Transformer

_LEAST_BEAM = 4
_MOST_PIECES = 12  # of a gap


class _Said(NamedTuple):
    """Of each hypothesis (b w): gaps that were begun; pieces in the last of them."""

    begun: Tensor
    pieces: Tensor


class GapsInOrder:
    """Sentinel 0, 1 to 12 pieces, sentinel 1, 1 to 12 pieces, ..., the end: what may follow with `count` gaps to fill."""

    def __init__(self, sentinels: tuple[int, ...], count: int, vocabulary: Vocabulary) -> None:
        self.sentinels, self.count, self.size = torch.tensor(sentinels[:count]), count, vocabulary.size
        self.pieces = torch.zeros(vocabulary.size, dtype=torch.bool)
        self.pieces[vocabulary.first :] = True
        self.pieces[UNK] = vocabulary.kind == "words"

    def start(self, count: int) -> _Said:
        return _Said(torch.zeros(count, 1, dtype=torch.int64), torch.zeros(count, 1, dtype=torch.int64))

    def allowed(self, state: _Said) -> Tensor:
        """bool (b w V)."""
        begun, pieces = state
        mask = self.pieces & ((begun > 0) & (pieces < _MOST_PIECES))[..., None]
        last, full = begun == self.count, (pieces > 0) | (begun == 0)
        mask[..., EOS] = last & full
        following = torch.nn.functional.one_hot(self.sentinels[begun.clamp(max=self.count - 1)], self.size).bool()
        return mask | (following & (full & ~last)[..., None])

    def advance(self, state: _Said, tokens: Tensor) -> _Said:
        gap = torch.isin(tokens, self.sentinels)
        return _Said(state.begun + gap, torch.where(gap, 0, state.pieces + 1))

    def select(self, state: _Said, sentences: Tensor, parents: Tensor) -> _Said:
        begun, pieces = (part[sentences[:, None], parents] for part in state)
        return _Said(begun, pieces)


class GapFiller:
    """Fills gaps with what the decoder writes: argmax over spans of log p(sentinel 0, span, sentinel 1, span, ... | line).

    The probability of a guess is the share, among the hypotheses that the beam search found, of those that write it.
    """

    def __init__(self, network: Transformer, vocabulary: Vocabulary, longest: int) -> None:
        self.network, self.vocabulary, self.longest = network, vocabulary, longest
        self.sentinels = sentinel_ids(vocabulary)

    def fill(self, line: str, *, top: int = 5, order: str = "together") -> Filled:
        """See `MaskedLanguageModel.fill`; the decoder writes from left to right, whatever `order` says."""
        parts = asked_parts(line, top, order, len(self.sentinels))
        count = len(parts) - 1
        whole = self.vocabulary.encode([line], mask_token=TOKEN)[0]
        ids, first = self._window(whole, repr(line[:80]))
        cut = len(whole) - len(ids)
        source, found = self._written(ids, top)
        spans, weight = [self._spans(one, count) for one in found], _shares(found)
        attended = self._attended(whole, first, source, found[0], count)
        masks = [FilledMask(i + 1, _best([span[i] for span in spans], weight, top), attended[i]) for i in range(count)]
        text = "".join(a + b for a, b in zip(parts, [*spans[0], ""], strict=True))
        return Filled(line, text, masks, cut, tuple(self._notes(parts, cut)))

    def guesses(self, ids: np.ndarray, number: int, top: int) -> list[Guess]:
        """The `top` best spans for gap `number`, from 1, of a line that is ids already."""
        count = int((ids == MASK).sum())
        if count > len(self.sentinels):
            raise too_many_masks(count, len(self.sentinels), "In a line of pieces.")
        ids, _ = self._window(ids, "In a line of pieces.")
        _, found = self._written(ids, top)
        return _best([self._spans(one, count)[number - 1] for one in found], _shares(found), top)

    def _written(self, ids: np.ndarray, top: int) -> tuple[np.ndarray, list[Hypothesis]]:
        """The line with a sentinel for each gap, and what is written for them, best first."""
        source, count = ids.copy(), int((ids == MASK).sum())
        source[ids == MASK] = self.sentinels[:count]
        return source, self._search(source, count, max(_LEAST_BEAM, min(top, 100)))

    def _window(self, ids: np.ndarray, where_it_is: str) -> tuple[np.ndarray, int]:
        """The part of the line that the model reads, all masks and as much around them as fits, and the place of its first."""
        most, where = self.longest - 2, np.flatnonzero(ids == MASK)
        wide = int(where[-1] - where[0]) + 1
        if wide > most:
            raise DataError(
                f"The masks of the line are {wide} pieces apart; allowed: {most}, which the model reads at once.",
                where_it_is,
                "Ask for them in two lines.",
            )
        middle = int(where[0] + where[-1]) // 2
        first = max(0, min(middle - most // 2, int(where[0]), len(ids) - most))
        first = max(first, int(where[-1]) + 1 - most)
        return ids[first : first + most].astype(np.int64), first

    def _search(self, source: np.ndarray, count: int, beam: int) -> list[Hypothesis]:
        settings = SearchSettings(
            beam=beam,
            nbest=beam,
            length_penalty="none",
            max_factor=0.0,
            max_constant=count * (_MOST_PIECES + 1) + 1,
        )
        read = torch.from_numpy(np.append(source, EOS))[None]
        with torch.no_grad():
            state = self.network.start(self.network.encode(read))
        gaps = GapsInOrder(self.sentinels, count, self.vocabulary)
        return search(self.network, state, settings, source_lengths=[read.shape[1]], allow=gaps)[0]

    def _spans(self, found: Hypothesis, count: int) -> list[str]:
        """The text of each gap."""
        gap = np.cumsum(np.isin(found.ids, self.sentinels)) - 1
        ids = np.array(found.ids)
        return [self.vocabulary.decode(ids[(gap == i)]).strip() for i in range(count)]

    def _attended(
        self, ids: np.ndarray, first: int, source: np.ndarray, found: Hypothesis, count: int
    ) -> list[list[Attended]]:
        """The words that the pieces of each gap read of ids, read from place `first` on; mean over pieces, heads and layers."""
        read = torch.from_numpy(np.append(source, EOS))[None]
        said = torch.tensor([[BOS, *found.ids]])
        layers = [A for name, A in self.network.attention(read, said).items() if name.startswith("cross")]
        A = torch.stack([A[0].mean(0) for A in layers]).mean(0).double().numpy()
        gap = np.cumsum(np.isin(found.ids, self.sentinels)) - 1
        pieces = ~np.isin(found.ids, self.sentinels)
        hidden = np.flatnonzero(ids == MASK)
        answers = []
        for i in range(count):
            rows = np.flatnonzero((gap == i) & pieces)  # row t says what follows the t-th of what was said before
            weights = np.zeros(len(ids))
            if len(rows):
                weights[first : first + len(source)] = A[rows].mean(0)[:-1]
            answers.append(attended_words(self.vocabulary, ids, weights, hidden.tolist()) if len(rows) else [])
        return answers

    def _notes(self, parts: list[str], cut: int) -> list[str]:
        notes = nothing_to_read(parts)
        if cut:
            notes.append(
                f"{cut:,} pieces far from the masks were not read: the model reads {self.longest - 2} pieces at once"
            )
        return notes


def _shares(found: list[Hypothesis]) -> np.ndarray:
    return np.asarray(np.exp([one.log_probability - found[0].log_probability for one in found]))


def _best(texts: list[str], weight: np.ndarray, top: int) -> list[Guess]:
    total: dict[str, float] = {}
    for text, share in zip(texts, weight / weight.sum(), strict=True):
        total[text] = total.get(text, 0.0) + float(share)
    return [Guess(text, share) for text, share in sorted(total.items(), key=lambda item: -item[1])[:top]]
