"""Many lines filled at once, with the answers that `WordFiller.fill` gives to each alone.

Which windows of a line the network is asked about does not depend on its answers. So all of them, of all lines, are read in a
few wide passes first; then each line is filled by the model's own code, from a network that has the rows at hand.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from axw.data.vocabulary import MASK, PAD
from axw.errors import AxwError
from axw.models.words.filled import TOKEN, Filled, asked_parts
from axw.models.words.filling import WordFiller, _window
from axw.networks.masked_words import MaskedWords, readable
from axw.serve.refusals import Refusal

_TOKENS = 8192  # of a pass, padding included


class _Read(NamedTuple):
    """Of one window, at its t masks only: their places, their rows (t d), and each layer's A (h t n)."""

    places: Tensor
    rows: Tensor
    A: Mapping[str, Tensor]


class _ReadAhead:
    """A network that has read its windows already, by their ids."""

    def __init__(self, network: MaskedWords, found: Mapping[bytes, _Read]) -> None:
        self.network, self.found = network, found

    def __call__(self, ids: Tensor, places: Tensor) -> Tensor:
        read = self.found.get(ids.numpy().tobytes())
        if read is None:
            rows: Tensor = self.network(ids, places)
            return rows
        return read.rows[torch.searchsorted(read.places, places)]

    def logits(self, hidden: Tensor) -> Tensor:
        return self.network.logits(hidden)

    def attention(self, ids: Tensor) -> dict[str, Tensor]:
        """Each layer's A (1 h n n), of which only what the masks read is there; nobody asks for more."""
        read = self.found.get(ids.numpy().tobytes())
        if read is None:
            return self.network.attention(ids)
        n = ids.shape[1]
        whole = {name: A.new_zeros(1, A.shape[0], n, n) for name, A in read.A.items()}
        for name, A in read.A.items():
            whole[name][0][:, read.places] = A
        return whole


def fill_many(filler: Any, lines: Sequence[str], top: int, order: str) -> list[Filled | Refusal]:
    """Each line filled; a `Refusal` for one that cannot be."""
    if isinstance(filler, WordFiller) and order == "together" and len(lines) > 1:
        ready = copy.copy(filler)
        ready.network = _ReadAhead(filler.network, _read(filler, lines, top))  # type: ignore[assignment]
        filler = ready
    found: list[Filled | Refusal] = []
    for line in lines:
        try:
            found.append(filler.fill(line, top=top, order=order))
        except AxwError as error:
            found.append(Refusal("unusable", f"{error.what} {error.todo}"))
    return found


@torch.no_grad()
def _read(filler: WordFiller, lines: Sequence[str], top: int) -> dict[bytes, _Read]:
    """Every window that will be asked for, in passes of windows of like length."""
    windows: dict[bytes, np.ndarray] = {}
    for line in lines:
        try:
            asked_parts(line, top, "together")
        except AxwError:
            continue
        ids = filler.vocabulary.encode([line], mask_token=TOKEN)[0]
        for where in np.flatnonzero(ids == MASK):
            for k in {1, *filler.candidates}:
                longer = np.concatenate([ids[:where], [MASK] * k, ids[where + 1 :]])
                framed = _window(longer, int(where), k, filler.longest).ids[0].numpy()
                windows[framed.tobytes()] = framed
    order = sorted(windows, key=lambda key: len(windows[key]))
    found: dict[bytes, _Read] = {}
    while order:
        width = len(windows[order[-1]])
        many = max(1, _TOKENS // width)
        keys, order = order[-many:], order[:-many]
        ids = np.full((len(keys), width), PAD, np.int64)
        for i, key in enumerate(keys):
            ids[i, : len(windows[key])] = windows[key]
        found.update(_pass(filler.network, torch.from_numpy(ids), keys))
    return found


def _pass(network: MaskedWords, ids: Tensor, keys: Sequence[bytes]) -> dict[bytes, _Read]:
    rows, seen = network.encoder.show(network.embed(ids), readable(ids))
    found = {}
    for i, key in enumerate(keys):
        n = int((ids[i] != PAD).sum())
        places = torch.nonzero(ids[i] == MASK)[:, 0]
        A = {f"encoder {j}": layer[i, :, places, :n].clone() for j, layer in enumerate(seen, 1)}
        found[key] = _Read(places, rows[i, places].clone(), A)
    return found
