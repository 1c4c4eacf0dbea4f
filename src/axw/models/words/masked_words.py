"""`MaskedLanguageModel`: guesses the words that are hidden in a line, from the rest of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, compress
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import nn

from axw.data.line_file import LineFile
from axw.data.sentences import Sentences
from axw.data.some_lines import Lines, SomeLines, with_text
from axw.data.some_lines import held_out as parted
from axw.data.vocabulary import BOS, EOS, Vocabulary
from axw.data.words import several
from axw.errors import DataError, UsageError
from axw.learning import TrainSettings, fingerprint_of_bytes, to_dict
from axw.models.run_vocabularies import vocabulary_lines
from axw.models.shelf import Shelf
from axw.models.text_card import text_card
from axw.models.text_model import Lesson, Place, TextModel
from axw.models.words.filled import Filled, Filler
from axw.models.words.filling import WordFiller, WordList, word_list
from axw.models.words.gap_filling import GapFiller
from axw.models.words.gap_lesson import held_out_spans, sentinel_names, span_measures, spans_lesson
from axw.models.words.lesson import words_lesson
from axw.models.words.measures import AROUND, guesses, held_out, windows
from axw.models.words.reading import mean_rows, pseudo_log_likelihood
from axw.models.words.settings import WordsSettings
from axw.networks.masked_words import MaskedWords
from axw.networks.transformer import Transformer

_HELD_OUT = 20  # where no validation lines are given, every 20th line is one
_MOST_HELD_OUT = 2000


class WordsData(NamedTuple):
    """The lines that are learned from, and those that the training is watched on."""

    train: Lines
    valid: list[str]


class MaskedLanguageModel(TextModel[WordsSettings, WordsData]):
    """softmax(E h_i + c): what stood at a hidden place i, h the rows of a Transformer encoder (Devlin et al. 2019).

    With `task="fill-spans"` an encoder-decoder writes what stood in the gaps, any number of words each (Raffel et al. 2020).

    >>> model = MaskedLanguageModel().fit(lines)                                # doctest: +SKIP
    >>> model.fill("I like to [MASK] in the winter.", top=5)                    # doctest: +SKIP
    """

    kind = "words"
    settings_class = WordsSettings

    def fit(self, lines: Lines, valid: Lines | None = None, place: Place | None = None) -> MaskedLanguageModel:
        """Learn from `lines`; `valid` decides which weights are kept. Without it, every 20th line is held out for that.

        A `LineFile` may be larger than memory: it is read line by line, and its ids lie on the disk.
        Raises `DataError` where there is too little text, what `Trainer.fit` and `Run.start` raise.
        """
        self._fit(words_data(lines, valid), place or Place())
        return self

    # ---------------------------------------------------------------------------------------------------------- filling

    def fill(self, line: str, *, top: int = 5, order: str = "together") -> Filled:
        """The likeliest words for each [MASK] of the line, with their probabilities and what each guess attended to.

        order   together: each [MASK] on its own, the others hidden; left-to-right: the best word is put in, then the next
        Raises `DataError` where there is no [MASK], or more than can be asked for. A line that is longer than the model reads at
        once is read around the mask, and `notes` says so.
        """
        return self.filler().fill(line, top=top, order=order)

    def filler(self) -> Filler:
        """What `fill` uses, for many lines: the words that can be an answer are spelled once."""
        network, longest = self.network, self.settings.longest
        if isinstance(network, Transformer):
            return GapFiller(network, self.vocabulary, longest)
        return WordFiller(cast(MaskedWords, network), self.vocabulary, WordList.from_facts(self.facts), longest)

    def attention(self, line: str) -> tuple[list[str], dict[str, np.ndarray]]:
        """The pieces of the line, and each layer's A: "encoder 1" (h n n), and so on. [MASK] is a mask.

        Raises `DataError` for a line that is longer than the model reads at once.
        """
        ids = self.vocabulary.encode([line], mask_token="[MASK]")[0]
        if len(ids) > self.settings.longest - AROUND:
            raise DataError(
                f"The line has {len(ids)} pieces; allowed: {self.settings.longest - AROUND}, which the model reads at once.",
                repr(line[:80]),
                "Cut the line.",
            )
        framed = np.concatenate([[BOS], ids, [EOS]]).astype(np.int64)
        found = self._words_network("attention").attention(torch.from_numpy(framed)[None])
        return self.vocabulary.pieces(framed), {name: A[0].float().numpy() for name, A in found.items()}

    # -------------------------------------------------------------------------------------------------------- measuring

    def evaluate(self, lines: Lines) -> dict[str, float]:
        """How well hidden words are guessed, the same ones for every model.

        words        15 % of the words of each line: see `Guesses.measures`
        fill-spans   15 % of the pieces in spans of three: see `span_measures`
        """
        lines = list(lines)
        if isinstance(self.network, Transformer):
            return span_measures(self.network, held_out_spans(self.vocabulary, self._windows(lines), self.settings))
        return guesses(self._words_network("evaluate"), held_out(self.vocabulary, lines, self._most)).measures()

    def score(self, lines: Lines) -> np.ndarray:
        """(n,) the pseudo-log-likelihood of each line: sum over its pieces of log p(piece | the others), each hidden in turn
        (Salazar et al. 2020, eq. 1). 0 for an empty line. `UsageError` for a model that fills spans."""
        return pseudo_log_likelihood(self._words_network("score"), self.vocabulary.encode(lines), self._most)

    def vectors(self, lines: Lines) -> np.ndarray:
        """(n d) the mean of each line's rows, over its pieces: for a classifier, a search, a picture. 0 for an empty line."""
        network = cast("MaskedWords | Transformer", self.network)
        return mean_rows(network, self.vocabulary.encode(lines), self._most)

    @property
    def vocabulary(self) -> Vocabulary:
        """The pieces that the model knows. `UsageError` before `fit`."""
        _ = self.network
        return self._vocabularies["vocabulary"]

    @property
    def _most(self) -> int:
        """Pieces of a line that are read at once."""
        return self.settings.longest - AROUND

    def _windows(self, lines: Sequence[str]) -> Sentences:
        return windows(self.vocabulary.encode(lines), self._most)

    def _words_network(self, verb: str) -> MaskedWords:
        network = self.network
        if not isinstance(network, MaskedWords):
            raise UsageError(
                f"{verb} is for a model of task 'words', and this one fills spans.",
                f"In {verb}.",
                "Train one with task=words.",
            )
        return network

    # ------------------------------------------------------------------------------------------- what the base asks for

    def _learn_vocabularies(self, data: WordsData) -> dict[str, Vocabulary]:
        s = self.settings
        extra = sentinel_names(s) if s.task == "fill-spans" else ()
        return {"vocabulary": Vocabulary.learn(vocabulary_lines(data.train), s.vocabulary, kind=s.pieces, extra=extra)}

    def _make_network(self, vocabularies: Mapping[str, Vocabulary]) -> nn.Module:
        s, size = self.settings, vocabularies["vocabulary"].size
        if s.task == "fill-spans":
            return Transformer(s.network, size, size, seed=s.train.seed)
        return MaskedWords(s.network, size, seed=s.train.seed)

    def _lesson(self, data: WordsData, network: nn.Module, shelf: Shelf) -> Lesson:
        s, vocabulary = self.settings, self._vocabularies["vocabulary"]
        train = windows(shelf.keep("text", lambda: vocabulary.encode_stream(data.train)), self._most)
        if isinstance(network, Transformer):
            return spans_lesson(s, vocabulary, train, windows(vocabulary.encode(data.valid), self._most), network)
        return words_lesson(
            s, vocabulary, train, held_out(vocabulary, data.valid, self._most), cast(MaskedWords, network)
        )

    def _train_settings(self) -> TrainSettings:
        return self.settings.train

    def _fingerprint(self, data: WordsData) -> str:
        counted = (chain([f"{len(lines)} lines"], lines) for lines in data)
        return fingerprint_of_bytes(line.encode() for line in chain.from_iterable(counted))

    def _facts(self, data: WordsData) -> dict[str, Any]:
        vocabulary = self._vocabularies["vocabulary"]
        sizes = {"training lines": len(data.train), "validation lines": len(data.valid), "pieces": vocabulary.size}
        return {"data": sizes, "words": word_list(data.train)}

    def _card(self) -> str:
        return text_card(
            "A masked-word model",
            "It guesses the words that are hidden in a line, from the words around them.",
            ['axw fill THIS_FOLDER "I like to [MASK] in the winter."'],
            self.network,
            to_dict(self.settings),
            self.facts,
        )


def words_data(lines: Lines, valid: Lines | None) -> WordsData:
    """The lines with words. Without `valid`, every 20th is held out for it, of long texts about 2000. `DataError`."""
    if isinstance(lines, LineFile):
        marked = with_text(lines)
    else:
        marked = np.array([bool(line.strip()) for line in several(lines)], bool)
    held = [line for line in several(valid or ()) if line.strip()]
    if valid is not None and not held:
        raise DataError("The validation text has no line with words.", "In the validation text.", "Give some.")
    if valid is None:
        marked, out = parted(marked, _HELD_OUT, _MOST_HELD_OUT)
        held = SomeLines(lines, out).held() if isinstance(lines, LineFile) else list(compress(lines, out))
    train: Lines = SomeLines(lines, marked) if isinstance(lines, LineFile) else list(compress(lines, marked))
    if len(train) < 2 or not any(len(line.split()) > 1 for line in train):
        raise DataError(
            f"There are {len(train)} lines with words to learn from; allowed: 2 or more, one of them with two words.",
            "In the training text.",
            "Give more text, one sentence a line.",
        )
    return WordsData(train, held)
