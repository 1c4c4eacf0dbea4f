"""What a masked-word model learns from: lines with some of their words hidden, anew in every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from axw.data.batches import batches_by_length, pad
from axw.data.masking import Masked, mask_spans, mask_words
from axw.data.sentences import Sentences
from axw.data.vocabulary import BOS, EOS, Vocabulary
from axw.learning import Measured
from axw.learning.projected import projected_cross_entropy
from axw.models.lazy import Lazy
from axw.models.text_model import Lesson
from axw.models.words.measures import AROUND, HeldOut, guesses
from axw.models.words.settings import WordsSettings
from axw.networks.masked_words import MaskedWords


class MaskedBatch(NamedTuple):
    """ids (b n), some of them hidden; places (t,) in the flattened ids; targets (t,): what stood there."""

    ids: Tensor
    places: Tensor
    targets: Tensor


def hide(ids: np.ndarray, vocabulary: Vocabulary, settings: WordsSettings, seed: Sequence[int]) -> Masked:
    """`settings.share` of the pieces hidden as `settings.masks` says, 80 / 10 / 10."""
    pieces = vocabulary.piece_ids
    if settings.masks == "spans":
        return mask_spans(ids, pieces, seed=seed, ratio=settings.share)
    words = vocabulary.word_numbers(ids) if settings.masks == "words" else None
    return mask_words(ids, pieces, seed=seed, ratio=settings.share, words=words)


def words_lesson(
    settings: WordsSettings, vocabulary: Vocabulary, train: Sentences, valid: HeldOut, network: MaskedWords
) -> Lesson:
    """`train` are windows of at most `settings.longest` - 2 ids, without BOS and EOS; the loss is per hidden piece."""
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

    def evaluate(model: nn.Module) -> dict[str, float]:
        return guesses(cast(MaskedWords, model), valid).measures()

    return Lesson(network, loss, batches, evaluate if valid.lines else None)
