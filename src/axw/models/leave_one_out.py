"""Leave one out: what the answer would have been without a row or a word. The measure to hold beside attention, which says where
a model looked and not what that changed (Jain and Wallace 2019, arXiv 1902.10186; Li, Monroe and Jurafsky 2016, 1612.08220).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from axw.data.batches import pad
from axw.data.sentences import Sentences
from axw.data.trees import Tree
from axw.data.vocabulary import EOS, MASK, UNK
from axw.data.words import between_blanks
from axw.decoding import score
from axw.errors import UsageError
from axw.models.tables.estimators import AttentionClassifier, AttentionRegressor
from axw.models.translation.translator import Translator
from axw.models.trees.ids import encode_trees
from axw.models.trees.parser import ConstituencyParser
from axw.models.units import Unit, each_left_out, units_of
from axw.models.words.classifier import FineTunedClassifier
from axw.models.words.masked_words import MaskedLanguageModel

TOKEN = "[MASK]"
_TOP = 1000


class WordsLeftOut(NamedTuple):
    """words (n), or pieces where these were asked for, and for each how much less likely the answer is without it, in nats; NaN
    for the mask itself."""

    words: list[str]
    drop: np.ndarray


def source_words_left_out(translator: Translator, source: str, target: str, unit: Unit = "words") -> np.ndarray:
    """(target words, source words): log p(word | what was said, source) less the same where one source word is left out.

    Above 0: the word leaned on that source word. Forced decoding of the target, once for each word of the source. unit="pieces":
    the same of the pieces that the network reads and writes. `UsageError` for an empty side.
    """
    if not between_blanks(source) or not between_blanks(target):
        raise UsageError("A side is empty; allowed: one word or more on each.", "In source_words_left_out.")
    one, other = translator._sides("forward")
    parts, said = each_left_out(one, source, unit), other.encode([target])[0]
    ids = translator._encoded(Sentences.of([parts.ids, *parts.without]), "forward")
    decoder, state = translator._begin(torch.from_numpy(pad(ids, np.arange(len(ids)), after=(EOS,))))
    logs = np.stack(score(decoder, state, [said.tolist()] * len(ids)))[:, : len(said)].astype(float)
    names, numbers = units_of(other, said, unit)
    by_unit = np.stack([logs[:, numbers == number].sum(1) for number in range(len(names))])
    return by_unit[:, :1] - by_unit[:, 1:]


def words_left_out(model: MaskedLanguageModel, line: str, number: int = 1, unit: Unit = "words") -> WordsLeftOut:
    """What the best word for [MASK] number `number` (from 1) loses where another word, or piece, of the line is not there.

    A guess that is then no longer among the best 1000 counts as the last of them. `UsageError` for a [MASK] that is not there.
    """
    parts, filler = each_left_out(model.vocabulary, line, unit, TOKEN), model.filler()
    hidden = [TOKEN in name for name in parts.names] if unit == "words" else parts.ids == MASK
    masks = np.flatnonzero(hidden).tolist()
    if not 1 <= number <= len(masks):
        raise UsageError(f"There is no [MASK] number {number}; allowed: 1 to {len(masks)}.", "In words_left_out.")
    best = filler.guesses(parts.ids, number, 1)[0]
    drop = np.full(len(parts.names), np.nan)
    for place, ids in enumerate(parts.without):
        if place in masks:
            continue
        guesses = filler.guesses(ids, number, _TOP)
        now = next((guess.probability for guess in guesses if guess.word == best.word), guesses[-1].probability)
        drop[place] = np.log(best.probability) - np.log(max(now, 1e-300))
    return WordsLeftOut(parts.names, drop)


def class_words_left_out(model: FineTunedClassifier, line: str, unit: Unit = "words") -> WordsLeftOut:
    """What the likeliest class of a line loses where one of its words, or pieces, is not there. `UsageError` for a line without
    words."""
    if not between_blanks(line):
        raise UsageError("The line has no words; allowed: one or more.", "In class_words_left_out.")
    parts = each_left_out(model.vocabulary, line, unit)
    p = model.probabilities(Sentences.of([parts.ids, *parts.without]))
    logs = np.log(np.maximum(p[:, p[0].argmax()], 1e-300))
    return WordsLeftOut(parts.names, logs[0] - logs[1:])


def tree_words_hidden(parser: ConstituencyParser, tree: Tree, unit: Unit = "words") -> WordsLeftOut:
    """What a tree over its sentence loses, log p less log p, where the network is not told which word stands at a place.

    A word that is left out would be another tree; so one piece stands in its place, that for what is not known. unit="pieces": so
    it is for the first piece of a word, and the others are left out. The number of words stays.
    """
    source, target = parser._sides()
    pieces = source.encode([" ".join(tree.words())])[0]
    names, number = units_of(source, pieces, unit)
    first = np.diff(source.word_numbers(pieces), prepend=-1) > 0
    lines = [pieces]
    for place in range(len(names)):
        hidden = number == place
        lines.append(np.where(hidden, UNK, pieces)[first | ~hidden])
    written = encode_trees(target, [tree], parser.settings.leaves)[0].tolist()
    ids = pad(Sentences.of(lines), np.arange(len(lines)), after=(EOS,))
    decoder, state = parser._begin(torch.from_numpy(ids))
    logs = np.array([float(part.sum()) for part in score(decoder, state, [written] * len(lines))])
    return WordsLeftOut(names, logs[0] - logs[1:])


def rows_left_out(model: AttentionClassifier | AttentionRegressor, X: Any, rows: Sequence[Any]) -> np.ndarray:
    """(rows, c): the output for the one row of X, less the output of the same model that does not remember one of `rows`.

    rows   ids in the memory. The weights stay; only what may be read is less. The output is what `explain` adds up to.
    `UsageError` for an X of more than one row, and for an id that is not remembered.
    """
    known = set(model.memory_.rows.ids.tolist())
    unknown = [row for row in rows if row not in known]
    if len(X) != 1 or unknown:
        what = f"There is no row {unknown[0]!r} in the memory." if unknown else f"X has {len(X)} rows; allowed: 1."
        raise UsageError(what, "In rows_left_out.", "Give one row to explain, and rows that the model remembers.")
    asking = model._asking(X)
    step, memory = model._index.part(model.step_, asking, model.memory_)
    place = {identity: i for i, identity in enumerate(memory.rows.ids.tolist())}  # of what the row may read
    every, whole = np.arange(len(place)), model._answer_from(step, memory, asking)[0]
    scale = model.target_.scale if model.target_.kind == "numbers" else 1.0
    drops = np.zeros((len(rows), whole.size))
    for number, row in enumerate(rows):
        if row in place:
            less = memory.take(np.delete(every, place[row]))
            drops[number] = (whole - model._answer_from(step, less, asking)[0]) * scale
    return drops
