"""What a translator learns from: pairs of sentences of about one length, spelled anew in every epoch where that is asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axw.data.batches import batches_by_length, pad
from axw.data.randomness import generator
from axw.data.sentences import Sentences
from axw.data.some_lines import Lines
from axw.data.vocabulary import BOS, EOS, PAD, UNK, Vocabulary
from axw.errors import DataError, DataWarning
from axw.learning import Measured
from axw.learning.devices import moved
from axw.learning.projected import projected_cross_entropy
from axw.models.lazy import Lazy
from axw.models.shelf import Shelf
from axw.models.text_model import Lesson
from axw.models.translation.settings import TranslationSettings
from axw.models.translation.teaching import Teacher, Teaching

FORWARD, BACKWARD = "<forward>", "<backward>"


class PairBatch(NamedTuple):
    """source (b m), ending in EOS; read (b n): BOS and the target; said (b n): the target and EOS. 0 is padding."""

    source: Tensor
    read: Tensor
    said: Tensor


class Sides(Protocol):
    """Pairs as ids, of which any can be made a batch."""

    def at(self, index: np.ndarray) -> PairBatch: ...
    def lengths(self) -> np.ndarray: ...


class Encoded(NamedTuple):
    """Both sides of the pairs as ids."""

    source: Sentences
    target: Sentences

    def at(self, index: np.ndarray) -> PairBatch:
        source = pad(self.source, index, after=(EOS,))
        read, said = pad(self.target, index, before=(BOS,)), pad(self.target, index, after=(EOS,))
        return PairBatch(torch.from_numpy(source), torch.from_numpy(read), torch.from_numpy(said))

    def lengths(self) -> np.ndarray:
        """(n, 2) with the marks that `at` adds."""
        found = np.empty((len(self.source), 2), np.int32)
        for side, sentences in enumerate(self):
            np.add(sentences.lengths, 1, out=found[:, side], casting="unsafe")
        return found


class BothWays(NamedTuple):
    """Every pair twice, the second time (from number n on) the other way round; a tag before each source says which way."""

    pairs: Encoded
    forward: int
    backward: int

    def at(self, index: np.ndarray) -> PairBatch:
        one, other = self.pairs
        back = index >= len(one)
        there, again = index[~back], index[back] - len(one)
        source = [tag(one.take(there), self.forward), tag(other.take(again), self.backward)]
        target = [other.take(there), one.take(again)]
        order = np.argsort(np.argsort(back, kind="stable"), kind="stable")
        return Encoded(Sentences.join(source), Sentences.join(target)).at(order)

    def lengths(self) -> np.ndarray:
        """(2 n, 2) with the tag and the marks that `at` adds."""
        there = self.pairs.lengths()
        return np.concatenate([there, there[:, ::-1]]) + np.array([1, 0], np.int32)


Spelling = Callable[[int], Sides]
"""epoch -> the pairs as ids."""


def spelling(
    settings: TranslationSettings, source: Vocabulary, target: Vocabulary, pairs: tuple[Lines, Lines], shelf: Shelf
) -> Spelling:
    """The training pairs of each epoch: the same ids each time, or other ways to spell the words (`subword_dropout`).

    With `both_directions` every pair is there twice, the second time the other way round, with a tag before its source.
    """
    sides = list(zip(("source", "target"), (source, target), pairs, strict=True))

    def both(one: Encoded) -> Sides:
        if not settings.both_directions:
            return one
        return BothWays(one, source.extra[FORWARD], source.extra[BACKWARD])

    if not settings.subword_dropout:
        kept = [shelf.keep(name, partial(vocabulary.encode_stream, lines)) for name, vocabulary, lines in sides]
        fixed = both(Encoded(*kept))
        return lambda epoch: fixed
    samplers = [
        vocabulary.sampler(lines, partial(shelf.keep_anew, f"{name}-words")) for name, vocabulary, lines in sides
    ]

    def drawn(epoch: int) -> Sides:
        draws = (
            sampler.draw_stream(settings.subword_dropout, (settings.train.seed, epoch, side))
            for side, sampler in enumerate(samplers)
        )
        return both(Encoded(*(shelf.keep_anew(name, draw) for (name, _, _), draw in zip(sides, draws, strict=True))))

    return drawn


def tag(sentences: Sentences, name: int) -> Sentences:
    """The id `name` before each sentence."""
    ids = np.insert(sentences.ids, sentences.starts[:-1], name).astype(np.int32)
    return Sentences(ids, sentences.starts + np.arange(len(sentences.starts)))


def translation_lesson(
    settings: TranslationSettings,
    spelled: Spelling,
    valid: Encoded,
    network: nn.Module,
    teachers: Sequence[Teacher] = (),
) -> Lesson:
    """The loss is per target piece, its end included; pairs with a side longer than `settings.longest` are left out.

    `DataError` where that leaves none.
    """
    seed = settings.train.seed
    teaching = Teaching(teachers, settings, next(network.parameters()), _rows) if teachers else None

    def batches(epoch: int) -> Sequence[PairBatch]:
        pairs = spelled(epoch)
        lengths = pairs.lengths()
        short = _short_enough(lengths, settings.longest, epoch)
        index = batches_by_length(_of(lengths, short), settings.batch_tokens, seed=seed, epoch=epoch)
        if len(short) < len(lengths):
            index = [short[part] for part in index]

        def make(i: int) -> PairBatch:
            batch = pairs.at(index[i])
            if not settings.word_dropout:
                return batch
            dropped = generator("word dropout", (seed, epoch, i)).random(batch.source.shape) < settings.word_dropout
            hidden = torch.from_numpy(dropped) & (batch.source > EOS)
            hidden[:, 0] &= not settings.both_directions  # where a tag says which way
            return batch._replace(source=batch.source.masked_fill(hidden, UNK))

        return Lazy(len(index), make)

    def loss(model: Any, batch: PairBatch) -> Measured:
        first = _rows(model, batch)
        target = batch.said[batch.said != PAD]
        if settings.r_drop:
            return r_drop(model, first, _rows(model, batch), target, settings.smoothing, settings.r_drop)
        return projected_cross_entropy(
            first,
            model.projection,
            target,
            bias=model.output_bias,
            smoothing=settings.smoothing,
            taught=None if teaching is None else teaching.of(batch),
        )

    def evaluate(model: nn.Module) -> dict[str, float]:
        return likelihood(model, valid, settings.batch_tokens)

    return Lesson(network, loss, batches, evaluate if len(valid.source) else None)


def _of(lengths: np.ndarray, short: np.ndarray) -> np.ndarray:
    return lengths if len(short) == len(lengths) else lengths[short]


def _short_enough(lengths: np.ndarray, longest: int, epoch: int) -> np.ndarray:
    """The numbers of the pairs that are learned from; what is left out is said in the first epoch."""
    short = np.flatnonzero((lengths <= longest).all(1))
    left_out = len(lengths) - len(short)
    if len(lengths) and not len(short):
        raise DataError(
            f"All {len(lengths)} pairs are longer than longest={longest} pieces; at least one is needed.",
            "In the training pairs.",
            f"Cut them into sentences, or learn from longer ones: --set longest={int(lengths.max(1).min())}",
        )
    if left_out and epoch == 1:
        warnings.warn(
            f"{left_out} of {len(lengths)} pairs are longer than longest={longest} pieces, and are not learned from.",
            DataWarning,
            stacklevel=2,
        )
    return short


def not_longer(pairs: Encoded, most: int) -> Encoded:
    """The pairs that learned positions have places for; how many they have none for is said."""
    index = np.flatnonzero((pairs.lengths() <= most).all(1))
    if len(index) < len(pairs.source):
        warnings.warn(
            f"{len(pairs.source) - len(index)} of {len(pairs.source)} validation pairs are longer than the {most} places "
            "that learned positions know, and are left out.",
            DataWarning,
            stacklevel=2,
        )
    return Encoded(pairs.source.take(index), pairs.target.take(index))


def likelihood(model: Any, pairs: Encoded, tokens: int = 4096) -> dict[str, float]:
    """loss: nats per target piece, the end included; perplexity: its exponential."""
    nats, count, device = 0.0, 0, model.projection.device
    with torch.no_grad():
        for index in batches_by_length(pairs.lengths(), tokens, seed=0, epoch=0, noise=0.0):
            batch = moved(pairs.at(index), device)
            found = projected_cross_entropy(
                _rows(model, batch), model.projection, batch.said[batch.said != PAD], bias=model.output_bias
            )
            nats, count = nats + float(found.sum), count + found.count
    return per_piece(nats, count)


def per_piece(nats: float, count: int) -> dict[str, float]:
    """loss: nats a piece; perplexity: its exponential."""
    mean = nats / max(count, 1)
    return {"loss": mean, "perplexity": float(np.exp(min(mean, 700.0)))}


def _rows(model: Any, batch: PairBatch) -> Tensor:
    """(t d): the rows that say something, padding left out."""
    hidden = model(batch.source, batch.read)
    real = (batch.said != PAD).flatten().nonzero()[:, 0]
    return hidden.flatten(0, 1).index_select(0, real)


def r_drop(model: Any, first: Tensor, second: Tensor, target: Tensor, smoothing: float, weight: float) -> Measured:
    """The mean loss of two passes plus weight / 4 (KL(p1 || p2) + KL(p2 || p1)): Liang et al. 2021, eqs. 1 to 4, halved."""
    logs = [torch.log_softmax(model.logits(rows).float(), -1) for rows in (first, second)]
    losses = [
        F.nll_loss(log_p, target, reduction="sum") * (1 - smoothing) - smoothing * log_p.mean(-1).sum()
        for log_p in logs
    ]
    one, other = logs
    apart = sum(F.kl_div(p, q, reduction="sum", log_target=True) for p, q in ((one, other), (other, one)))
    return Measured((losses[0] + losses[1]) / 2 + weight / 4 * apart, target.numel())
