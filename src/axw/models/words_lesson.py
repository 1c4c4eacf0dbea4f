"""What a masked-word model learns from: lines with some of their words hidden, anew in every epoch; and how well it guesses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from axw.data.batches import batches_by_length, pad
from axw.data.masking import Masked, mask_spans, mask_words
from axw.data.randomness import generator
from axw.data.sentences import Sentences
from axw.data.vocabulary import BOS, EOS, MASK, Vocabulary
from axw.learning import Measured
from axw.learning.projected import projected_cross_entropy
from axw.models.lazy import Lazy
from axw.models.text_model import Lesson
from axw.models.words_settings import WordsSettings
from axw.networks.masked_words import MaskedWords

AROUND = 2  # BOS and EOS
_HELD_OUT_RATIO = 0.15


class MaskedBatch(NamedTuple):
    """ids (b n), some of them hidden; places (t,) in the flattened ids; targets (t,): what stood there."""

    ids: Tensor
    places: Tensor
    targets: Tensor


class Guesses(NamedTuple):
    """How well hidden words of each line were guessed, all arrays (lines,): sums, so that lines can be drawn anew.

    nats         -log of the probability of what stood there, all pieces of a word counted
    words, pieces, length   how many words and pieces were hidden, and how many bytes the words have
    right_pieces, right_words   how many were the first guess (a word: all of its pieces)
    """

    nats: np.ndarray
    words: np.ndarray
    pieces: np.ndarray
    length: np.ndarray
    right_pieces: np.ndarray
    right_words: np.ndarray

    def measures(self) -> dict[str, float]:
        """loss (nats per piece), nats_per_word, bits_per_byte, accuracy (of pieces), word_accuracy."""
        nats, words, pieces = (float(a.sum()) for a in (self.nats, self.words, self.pieces))
        return {
            "loss": nats / max(pieces, 1.0),
            "nats_per_word": nats / max(words, 1.0),
            "bits_per_byte": nats / np.log(2.0) / max(float(self.length.sum()), 1.0),
            "accuracy": float(self.right_pieces.sum()) / max(pieces, 1.0),
            "word_accuracy": float(self.right_words.sum()) / max(words, 1.0),
        }


def windows(sentences: Sentences, most: int) -> Sentences:
    """Every sentence in parts of at most `most` ids, in order. Empty sentences are left out."""
    parts = -(-sentences.lengths // most)
    sentence = np.repeat(np.arange(len(sentences)), parts)
    number = np.arange(len(sentence)) - np.repeat(np.cumsum(parts) - parts, parts)
    first = sentences.starts[sentence] + number * most
    starts = np.append(first, sentences.starts[-1])
    return Sentences(sentences.ids, starts.astype(np.int64))


def hide(ids: np.ndarray, vocabulary: Vocabulary, settings: WordsSettings, seed: Sequence[int]) -> Masked:
    """`settings.ratio` of the pieces hidden as `settings.masks` says, 80 / 10 / 10."""
    pieces = vocabulary.piece_ids
    if settings.masks == "spans":
        return mask_spans(ids, pieces, seed=seed, ratio=settings.ratio)
    words = vocabulary.word_numbers(ids) if settings.masks == "words" else None
    return mask_words(ids, pieces, seed=seed, ratio=settings.ratio, words=words)


def words_lesson(
    settings: WordsSettings, vocabulary: Vocabulary, train: Sentences, valid: Sentences, network: MaskedWords
) -> Lesson:
    """`train` and `valid` are windows of at most `settings.longest` - 2 ids, without BOS and EOS."""
    seed = settings.train.seed

    def batches(epoch: int) -> Sequence[MaskedBatch]:
        index = batches_by_length(train.lengths + AROUND, settings.batch_tokens, seed=seed, epoch=epoch)

        def make(i: int) -> MaskedBatch:
            ids = pad(train, index[i], before=(BOS,), after=(EOS,))
            return MaskedBatch(*map(torch.from_numpy, hide(ids, vocabulary, settings, (seed, epoch, i))))

        return Lazy(len(index), make)

    def loss(model: nn.Module, batch: MaskedBatch) -> Measured:
        words = cast(MaskedWords, model)
        hidden = model(batch.ids, batch.places)
        return projected_cross_entropy(hidden, words.projection, batch.targets, bias=words.frequency)

    asked = held_out(vocabulary, valid)

    def evaluate(model: nn.Module) -> dict[str, float]:
        return guesses(cast(MaskedWords, model), asked).measures()

    return Lesson(network, loss, batches, evaluate if len(valid) else None)


class HeldOut(NamedTuple):
    """A batch of lines with the words hidden that every model is asked for.

    lines    (b,) which lines;  masked: their ids with those words hidden
    word     (t,) the hidden word of each hidden piece, numbered from 0;  word_line, word_bytes (w,): its line, its length
    """

    lines: np.ndarray
    masked: Masked
    word: np.ndarray
    word_line: np.ndarray
    word_bytes: np.ndarray


def held_out(vocabulary: Vocabulary, windows: Sentences, tokens: int = 8192) -> list[HeldOut]:
    """The lines with 15 % of their words hidden, one at least. Which ones depends on the number of the line and of its words,
    and on nothing else, so that models with other vocabularies are asked for the same words."""
    found = []
    for index in batches_by_length(windows.lengths + AROUND, tokens, seed=0, epoch=0, noise=0.0):
        ids = pad(windows, index, before=(BOS,), after=(EOS,))
        numbers = vocabulary.word_numbers(ids)
        hidden, lines, length = np.zeros(ids.shape, bool), [], []
        for row, line in enumerate(index):
            words, _ = vocabulary.words_of(windows[line])
            for word in _asked(len(words), int(line)):
                hidden[row] |= numbers[row] == word + 1  # BOS is word 0
                lines.append(int(line))
                length.append(len(words[word].encode()))
        positions = np.flatnonzero(hidden & (ids >= vocabulary.first))
        key = positions // ids.shape[1] * ids.shape[1] + numbers.reshape(-1)[positions]
        targets = ids.reshape(-1)[positions]
        masked = Masked(np.where(hidden, MASK, ids), positions, targets)
        word = np.unique(key, return_inverse=True)[1]
        found.append(HeldOut(index, masked, word, np.array(lines), np.array(length, float)))
    return found


def _asked(words: int, line: int) -> np.ndarray:
    """The words of a line that are hidden in a comparison, rising."""
    random = generator("held-out words", line)
    return (
        np.sort(random.permutation(words)[: max(1, round(_HELD_OUT_RATIO * words))]) if words else np.zeros(0, np.int64)
    )


def guesses(network: MaskedWords, batches: Sequence[HeldOut]) -> Guesses:
    """How well the hidden words of `held_out` are guessed."""
    count = sum(len(batch.lines) for batch in batches)
    found = Guesses(*(np.zeros(count) for _ in Guesses._fields))
    for batch in batches:
        nats, right = _scores(network, batch.masked)
        line = batch.word_line[batch.word]
        all_right = np.ones(len(batch.word_line), bool)
        np.logical_and.at(all_right, batch.word, right)
        for total, where, values in (
            (found.nats, line, nats),
            (found.pieces, line, 1.0),
            (found.right_pieces, line, right),
            (found.words, batch.word_line, 1.0),
            (found.right_words, batch.word_line, all_right),
            (found.length, batch.word_line, batch.word_bytes),
        ):
            np.add.at(total, where, values)
    return found


def _scores(network: MaskedWords, masked: Masked) -> tuple[np.ndarray, np.ndarray]:
    """-log p of each hidden piece (t,), and whether it was the first guess."""
    targets = torch.from_numpy(masked.targets)
    with torch.no_grad():
        hidden = network(torch.from_numpy(masked.ids), torch.from_numpy(masked.positions))
        nats, right = [], []
        for rows, aim in zip(hidden.split(512), targets.split(512), strict=True):
            logits = network.logits(rows).float()
            nats.append(torch.nn.functional.cross_entropy(logits, aim, reduction="none"))
            right.append(logits.max(-1).indices == aim)
    return torch.cat(nats).double().numpy(), torch.cat(right).numpy()
