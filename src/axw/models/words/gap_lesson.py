"""What a span filler learns from: lines with spans taken out, and the spans to say (Raffel et al. 2020, section 3.1.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from axw.data.batches import batches_by_length, pad
from axw.data.randomness import Seed
from axw.data.sentences import Sentences
from axw.data.span_filling import fill_spans
from axw.data.vocabulary import EOS, PAD, Vocabulary
from axw.learning import Measured
from axw.learning.projected import projected_cross_entropy
from axw.models.lazy import Lazy
from axw.models.text_model import Lesson
from axw.models.translation.lesson import PairBatch
from axw.models.words.settings import WordsSettings
from axw.networks.transformer import Transformer

MEAN_SPAN = 3.0
_LEAST_SENTINELS = 8


def sentinel_names(settings: WordsSettings) -> tuple[str, ...]:
    """`<extra_0>`, `<extra_1>`, ...: one for each span that a line of `settings.longest` pieces may lose."""
    spans = round(round(settings.longest * settings.share) / MEAN_SPAN) + 1
    return tuple(f"<extra_{i}>" for i in range(max(_LEAST_SENTINELS, spans)))


def sentinel_ids(vocabulary: Vocabulary) -> tuple[int, ...]:
    return tuple(vocabulary.extra.values())


def with_gaps(ids: np.ndarray, vocabulary: Vocabulary, settings: WordsSettings, seed: Seed) -> PairBatch:
    """ids (b n), EOS behind each line -> source with sentinels; target read and said, each span behind its sentinel."""
    found = fill_spans(
        ids,
        vocabulary.piece_ids,
        seed=seed,
        sentinels=sentinel_ids(vocabulary),
        ratio=settings.share,
        mean=MEAN_SPAN,
    )
    source, target = map(torch.from_numpy, found)
    return PairBatch(source, target[:, :-1], target[:, 1:])


def held_out_spans(
    vocabulary: Vocabulary, valid: Sentences, settings: WordsSettings, tokens: int = 4096
) -> list[PairBatch]:
    """The windows with the spans taken out that every model is asked for: they depend on the number of the window alone."""
    pairs = [with_gaps(pad(valid, [i], after=(EOS,)), vocabulary, settings, i) for i in range(len(valid))]
    source, said = (Sentences.of([getattr(pair, side)[0].numpy() for pair in pairs]) for side in ("source", "said"))
    read = Sentences.of([pair.read[0].numpy() for pair in pairs])
    lengths = np.stack([source.lengths, said.lengths], 1)
    index = batches_by_length(lengths, tokens, seed=0, epoch=0, noise=0.0)
    return [PairBatch(*(torch.from_numpy(pad(side, i)) for side in (source, read, said))) for i in index]


def spans_lesson(
    settings: WordsSettings, vocabulary: Vocabulary, train: Sentences, valid: Sentences, network: Transformer
) -> Lesson:
    """The loss is per target piece: sentinels, what stood in the gaps, and the end."""
    seed = settings.train.seed

    def batches(epoch: int) -> Sequence[PairBatch]:
        index = batches_by_length(train.lengths + 1, settings.batch_tokens, seed=seed, epoch=epoch)

        def make(i: int) -> PairBatch:
            return with_gaps(pad(train, index[i], after=(EOS,)), vocabulary, settings, (seed, epoch, i))

        return Lazy(len(index), make)

    def loss(model: Any, batch: PairBatch) -> Measured:
        return projected_cross_entropy(
            _rows(model, batch), model.projection, batch.said[batch.said != PAD], bias=model.output_bias
        )

    asked = held_out_spans(vocabulary, valid, settings)

    def evaluate(model: nn.Module) -> dict[str, float]:
        return span_measures(model, asked)

    return Lesson(network, loss, batches, evaluate if len(valid) else None)


@torch.no_grad()
def span_measures(model: Any, asked: Sequence[PairBatch]) -> dict[str, float]:
    """loss: nats per target piece, as in Shazeer 2020, table 1; accuracy: how often the next piece was the first guess."""
    nats, right, count, device = 0.0, 0, 0, model.projection.device
    for batch in (PairBatch(*(part.to(device) for part in batch)) for batch in asked):
        target = batch.said[batch.said != PAD]
        for rows, aim in zip(_rows(model, batch).split(512), target.split(512), strict=True):
            logits = model.logits(rows).float()
            nats += float(nn.functional.cross_entropy(logits, aim, reduction="sum"))
            right += int((logits.argmax(-1) == aim).sum())
        count += len(target)
    return {"loss": nats / max(count, 1), "accuracy": right / max(count, 1)}


def _rows(model: Any, batch: PairBatch) -> Tensor:
    """(t d): the rows that say something, padding left out."""
    hidden = model(batch.source, batch.read)
    real = (batch.said != PAD).flatten().nonzero()[:, 0]
    return hidden.flatten(0, 1).index_select(0, real)
