"""A of every layer and head, over words or over the pieces that they are spelled with.

What is read is summed over the pieces of a word, what reads is the mean over them: each row still adds up to the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from axw.data.vocabulary import BOS, EOS
from axw.measures.alignment import word_attention
from axw.models.translation.translator import Translator
from axw.models.units import Unit, Units, units_of
from axw.models.words.masked_words import MaskedLanguageModel


class LayerAttention(NamedTuple):
    """One layer: its name, what its rows and columns are, and A (h n m)."""

    name: str
    rows: list[str]
    columns: list[str]
    A: np.ndarray


def of_line(model: MaskedLanguageModel, line: str, unit: Unit = "words") -> list[LayerAttention]:
    """Every layer of a model of masked words on one line; [MASK] is a mask. Raises what `model.attention` raises."""
    _, found = model.attention(line)
    ids = np.concatenate([[BOS], model.vocabulary.encode([line], mask_token="[MASK]")[0], [EOS]])
    side = units_of(model.vocabulary, ids, unit)
    return [_layer(name, A, side, side) for name, A in found.items()]


def of_pair(translator: Translator, source: str, target: str, unit: Unit = "words") -> list[LayerAttention]:
    """Every layer of a translator that is made to say `target`: "encoder 1", "decoder 1", "cross 1" and so on.

    The row of a word in "decoder" and "cross" layers is the step at which the word is read, and the next is predicted.
    """
    one, other = translator._sides("forward")
    asked = units_of(one, np.append(translator._encode([source], one, "forward")[0], EOS), unit)
    said = units_of(other, np.concatenate([[BOS], other.encode([target])[0]]), unit)
    sides = {"encoder": (asked, asked), "decoder": (said, said), "cross": (said, asked)}
    found = translator.attention(source, target)
    return [_layer(name, A, *sides[name.split(" ")[0]]) for name, A in found.items()]


def _layer(name: str, A: np.ndarray, rows: Units, columns: Units) -> LayerAttention:
    heads = [word_attention(head, rows.numbers, columns.numbers) for head in A]
    return LayerAttention(name, rows.names, columns.names, np.stack(heads))
