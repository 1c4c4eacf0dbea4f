"""How well hidden words are guessed: the same words for every model, whatever pieces it spells them with."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from axw.data.batches import batches_by_length, pad
from axw.data.masking import Masked
from axw.data.randomness import generator
from axw.data.sentences import Sentences
from axw.data.vocabulary import BOS, EOS, MASK, UNK, Vocabulary
from axw.data.words import BLANKS
from axw.networks.masked_words import MaskedWords

AROUND = 2  # BOS and EOS
_RATIO = 0.15
_WORD = re.compile(f"[^{BLANKS}]+")


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
            "bits_per_byte": nats / float(np.log(2.0)) / max(float(self.length.sum()), 1.0),
            "accuracy": float(self.right_pieces.sum()) / max(pieces, 1.0),
            "word_accuracy": float(self.right_words.sum()) / max(words, 1.0),
        }


class HiddenWords(NamedTuple):
    """What was guessed for each hidden word.

    nats, right, confidence (w,)   -log of the probability of what stood there; whether the first guess was that; how likely
                                   the first guess was said to be (pieces of one word multiplied)
    word, first (t,)               of each hidden piece: its word, and the piece that was the first guess
    """

    nats: np.ndarray
    right: np.ndarray
    confidence: np.ndarray
    word: np.ndarray
    first: np.ndarray


class PieceScores(NamedTuple):
    """Of each hidden piece (t,): -log p of it, whether it was the first guess, which piece was, and log p of that one."""

    nats: np.ndarray
    right: np.ndarray
    first: np.ndarray
    log_p_first: np.ndarray


def windows(sentences: Sentences, most: int) -> Sentences:
    """Every sentence in parts of at most `most` ids, in order. Empty sentences are left out."""
    sentence = line_of_window(sentences, most)
    parts = -(-sentences.lengths // most)
    number = np.arange(len(sentence)) - np.repeat(np.cumsum(parts) - parts, parts)
    first = sentences.starts[sentence] + number * most
    starts = np.append(first, sentences.starts[-1])
    return Sentences(sentences.ids, starts.astype(np.int64))


def line_of_window(sentences: Sentences, most: int) -> np.ndarray:
    """The number of the sentence that each part of `windows` is from."""
    return np.repeat(np.arange(len(sentences)), -(-sentences.lengths // most))


class HeldOutBatch(NamedTuple):
    """masked: ids with the asked words hidden; word (t,): the asked word that each hidden piece belongs to."""

    masked: Masked
    word: np.ndarray


class HeldOut(NamedTuple):
    """The words that every model is asked for.

    batches   the lines, in windows that the model can read
    line, length (w,)   the line of each asked word, and its bytes;  lines: how many lines there are
    """

    batches: list[HeldOutBatch]
    line: np.ndarray
    length: np.ndarray
    lines: int


def held_out(vocabulary: Vocabulary, lines: Sequence[str], most: int, tokens: int = 8192) -> HeldOut:
    """The lines with 15 % of their words hidden, one at least; read in windows of at most `most` pieces.

    Which words depends on the number of the line and of its words, and on nothing else, so that models with other pieces are
    asked for the same words. A word that the vocabulary does not have is asked for as <unk>, and is never right.
    """
    encoded = vocabulary.encode(lines)
    asked = np.zeros(len(encoded.ids), np.int32)  # 0, or 1 + the number of the asked word
    line_of: list[int] = []
    length: list[int] = []
    for number, line in enumerate(lines):
        place = vocabulary.word_numbers(encoded[number])
        begin = encoded.starts[number]
        for word, found in hidden_in(line, number):
            asked[begin + np.flatnonzero(place == word)] = len(line_of) + 1
            line_of.append(number)
            length.append(len(found.group().encode()))
    read, marks = (windows(Sentences(ids, encoded.starts), most) for ids in (encoded.ids, asked))
    batches = []
    for index in batches_by_length(read.lengths + AROUND, tokens, seed=0, epoch=0, noise=0.0):
        ids, mark = pad(read, index, before=(BOS,), after=(EOS,)), pad(marks, index, before=(0,), after=(0,))
        places = np.flatnonzero(mark)
        masked = Masked(np.where(mark > 0, MASK, ids), places, ids.reshape(-1)[places])
        batches.append(HeldOutBatch(masked, mark.reshape(-1)[places] - 1))
    return HeldOut(batches, np.array(line_of, np.int64), np.array(length, np.float64), len(lines))


def hidden_in(line: str, number: int) -> list[tuple[int, re.Match[str]]]:
    """The words of line `number` that are hidden, in their order: the number of each in the line, and where it stands."""
    words = list(_WORD.finditer(line))
    return [(word, words[word]) for word in _chosen(len(words), number).tolist()]


def _chosen(words: int, line: int) -> np.ndarray:
    """The words of a line that are hidden in a comparison, rising."""
    if not words:
        return np.zeros(0, np.int64)
    return np.sort(generator("held-out words", line).permutation(words)[: max(1, round(_RATIO * words))])


Scores = Callable[[Masked], PieceScores]


def guesses(network: MaskedWords, asked: HeldOut) -> Guesses:
    """How well a network guesses the hidden words of `held_out`."""
    return word_guesses(network, asked)[0]


def word_guesses(network: MaskedWords, asked: HeldOut) -> tuple[Guesses, HiddenWords]:
    """The same by line, and by hidden word."""
    return collected(asked, lambda masked: _scores(network, masked))


def unigram_guesses(pieces: np.ndarray, vocabulary: Vocabulary, asked: HeldOut) -> tuple[Guesses, HiddenWords]:
    """How well they are guessed by what is frequent alone: p(piece) = (count + 1) / (all + V), counted in `pieces` (n,).

    Places that are <unk> are not counted, just as networks are not asked for them in training.
    """
    counts = np.bincount(pieces[pieces >= vocabulary.first], minlength=vocabulary.size) + 1.0
    nats, first = -np.log(counts / counts.sum()), int(counts[vocabulary.first :].argmax()) + vocabulary.first

    def scores(masked: Masked) -> PieceScores:
        same = np.full(len(masked.targets), first)
        return PieceScores(nats[masked.targets], masked.targets == first, same, -nats[same])

    return collected(asked, scores)


def collected(asked: HeldOut, scores: Scores) -> tuple[Guesses, HiddenWords]:
    """The scores of pieces, added up by line and by word."""
    found = Guesses(*(np.zeros(asked.lines) for _ in Guesses._fields))
    w = len(asked.line)
    nats, right, log_p = np.zeros(w), np.ones(w, bool), np.zeros(w)
    words, firsts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for masked, word in asked.batches:
        of = scores(masked)
        line = asked.line[word]
        np.logical_and.at(right, word, of.right)
        np.add.at(nats, word, of.nats)
        np.add.at(log_p, word, of.log_p_first)
        np.add.at(found.nats, line, of.nats)
        np.add.at(found.pieces, line, 1.0)
        np.add.at(found.right_pieces, line, of.right)
        words.append(word)
        firsts.append(of.first)
    np.add.at(found.words, asked.line, 1.0)
    np.add.at(found.right_words, asked.line, right)
    np.add.at(found.length, asked.line, asked.length)
    return found, HiddenWords(nats, right, np.exp(log_p), np.concatenate(words), np.concatenate(firsts))


@torch.no_grad()
def _scores(network: MaskedWords, masked: Masked) -> PieceScores:
    device = network.projection.device
    ids, places, targets = (torch.from_numpy(part).to(device) for part in masked)
    if not len(targets):
        return PieceScores(np.zeros(0), np.zeros(0, bool), np.zeros(0, np.int64), np.zeros(0))
    hidden = network(ids, places)
    parts = []
    for rows, aim in zip(hidden.split(512), targets.split(512), strict=True):
        logits = network.logits(rows).float()
        nats = torch.nn.functional.cross_entropy(logits, aim, reduction="none")
        top, first = logits.max(-1)
        log_sum = nats + logits.gather(1, aim[:, None])[:, 0]
        parts.append((nats.double(), (first == aim) & (aim != UNK), first, (top - log_sum).double().clamp(max=0.0)))
    return PieceScores(*(torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True)))
