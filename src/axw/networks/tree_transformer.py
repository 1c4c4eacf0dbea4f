"""The Transformer as a writer of trees: its decoder is told where in the sentence, and where in the tree, it stands.

The rows that the decoder reads are words, each the mean of its pieces after the encoder:  H = A_pieces encoder(x).
A row of the decoder begins as

    X_t = E[y_t] sqrt(d) + place + [H[next word] ; H[first word of the open constituent] ; E[its opening bracket]] W

that is, A X W with an A that is given: the tokens said so far say which two words a row reads, with nothing to be learnt of it.
The rest is the Transformer of 2017. Reading a word of its own at each step is the hard attention that Vinyals et al. 2015 leave
to be learnt (arXiv 1412.7449), and what stack-based parsers read (Dyer et al. 2016, arXiv 1602.07776).
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axw.equation import Memory, dropout, masks
from axw.networks.blocks import TransformerSettings
from axw.networks.ids import PAD
from axw.networks.transformer import State, Transformer
from axw.networks.tree_walk import Stack, Standing, TreeRoles, advance, empty, kinds_of, select, standing, walk


class Source(NamedTuple):
    """An encoded sentence: each decoder layer's memory of its words, and the words themselves (b m d)."""

    memories: tuple[Memory, ...]
    words: Tensor


class TreeState(NamedTuple):
    """Trees on their way: what the Transformer keeps, the words (b m d), and the stack of open constituents."""

    said: State
    words: Tensor
    stack: Stack


class TreeTransformer(Transformer):
    """p(y_t | y_<t, x) of trees y over sentences x. The arguments are those of `Transformer`, and what the ids mean."""

    def __init__(
        self, settings: TransformerSettings, source_size: int, target_size: int, roles: TreeRoles, *, seed: int = 0
    ) -> None:
        super().__init__(settings, source_size, target_size, seed=seed)
        self.dropout, d = settings.dropout, settings.d_model
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            self.standing = nn.Linear(3 * d, d, bias=False)
        begins = torch.zeros(source_size, dtype=torch.bool, device="cpu")
        begins[list(roles.begins)] = True
        self._begins, self._kinds = begins, kinds_of(roles, target_size)

    def encode(self, source: Tensor) -> Source:  # type: ignore[override]
        """source (b m) of pieces -> the words, and each decoder layer's memory of them."""
        X = self.encoder(self.embed_source(source), (source != PAD)[:, None, None, :])
        return self._words(X, source)

    def _words(self, X: Tensor, source: Tensor) -> Source:
        """The mean of each word's pieces (b m d), the end being a word; and the memory of it."""
        number, real = self.word_numbers(source), source != PAD
        b, count = len(source), int(number.max()) + 1
        sizes = X.new_zeros(b, count).scatter_add(1, number, real.to(X))
        index = number[..., None].expand_as(X)
        sums = X.new_zeros(b, count, X.shape[2]).scatter_add(1, index, X * real[..., None])
        words = sums / sizes.clamp(min=1)[..., None]
        return Source(self._remember(words, (sizes > 0)[:, None, None, :]).memories, words)

    def word_numbers(self, source: Tensor) -> Tensor:
        """(b m) the number of the word that each piece belongs to; padding counts to the end."""
        return (self._begins.to(source.device)[source].long().cumsum(1) - 1).clamp(min=0)

    def _given(self, tokens: Tensor, stands: Standing, words: Tensor) -> Tensor:
        """(b w d): what a row knows of where it stands."""
        last = words.shape[1] - 1
        read = [
            words.gather(1, index.clamp(max=last)[..., None].expand(*index.shape, words.shape[2]))
            for index in (stands.next, stands.first)
        ]
        label = F.embedding(stands.label, self.embed_target.weight) * self.settings.d_model**0.5
        given = self.standing(torch.cat([*read, label], -1))
        return dropout(given, self.dropout, self.training)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """The rows (b n d) that `logits` turns into the next ids; source (b m), target (b n) begins with the start id."""
        words, n = self.encode(source), target.shape[1]
        X = self._read(target, words)
        mask, bias = masks.causal(n, n, device=X.device), self.bias(n, n, X)
        for layer, memory in zip(self.decoder_layers(), words.memories, strict=True):
            X = layer(X, memory, mask, bias)
        return cast(Tensor, self.last(X))

    def _read(self, target: Tensor, source: Source) -> Tensor:
        stands = walk(target, self._kinds.to(target.device))
        return cast(Tensor, self.embed_target(target)) + self._given(target, stands, source.words)

    def start(self, source: Source) -> TreeState:  # type: ignore[override]
        """Nothing is said yet."""
        b = len(source.words)
        return TreeState(State(source.memories, ()), source.words, empty(b, 1, source.words.device))

    def step(self, tokens: Tensor, state: TreeState) -> tuple[Tensor, TreeState]:  # type: ignore[override]
        """What may follow `tokens` (b w), each tree's last id: log-probabilities (b w V) in float32, and the state."""
        b, w = tokens.shape
        before = state.said.said
        t = before[0].keys.shape[3] if before else 0
        stack = advance(state.stack, tokens, self._kinds.to(tokens.device))
        X = self.embed_target(tokens.reshape(b * w, 1), t).reshape(b, w, -1)
        X = X + self._given(tokens, standing(stack), state.words)
        bias, said = self.bias(1, t + 1, X, t), []
        for number, (layer, source) in enumerate(zip(self.decoder_layers(), state.said.source, strict=True)):
            known = None
            if before:
                known = Memory(before[number].keys.flatten(0, 1), before[number].values.flatten(0, 1))
            X, after = layer.step(X, source, known, bias)
            said.append(Memory(after.keys.unflatten(0, (b, w)), after.values.unflatten(0, (b, w))))
        logits = self.logits(self.last(X)).float()
        return torch.log_softmax(logits, -1), TreeState(State(state.said.source, tuple(said)), state.words, stack)

    def select(self, state: TreeState, sentences: Tensor, parents: Tensor) -> TreeState:  # type: ignore[override]
        """Keep `sentences` (b2,); tree j of kept sentence i goes on from tree parents[i, j] (b2 w2)."""
        said = super().select(state.said, sentences, parents)
        return TreeState(said, state.words[sentences], select(state.stack, sentences, parents))

    @torch.no_grad()
    def attention(self, source: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Every A of forced decoding: "encoder 1" over pieces (b h m m), "decoder 1" (b h n n), "cross 1" over words."""
        mask, n = (source != PAD)[:, None, None, :], target.shape[1]
        X, seen = self.encoder.show(self.embed_source(source), mask)
        found = {f"encoder {number}": A for number, A in enumerate(seen, 1)}
        words = self._words(X, source)
        Y = self._read(target, words)
        causal, bias = masks.causal(n, n, device=Y.device), self.bias(n, n, Y)
        for number, (layer, memory) in enumerate(zip(self.decoder_layers(), words.memories, strict=True), 1):
            Y, own, cross = layer.show(Y, memory, causal, bias)
            found |= {f"decoder {number}": own, f"cross {number}": cross}
        return found
