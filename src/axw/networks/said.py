"""What was said, as a memory that all hypotheses of a sentence share, left where it was written.

A beam of w hypotheses writes w rows a step. Which rows a hypothesis may read, its ancestors, is a mask: hypothesis j reads row i
where i is on its way back to the start. When the search drops and doubles hypotheses, the mask changes and no row moves.

    A = softmax(Q K' + readable),  readable[j, i] = 0 where i is an ancestor of j, else -inf
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]
_LEAST = 32  # rows that are made room for at first


class Rows:
    """Room for keys and values, (l 2 b h c k) of which the first `written` of c rows hold something.

    Whoever holds a `Said` sees its first `n` rows, and these never change. So the state stays a value although the room is
    shared: the first to write behind row `n` writes in place, and anybody else who goes on from there gets a copy.
    """

    def __init__(self, buffer: Tensor, written: int) -> None:
        self.buffer, self.written = buffer, written


class Said(NamedTuple):
    """rows: the room;  n: how many of them are said;  readable (b 1 w n), 0 or -inf; None: every row, w being 1."""

    rows: Rows
    n: int
    readable: Tensor | None

    def said(self) -> Tensor:
        """(l 2 b h n k)."""
        return self.rows.buffer.narrow(4, 0, self.n)

    def last(self, w: int) -> Tensor:
        """Of these the last w, (l 2 b h w k)."""
        return self.rows.buffer.narrow(4, self.n - w, w)


def by_layer(memories: Tensor) -> tuple[Pair, ...]:
    """(l 2 b h n k) -> the keys and the values of each layer, (b h n k) both."""
    parts = memories.flatten(0, 1).unbind(0)
    return tuple(zip(parts[::2], parts[1::2], strict=True))


def nothing(layers: int, b: int, h: int, k: int, like: Tensor) -> Said:
    """Room for the first words of b sentences."""
    return Said(Rows(like.new_empty(layers, 2, b, h, _LEAST, k), 0), 0, None)


def grown(said: Said, w: int) -> Said:
    """The state with room for w more rows behind `n`, to be written by whoever asked; each hypothesis reads its own."""
    buffer, count = said.rows.buffer, said.n
    b, capacity = buffer.shape[2], buffer.shape[4]
    if count + w > capacity or said.rows.written != count:
        wide = buffer.new_empty(*buffer.shape[:4], max(capacity, 2 * (count + w)), buffer.shape[5])
        wide[..., :count, :] = buffer[..., :count, :]
        rows = Rows(wide, count + w)
    else:
        rows = said.rows
        rows.written = count + w
    if w == 1 and said.readable is None:
        return Said(rows, count + w, None)
    before = buffer.new_zeros(b, 1, w, count) if said.readable is None else said.readable
    own = buffer.new_full((w, w), -torch.inf).fill_diagonal_(0.0)
    return Said(rows, count + w, torch.cat([before, own.expand(b, 1, w, w)], 3))


def select(said: Said, sentences: Tensor, parents: Tensor, all_stay: bool) -> Said:
    """Keep `sentences` (b2,); hypothesis j of kept sentence i goes on from parents[i, j] (b2 w2)."""
    rows, count, readable = said
    if not all_stay:
        kept = rows.buffer[..., :count, :].index_select(2, sentences)
        room = kept.new_empty(*kept.shape[:4], max(_LEAST, rows.buffer.shape[4]), kept.shape[5])
        room[..., :count, :] = kept
        rows = Rows(room, count)
    if readable is not None:
        readable = readable[sentences[:, None], 0, parents][:, None]
    elif parents.shape[1] > 1:
        readable = rows.buffer.new_zeros(len(parents), 1, parents.shape[1], count)
    return Said(rows, count, readable)
