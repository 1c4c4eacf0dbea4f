"""Decoders small enough to know everything about, a table and a recurrent network, and plain searches to compare with."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from axw.decoding import Hypothesis, SearchSettings, length_penalty

START, END = 0, 1
# Ids: 0 start, 1 end, the rest are words.
SETTINGS = SearchSettings(start=START, end=END, never=(START,))


class Table(NamedTuple):
    """log p of the next id by the last two: log_p (b V V V); before (b w), the last id but one."""

    log_p: Tensor
    before: Tensor


class TableDecoder:
    """A second-order Markov chain; it counts its calls and the rows that it was asked about."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int]] = []

    @staticmethod
    def start(b: int, V: int, seed: int, sharp: float = 2.0) -> Table:
        generator = torch.Generator().manual_seed(seed)
        log_p = torch.log_softmax(sharp * torch.randn(b, V, V, V, generator=generator), -1)
        return Table(log_p, torch.zeros(b, 1, dtype=torch.int64))

    def step(self, tokens: Tensor, state: Table) -> tuple[Tensor, Table]:
        self.rows.append((tokens.shape[0], tokens.shape[1]))
        rows = torch.arange(len(tokens))[:, None]
        return state.log_p[rows, state.before, tokens], Table(state.log_p, tokens)

    def select(self, state: Table, sentences: Tensor, parents: Tensor) -> Table:
        return Table(state.log_p[sentences], state.before[sentences[:, None], parents])


class Recurrent(NamedTuple):
    """source (b m d), hidden (b w d)."""

    source: Tensor
    hidden: Tensor


class RecurrentDecoder:
    """h_t = tanh(E y + U h), reads source rows by A = softmax(h source'); everything random and small."""

    def __init__(self, V: int, d: int = 7, seed: int = 0, sharp: float = 3.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.E, self.U, self.W = (torch.randn(*shape, generator=generator) for shape in [(V, d), (d, d), (V, d)])
        self.sharp = sharp

    def start(self, b: int, m: int, seed: int) -> Recurrent:
        generator = torch.Generator().manual_seed(seed)
        d = self.E.shape[1]
        return Recurrent(torch.randn(b, m, d, generator=generator), torch.zeros(b, 1, d))

    def step(self, tokens: Tensor, state: Recurrent) -> tuple[Tensor, Recurrent]:
        log_p, _, state = self.step_with_attention(tokens, state)
        return log_p, state

    def step_with_attention(self, tokens: Tensor, state: Recurrent) -> tuple[Tensor, Tensor, Recurrent]:
        hidden = torch.tanh(self.E[tokens] + state.hidden @ self.U)
        A = torch.softmax(hidden @ state.source.mT, -1)
        log_p = torch.log_softmax(self.sharp * (hidden + A @ state.source) @ self.W.T, -1)
        return log_p, A, Recurrent(state.source, hidden)

    def select(self, state: Recurrent, sentences: Tensor, parents: Tensor) -> Recurrent:
        return Recurrent(state.source[sentences], state.hidden[sentences[:, None], parents])


def one(state: NamedTuple, i: int) -> NamedTuple:
    """Sentence i alone."""
    return type(state)(*(part[i : i + 1] for part in state))


def follower(decoder: object, state: object) -> Callable[[tuple[int, ...]], list[float]]:
    """`next(ids)`: log p of what follows these ids in the first sentence, computed from the beginning each time."""

    def next_ids(ids: tuple[int, ...]) -> list[float]:
        own, log_p = state, None
        for token in (START, *ids):
            log_p, own = decoder.step(torch.tensor([[token]]), own)
        return log_p[0, 0].tolist()

    return next_ids


def every_hypothesis(next_ids: Callable, V: int, limit: int, settings: SearchSettings) -> list[Hypothesis]:
    """All that can be said in at most `limit` ids, end included: whole ones by score, then cut ones."""
    words = [i for i in range(V) if i not in (START, END)]
    whole, cut = [], []
    for n in range(limit + 1):
        for ids in itertools.product(words, repeat=n):
            log_p = sum(next_ids(ids[:t])[ids[t]] for t in range(n))
            if n < limit:
                log_p += next_ids(ids)[END]
            length = n + (n < limit)
            score = log_p / length_penalty(settings.length_penalty, settings.alpha, length)
            (whole if n < limit else cut).append(Hypothesis(ids, score, log_p, n < limit))
    return sorted(whole, key=lambda h: -h.score) + sorted(cut, key=lambda h: -h.score)


def plain_beam(next_ids: Callable, V: int, limit: int, settings: SearchSettings) -> list[Hypothesis]:
    """Beam search as it is defined, one hypothesis at a time, and never stopped early."""
    live: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    whole: list[Hypothesis] = []
    for t in range(limit):
        following = [
            (ids, token, total + log_p)
            for ids, total in live
            for token, log_p in enumerate(next_ids(ids))
            if token != START and not (token == END and t < settings.min_length)
        ]
        following = sorted(following, key=lambda c: -c[2])
        for ids, token, total in following[: settings.beam]:
            if token == END:
                score = total / length_penalty(settings.length_penalty, settings.alpha, t + 1)
                whole.append(Hypothesis(ids, score, total, True))
        live = [((*ids, token), total) for ids, token, total in following if token != END][: settings.beam]
        if len(whole) >= settings.beam:
            return sorted(whole, key=lambda h: -h.score)[: settings.nbest]
    penalty = length_penalty(settings.length_penalty, settings.alpha, limit)
    cut = [Hypothesis(ids, total / penalty, total, False) for ids, total in live]
    return (sorted(whole, key=lambda h: -h.score) + sorted(cut, key=lambda h: -h.score))[: settings.nbest]


def same(found: list[Hypothesis], wanted: list[Hypothesis]) -> None:
    """The same hypotheses in the same order, numbers up to rounding."""
    assert [(h.ids, h.finished) for h in found] == [(h.ids, h.finished) for h in wanted]
    for a, b in zip(found, wanted, strict=True):
        assert abs(a.score - b.score) < 1e-4 and abs(a.log_probability - b.log_probability) < 1e-4
