"""The Transformer's answers by a faster way: the same equation, with its weights laid out for whoever only asks.

Queries, keys and values are one product. What was said is never moved (`said`), the source's rows are kept once for a sentence
and asked by all of its hypotheses, and the products are in the precision that is chosen (`products`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axw.equation import KINDS, Attention, FeedForward, turned, turns
from axw.networks.blocks import DecoderLayer, EncoderLayer, Residual
from axw.networks.ids import PAD
from axw.networks.products import Order, Precision, laid_out, product
from axw.networks.said import Pair, Said, by_layer, grown, nothing, select
from axw.networks.step_parts import Change, Cross, Embedded, Norm, Own, asks, embedded, norm_laid_out, parts_of
from axw.networks.transformer import Embedding, Transformer

_PLACES = 1024  # turns that are kept
_FEW = 4  # sentences up to which PyTorch's fused attention is faster than two products, on the CPUs that were measured


class StepSource(NamedTuple):
    """all (l 2 b h m k), each decoder layer's keys and values;  memories, the same layer by layer;  mask (b 1 1 m), 0 or -inf;
    None: every row is real.
    """

    all: Tensor
    memories: tuple[Pair, ...]
    mask: Tensor | None

    @staticmethod
    def of(memories: Tensor, mask: Tensor | None) -> StepSource:
        return StepSource(memories, by_layer(memories), mask)


class StepState(NamedTuple):
    """source: read by all hypotheses of its sentence;  said: what they have said;  words: how many each."""

    source: StepSource
    said: Said
    words: int


def steps_fast(network: nn.Module) -> bool:
    """Whether `TransformerSteps` knows it: query-key scores, a softmax, places added to X or turning queries and keys."""
    if type(network) is not Transformer:
        return False
    s = network.settings
    plain = s.score == "query-key" and s.normalize == "softmax" and s.window is None
    return plain and s.positions in ("sinusoidal", "learned", "rotary", "none") and s.key_width == s.value_width


class TransformerSteps:
    """`encode`, `start`, `step` and `select` of a Transformer: answers equal to its own up to rounding.

    network     whose settings `steps_fast` knows; its weights are copied
    precision   of the products: fp32, bf16, int8. Norms, softmax and sums are in float32, with bf16 in bfloat16
    """

    def __init__(self, network: Transformer, precision: Precision = "fp32") -> None:
        self.settings, self.precision = network.settings, precision
        self.kind = torch.bfloat16 if precision == "bf16" else torch.float32
        self.embed_source, one = self._embed(network.embed_source), network.embed_target is network.embed_source
        self.embed_target = self.embed_source if one else self._embed(network.embed_target)
        self.encoder = [self._encoder_layer(cast(EncoderLayer, layer)) for layer in network.encoder.layers]
        self.layers = [self._decoder_layer(layer) for layer in network.decoder_layers()]
        self.encoder_last, self.last = self._norm(network.encoder.last), self._norm(network.last)
        self.projection = laid_out(precision, network.projection, network.output_bias)
        rotary = self.settings.positions == "rotary"
        self.device = network.projection.device
        self.turns = turns(_PLACES, self.settings.key_width, device=self.device).to(self.kind) if rotary else None

    # ---------------------------------------------------------------------------------------------- laying weights out

    def _embed(self, embedding: Embedding) -> Embedded:
        return embedded(embedding, self.settings.d_model, self.kind)

    def _norm(self, norm: nn.Module) -> Norm | None:
        return norm_laid_out(norm, self.kind)

    def _own(self, attention: Attention, around: Residual, order: Order) -> Own:
        score, values, out = parts_of(attention)
        return Own(
            cast(Norm, self._norm(around.norm)),
            product(self.precision, asks(score), score.key, values, order=order),
            product(self.precision, out, order=order),
        )

    def _cross(self, attention: Attention, around: Residual) -> Cross:
        score, values, out = parts_of(attention)
        return Cross(
            cast(Norm, self._norm(around.norm)),
            product(self.precision, asks(score)),
            product(self.precision, score.key, values, order="plain"),
            product(self.precision, out),
        )

    def _change(self, feedforward: FeedForward | None, around: Residual | None, order: Order) -> Change | None:
        if feedforward is None or around is None:
            return None
        inner, outer = (product(self.precision, layer, order=order) for layer in (feedforward.inner, feedforward.outer))
        return Change(cast(Norm, self._norm(around.norm)), inner, outer, KINDS[feedforward.kind])

    def _encoder_layer(self, layer: EncoderLayer) -> tuple[Own, Change | None]:
        change = self._change(layer.feedforward, layer.around_feedforward, "plain")
        return self._own(layer.attention, layer.around_attention, "plain"), change

    def _decoder_layer(self, layer: DecoderLayer) -> tuple[Own, Cross, Change | None]:
        change = self._change(layer.feedforward, layer.around_feedforward, "packed")
        own, cross = self._own(layer.own, layer.around_own, "packed"), self._cross(layer.cross, layer.around_cross)
        return own, cross, change

    # ------------------------------------------------------------------------------------------------------- answering

    @torch.no_grad()
    def encode(self, source: Tensor) -> StepSource:
        """source (b m) of ids -> each decoder layer's memory of it."""
        real, (b, m) = source != PAD, source.shape
        X = self.embed_source(source, slice(0, m)).flatten(0, 1)
        mask = None
        if not bool(real.all()):
            mask = X.new_zeros(b, 1, 1, m).masked_fill_(~real[:, None, None, :], -torch.inf)
        by = self._turns(0, m)
        for own, change in self.encoder:
            X = self._around(X, own.norm, partial(self._read_own, own, b, mask, by))
            X = self._changed(X, change)
        X = X if self.encoder_last is None else self.encoder_last(X)
        memories = [self._parts(cross.source(X), b, 2) for _, cross, _ in self.layers]
        return StepSource.of(torch.stack(memories), mask)

    def start(self, source: StepSource) -> StepState:
        """Nothing is said yet."""
        layers, _, b, h, _, k = source.all.shape
        return StepState(source, nothing(layers, b, h, k, source.all), 0)

    @torch.no_grad()
    def step(self, tokens: Tensor, state: StepState) -> tuple[Tensor, StepState]:
        """What may follow `tokens` (b w), each hypothesis's last id: log-probabilities (b w V) in float32, and the state."""
        logits, state = self.logits(tokens, state)
        return torch.log_softmax(logits, -1, dtype=torch.float32), state

    @torch.no_grad()
    def step_with_attention(self, tokens: Tensor, state: StepState) -> tuple[Tensor, Tensor, StepState]:
        """As `step`, with A (b w m) between: what is read of the source in the last layer, the mean over its heads."""
        seen: list[Tensor] = []
        logits, state = self.logits(tokens, state, seen)
        return torch.log_softmax(logits, -1, dtype=torch.float32), seen[-1].float().mean(1), state

    def logits(self, tokens: Tensor, state: StepState, seen: list[Tensor] | None = None) -> tuple[Tensor, StepState]:
        """`step` before its last line: (b w V), of which log p is the log-softmax. A of each layer goes to `seen`."""
        (b, w), source = tokens.shape, state.source
        said = grown(state.said, w)
        memories, news, by = by_layer(said.said()), by_layer(said.last(w)), self._turns(state.words, 1)
        X = self.embed_target(tokens.flatten(), state.words)
        for (own, cross, change), new, mine, asked in zip(self.layers, news, memories, source.memories, strict=True):
            X = self._around(X, own.norm, partial(self._write_and_read, own, new, mine, said.readable, by))
            X = self._around(X, cross.norm, partial(self._read_source, cross, asked, source.mask, seen))
            X = self._changed(X, change)
        X = X if self.last is None else self.last(X)
        return self.projection(X).view(b, w, -1), StepState(source, said, state.words + 1)

    def select(self, state: StepState, sentences: Tensor, parents: Tensor) -> StepState:
        """Keep `sentences` (b2,); hypothesis j of kept sentence i goes on from hypothesis parents[i, j] (b2 w2)."""
        source = state.source
        stay = len(sentences) == source.all.shape[2] and sentences.tolist() == list(range(len(sentences)))
        if not stay:
            mask = None if source.mask is None else source.mask[sentences]
            source = StepSource.of(source.all.index_select(2, sentences), mask)
        return StepState(source, select(state.said, sentences, parents, stay), state.words)

    # ---------------------------------------------------------------------------------- rows (b w, d) of one layer

    def _around(self, X: Tensor, norm: Norm, f: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """X + f(norm(X)), or norm(X + f(X)); f adds to what it is given."""
        return f(norm(X), X) if self.settings.norm_place == "pre" else norm(f(X, X))

    def _changed(self, X: Tensor, change: Change | None) -> Tensor:
        return X if change is None else self._around(X, change.norm, change.of)

    def _turns(self, place: int, n: int) -> Tensor | None:
        """The turns (2 n k) of n places, where queries and keys are turned."""
        if self.turns is None:
            return None
        if place + n <= _PLACES:
            return self.turns[:, place : place + n]
        return turns(n, self.settings.key_width, place, self.device).to(self.kind)

    def _read_own(self, own: Own, b: int, mask: Tensor | None, by: Tensor | None, R: Tensor, onto: Tensor) -> Tensor:
        """Of the encoder: every row of a sentence reads every other."""
        Q, K, V = self._own_parts(R, own, b, by)
        return own.out(_joined(F.scaled_dot_product_attention(Q, K, V, attn_mask=mask, scale=1.0)), onto)

    def _write_and_read(  # noqa: PLR0913 (what a layer's attention is made of)
        self, own: Own, new: Pair, memory: Pair, readable: Tensor | None, by: Tensor | None, R: Tensor, onto: Tensor
    ) -> Tensor:
        """Of the decoder: the new rows go to `new`, the last w of `memory`; each hypothesis reads its ancestors."""
        Q, *rows = self._own_parts(R, own, new[0].shape[0], by)
        for place, row in zip(new, rows, strict=True):
            place.copy_(row)
        return own.out(_read(Q, memory, readable), onto)

    def _own_parts(self, R: Tensor, own: Own, b: int, by: Tensor | None) -> tuple[Tensor, ...]:
        """Queries, keys and values, (b h n k) each; the first two turned by their places."""
        parts = self._parts(own.asks_keys_values(R), b, 3)
        return parts.unbind(0) if by is None else (*turned(parts[:2], by).unbind(0), parts[2])

    def _read_source(
        self, cross: Cross, memory: Pair, mask: Tensor | None, seen: list[Tensor] | None, R: Tensor, onto: Tensor
    ) -> Tensor:
        b, h, _, k = memory[0].shape
        return cross.out(_read(cross.asks(R).view(b, -1, h, k).transpose(1, 2), memory, mask, seen), onto)

    def _parts(self, X: Tensor, b: int, parts: int) -> Tensor:
        """(b*n, parts*h*k) -> (parts b h n k)."""
        return X.view(b, X.shape[0] // b, parts, self.settings.heads, -1).permute(2, 0, 3, 1, 4)


def _read(Q: Tensor, memory: Pair, mask: Tensor | None, seen: list[Tensor] | None = None) -> Tensor:
    """softmax(Q K' + mask) V of few asking rows: Q (b h w k), K and V (b h m k) -> (b*w h*k)."""
    K, V = memory
    if seen is None and Q.shape[0] <= _FEW:
        return _joined(F.scaled_dot_product_attention(Q, K, V, attn_mask=mask, scale=1.0))
    S = Q @ K.mT
    A = torch.softmax(S if mask is None else S.add_(mask), -1)
    if seen is not None:
        seen.append(A)
    return _joined(A @ V)


def _joined(X: Tensor) -> Tensor:
    """(b h n k) -> (b*n, h*k)."""
    b, h, n, k = X.shape
    return X.reshape(b, h * k) if n == 1 else X.transpose(1, 2).reshape(b * n, h * k)
