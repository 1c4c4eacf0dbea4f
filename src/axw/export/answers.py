"""Two ways to ask a network, whichever program runs it, and how axw itself answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from axw.data.vocabulary import BOS, PAD
from axw.decoding import SearchSettings, score, search
from axw.networks.masked_words import MaskedWords

Ids = Sequence[int]
AT_ONCE = 32  # lines that are asked beside each other


class Said(NamedTuple):
    """The best target that was found: its ids without start and end, and log p of it, the end included."""

    ids: list[int]
    log_p: float


class Writes(Protocol):
    """A program that turns source ids into target ids.

    never   ids that it never says, whatever they score
    """

    never: tuple[int, ...]

    def search(self, sources: Sequence[Ids], beam: int, most: int) -> list[Said]:
        """The best of `beam` hypotheses of each source, of at most `most` ids, compared by log p alone. 1 is greedy."""

    def score(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[float]:
        """log p(target, end | source) of each pair."""


class Guesses(Protocol):
    """A program that scores every id at every place of a line."""

    def log_p(self, ids: np.ndarray) -> np.ndarray:
        """ids (b n), 0 for padding at the end -> (b n V)."""


def padded(lines: Sequence[Ids]) -> np.ndarray:
    """(b n) int64 with 0 behind the shorter ones."""
    found = np.full((len(lines), max(map(len, lines))), PAD, np.int64)
    for row, line in zip(found, lines, strict=True):
        row[: len(line)] = line
    return found


def in_parts(sources: Sequence[Ids]) -> list[list[int]]:
    """Numbers of sources of about one length, some at a time."""
    order = sorted(range(len(sources)), key=lambda i: -len(sources[i]))
    return [order[start : start + AT_ONCE] for start in range(0, len(order), AT_ONCE)]


class Decodes:
    """What `axw.decoding` finds with a decoder: `begin(source ids (b m))` gives it and its first state."""

    def __init__(self, begin: Any, never: tuple[int, ...] = (PAD, BOS)) -> None:
        self.begin, self.never = begin, never

    @torch.no_grad()
    def search(self, sources: Sequence[Ids], beam: int, most: int) -> list[Said]:
        settings = SearchSettings(beam=beam, length_penalty="none", max_factor=0, max_constant=most, never=self.never)
        found: dict[int, Said] = {}
        for index in in_parts(sources):
            asked = [sources[i] for i in index]
            decoder, state = self.begin(torch.from_numpy(padded(asked)))
            answers = search(decoder, state, settings, source_lengths=[len(source) for source in asked])
            found |= {
                i: Said(list(best[0].ids), best[0].log_probability) for i, best in zip(index, answers, strict=True)
            }
        return [found[i] for i in range(len(sources))]

    @torch.no_grad()
    def score(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[float]:
        found: dict[int, float] = {}
        for index in in_parts(sources):
            decoder, state = self.begin(torch.from_numpy(padded([sources[i] for i in index])))
            logs = score(decoder, state, [targets[i] for i in index])
            found |= {i: float(part.sum(dtype=np.float64)) for i, part in zip(index, logs, strict=True)}
        return [found[i] for i in range(len(sources))]


def ours(network: Any, never: tuple[int, ...]) -> Decodes:
    """The trained network itself."""
    return Decodes(lambda source: (network, network.start(network.encode(source))), never)


class OurGuesses:
    """The trained masked-word network itself."""

    def __init__(self, network: MaskedWords) -> None:
        self.network = network

    @torch.no_grad()
    def log_p(self, ids: np.ndarray) -> np.ndarray:
        hidden = self.network(torch.from_numpy(ids), torch.arange(ids.size))
        return torch.log_softmax(self.network.logits(hidden).float(), -1).unflatten(0, ids.shape).numpy()
