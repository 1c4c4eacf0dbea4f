"""Where a tree that is written token by token stands: which word is next, which constituent is open, where it began.

    (S (NP XX XX )NP (VP     next: word 2    open: VP    it began at word 2

All of it follows from the tokens alone, so it is never learnt and never wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_DEPTH = 64  # constituents that are remembered; what is opened deeper stands in the place of the last
_OPEN, _CLOSE, _WORD = 1, 2, 3


class TreeRoles(NamedTuple):
    """What the ids mean to somebody who writes trees.

    begins                 ids of the source that begin a word; its end is one, too
    opens, closes, words   ids of the target: "(NP", ")NP", and those that stand for a word
    """

    begins: Sequence[int]
    opens: Sequence[int]
    closes: Sequence[int]
    words: Sequence[int]


class Stack(NamedTuple):
    """b sentences with w trees each.

    labels, starts (b w depth): the id that opened each constituent, and the word that was next then; height (b w), how many are
    open; words (b w), how many are said.
    """

    labels: Tensor
    starts: Tensor
    height: Tensor
    words: Tensor


class Standing(NamedTuple):
    """next: the word that comes next; label: the id that opened the innermost constituent, 0 for none; first: its first word."""

    next: Tensor
    label: Tensor
    first: Tensor


def empty(b: int, w: int, device: torch.device) -> Stack:
    """Nothing is said."""
    slots = torch.zeros(b, w, _DEPTH, dtype=torch.int64, device=device)
    return Stack(slots, slots, slots[..., 0], slots[..., 0])


def kinds_of(roles: TreeRoles, size: int) -> Tensor:
    """(V,) what each of the `size` target ids does."""
    kinds = torch.zeros(size, dtype=torch.int64, device="cpu")
    for kind, ids in ((_OPEN, roles.opens), (_CLOSE, roles.closes), (_WORD, roles.words)):
        kinds[list(ids)] = kind
    return kinds


def advance(stack: Stack, tokens: Tensor, kinds: Tensor) -> Stack:
    """The stack after one more token (b w) of each tree."""
    kind = kinds[tokens]
    opened = kind == _OPEN
    place = stack.height.clamp(max=_DEPTH - 1)[..., None]
    label = torch.where(opened[..., None], tokens[..., None], stack.labels.gather(-1, place))
    start = torch.where(opened[..., None], stack.words[..., None], stack.starts.gather(-1, place))
    return Stack(
        stack.labels.scatter(-1, place, label),
        stack.starts.scatter(-1, place, start),
        (stack.height + opened.long() - (kind == _CLOSE).long()).clamp(min=0),
        stack.words + (kind == _WORD).long(),
    )


def standing(stack: Stack) -> Standing:
    """What follows from the stack, each (b w)."""
    top = (stack.height - 1).clamp(0, _DEPTH - 1)[..., None]
    some = stack.height > 0
    first = torch.where(some, stack.starts.gather(-1, top)[..., 0], stack.words)
    return Standing(stack.words, stack.labels.gather(-1, top)[..., 0] * some, first)


def walk(tokens: Tensor, kinds: Tensor) -> Standing:
    """`standing` after each of the tokens (b n), each (b n)."""
    stack = empty(tokens.shape[0], 1, tokens.device)
    found = []
    for now in tokens[..., None].unbind(1):
        stack = advance(stack, now, kinds)
        found.append(standing(stack))
    return Standing(*(torch.cat(part, 1) for part in zip(*found, strict=True)))


def select(stack: Stack, sentences: Tensor, parents: Tensor) -> Stack:
    """Keep `sentences` (b2,); tree j of kept sentence i goes on from tree parents[i, j] (b2 w2)."""
    return Stack(*(part[sentences[:, None], parents] for part in stack))
