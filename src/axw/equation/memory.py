"""Memory: the rows that may be read.

The training rows of a table, the words of the source sentence and the words said so far are all a `Memory`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class Memory(NamedTuple):
    """What is needed to read m rows: made once by `Attention.remember`, read by `Attention.forward`.

    keys    (b h m k)  what the scores are computed against
    values  (b h m v)  what is read
    mask    (b h n m)  True = may read; axes b, h and n may be 1; None = all may be read
    """

    keys: Float[Tensor, "b h m k"]
    values: Float[Tensor, "b h m v"]
    mask: Bool[Tensor, "#b #h #n #m"] | None = None


def gather(memory: Memory, index: Int[Tensor, "n r"], mask: Bool[Tensor, "n r"] | None = None) -> Memory:
    """Give each of n asking rows a memory of its own: the r rows that it may read.

    A given relation lists the rows that row i may read; padded to r they are `index[i]`, and `mask` says which are real.
    The asking rows become the batch: keys (1 h m k) -> (n h r k), so that X is asked as (n 1 d).

    Raises ValueError where the memory already has a batch of several.
    """
    if memory.keys.shape[0] != 1:
        raise ValueError(f"gather needs a memory of batch 1, got a batch of {memory.keys.shape[0]}.")
    keys = memory.keys[0].movedim(1, 0)[index].movedim(2, 1)
    values = memory.values[0].movedim(1, 0)[index].movedim(2, 1)
    return Memory(keys, values, None if mask is None else mask[:, None, None, :])


def append(memory: Memory, new: Memory) -> Memory:
    """The rows of `memory`, then the rows of `new`: how a decoder's memory grows by the word just said.

    Masks are left out, since the asking row's mask is built outside and passed to `forward`.
    """
    return Memory(torch.cat([memory.keys, new.keys], 2), torch.cat([memory.values, new.values], 2))
