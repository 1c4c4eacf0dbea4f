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
from axw.data.vocabulary import EOS
from axw.decoding import score
from axw.errors import UsageError
from axw.models.tables.estimators import AttentionClassifier, AttentionRegressor
from axw.models.translation.translator import Translator
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
