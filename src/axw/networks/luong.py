"""The translator of Luong, Pham and Manning 2015 (arXiv 1508.04025): two stacks of LSTMs and attention between them.

    encoder   H, (h, c) = LSTMs(x), from the last word to the first where `reverse`; the decoder starts at its last h and c
    decoder   h_t = LSTMs([E y_{t-1} ; h~_{t-1}])     input feeding (section 3.3); without it, LSTMs(E y_{t-1})
    cross     h~_t = tanh([c_t ; h_t] W_c), c_t = A_t H
    output    p(y_t | y_<t, x) = softmax(h~_t W_s')                                eq. 6

Ids are (b n) with 0 for padding, which comes last and which nobody reads. Places are counted in the order of the source,
whichever way it was read: the rows of H are put back, so that A, the windows and `location` need not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axw.equation import Memory, dropout
from axw.errors import UsageError
from axw.networks.ids import PAD, check_sizes
from axw.networks.lstm import LSTM, cell
from axw.networks.luong_attention import Factors, LuongAttention
from axw.networks.luong_settings import LuongSettings
from axw.networks.reused import Reused, product


class Source(NamedTuple):
    """An encoded source: its rows as a memory, and where each layer of the decoder starts, (b 1 d) of each layer."""

    memory: Memory
    hidden: tuple[Tensor, ...]
    cells: tuple[Tensor, ...]


class State(NamedTuple):
    """A translation on its way: b sentences with w hypotheses each, all of which read the one memory of their sentence.

    hidden, cells  h and c of each layer, (b w d)
    feed           h~ of the step before, (b w d); of width 0 without input feeding
    said           how many words were said, of every hypothesis
    """

    memory: Memory
    hidden: tuple[Tensor, ...]
    cells: tuple[Tensor, ...]
    feed: Tensor
    said: int


class LuongNetwork(nn.Module):
    """Encoder, decoder and attention of Luong et al. 2015, as `settings` chooses them.

    source_size, target_size   numbers of ids; equal where `shared` is "all", else `UsageError`
    seed                       of the first weights, uniform in [-initial_range, initial_range]
    """

    def __init__(self, settings: LuongSettings, source_size: int, target_size: int, *, seed: int = 0) -> None:
        super().__init__()
        s = self.settings = settings
        self.dropout = s.dropout
        check_sizes(s.shared, source_size, target_size)
        e, d = s.embedding_width, s.d_model
        with torch.random.fork_rng(devices=[]):
            self.embed_source = nn.Parameter(torch.empty(source_size, e))
            self.embed_target = self.embed_source if s.shared == "all" else nn.Parameter(torch.empty(target_size, e))
            self.output = nn.Parameter(torch.empty(target_size, d)) if s.shared == "none" else None
            self.encoder = nn.ModuleList(LSTM(e if number == 0 else d, d) for number in range(s.layers))
            first = e + d if s.input_feeding else e
            self.decoder = nn.ModuleList(LSTM(first if number == 0 else d, d) for number in range(s.layers))
            self.cross = None if s.score == "none" else LuongAttention(s)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-s.initial_range, s.initial_range, generator=generator)

    def encode(self, source: Tensor) -> Source:
        """source (b m) of ids, padded at the end with 0 -> its memory, and the states after its last word."""
        mask = source != PAD
        b, lengths = len(source), mask.sum(1)
        order = reversal(lengths, source.shape[1]) if self.settings.reverse else None
        X = self._drop(F.embedding((source if order is None else source.gather(1, order)).T, self.embed_source))
        last, rows = (lengths - 1).clamp_min(0), torch.arange(b, device=source.device)
        zero, hidden, cells = X.new_zeros(b, self.settings.d_model), [], []
        for layer in self.encoder:
            # What follows a sentence's last word cannot change what was read before it: its states are taken there.
            H, C = layer(X, zero, zero)
            hidden.append(H[last, rows][:, None])
            cells.append(C[last, rows][:, None])
            X = self._drop(H)
        H = X.transpose(0, 1)
        if order is not None:
            H = H.gather(1, order[..., None].expand_as(H))
        if self.cross is None:
            nothing = H[:, None, :, :0]
            return Source(Memory(nothing, nothing, mask[:, None, None, :]), tuple(hidden), tuple(cells))
        return Source(self.cross.remember(H, mask), tuple(hidden), tuple(cells))

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """The rows h~ (b n d) that `logits` turns into the next ids, the right ones being said so far.

        source (b m); target (b n), which begins with the start id.
        """
        return self._say(source, target)[0]

    @property
    def projection(self) -> Tensor:
        """W_s of the last product, (V d)."""
        return self.embed_target if self.output is None else self.output

    @property
    def output_bias(self) -> Tensor | None:
        """Eq. 6 has none."""
        return None

    def logits(self, hidden: Tensor) -> Tensor:
        """(... d) -> (... V): h~ W_s'."""
        return F.linear(hidden, self.projection)

    def start(self, source: Source) -> State:
        """Nothing is said yet; h~ before the first step is 0."""
        first = source.hidden[0]
        feed = torch.zeros_like(first) if self.settings.input_feeding else first[..., :0]
        return State(source.memory, source.hidden, source.cells, feed, 0)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """What may follow `tokens` (b w), each hypothesis's last id: log-probabilities (b w V) in float32, and the state."""
        log_p, _, state = self._step(tokens, state)
        return log_p, state

    def step_with_attention(self, tokens: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """As `step`, with what each hypothesis reads of the source, A (b w m), between. `UsageError` without attention."""
        log_p, A, state = self._step(tokens, state)
        return log_p, what_is_read(A).float(), state

    def _step(self, tokens: Tensor, state: State) -> tuple[Tensor, Tensor | None, State]:
        b, w = tokens.shape
        hidden, cells = (tuple(S.expand(b, w, -1) for S in states) for states in (state.hidden, state.cells))
        state = state._replace(hidden=hidden, cells=cells, feed=state.feed.expand(b, w, -1))
        first = self._drop(F.embedding(tokens, self.embed_target))
        factors = None if self.cross is None else self.cross.factors(state.memory)
        answer, A, state = self._advance(self._given(first), self._recurrent(), factors, state)
        return torch.log_softmax(self.logits(answer).float(), -1), A, state

    def select(self, state: State, sentences: Tensor, parents: Tensor) -> State:
        """Keep `sentences` (b2,); hypothesis j of kept sentence i goes on from hypothesis parents[i, j] (b2 w2)."""
        b, w = state.hidden[0].shape[:2]
        memory = state.memory
        if len(sentences) != b or not torch.equal(sentences, torch.arange(b, device=sentences.device)):
            memory = Memory(*(None if M is None else M[sentences] for M in memory))  # type: ignore[arg-type]
        rows = sentences[:, None] * w + parents
        hidden, cells = (tuple(S.flatten(0, 1)[rows] for S in states) for states in (state.hidden, state.cells))
        return State(memory, hidden, cells, state.feed.flatten(0, 1)[rows], state.said)

    @torch.no_grad()
    def attention(self, source: Tensor, target: Tensor) -> dict[str, Tensor]:
        """A of forced decoding, "cross 1" (b 1 n m), places in the order of the source; nothing where there is no attention."""
        found = self._say(source, target)[1]
        return {} if found is None else {"cross 1": found}

    def _say(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """h~ (b n d) and A (b 1 n m) of forced decoding."""
        encoded = self.encode(source)
        X = self._drop(F.embedding(target.T, self.embed_target))
        return self._one_by_one(X, encoded) if self.settings.input_feeding else self._at_once(X, encoded)

    def _at_once(self, X: Tensor, source: Source) -> tuple[Tensor, Tensor | None]:
        """Without input feeding a layer runs over the whole sentence, and all steps ask together. X (n b e)."""
        for layer, h, c in zip(self.decoder, source.hidden, source.cells, strict=True):
            X = self._drop(layer(X, h[:, 0], c[:, 0])[0])
        H = X.transpose(0, 1)
        if self.cross is None:
            return H, None
        places = torch.arange(H.shape[1], device=H.device)
        memory = source.memory
        answer, A = self.cross(H, self.cross.factors(memory), memory.mask, places)
        return answer, A

    def _one_by_one(self, X: Tensor, source: Source) -> tuple[Tensor, Tensor | None]:
        """With input feeding step t waits for h~ of step t-1; the gradients of what all steps multiply by do not. X (n b e)."""
        assert self.cross is not None
        factors, recurrent = self.cross.reused_factors(source.memory), [Reused(W) for W in self._recurrent()]
        given = zip(*(G.unbind(0) for G in self._given(X[:, :, None])), strict=True)
        state, answers, found = self.start(source), [], []
        for now in given:
            answer, A, state = self._advance(now, recurrent, factors, state)
            answers.append(answer)
            found.append(A)
        return torch.cat(answers, 1), torch.cat(found, 2)  # type: ignore[arg-type]

    def _given(self, X: Tensor) -> tuple[Tensor, ...]:
        """What each layer's gates know before the step, (... 4d) of words X (... e): word and bias; above the first, the bias."""
        first, *others = self._layers()
        word = X @ first.weight[: X.shape[-1]] + first.bias
        return (word, *(layer.bias.expand_as(word) for layer in others))

    def _layers(self) -> list[LSTM]:
        return [cast(LSTM, layer) for layer in self.decoder]

    def _recurrent(self) -> list[Tensor]:
        """What each layer's gates multiply at the step: W without the rows of the word."""
        first, *others = (layer.weight for layer in self._layers())
        return [first[self.settings.embedding_width :], *others]

    def _advance(
        self,
        given: tuple[Tensor, ...],
        recurrent: Sequence[Tensor | Reused],
        factors: Factors | None,
        state: State,
    ) -> tuple[Tensor, Tensor | None, State]:
        """One step of every hypothesis: h~ (b w d), A (b 1 w m), and the state after it."""
        x, hidden, cells = self._drop(state.feed), [], []
        for now, W, h, c in zip(given, recurrent, state.hidden, state.cells, strict=True):
            h, c = cell(now, product(torch.cat([x, h], -1), W), c)
            hidden.append(h)
            cells.append(c)
            x = self._drop(h)
        answer, A = x, None
        if self.cross is not None and factors is not None:
            places = torch.full(x.shape[1:2], state.said, device=x.device)
            answer, A = self.cross(x, factors, state.memory.mask, places)
        feed = answer if self.settings.input_feeding else state.feed
        return answer, A, State(state.memory, tuple(hidden), tuple(cells), feed, state.said + 1)

    def _drop(self, X: Tensor) -> Tensor:
        return dropout(X, self.dropout, self.training)


def what_is_read(A: Tensor | None) -> Tensor:
    """A (b w m) of a step's A (b 1 w m). `UsageError` for a network without attention."""
    if A is None:
        raise UsageError(
            "The network has no attention, so it does not say what it reads; the coverage penalty needs it.",
            "In the search settings, coverage, with luong.score=none.",
            "Set coverage to 0, or train a network with another score.",
        )
    return A[:, 0]


def reversal(lengths: Tensor, m: int) -> Tensor:
    """Places (b m) that turn each sentence round and leave its padding where it is; twice gives the order back."""
    place = torch.arange(m, device=lengths.device)
    return torch.where(place < lengths[:, None], lengths[:, None] - 1 - place, place)
