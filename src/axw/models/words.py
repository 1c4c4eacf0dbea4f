"""`MaskedLanguageModel`: guesses the words that are hidden in a line, from the rest of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import nn

from axw.data.line_file import LineFile
from axw.data.sentences import Sentences
from axw.data.vocabulary import BOS, EOS, Vocabulary
from axw.errors import DataError
from axw.learning import TrainSettings, fingerprint_of_bytes, to_dict
from axw.models.filling import Filled, WordList, fill_line, word_list
from axw.models.text_card import text_card
from axw.models.text_model import Lesson, Place, TextModel
from axw.models.words_lesson import AROUND, guesses, held_out, windows, words_lesson
from axw.models.words_settings import WordsSettings
from axw.networks.masked_words import MaskedWords

Lines = Sequence[str] | LineFile
_HELD_OUT = 20  # where no validation lines are given, every 20th line is one
_MOST_HELD_OUT = 2000


class WordsData(NamedTuple):
    """The lines that are learned from, and those that the training is watched on."""

    train: list[str]
    valid: list[str]


class MaskedLanguageModel(TextModel[WordsSettings, WordsData]):
    """softmax(E h_i + c): what stood at a hidden place i, h the rows of a Transformer encoder (Devlin et al. 2019).

    >>> model = MaskedLanguageModel().fit(lines)                                # doctest: +SKIP
    >>> model.fill("I like to [MASK] in the winter.", top=5)                    # doctest: +SKIP
    """

    kind = "words"
    settings_class = WordsSettings

    def fit(self, lines: Lines, valid: Lines | None = None, place: Place | None = None) -> MaskedLanguageModel:
        """Learn from `lines`; `valid` decides which weights are kept. Without it, every 20th line is held out for that.

        Raises `DataError` where there is too little text, what `Trainer.fit` and `Run.start` raise.
        """
        self._fit(_data(lines, valid), place or Place())
        return self

    def fill(self, line: str, *, top: int = 5, order: str = "together") -> Filled:
        """The likeliest words for each [MASK] of the line, with their probabilities and what each guess attended to.

        order   together: each [MASK] on its own, the others hidden; left-to-right: the best word is put in, then the next
        Raises `DataError` where there is no [MASK], or the line is longer than the model reads at once around it.
        """
        words = WordList.from_facts(self.facts)
        return fill_line(
            cast(MaskedWords, self.network),
            self.vocabulary,
            words,
            line,
            top=top,
            order=order,
            longest=self.settings.longest,
        )

    def evaluate(self, lines: Lines) -> dict[str, float]:
        """How well 15 % of the words of each line are guessed, the same words for every model: see `Guesses.measures`."""
        batches = held_out(self.vocabulary, self._windows(list(lines)))
        return guesses(cast(MaskedWords, self.network), batches).measures()

    def score(self, lines: Lines) -> np.ndarray:
        """(n,) the pseudo-log-likelihood of each line: sum over its pieces of log p(piece | the others), each hidden in turn
        (Salazar et al. 2020, eq. 1). 0 for an empty line."""
        found = np.zeros(len(lines))
        for number, line in enumerate(lines):
            for window in self._windows([line]):
                found[number] += self._score(np.concatenate([[BOS], window, [EOS]]))
        return found

    def _score(self, ids: np.ndarray) -> float:
        places = np.arange(1, len(ids) - 1)
        hidden = np.repeat(ids[None].astype(np.int64), len(places), 0)
        hidden[np.arange(len(places)), places] = 4
        network, total = cast(MaskedWords, self.network), 0.0
        flat = torch.from_numpy(np.arange(len(places)) * len(ids) + places)
        with torch.no_grad():
            for start in range(0, len(places), 64):
                part = slice(start, start + 64)
                logits = network.logits(network(torch.from_numpy(hidden[part]), flat[part] - start * len(ids)))
                aims = torch.from_numpy(ids[places[part]].astype(np.int64))
                total -= float(nn.functional.cross_entropy(logits.float(), aims, reduction="sum"))
        return total

    def vectors(self, lines: Lines) -> np.ndarray:
        """(n d) the mean of each line's rows, over its words: for a classifier, a search, a picture. 0 for an empty line."""
        network = cast(MaskedWords, self.network)
        found = np.zeros((len(lines), network.settings.d_model), np.float32)
        with torch.no_grad():
            for number, line in enumerate(lines):
                parts = [
                    torch.from_numpy(np.concatenate([[BOS], ids, [EOS]]).astype(np.int64))
                    for ids in self._windows([line])
                ]
                rows = [network.rows(ids[None])[0, 1:-1].float() for ids in parts]
                if rows:
                    found[number] = torch.cat(rows).mean(0).numpy()
        return found

    @property
    def vocabulary(self) -> Vocabulary:
        """The pieces that the model knows. `UsageError` before `fit`."""
        _ = self.network
        return self._vocabularies["vocabulary"]

    def _windows(self, lines: Sequence[str]) -> Sentences:
        return windows(self.vocabulary.encode(lines), self.settings.longest - AROUND)

    # ------------------------------------------------------------------------------------------- what the base asks for

    def _learn_vocabularies(self, data: WordsData) -> dict[str, Vocabulary]:
        return {"vocabulary": Vocabulary.learn(data.train, self.settings.vocabulary, kind=self.settings.pieces)}

    def _make_network(self, vocabularies: Mapping[str, Vocabulary]) -> nn.Module:
        return MaskedWords(self.settings.network, vocabularies["vocabulary"].size, seed=self.settings.train.seed)

    def _lesson(self, data: WordsData, network: nn.Module) -> Lesson:
        vocabulary, most = self._vocabularies["vocabulary"], self.settings.longest - AROUND
        train, valid = (windows(vocabulary.encode(lines), most) for lines in data)
        return words_lesson(self.settings, vocabulary, train, valid, cast(MaskedWords, network))

    def _train_settings(self) -> TrainSettings:
        return self.settings.train

    def _fingerprint(self, data: WordsData) -> str:
        return fingerprint_of_bytes(line.encode() for lines in data for line in (*lines, ""))

    def _facts(self, data: WordsData) -> dict[str, Any]:
        vocabulary = self._vocabularies["vocabulary"]
        sizes = {"training lines": len(data.train), "validation lines": len(data.valid), "pieces": vocabulary.size}
        return {"data": sizes, "words": word_list(data.train, vocabulary)}

    def _card(self) -> str:
        return text_card(
            "A masked-word model",
            "It guesses the words that are hidden in a line, from the words around them.",
            ['axw fill THIS_FOLDER "I like to [MASK] in the winter."'],
            self.network,
            to_dict(self.settings),
            self.facts,
        )


def _data(lines: Lines, valid: Lines | None) -> WordsData:
    train = [line for line in lines if line.strip()]
    if valid is not None:
        held = [line for line in valid if line.strip()]
    else:
        step = max(_HELD_OUT, len(train) // _MOST_HELD_OUT)
        held, train = train[step - 1 :: step], [line for i, line in enumerate(train) if (i + 1) % step]
    if len(train) < 2 or not any(len(line.split()) > 1 for line in train):
        raise DataError(
            f"There are {len(train)} lines with words to learn from; allowed: 2 or more, one of them with two words.",
            "In the training text.",
            "Give more text, one sentence a line.",
        )
    return WordsData(train, held)
