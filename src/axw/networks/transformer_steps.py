"""The Transformer's answers by a faster way: the same equation, with its weights laid out for whoever only asks.

Queries, keys and values are one product. What was said is never moved (`said`), the source's rows are kept once for a sentence
and asked by all of its hypotheses, and the products are in the precision that is chosen (`products`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axw.equation import KINDS, Attention, FeedForward, QueryKey, sinusoids, turned, turns
from axw.equation.feedforward import Kind
from axw.errors import UsageError
from axw.networks.blocks import DecoderLayer, EncoderLayer, Residual
from axw.networks.ids import PAD
from axw.networks.products import Precision, Product, laid_out, product
from axw.networks.said import Said, grown, nothing, select
from axw.networks.transformer import Embedding, Transformer

_PLACES = 1024  # sinusoids and turns that are kept
_FEW = 4  # sentences up to which PyTorch's fused attention is faster than two products, on the CPUs that were measured


class Norm(NamedTuple):
    """Layer or RMS normalisation: weight and bias (d,), bias None of RMS."""

    weight: Tensor
    bias: Tensor | None
    epsilon: float | None

    def __call__(self, X: Tensor) -> Tensor:
        if self.bias is None:
            return F.rms_norm(X, X.shape[-1:], self.weight, self.epsilon)
        return torch.layer_norm(X, X.shape[-1:], self.weight, self.bias, self.epsilon or 0.0)


class Change(NamedTuple):
    """The feed-forward layer: act(X W) W2, or act(X W) * X V between."""

    norm: Norm
    inner: Product
    outer: Product
    kind: Kind

    def of(self, X: Tensor) -> Tensor:
        hidden = self.inner(X)
        if self.kind.gated:
            gate, hidden = hidden.chunk(2, -1)
            return self.outer(self.kind.activation(gate) * hidden)
        return self.outer(self.kind.activation(hidden))


class Own(NamedTuple):
    """Rows that read each other: queries, keys and values beside each other, and what is made of what was read."""

    norm: Norm
    asks_keys_values: Product
    out: Product


class Cross(NamedTuple):
    """Rows that read the source: their queries, the source's keys and values, and what is made of what was read."""

    norm: Norm
    asks: Product
    source: Product
    out: Product


class Embedded(NamedTuple):
    """words: E sqrt(d), (V d);  places (n d), or None, of `kind`;  norm of their sum, or None."""

    words: Tensor
    places: Tensor | None
    kind: str
    norm: Norm | None

    def __call__(self, ids: Tensor, place: int | slice) -> Tensor:
        """ids (... n) -> (... n d); `place` of them all, or of one after the other."""
        X = self._placed(F.embedding(ids, self.words), place)
        return X if self.norm is None else self.norm(X)

    def _placed(self, X: Tensor, place: int | slice) -> Tensor:
        if self.places is None:
            return X
        end = place + 1 if isinstance(place, int) else place.stop
        if end <= self.places.shape[0]:
            return X.add_(self.places[place])
        if self.kind == "learned":
            raise UsageError(
                f"A sentence has {end} pieces; learned positions know {self.places.shape[0]}.",
                "In the network.",
                "Cut the sentence, or set longest before training.",
            )
        return X.add_(sinusoids(end, X.shape[-1]).to(X)[place])


class StepSource(NamedTuple):
    """memories (l 2 b h m k), keys and values of each decoder layer; mask (b 1 1 m), 0 or -inf; None: every row is real."""

    memories: Tensor
    mask: Tensor | None


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
        self.turns = turns(_PLACES, self.settings.key_width).to(self.kind) if rotary else None

    # ---------------------------------------------------------------------------------------------- laying weights out

    def _embed(self, embedding: Embedding) -> Embedded:
        words, d = embedding.weight.detach() * math.sqrt(self.settings.d_model), self.settings.d_model
        places = None if embedding.places is None else embedding.places.detach().to(self.kind)
        if embedding.kind == "sinusoidal":
            places = sinusoids(_PLACES, d).to(self.kind)
        return Embedded(words.to(self.kind), places, embedding.kind, self._norm(embedding.norm))

    def _norm(self, norm: nn.Module) -> Norm | None:
        if isinstance(norm, nn.LayerNorm):
            return Norm(norm.weight.detach().to(self.kind), norm.bias.detach().to(self.kind), norm.eps)
        return Norm(norm.weight.detach().to(self.kind), None, norm.eps) if isinstance(norm, nn.RMSNorm) else None

    def _own(self, attention: Attention, around: Residual) -> Own:
        score, values, out = _parts_of(attention)
        return Own(
            cast(Norm, self._norm(around.norm)),
            product(self.precision, _asks(score), score.key, values),
            product(self.precision, out),
        )

    def _cross(self, attention: Attention, around: Residual) -> Cross:
        score, values, out = _parts_of(attention)
        return Cross(
            cast(Norm, self._norm(around.norm)),
            product(self.precision, _asks(score)),
            product(self.precision, score.key, values),
            product(self.precision, out),
        )

    def _change(self, feedforward: FeedForward | None, around: Residual | None) -> Change | None:
        if feedforward is None or around is None:
            return None
        inner, outer = product(self.precision, feedforward.inner), product(self.precision, feedforward.outer)
        return Change(cast(Norm, self._norm(around.norm)), inner, outer, KINDS[feedforward.kind])

    def _encoder_layer(self, layer: EncoderLayer) -> tuple[Own, Change | None]:
        change = self._change(layer.feedforward, layer.around_feedforward)
        return self._own(layer.attention, layer.around_attention), change

    def _decoder_layer(self, layer: DecoderLayer) -> tuple[Own, Cross, Change | None]:
        change = self._change(layer.feedforward, layer.around_feedforward)
        return self._own(layer.own, layer.around_own), self._cross(layer.cross, layer.around_cross), change

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
            X = self._around(X, own.norm, lambda R, own=own: self._read_own(R, own, b, mask, by))  # type: ignore[misc]
            X = self._changed(X, change)
        X = X if self.encoder_last is None else self.encoder_last(X)
        h = self.settings.heads
        memories = [cross.source(X).view(b, m, 2, h, -1).permute(2, 0, 3, 1, 4) for _, cross, _ in self.layers]
        return StepSource(torch.stack(memories), mask)

    def start(self, source: StepSource) -> StepState:
        """Nothing is said yet."""
        layers, _, b, h, _, k = source.memories.shape
        return StepState(source, nothing(layers, b, h, k, source.memories), 0)

    @torch.no_grad()
    def step(self, tokens: Tensor, state: StepState) -> tuple[Tensor, StepState]:
        """What may follow `tokens` (b w), each hypothesis's last id: log-probabilities (b w V) in float32, and the state."""
        logits, state = self.logits(tokens, state)
        return torch.log_softmax(logits, -1), state

    @torch.no_grad()
    def step_with_attention(self, tokens: Tensor, state: StepState) -> tuple[Tensor, Tensor, StepState]:
        """As `step`, with A (b w m) between: what is read of the source in the last layer, the mean over its heads."""
        seen: list[Tensor] = []
        logits, state = self.logits(tokens, state, seen)
        return torch.log_softmax(logits, -1), seen[-1].float().mean(1), state

    def logits(self, tokens: Tensor, state: StepState, seen: list[Tensor] | None = None) -> tuple[Tensor, StepState]:
        """`step` before its last line: (b w V) float32, of which log p is the log-softmax. A of each layer goes to `seen`."""
        (b, w), source = tokens.shape, state.source
        said = grown(state.said, w)
        readable = None if said.readable is None else said.readable[:, None]
        X, by = self.embed_target(tokens.flatten(), state.words), self._turns(state.words, 1)
        for layer, (own, cross, change) in enumerate(self.layers):
            room, asked = said.rows.buffer[layer, :, :, :, : said.n], source.memories[layer]
            X = self._around(X, own.norm, lambda R: self._write_and_read(R, own, room, readable, w, by))  # noqa: B023
            X = self._around(X, cross.norm, lambda R: self._read_source(R, cross, asked, source.mask, seen))  # noqa: B023
            X = self._changed(X, change)
        X = X if self.last is None else self.last(X)
        return self.projection(X).float().view(b, w, -1), StepState(source, said, state.words + 1)

    def select(self, state: StepState, sentences: Tensor, parents: Tensor) -> StepState:
        """Keep `sentences` (b2,); hypothesis j of kept sentence i goes on from hypothesis parents[i, j] (b2 w2)."""
        source = state.source
        stay = len(sentences) == source.memories.shape[2] and bool((sentences == torch.arange(len(sentences))).all())
        if not stay:
            mask = None if source.mask is None else source.mask[sentences]
            source = StepSource(source.memories.index_select(2, sentences), mask)
        return StepState(source, select(state.said, sentences, parents, stay), state.words)

    # ---------------------------------------------------------------------------------- rows (b w, d) of one layer

    def _around(self, X: Tensor, norm: Norm, f: Callable[[Tensor], Tensor]) -> Tensor:
        return X + f(norm(X)) if self.settings.norm_place == "pre" else norm(X + f(X))

    def _changed(self, X: Tensor, change: Change | None) -> Tensor:
        return X if change is None else self._around(X, change.norm, change.of)

    def _turns(self, place: int, n: int) -> Tensor | None:
        """The turns (2 n k) of n places, where queries and keys are turned."""
        if self.turns is None:
            return None
        if place + n <= _PLACES:
            return self.turns[:, place : place + n]
        return turns(n, self.settings.key_width, place).to(self.kind)

    def _read_own(self, R: Tensor, own: Own, b: int, mask: Tensor | None, by: Tensor | None) -> Tensor:
        """Of the encoder: every row of a sentence reads every other."""
        Q, K, V = self._own_parts(R, own, b, by)
        return own.out(_joined(F.scaled_dot_product_attention(Q, K, V, attn_mask=mask, scale=1.0)))

    def _write_and_read(
        self, R: Tensor, own: Own, room: Tensor, readable: Tensor | None, w: int, by: Tensor | None
    ) -> Tensor:
        """Of the decoder: the new rows are written last in `room` (2 b h n k), and each hypothesis reads its ancestors."""
        Q, room[0, :, :, -w:], room[1, :, :, -w:] = self._own_parts(R, own, room.shape[1], by)
        return own.out(_read(Q, room, readable))

    def _own_parts(self, R: Tensor, own: Own, b: int, by: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, (b h n k) each; the first two turned by their places."""
        parts = self._parts(own.asks_keys_values(R), b, 3)
        Q, K = parts[:2] if by is None else turned(parts[:2], by)
        return Q, K, parts[2]

    def _read_source(
        self, R: Tensor, cross: Cross, memory: Tensor, mask: Tensor | None, seen: list[Tensor] | None
    ) -> Tensor:
        return cross.out(_read(self._parts(cross.asks(R), memory.shape[1], 1)[0], memory, mask, seen))

    def _parts(self, X: Tensor, b: int, parts: int) -> Tensor:
        """(b*n, parts*h*k) -> (parts b h n k)."""
        return X.view(b, X.shape[0] // b, parts, self.settings.heads, -1).permute(2, 0, 3, 1, 4)


def _parts_of(attention: Attention) -> tuple[QueryKey, nn.Linear, nn.Linear]:
    return cast(QueryKey, attention.score), cast(nn.Linear, attention.value), cast(nn.Linear, attention.out)


def _asks(score: QueryKey) -> nn.Linear:
    """The product that makes queries, divided by sqrt(k) once and for all."""
    asks = deepcopy(score.query)
    with torch.no_grad():
        for parameter in asks.parameters():
            parameter.div_(math.sqrt(score.k))
    return asks


def _read(Q: Tensor, memory: Tensor, mask: Tensor | None, seen: list[Tensor] | None = None) -> Tensor:
    """softmax(Q K' + mask) V of few asking rows: Q (b h w k), memory (2 b h m k) -> (b*w h*k)."""
    if seen is None and Q.shape[0] <= _FEW:
        return _joined(F.scaled_dot_product_attention(Q, memory[0], memory[1], attn_mask=mask, scale=1.0))
    S = Q @ memory[0].mT
    A = torch.softmax(S if mask is None else S.add_(mask), -1)
    if seen is not None:
        seen.append(A)
    return _joined(A @ memory[1])


def _joined(X: Tensor) -> Tensor:
    """(b h n k) -> (b*n, h*k)."""
    b, h, n, k = X.shape
    return X.transpose(1, 2).reshape(b * n, h * k)
