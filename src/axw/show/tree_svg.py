"""A constituency tree as a picture, and what a word reads of the others as bars at the words.

A short sentence stands upright, its words below; one that would be wider than a page lies on its side, its words down the page.
Constituents stand as near to their words as they can, so that small phrases are seen as groups.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from axw.data.trees import Tree
from axw.errors import UsageError
from axw.show.escaping import visible
from axw.show.svg import Svg
from axw.show.tree_nodes import Attention, Node, bar_length, check_attention, nodes_of, weight_text

_ABOUT = "A constituency tree: phrases are joined to their parts, down to the tags and the words."
_ABOUT_BARS = " Bars: how much is read of each word; the word that reads stands on a band."
_MOST_WORDS, _MOST_LEVELS = 400, 60
_PAGE = 860.0  # wider than this, a tree lies on its side
_NARROW = 560.0  # a smaller picture would be blown up to the width of the page
_LETTER, _BOLD, _MOST_LETTERS = 8.2, 9.6, 40  # mean widths of letters, and how many of a word are shown
_LEVEL = 40.0  # from one level to the next in a tree that stands
_ROW = 22.0  # from one word to the next in a tree that lies
_BAR = 46.0


def tree_svg(tree: Tree, attention: Attention | None = None, *, title: str) -> Svg:
    """The tree drawn over its words, with `attention` as bars.

    Raises `UsageError` for weights that do not fit the words, for a constituent without a child, and for a tree too large to be
    read as a picture (400 words, 60 levels): use `tree_text`.
    """
    nodes = nodes_of(tree)
    words = [node for node in nodes if node.word is not None]
    levels = nodes[-1].level
    if len(words) > _MOST_WORDS or levels > _MOST_LEVELS:
        raise UsageError(
            f"A tree of {len(words)} words and {levels} levels; at most {_MOST_WORDS} and {_MOST_LEVELS} can be drawn.",
            "tree_svg",
            "Use tree_text, or draw a part of the tree.",
        )
    check_attention(attention, len(words))
    ends = _ends(nodes, words)
    if ends[-1] <= _PAGE:
        return _upright(nodes, ends, attention, title)
    return _sideways(nodes, attention, title)


def _room(text: str | None, letter: float = _LETTER) -> float:
    return letter * min(cell_len(visible(text or "", _MOST_LETTERS)), 1.3 * _MOST_LETTERS)


def _ends(nodes: Sequence[Node], words: Sequence[Node]) -> list[float]:
    """Where the room of each word begins in a tree that stands, and where the last ends; wide enough for all above it alone."""
    rooms = [max(_room(word.word), 26.0) for word in words]
    for node in nodes:
        if node.first == node.last:
            rooms[node.first] = max(rooms[node.first], _room(node.label, _BOLD))
    ends = [8.0]
    for room in rooms:
        ends.append(ends[-1] + room + 12)
    return ends


def _centres(nodes: Sequence[Node], words: Sequence[float]) -> list[float]:
    """A word stands at its own place, a constituent in the middle between its first and its last child."""
    places: list[float] = []
    for node in nodes:
        inside = node.children
        places.append((places[inside[0]] + places[inside[-1]]) / 2 if inside else words[node.first])
    return places


def _upright(nodes: Sequence[Node], ends: Sequence[float], attention: Attention | None, title: str) -> Svg:
    bottom = 44 + _LEVEL * nodes[-1].level  # the line that the words stand on
    about = _ABOUT + (_ABOUT_BARS if attention else "")
    width = max(ends[-1], _NARROW)
    svg = Svg(width, bottom + (_BAR + 34 if attention else 14), title=title, description=about)
    aside = (width - ends[-1]) / 2
    across = _centres(nodes, [aside + (a + b) / 2 for a, b in zip(ends, ends[1:], strict=False)])
    down = [bottom - 24 - _LEVEL * node.level for node in nodes]
    for number, node in enumerate(nodes):
        x, y = across[number], down[number]
        for child in node.children:
            top = down[child] - (13 if nodes[child].label else -8)
            _joined(svg, [(x, y + 5), (x, y + 13), (across[child], y + 13), (across[child], top)])
        if node.word is None:
            svg.text(x, y, node.label, "number", "middle")
        else:
            _word_above_bar(svg, attention, node, x, bottom)
            svg.text(x, y, node.label, "soft", "middle")
    return svg


def _word_above_bar(svg: Svg, attention: Attention | None, node: Node, x: float, bottom: float) -> None:
    if attention:
        height, hint = _BAR * bar_length(attention, node.first), _hint(attention, node)
        if attention.reader == node.first:
            svg.rect(x - _room(node.word) / 2 - 4, bottom - 14, _room(node.word) + 8, 20, "band", hint)
        svg.rect(x - 9, bottom + 9, 18, height, "bar", hint)
        svg.text(x, bottom + 23 + height, weight_text(attention.weights[node.first]), "tick", "middle")
    svg.text(x, bottom, node.word, "word", "middle", most=_MOST_LETTERS)


def _sideways(nodes: Sequence[Node], attention: Attention | None, title: str) -> Svg:
    """Each level is a column as wide as its widest label, the root's at the left."""
    wide = [
        max(_room(node.label, _BOLD) for node in nodes if node.level == level) for level in range(nodes[-1].level + 1)
    ]
    columns = [8.0]
    for room in reversed(wide):
        columns.append(columns[-1] + room + (20 if len(columns) < len(wide) else 10))
    words_at = columns.pop()
    longest = max(_room(node.word) for node in nodes)
    count = 1 + nodes[-1].last
    about = _ABOUT + (_ABOUT_BARS if attention else "")
    width = words_at + longest + (_BAR + 60 if attention else 14)
    svg = Svg(width, _ROW * count + 12, title=title, description=about)
    down = _centres(nodes, [_ROW * i + 18 for i in range(count)])
    for number, node in enumerate(nodes):
        x, y = columns[-1 - node.level], down[number]
        for child in node.children:
            to_x = columns[-1 - nodes[child].level] - 4
            turn = x + wide[node.level] + 8
            _joined(svg, [(x + _room(node.label, _BOLD) + 2, y), (turn, y), (turn, down[child]), (to_x, down[child])])
        svg.text(x, y + 4, node.label, "number" if node.word is None else "soft")
        if node.word is not None:
            _word_before_bar(svg, attention, node, words_at, longest, y)
    return svg


def _word_before_bar(svg: Svg, attention: Attention | None, node: Node, x: float, longest: float, y: float) -> None:
    if attention:
        at, length, hint = x + longest + 14, _BAR * bar_length(attention, node.first), _hint(attention, node)
        if attention.reader == node.first:
            svg.rect(x - 4, y - 10, _room(node.word) + 8, 20, "band", hint)
        svg.rect(at, y - 7, length, 14, "bar", hint)
        svg.text(at + length + 5, y + 4, weight_text(attention.weights[node.first]), "tick")
    svg.text(x, y + 4, node.word, "word", most=_MOST_LETTERS)


def _joined(svg: Svg, points: Sequence[tuple[float, float]]) -> None:
    for (x1, y1), (x2, y2) in zip(points, points[1:], strict=False):
        svg.line(x1, y1, x2, y2, "axis")


def _hint(attention: Attention, node: Node) -> str:
    return f"{node.word}: {attention.weights[node.first]:.4f}"
