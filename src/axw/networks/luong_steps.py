"""The answers of Luong's network by a faster way: the same equations, with its weights laid out for whoever only asks.

Each layer of the decoder is one product, [x_t ; h_{t-1}] W, and what is asked of the source at every step is laid out once.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from axw.equation import Memory
from axw.networks.lstm import LSTM
from axw.networks.luong import LuongNetwork, Source, what_is_read
from axw.networks.luong_attention import Factors
from axw.networks.products import Precision, laid_out


class LuongState(NamedTuple):
    """memory, one for a sentence; hidden and cells of each layer (b w d); feed h~ (b w d), or of width 0; words said."""

    memory: Memory
    hidden: tuple[Tensor, ...]
    cells: tuple[Tensor, ...]
    feed: Tensor
    said: int


class LuongSteps:
    """`encode`, `start`, `step`, `select` of a `LuongNetwork`: answers equal to its own up to rounding.

    network     its encoder and its attention are used as they are, in float32
    precision   of the decoder's products: fp32, bf16, int8
    """

    def __init__(self, network: LuongNetwork, precision: Precision = "fp32") -> None:
        self.network, self.precision = network, precision
        self.words = network.embed_target.detach().float()
        layers = [cast(LSTM, layer) for layer in network.decoder]
        self.gates = [laid_out(precision, layer.weight.detach().t().contiguous(), layer.bias) for layer in layers]
        cross = network.cross
        self.combine = None if cross is None else laid_out(precision, cross.combine.detach().t().contiguous())
        self.projection = laid_out(precision, network.projection)
        self.kind = torch.bfloat16 if precision == "bf16" else torch.float32

    @torch.no_grad()
    def encode(self, source: Tensor) -> Source:
        """source (b m) of ids -> its memory, and the states after its last word."""
        return self.network.encode(source)

    @torch.no_grad()
    def start(self, source: Source) -> LuongState:
        """Nothing is said yet; h~ before the first step is 0."""
        return LuongState(*self.network.start(source))

    @torch.no_grad()
    def step(self, tokens: Tensor, state: LuongState) -> tuple[Tensor, LuongState]:
        """What may follow `tokens` (b w), each hypothesis's last id: log-probabilities (b w V) in float32, and the state."""
        log_p, _, state = self._step(tokens, state)
        return log_p, state

    @torch.no_grad()
    def step_with_attention(self, tokens: Tensor, state: LuongState) -> tuple[Tensor, Tensor, LuongState]:
        """As `step`, with what each hypothesis reads of the source, A (b w m), between. `UsageError` without attention."""
        log_p, A, state = self._step(tokens, state)
        return log_p, what_is_read(A), state

    def _step(self, tokens: Tensor, state: LuongState) -> tuple[Tensor, Tensor | None, LuongState]:
        b, w = tokens.shape
        word, feed = F.embedding(tokens, self.words), state.feed.expand(b, w, -1)
        x, hidden, cells = torch.cat([word, feed], -1), [], []
        for gates, h, c in zip(self.gates, state.hidden, state.cells, strict=True):
            given = self._product(gates, torch.cat([x, h.expand(b, w, -1)], -1))
            x, c = _cell(given, c.expand(b, w, -1))
            hidden.append(x)
            cells.append(c)
        answer, A = x, None
        if self.network.cross is not None:
            answer, A = self._read(x, state)
        feed = answer if self.network.settings.input_feeding else feed
        log_p = torch.log_softmax(self._product(self.projection, answer), -1)
        return log_p, A, LuongState(state.memory, tuple(hidden), tuple(cells), feed, state.said + 1)

    def _read(self, h: Tensor, state: LuongState) -> tuple[Tensor, Tensor]:
        cross, memory = self.network.cross, state.memory
        assert cross is not None and self.combine is not None
        factors: Factors = cross.factors(memory)
        places = torch.full(h.shape[1:2], state.said, device=h.device)
        A = cross.weights(h, factors, cast(Tensor, memory.mask), places)
        c = (A @ memory.values)[:, 0]
        return torch.tanh(self._product(self.combine, torch.cat([c, h], -1))), A

    def _product(self, product: object, X: Tensor) -> Tensor:
        """X (b w k) float32 -> (b w n) float32."""
        rows = X.flatten(0, 1).to(self.kind)
        return cast(Tensor, product(rows)).float().unflatten(0, X.shape[:2])  # type: ignore[operator]

    def select(self, state: LuongState, sentences: Tensor, parents: Tensor) -> LuongState:
        """Keep `sentences` (b2,); hypothesis j of kept sentence i goes on from hypothesis parents[i, j] (b2 w2)."""
        return LuongState(*self.network.select(state, sentences, parents))  # type: ignore[arg-type]


def _cell(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """h_t, c_t from the gates [i f o g] (... 4d) and c_{t-1} (... d)."""
    d = c.shape[-1]
    i, f, o = gates[..., : 3 * d].sigmoid().chunk(3, -1)
    c = torch.addcmul(f * c, i, gates[..., 3 * d :].tanh())
    return o * c.tanh(), c
