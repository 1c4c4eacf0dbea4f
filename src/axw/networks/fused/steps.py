"""A Transformer's answers in few calls: a whole step is one compiled function, and rows stay where they were written."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from axw.equation import turns
from axw.errors import Notice
from axw.networks.fused import laid_out
from axw.networks.fused.entries import alone, answered, compiling, held, kept_or_not
from axw.networks.fused.values import Heard, Layers, Said, Wanted
from axw.networks.ids import PAD
from axw.networks.products import Precision
from axw.networks.step_parts import Embedded, embedded
from axw.networks.transformer import Embedding, Transformer

_PLACES, _LEAST = 1024, 32  # turns that are kept; rows that are made room for at first
_ROWS_WORTH = 16  # rows that are worth a thread
_NO_LOGS, _UNSEEN = np.empty((0, 0), np.float32), np.empty((0, 0, 0), np.float32)
_NO_IDS, _NO_TOTALS = np.empty((0, 0), np.int64), np.empty((0, 0))
_NO_BEST = (_NO_TOTALS, np.empty(0, np.int64), _NO_TOTALS, _NO_IDS, _NO_IDS)
_NO_ROOM = np.empty((0, 0, 0, 0), np.float32)
_NOTHING_SAID = Said(_NO_ROOM, _NO_ROOM, np.empty(0, np.int64), 0, np.empty((0, 1, 0), np.int64))
_NOTHING_WANTED = Wanted(_NO_LOGS, _UNSEEN, *_NO_BEST)


class FusedSource(NamedTuple):
    """heard: what decoder layers read of all sentences;  m: places of the longest."""

    heard: Heard
    m: int


class Room:
    """Room for what s sentences say: keys and values, (l s c h*k) of which the first `written` of c rows hold something.

    Shared by states as `axw.networks.said.Rows` is: the first to write behind row `written` writes in place.
    """

    def __init__(self, keys: np.ndarray, values: np.ndarray, written: int) -> None:
        self.keys, self.values, self.written = keys, values, written

    def behind(self, count: int, w: int) -> Room:
        """Room for w rows behind the first `count`, for whoever asked."""
        layers, sentences, capacity, width = self.keys.shape
        if self.written == count and count + w <= capacity:
            self.written = count + w
            return self
        room = max(capacity, 2 * (count + w), _LEAST * w)
        wide = np.empty((2, layers, sentences, room, width), np.float32)
        wide[0, :, :, :count], wide[1, :, :, :count] = self.keys[:, :, :count], self.values[:, :, :count]
        return Room(wide[0], wide[1], count + w)


class FusedState(NamedTuple):
    """slots (b,): which sentences of source and room go on;  ancestors (b w n): which rows of the room each hypothesis said."""

    source: FusedSource
    room: Room
    before: int
    slots: np.ndarray
    ancestors: np.ndarray


class Crew:
    """Threads that take sentences between them. What is computed of a sentence does not depend on how many they are."""

    def __init__(self) -> None:
        self.threads: ThreadPoolExecutor | None = None

    def parts(self, sentences: int, rows: int) -> int:
        """How many parts are worth it."""
        return max(1, min(torch.get_num_threads(), sentences, rows // _ROWS_WORTH))

    def share(self, sentences: int, rows: int, work: Callable[[slice], Any]) -> None:
        """`work` of all sentences, in parts where there are rows enough for several threads (`torch.get_num_threads`)."""
        parts = self.parts(sentences, rows)
        if parts == 1:
            work(slice(0, sentences))
            return
        if self.threads is None:
            self.threads = ThreadPoolExecutor(torch.get_num_threads() - 1, "axw-steps")
        ends = [sentences * part // parts for part in range(parts + 1)]
        others = [self.threads.submit(work, slice(*pair)) for pair in pairwise(ends[1:])]
        work(slice(0, ends[1]))
        for other in others:
            other.result()


class Held:
    """Layers, and as compiled code holds them."""

    def __init__(self, layers: Layers) -> None:
        self.layers, self.held = layers, held(layers)


class FusedSteps:
    """`encode`, `start`, `step` and `select` of a Transformer: answers equal to its own up to rounding.

    network     whose settings `steps_fast` knows; its weights are copied
    precision   of the products: fp32 or int8, where `axw.networks.fused.processor` says that it is usable
    """

    def __init__(self, network: Transformer, precision: Precision = "fp32") -> None:
        s = self.settings = network.settings
        self.precision = precision
        self.embed_source, one = self._embed(network.embed_source), network.embed_target is network.embed_source
        self.embed_target = self.embed_source if one else self._embed(network.embed_target)
        self.crew, self.vocabulary = Crew(), len(network.projection)
        self.layers, self.width = len(network.decoder_layers()), s.heads * s.key_width
        self.turns = turns(_PLACES if s.positions == "rotary" else 0, s.key_width).numpy()
        with alone(), compiling(_tell):
            kept_or_not(lambda: self._begin(network))

    def _begin(self, network: Transformer) -> None:
        """The weights are laid out, and one word is said, so that nothing is left to be compiled."""
        self.encoder = Held(laid_out.encoder(network, self.embed_source, self.precision))
        self.decoder = Held(laid_out.decoder(network, self.embed_target, self.precision))
        one = torch.ones(1, 1, dtype=torch.int64)
        self.step(one, self.start(self.encode(one)))

    def _embed(self, embedding: Embedding) -> Embedded:
        return embedded(embedding, self.settings.d_model, torch.float32)

    def encode(self, source: Tensor) -> FusedSource:
        """source (b m) of ids -> each decoder layer's memory of it. Padded places are left out."""
        ids, m = _plain(source, np.int64), source.shape[1]
        real = ids != PAD
        layers, by = self._placed(self.encoder, self.embed_source, m), self._turns(m)
        begins = np.concatenate([[0], np.cumsum(real.sum(1))])
        keys, values = np.empty((2, self.layers, begins[-1], self.width), np.float32)
        heard, said = Heard(keys, values, begins, np.ascontiguousarray(np.nonzero(real)[1])), ids[real]

        def answer(part: slice) -> None:
            own = begins[part.start : part.stop + 1]
            answered(said[own[0] : own[-1]], layers, _NOTHING_SAID, heard._replace(begins=own), by, _NOTHING_WANTED)

        self.crew.share(len(ids), len(said), answer)
        return FusedSource(heard, m)

    def start(self, source: FusedSource) -> FusedState:
        """Nothing is said yet."""
        b = len(source.heard.begins) - 1
        keys, values = np.empty((2, self.layers, b, _LEAST, self.width), np.float32)
        return FusedState(source, Room(keys, values, 0), 0, np.arange(b), np.empty((b, 1, 0), np.int64))

    def step(self, tokens: Tensor, state: FusedState) -> tuple[Tensor, FusedState]:
        """What may follow `tokens` (b w), each hypothesis's last id: log-probabilities (b w V) in float32, and the state."""
        log_p, _, state = self._all(tokens, state, 0)
        return log_p, state

    def step_with_attention(self, tokens: Tensor, state: FusedState) -> tuple[Tensor, Tensor, FusedState]:
        """As `step`, with A (b w m) between: what is read of the source in the last layer, the mean over its heads."""
        return self._all(tokens, state, state.source.m)

    def step_best(
        self, tokens: Tensor, state: FusedState, total: Tensor, k: int, never: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor, FusedState]:
        """The k likeliest continuations as `axw.decoding.top.best` finds them, and the state: totals, hypotheses, ids (b k)."""
        b, w = tokens.shape
        shape = (b, min(k, w * self.vocabulary))
        best = np.empty(shape), np.empty(shape, np.int64), np.empty(shape, np.int64)
        state = self._step(
            tokens, state, Wanted(_NO_LOGS, _UNSEEN, _plain(total, np.float64), np.array(never, np.int64), *best)
        )
        totals, parents, ids = map(torch.from_numpy, best)
        return totals, parents, ids, state

    def _all(self, tokens: Tensor, state: FusedState, m: int) -> tuple[Tensor, Tensor, FusedState]:
        """log p (b w V), A (b w m) and the state after."""
        b, w = tokens.shape
        log_p, seen = np.empty((b * w, self.vocabulary), np.float32), np.zeros((b, w, m), np.float32)
        state = self._step(tokens, state, Wanted(log_p, seen, *_NO_BEST))
        return torch.from_numpy(log_p).view(b, w, -1), torch.from_numpy(seen), state

    def _step(self, tokens: Tensor, state: FusedState, wanted: Wanted) -> FusedState:
        (b, w), words = tokens.shape, state.ancestors.shape[2]
        room, ids = state.room.behind(state.before, w), _plain(tokens, np.int64).reshape(-1)
        ancestors = np.empty((b, w, words + 1), np.int64)
        ancestors[..., :words], ancestors[..., words] = state.ancestors, np.arange(state.before, state.before + w)
        said = Said(room.keys, room.values, state.slots, state.before, ancestors)
        layers, by = self._placed(self.decoder, self.embed_target, words + 1), self._turns(words + 1)

        def answer(part: slice) -> None:
            own, asked = said._replace(slots=said.slots[part], ancestors=ancestors[part]), _of(wanted, part, w)
            answered(ids[part.start * w : part.stop * w], layers, own, state.source.heard, by, asked)

        if self.crew.parts(b, b * w) == 1:
            answered(ids, layers, said, state.source.heard, by, wanted)
        else:
            self.crew.share(b, b * w, answer)
        return FusedState(state.source, room, state.before + w, state.slots, ancestors)

    def select(self, state: FusedState, sentences: Tensor, parents: Tensor) -> FusedState:
        """Keep `sentences` (b2,); hypothesis j of kept sentence i goes on from hypothesis parents[i, j] (b2 w2)."""
        kept = sentences.numpy()
        return state._replace(slots=state.slots[kept], ancestors=state.ancestors[kept[:, None], parents.numpy()])

    def _placed(self, own: Held, embed: Embedded, n: int) -> Any:
        """The layers, their embedding knowing the first n places at least. `UsageError` for more than were learned."""
        places = own.layers.embedded.places
        if not len(places) or n <= len(places):
            return own.held
        more = own.layers.embedded._replace(places=embed.known(n).numpy())
        return held(own.layers._replace(embedded=more))

    def _turns(self, n: int) -> np.ndarray:
        """The turns (2 n' k) of the first n places at least; nothing where queries and keys are not turned."""
        if n <= self.turns.shape[1] or not self.turns.shape[1]:
            return self.turns
        return np.asarray(turns(n, self.settings.key_width).numpy())


def _plain(X: Tensor, kind: Any) -> np.ndarray:
    """As compiled code takes it: of another kind, or not in one piece, it would be compiled anew."""
    return np.ascontiguousarray(X.numpy(), kind)


def _tell() -> None:
    warnings.warn("translating is compiled for this processor, once: about 20 seconds", Notice, stacklevel=2)


def _of(wanted: Wanted, part: slice, w: int) -> Wanted:
    """What is wanted of some sentences."""
    log_p, seen, total, never, *best = wanted
    totals, parents, tokens = (each[part] for each in best)
    return Wanted(log_p[part.start * w : part.stop * w], seen[part], total[part], never, totals, parents, tokens)
