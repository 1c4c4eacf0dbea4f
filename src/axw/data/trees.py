"""Constituency trees in the brackets of the Penn Treebank: `(S (NP (DT the) (NN cat)) (VP (VBD sat)))`.

Only the structure is read here. Words stay as they are written: -LRB- is not turned into a bracket. Nothing is recursive, so
a tree may be as deep as it likes.

Marcus, Santorini, Marcinkiewicz 1993, "Building a large annotated corpus of English: the Penn Treebank".
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from typing import Any, Literal, NamedTuple

from axw.data.lines import LinePolicy, LineReport, LineStream
from axw.data.sources import Source
from axw.errors import DataError, UsageError

WRAPPERS = ("", "TOP", "ROOT", "S1")  # labels that corpora put around the sentence itself

# Only blanks of ASCII part two words: a no-break space, as in "1 000", belongs to its word.
_TOKEN = re.compile(r"[()]|[^ \t\r\n\v\f()]+")
_NAME = re.compile(r"[^ \t\r\n\v\f()]+")

Event = tuple[Literal["open", "word", "close"], str]


class Tree(NamedTuple):
    """A constituent: its label, and its children, which are trees or words. Immutable.

    Two trees are equal where labels, words and shape are. In a tree that was read every constituent has a child.
    """

    label: str
    children: tuple[Tree | str, ...]

    @classmethod
    def from_string(cls, text: str) -> Tree:
        """The one tree in the text; the inverse of `to_string`. Raises `DataError` with line and column."""
        trees = list(_trees(enumerate(text.split("\n"), start=1), "the text"))
        if len(trees) != 1:
            raise DataError(f"Expected one tree, got {len(trees)}.", "the text", "Give one tree: (S (NN words))")
        return trees[0]

    def to_string(self) -> str:
        """The tree in brackets, on one line. Raises `UsageError` for what brackets cannot hold: blanks or brackets in a word."""
        return "".join(_written(self)).removeprefix(" ")

    def words(self) -> list[str]:
        """The words, from left to right."""
        return [text for kind, text in events(self) if kind == "word"]

    # What tuples offer for these would call itself once for every level.
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tree):
            return NotImplemented
        return self is other or list(events(self)) == list(events(other))

    def __ne__(self, other: object) -> bool:
        return not self == other if isinstance(other, Tree) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(events(self)))

    def __repr__(self) -> str:
        return f"<Tree {''.join(_pieces(self)).removeprefix(' ')}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Tree:
        return self


def events(tree: Tree) -> Iterator[Event]:
    """("open", label), ("word", word) and ("close", label), from left to right; no step calls itself."""
    left: list[Tree | str | tuple[str]] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, tuple) and not isinstance(node, Tree):
            yield "close", node[0]
        elif isinstance(node, Tree):
            yield "open", node.label
            left.append((node.label,))
            left.extend(reversed(node.children))
        else:
            yield "word", node


def from_events(steps: Iterable[Event]) -> Tree:
    """The tree that gives these events; the inverse of `events`. The label is that of "open"; a "close" has its text unread.

    Raises `DataError` where they are not the events of one tree.
    """
    root: list[Tree | str] = []
    stack: list[tuple[str, list[Tree | str]]] = [("", root)]
    for kind, text in steps:
        if kind == "open":
            stack.append((text, []))
        elif kind == "word":
            stack[-1][1].append(text)
        elif len(stack) > 1:
            label, children = stack.pop()
            stack[-1][1].append(Tree(label, tuple(children)))
        else:
            raise DataError("A constituent is closed that was not opened.", "the events", "Open it before.")
    if len(stack) > 1 or len(root) != 1 or not isinstance(root[0], Tree):
        raise DataError(
            "The events are not those of one tree.", "the events", "Open and close one constituent around all."
        )
    return root[0]


def _pieces(tree: Tree) -> Iterator[str]:
    for kind, text in events(tree):
        yield f" ({text}" if kind == "open" else f" {text}" if kind == "word" else ")"


def _written(tree: Tree) -> Iterator[str]:
    before = ""
    for (kind, text), piece in zip(events(tree), _pieces(tree), strict=True):
        if kind == "word" and before == "(" or kind == "close" and before.startswith("("):
            what = (
                "a word stands first under a constituent without a label"
                if kind == "word"
                else "a constituent has no child"
            )
            raise UsageError(f"The tree cannot be written: {what}.", f"at {text or before!r}", "Give it one.")
        if kind != "close" and not _NAME.fullmatch(text) and (text or kind == "word"):
            raise UsageError(
                f"The {'label' if kind == 'open' else 'word'} {text[:60]!r} cannot stand in brackets.",
                "Tree.to_string",
                "Write brackets as -LRB- and -RRB-, and no blanks.",
            )
        before = piece[1:] if kind != "close" else piece
        yield piece


def unwrap(tree: Tree, wrappers: Iterable[str] = WRAPPERS) -> Tree:
    """The sentence inside `( (S ...))` or `(TOP (S ...))`: a tree with one of these labels and one child, itself a tree."""
    labels = frozenset(wrappers)
    while tree.label in labels and len(tree.children) == 1 and isinstance(tree.children[0], Tree):
        tree = tree.children[0]
    return tree


def read_trees(source: Source, policy: LinePolicy | None = None, wrappers: Iterable[str] = WRAPPERS) -> TreeStream:
    """The trees of a file (also .gz), of stdin ("-") or of a binary stream, one after the other; each on one line or on more.

    policy    for its lines; a tree cannot do without a part, so `on_long` must be "error"
    wrappers  labels that are taken off where nothing but one tree is inside, see `unwrap`; () keeps them

    Raises `DataError` with line and column, counted in characters from 1, for brackets that do not match, a constituent
    without a child, and words outside a tree; where there is no tree; and whatever `read_lines` raises.
    """
    policy = policy or LinePolicy()
    if policy.on_long != "error":
        raise UsageError(
            f"on_long={policy.on_long!r}", "LinePolicy for trees", 'Use on_long="error": a tree is whole or it is none.'
        )
    return TreeStream(LineStream(source, policy), tuple(wrappers))


class TreeStream(Iterator[Tree]):
    """An iterator over trees, once through. `report`, of the lines, is complete after the last tree."""

    def __init__(self, lines: LineStream, wrappers: tuple[str, ...]) -> None:
        self._lines = lines
        self._trees = self._read(wrappers)

    @property
    def report(self) -> LineReport:
        return self._lines.report

    def __next__(self) -> Tree:
        return next(self._trees)

    def close(self) -> None:
        """Close the file before its end is reached."""
        self._trees.close()
        self._lines.close()

    def _read(self, wrappers: tuple[str, ...]) -> Generator[Tree, None, None]:
        some = False
        for tree in _trees(((self._lines.number, line) for line in self._lines), self.report.name):
            some = True
            yield unwrap(tree, wrappers)
        if not some:
            raise DataError(
                "There is no tree.", self.report.name, "Give trees in brackets: (S (NP (NN cats)) (VP (VBP sit)))"
            )


class _Open(NamedTuple):
    """A constituent whose closing bracket has not come yet."""

    line: int
    start: int  # characters before it in its line
    label: list[str]  # one or none
    children: list[Tree | str]


def _trees(lines: Iterable[tuple[int, str]], name: str) -> Iterator[Tree]:
    """Every tree of numbered lines, read token by token with a stack of open constituents."""
    stack: list[_Open] = []
    restart = 0  # the first line that looks like the start of a tree while another one is open
    for number, line in lines:
        if stack and not restart and line.startswith("("):
            restart = number
        for found in _TOKEN.finditer(line):
            token = found.group()
            if token == "(":
                stack.append(_Open(number, found.start(), [], []))
            elif not stack:
                raise _outside(token, _place(name, number, found.start()))
            elif token != ")":
                top = stack[-1]
                (top.children if top.label or top.children else top.label).append(token)
            else:
                _, _, label, children = stack.pop()
                if not children:
                    raise _childless(label, _place(name, number, found.start()))
                tree = Tree(label[0] if label else "", tuple(children))
                if stack:
                    stack[-1].children.append(tree)
                else:
                    restart = 0
                    yield tree
    if stack:
        raise _unclosed(stack, restart, name)


def _place(name: str, line: int, start: int) -> str:
    return f"{name}, line {line}, column {start + 1}"


def _childless(label: list[str], where: str) -> DataError:
    named = f" {label[0][:60]!r}" if label else ""
    return DataError(
        f"The constituent{named} has no child: neither a word nor a tree.",
        where,
        "Give it a word, (NN cat), or take it out.",
    )


def _outside(token: str, where: str) -> DataError:
    if token == ")":
        return DataError(
            "A closing bracket without an opening one.", where, "Take it out, or open the bracket before it."
        )
    return DataError(
        f"The word {token[:60]!r} stands outside any tree.",
        where,
        "Put it in a tree; write brackets in words as -LRB- and -RRB-.",
    )


def _unclosed(stack: list[_Open], restart: int, name: str) -> DataError:
    begins = f" A new tree seems to begin at line {restart}." if restart else ""
    return DataError(
        f"{len(stack)} opening brackets are not closed before the end of the text.{begins}"
        if len(stack) > 1
        else f"An opening bracket is not closed before the end of the text.{begins}",
        _place(name, stack[0].line, stack[0].start),
        "Close each bracket of the tree that begins there; write brackets in words as -LRB- and -RRB-.",
    )
