"""A constituency tree as lines of text, one a constituent or word; what a word reads of the others as bars at the right.

S
├─ NP
│  ├─ DT the
│  └─ NN cat
└─ VP
   └─ VBD sat
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from rich.cells import cell_len, set_cell_size

from axw.data.trees import Tree
from axw.errors import UsageError
from axw.show.escaping import visible
from axw.show.tree_nodes import Attention, Node, bar_length, check_attention, nodes_of, weight_text

_LEAST = 40  # columns
_BAR = 12


class _Style(NamedTuple):
    """The characters: more levels follow, the next child, the last child, along, levels left out, part of a bar."""

    down: str
    next: str
    last: str
    along: str
    cut: str
    bar: str


_STYLES = {"boxes": _Style("│", "├", "└", "─", "…", "█"), "ascii": _Style("|", "|", "`", "-", ">", "#")}


def tree_text(
    tree: Tree,
    attention: Attention | None = None,
    *,
    width: int = 80,
    characters: Literal["boxes", "ascii"] = "boxes",
) -> str:
    """The tree as lines of at most `width` columns. Words and labels keep their letters under "ascii".

    A tree may be as deep as it likes: at half the width, outer levels are left out behind a mark. The word that reads has a star.
    Raises `UsageError` for fewer than 40 columns, other characters, and weights that do not fit the words.
    """
    if width < _LEAST or characters not in _STYLES:
        got = f"width={width}, characters={characters!r}"
        raise UsageError(got, "tree_text", f'Allowed: {_LEAST} columns or more, "boxes" or "ascii".')
    nodes, style = nodes_of(tree), _STYLES[characters]
    check_attention(attention, sum(node.word is not None for node in nodes))
    step = next((size for size in (3, 2) if size * nodes[-1].level <= width // 2), 1)
    most = width // 2 // step  # levels that are drawn
    lines = []
    left: list[tuple[int, tuple[bool, ...]]] = [
        (len(nodes) - 1, ())
    ]  # a node; does more follow, on each level above it?
    while left:
        number, more = left.pop()
        node = nodes[number]
        lines.append(_with_bar(_branches(more, step, most, style) + _name(node), node, attention, width, style))
        children = [(child, (*more[-most:], i > 0)) for i, child in enumerate(reversed(node.children))]
        left.extend(children)
    return "\n".join(lines)


def _name(node: Node) -> str:
    return " ".join(visible(part, 60) for part in (node.label, node.word) if part) or "-"


def _branches(more: tuple[bool, ...], step: int, most: int, style: _Style) -> str:
    """What stands before a node: a line down for each level that goes on, and the branch to the node itself."""
    if not more:
        return ""
    cut = len(more) > most
    above = "".join((style.down if goes_on else " ").ljust(step) for goes_on in more[-most:-1])
    branch = (style.next if more[-1] else style.last) + style.along * (step - 2)
    return (style.cut + above[1:] if cut and above else above) + branch + (" " if step > 1 else "")


def _with_bar(text: str, node: Node, attention: Attention | None, width: int, style: _Style) -> str:
    room = width - _BAR - 6 if attention else width
    if cell_len(text) > room:
        text = set_cell_size(text, room - 1).rstrip() + style.cut
    if attention is None or node.word is None:
        return text.rstrip()
    star = "*" if attention.reader == node.first else " "
    bar = style.bar * round(_BAR * bar_length(attention, node.first))
    return f"{set_cell_size(text, room)}{star}{weight_text(attention.weights[node.first]):>4} {bar}".rstrip()
