"""What a drawing of a tree needs of it: its nodes with their levels above the words, and what a word reads of the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from axw.data.brackets import tagged_events
from axw.data.trees import Tree
from axw.errors import UsageError


class Attention(NamedTuple):
    """One row of A over the words of a sentence: what word number `reader` reads of each; None: of none in particular."""

    weights: Sequence[float]
    reader: int | None = None


class Node(NamedTuple):
    """A constituent, or a word with its tag as the label ("" for a word without one)."""

    label: str
    word: str | None  # None for a constituent
    level: int  # 0 for a word; one more than the highest child
    first: int  # it stands over the words first, ..., last
    last: int
    children: tuple[int, ...]  # numbers of nodes


def nodes_of(tree: Tree) -> list[Node]:
    """Children before parents, the root last. Raises `UsageError` for a constituent without a child."""
    nodes: list[Node] = []
    opened: list[list[int]] = [[]]
    words = 0
    for kind, text, tag in tagged_events(tree):
        if kind == "open":
            opened.append([])
            continue
        if kind == "word":
            node = Node(tag, text, 0, words, words, ())
            words += 1
        else:
            inside = opened.pop()
            if not inside:
                raise UsageError(f"The constituent {text[:60]!r} has no child.", "the tree to draw", "Give it a word.")
            level = 1 + max(nodes[i].level for i in inside)
            node = Node(text, None, level, nodes[inside[0]].first, words - 1, tuple(inside))
        opened[-1].append(len(nodes))
        nodes.append(node)
    return nodes


def check_attention(attention: Attention | None, words: int) -> None:
    """Raises `UsageError` for weights that are not one finite number >= 0 a word, and for a reader that is no word."""
    if attention is None:
        return
    got = list(attention.weights)
    if len(got) != words or not all(math.isfinite(weight) and weight >= 0 for weight in got):
        raise UsageError(
            f"{len(got)} weights for {words} words, or one that is negative or not finite.",
            "attention.weights",
            "Give one number of 0 or more for each word of the tree.",
        )
    if attention.reader is not None and not 0 <= attention.reader < words:
        raise UsageError(f"reader={attention.reader}", "attention.reader", f"Allowed: 0 to {words - 1}, or None.")


def bar_length(attention: Attention, word: int) -> float:
    """Between 0 and 1: the greatest weight has the longest bar."""
    return attention.weights[word] / (max(attention.weights) or 1.0)


def weight_text(weight: float) -> str:
    """Two decimals, without the zero before the point: .07, 1.00; .00 is said as 0."""
    text = f"{weight:.2f}"
    return "0" if text == "0.00" else text.removeprefix("0")
