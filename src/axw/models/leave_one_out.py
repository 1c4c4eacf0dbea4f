"""Leave one out: what the answer would have been without a row or a word. The measure to hold beside attention, which says where
a model looked and not what that changed (Jain and Wallace 2019, arXiv 1902.10186; Li, Monroe and Jurafsky 2016, 1612.08220).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from axw.data.batches import pad
from axw.data.trees import Tree
from axw.data.vocabulary import EOS, UNK
from axw.decoding import score
from axw.errors import UsageError
from axw.models.tables.estimators import AttentionClassifier, AttentionRegressor
from axw.models.translation.translator import Translator
from axw.models.trees.ids import encode_trees
from axw.models.trees.parser import ConstituencyParser
from axw.models.words.classifier import FineTunedClassifier
from axw.models.words.masked_words import MaskedLanguageModel

TOKEN = "[MASK]"
_TOP = 1000


class WordsLeftOut(NamedTuple):
    """words (n), and for each how much less likely the guess is without it, in nats; NaN for the mask itself."""

    words: list[str]
    drop: np.ndarray


def source_words_left_out(translator: Translator, source: str, target: str) -> np.ndarray:
    """(target words, source words): log p(word | what was said, source) less the same where one source word is left out.

    Above 0: the word leaned on that source word. Forced decoding of the target, once for each word of the source.
    `UsageError` for an empty side.
    """
    words = source.split()
    if not words or not target.split():
        raise UsageError("A side is empty; allowed: one word or more on each.", "In source_words_left_out.")
    lines = [source, *(_without(words, j) for j in range(len(words)))]
    one, other = translator._sides("forward")
    ids, said = translator._encode(lines, one, "forward"), other.encode([target])[0]
    decoder, state = translator._begin(torch.from_numpy(pad(ids, np.arange(len(lines)), after=(EOS,))))
    logs = np.stack(score(decoder, state, [said.tolist()] * len(lines)))[:, : len(said)].astype(float)
    numbers = other.word_numbers(said)
    by_word = np.stack([logs[:, numbers == word].sum(1) for word in range(int(numbers.max(initial=-1)) + 1)])
    return by_word[:, :1] - by_word[:, 1:]


def words_left_out(model: MaskedLanguageModel, line: str, number: int = 1) -> WordsLeftOut:
    """What the best word for [MASK] number `number` (from 1) loses where another word of the line is not there.

    A guess that is then no longer among the best 1000 counts as the last of them. `UsageError` for a [MASK] that is not there.
    """
    words, filler = line.split(), model.filler()
    masks = [place for place, word in enumerate(words) if TOKEN in word]
    if not 1 <= number <= len(masks):
        raise UsageError(f"There is no [MASK] number {number}; allowed: 1 to {len(masks)}.", "In words_left_out.")
    best = filler.fill(line, top=1).masks[number - 1].guesses[0]
    drop = np.full(len(words), np.nan)
    for place in range(len(words)):
        if place in masks:
            continue
        guesses = filler.fill(_without(words, place), top=_TOP).masks[number - 1].guesses
        now = next((guess.probability for guess in guesses if guess.word == best.word), guesses[-1].probability)
        drop[place] = np.log(best.probability) - np.log(max(now, 1e-300))
    return WordsLeftOut(words, drop)


def class_words_left_out(model: FineTunedClassifier, line: str) -> WordsLeftOut:
    """What the likeliest class of a line loses where one of its words is not there. `UsageError` for a line without words."""
    words = line.split()
    if not words:
        raise UsageError("The line has no words; allowed: one or more.", "In class_words_left_out.")
    p = model.predict_proba([line, *(_without(words, place) for place in range(len(words)))])
    logs = np.log(np.maximum(p[:, p[0].argmax()], 1e-300))
    return WordsLeftOut(words, logs[0] - logs[1:])


def tree_words_hidden(parser: ConstituencyParser, tree: Tree) -> WordsLeftOut:
    """What a tree over its sentence loses, log p less log p, where the network is not told which word stands at a place.

    A word that is left out would be another tree; so its pieces are replaced by the one for what is not known.
    """
    words, (source, target) = tree.words(), parser._sides()
    pieces = source.encode([" ".join(words)])[0]
    number = source.word_numbers(pieces)
    lines = [pieces, *(np.where(number == place, UNK, pieces) for place in range(len(words)))]
    written = encode_trees(target, [tree], parser.settings.leaves)[0].tolist()
    ids = np.array([[*line, EOS] for line in lines])
    decoder, state = parser._begin(torch.from_numpy(ids))
    logs = np.array([float(part.sum()) for part in score(decoder, state, [written] * len(lines))])
    return WordsLeftOut(words, logs[0] - logs[1:])


def rows_left_out(model: AttentionClassifier | AttentionRegressor, X: Any, rows: Sequence[Any]) -> np.ndarray:
    """(rows, c): the output for the one row of X, less the output of the same model that does not remember one of `rows`.

    rows   ids in the memory. The weights stay; only what may be read is less. The output is what `explain` adds up to.
    `UsageError` for an X of more than one row, and for an id that is not remembered.
    """
    place = {identity: i for i, identity in enumerate(model.memory_.rows.ids.tolist())}
    unknown = [row for row in rows if row not in place]
    if len(X) != 1 or unknown:
        what = f"There is no row {unknown[0]!r} in the memory." if unknown else f"X has {len(X)} rows; allowed: 1."
        raise UsageError(what, "In rows_left_out.", "Give one row to explain, and rows that the model remembers.")
    whole, every = _output(model, X), np.arange(len(place))
    less = copy.copy(model)
    found = []
    for row in rows:
        less.memory_ = model.memory_.take(np.delete(every, place[row]))
        found.append(whole - _output(less, X))
    return np.array(found).reshape(len(found), whole.size)


def _output(model: Any, X: Any) -> np.ndarray:
    answer = model.decision_function(X) if isinstance(model, AttentionClassifier) else model.predict(X)
    return np.asarray(answer, dtype=float).reshape(-1)


def _without(words: Sequence[str], place: int) -> str:
    return " ".join([*words[:place], *words[place + 1 :]])
