"""What was said, as a memory that all hypotheses of a sentence share, left where it was written.

A beam of w hypotheses writes w rows a step. Which rows a hypothesis may read, its ancestors, is a mask: hypothesis j reads row i
where i is on its way back to the start. When the search drops and doubles hypotheses, the mask changes and no row moves.

    A = softmax(Q K' + readable),  readable[j, i] = 0 where i is an ancestor of j, else -inf
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_LEAST = 32  # rows that are made room for at first


class Rows:
    """Room for keys and values, (l 2 b h c k) of which the first `written` of c rows hold something.

    Whoever holds a `Said` sees its first `n` rows, and these never change. So the state stays a value although the room is
    shared: the first to write behind row `n` writes in place, and anybody else who goes on from there gets a copy.
    """

    def __init__(self, buffer: Tensor, written: int) -> None:
        self.buffer, self.written = buffer, written


class Said(NamedTuple):
    """rows: the room;  n: how many of them are said;  readable (b w n), 0 or -inf; None: every row, w being 1."""

    rows: Rows
    n: int
    readable: Tensor | None


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
    before = buffer.new_zeros(b, w, count) if said.readable is None else said.readable
    own = torch.full((w, w), -torch.inf, dtype=buffer.dtype, device=buffer.device).fill_diagonal_(0.0)
    return Said(rows, count + w, torch.cat([before, own.expand(b, w, w)], 2))


def select(said: Said, sentences: Tensor, parents: Tensor, all_stay: bool) -> Said:
    """Keep `sentences` (b2,); hypothesis j of kept sentence i goes on from parents[i, j] (b2 w2)."""
    rows, count, readable = said
    if not all_stay:
        kept = rows.buffer[..., :count, :].index_select(2, sentences)
        room = kept.new_empty(*kept.shape[:4], max(_LEAST, rows.buffer.shape[4]), kept.shape[5])
        room[..., :count, :] = kept
        rows = Rows(room, count)
    if readable is not None:
        readable = readable[sentences[:, None], parents]
    elif parents.shape[1] > 1:
        readable = rows.buffer.new_zeros(*parents.shape, count)
    return Said(rows, count, readable)
