"""The Transformer (Vaswani et al. 2017): a stack that reads a sentence, a stack that writes another, and both in one.

Ids are (b n) with 0 for padding, which nobody reads. A row's place is added to its embedding, or is in the scores (`POSITIONS`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axw.equation import DistanceBias, Memory, alibi, dropout, masks, sentences, sinusoids
from axw.equation.whole_blocks import whole_blocks
from axw.errors import UsageError
from axw.networks.blocks import DecoderLayer, EncoderLayer, TransformerSettings, norm_of
from axw.networks.ids import PAD, check_sizes

LayerStep = Callable[[Tensor, Memory, Memory | None, Tensor | None], tuple[Tensor, Memory]]
"""(rows, source, said, bias) -> the rows after the layer, and what was said with them in it."""


class Embedding(nn.Module):
    """E[id] sqrt(d) plus the place of the row (Vaswani et al. 2017, sections 3.4, 3.5), with dropout on the sum."""

    def __init__(self, s: TransformerSettings, size: int) -> None:
        super().__init__()
        self.dropout, self.kind = s.dropout, s.positions
        self.weight = nn.Parameter(torch.empty(size, s.d_model).normal_(0.0, s.d_model**-0.5))
        self.places = (
            nn.Parameter(torch.empty(s.longest, s.d_model).normal_(0.0, 0.02)) if s.positions == "learned" else None
        )
        self.norm = norm_of(s) if s.embedding_norm else nn.Identity()

    def forward(self, ids: Tensor, start: int = 0) -> Tensor:
        """ids (b n) -> (b n d); `start` is the place of the first."""
        n, d = ids.shape[1], self.weight.shape[1]
        X = F.embedding(ids, self.weight) * math.sqrt(d)
        if self.kind == "sinusoidal":
            X = X + sinusoids(n, d, start).to(X)
        elif self.places is not None:
            if start + n > self.places.shape[0]:
                raise UsageError(
                    f"A sentence has {start + n} pieces; learned positions know {self.places.shape[0]}.",
                    "In the network.",
                    "Cut the sentence, or set longest before training.",
                )
            X = X + self.places[start : start + n]
        return dropout(self.norm(X), self.dropout, self.training)


class _Bias(nn.Module):
    """What a place adds to the scores of all layers of one stack: nothing, ALiBi's slope, or learnt numbers."""

    def __init__(self, s: TransformerSettings, *, both: bool) -> None:
        super().__init__()
        self.kind, self.heads = s.positions, s.heads
        self.learnt = DistanceBias(s.heads, both=both) if s.positions == "relative" else None

    def forward(self, n: int, m: int, like: Tensor, start: int = 0) -> Tensor | None:
        if self.learnt is not None:
            return cast(Tensor, self.learnt(n, m, start))
        return alibi(self.heads, n, m, start).to(like) if self.kind == "alibi" else None


class Encoder(nn.Module):
    """Rows that read each other, `layers` times: embedded ids (b n d) -> (b n d)."""

    def __init__(self, s: TransformerSettings) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(s) for _ in range(s.layers))
        self.bias = _Bias(s, both=True)
        self.last = norm_of(s) if s.norm_place == "pre" else nn.Identity()
        self.window = s.window

    def forward(self, X: Tensor, mask: Tensor | None) -> Tensor:
        bias, mask = self.bias(X.shape[1], X.shape[1], X), self._near(X, mask)
        for layer in self.layers:
            X = layer(X, mask, bias)
        return cast(Tensor, self.last(X))

    def at(self, X: Tensor, places: Tensor, mask: Tensor | None) -> Tensor:
        """The rows (t d) of what `forward` gives at `places` (t,), numbers in the flattened (b n).

        Nobody reads what the last layer makes of the others, so it is not made: of a sentence with one word in six hidden
        that saves nearly a whole feed-forward layer.
        """
        if not self.layers:
            return cast(Tensor, self.last(X.flatten(0, 1).index_select(0, places)))
        bias, mask = self.bias(X.shape[1], X.shape[1], X), self._near(X, mask)
        for layer in self.layers[:-1]:
            X = layer(X, mask, bias)
        return cast(Tensor, self.last(self.layers[-1](X, mask, bias, whole_blocks(places)))[: len(places)])

    def _near(self, X: Tensor, mask: Tensor | None) -> Tensor | None:
        """The mask, and where rows read near ones only, that too."""
        if self.window is None:
            return mask
        near = masks.window(torch.arange(X.shape[1], device=X.device)[None], X.shape[1], self.window)
        return near if mask is None else near & mask

    def show(self, X: Tensor, mask: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """What `forward` gives, and each layer's A (b h n n)."""
        bias, mask, seen = self.bias(X.shape[1], X.shape[1], X), self._near(X, mask), []
        for layer in self.layers:
            X, A = cast(EncoderLayer, layer).show(X, mask, bias)
            seen.append(A)
        return self.last(X), seen


class Source(NamedTuple):
    """An encoded source: its rows as every decoder layer's memory of them, each (b h m k)."""

    memories: tuple[Memory, ...]


class State(NamedTuple):
    """A translation on its way: b sentences with w hypotheses each.

    source  memory of the source in each layer, one per sentence
    said    memory of what was said in each layer, keys and values (b w h t k); empty before the first step
    """

    source: tuple[Memory, ...]
    said: tuple[Memory, ...]


class Transformer(nn.Module):
    """p(y_t | y_<t, x) = softmax(E h_t), h = decoder(y_<t, encoder(x)) (Vaswani et al. 2017, figure 1).

    source_size, target_size   numbers of ids; equal where `shared` is "all"
    seed                       of the first weights
    """

    def __init__(self, settings: TransformerSettings, source_size: int, target_size: int, *, seed: int = 0) -> None:
        super().__init__()
        s = self.settings = settings
        check_sizes(s.shared, source_size, target_size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embed_source = Embedding(s, source_size)
            self.embed_target = self.embed_source if s.shared == "all" else Embedding(s, target_size)
            self.encoder = Encoder(s)
            count = max(1, s.layers) if s.decoder_layers is None else s.decoder_layers
            self.layers = nn.ModuleList(DecoderLayer(s) for _ in range(count))
            self.bias = _Bias(s, both=False)
            self.last = norm_of(s) if s.norm_place == "pre" else nn.Identity()
            self.output = None if s.shared != "none" else nn.Parameter(torch.empty_like(self.embed_target.weight))
            if self.output is not None:
                nn.init.normal_(self.output, 0.0, s.d_model**-0.5)
            self.output_bias = nn.Parameter(torch.zeros(target_size)) if s.output_bias else None

    def decoder_layers(self) -> list[DecoderLayer]:
        return [cast(DecoderLayer, layer) for layer in self.layers]

    def encode(self, source: Tensor) -> Source:
        """source (b m) of ids -> each decoder layer's memory of it."""
        mask = (source != PAD)[:, None, None, :]
        X = self.encoder(self.embed_source(source), mask)
        return self._remember(X, mask)

    def _remember(self, X: Tensor, mask: Tensor) -> Source:
        return Source(sentences.remember_all([layer.cross for layer in self.decoder_layers()], X, mask))

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """The rows (b n d) that `logits` turns into the next ids, the right ones being said so far.

        source (b m); target (b n), which begins with the start id. A padded place may be read only by those after it.
        """
        encoded, n = self.encode(source), target.shape[1]
        X = self.embed_target(target)
        mask, bias = masks.causal(n, n, device=X.device), self.bias(n, n, X)
        for layer, memory in zip(self.decoder_layers(), encoded.memories, strict=True):
            X = layer(X, memory, mask, bias)
        return cast(Tensor, self.last(X))

    @property
    def projection(self) -> Tensor:
        """W of the last product, (V d)."""
        return self.embed_target.weight if self.output is None else self.output

    def logits(self, hidden: Tensor) -> Tensor:
        """(... d) -> (... V): hidden W', and b where words have a number of their own."""
        return F.linear(hidden, self.projection, self.output_bias)

    def start(self, source: Source) -> State:
        """Nothing is said yet."""
        return State(source.memories, ())

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """What may follow `tokens` (b w), each hypothesis's last id: log-probabilities (b w V) in float32, and the state."""
        return self._step(tokens, state, [layer.step for layer in self.decoder_layers()])

    def step_with_attention(self, tokens: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """As `step`, with A (b w m) between: what is read of the source in the last layer, the mean over its heads."""
        *lower, top = self.decoder_layers()
        seen: list[Tensor] = []

        def last(X: Tensor, source: Memory, said: Memory | None, bias: Tensor | None) -> tuple[Tensor, Memory]:
            X, after, A = top.step_showing(X, source, said, bias)
            seen.append(A)
            return X, after

        log_p, state = self._step(tokens, state, [*(layer.step for layer in lower), last])
        return log_p, seen[0].float().mean(1), state

    def _step(self, tokens: Tensor, state: State, layers: Sequence[LayerStep]) -> tuple[Tensor, State]:
        b, w = tokens.shape
        t = state.said[0].keys.shape[3] if state.said else 0
        X = self.embed_target(tokens.reshape(b * w, 1), t).reshape(b, w, -1)
        bias, said = self.bias(1, t + 1, X, t), []
        for number, (step, source) in enumerate(zip(layers, state.source, strict=True)):
            before = _flat(state.said[number]) if state.said else None
            X, after = step(X, source, before, bias)
            said.append(Memory(after.keys.unflatten(0, (b, w)), after.values.unflatten(0, (b, w))))
        logits = self.logits(self.last(X))
        return torch.log_softmax(logits.float(), -1), State(state.source, tuple(said))

    def select(self, state: State, sentences: Tensor, parents: Tensor) -> State:
        """Keep `sentences` (b2,); hypothesis j of kept sentence i goes on from hypothesis parents[i, j] (b2 w2)."""
        source, said = state.source, state.said
        if source and not _all_of(sentences, source[0].keys.shape[0]):
            source = tuple(
                Memory(K[sentences], V[sentences], None if mask is None else mask[sentences]) for K, V, mask in source
            )
        if said:
            rows = (sentences[:, None] * said[0].keys.shape[1] + parents).flatten()
            flat = (_flat(memory) for memory in said)
            said = tuple(
                Memory(M.keys[rows].unflatten(0, parents.shape), M.values[rows].unflatten(0, parents.shape))
                for M in flat
            )
        return State(source, said)

    @torch.no_grad()
    def attention(self, source: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Every A of forced decoding: "encoder 1" (b h m m), "decoder 1" (b h n n), "cross 1" (b h n m), and so on."""
        mask, n = (source != PAD)[:, None, None, :], target.shape[1]
        X, seen = self.encoder.show(self.embed_source(source), mask)
        found = {f"encoder {number}": A for number, A in enumerate(seen, 1)}
        encoded, Y = self._remember(X, mask), self.embed_target(target)
        causal, bias = masks.causal(n, n, device=Y.device), self.bias(n, n, Y)
        for number, (layer, memory) in enumerate(zip(self.decoder_layers(), encoded.memories, strict=True), 1):
            Y, own, cross = layer.show(Y, memory, causal, bias)
            found |= {f"decoder {number}": own, f"cross {number}": cross}
        return found


def _flat(memory: Memory) -> Memory:
    """(b w h t k) -> (b*w h t k)."""
    return Memory(memory.keys.flatten(0, 1), memory.values.flatten(0, 1))


def _all_of(sentences: Tensor, b: int) -> bool:
    return sentences.numel() == b and bool((sentences == torch.arange(b, device=sentences.device)).all())
