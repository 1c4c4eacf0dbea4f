"""Trees as sequences of tokens and back, and the normal form that parsers learn and are scored on.

    (S (NP (DT the) (NN cat)) (VP (VBD sat)))   <->   (S (NP XX XX )NP (VP XX )VP )S

A bracket is one token with its label, opening and closing. Each word is one token: XX, its tag, or itself. The words (and the
tags) are given, so the way back is exact. Nothing is recursive: a tree may be as deep as it likes.

Vinyals et al. 2015, "Grammar as a Foreign Language" (1412.7449); Vaswani et al. 2017, section 6.3 (1706.03762).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, NamedTuple, get_args

from axw.data.trees import WRAPPERS, Event, Tree, events, from_events, unwrap
from axw.errors import DataError, UsageError
from axw.measures import brackets as measured

Leaves = Literal["XX", "tags", "words"]
PLACEHOLDER = "XX"
TRACE = "-NONE-"

# How the Penn Treebank writes what brackets cannot hold.
_TREEBANK = {"(": "-LRB-", ")": "-RRB-", "[": "-LSB-", "]": "-RSB-", "{": "-LCB-", "}": "-RCB-"}
_PLAIN = {written: word for word, written in _TREEBANK.items()}


@dataclass(frozen=True)
class NormalForm:
    """What is left of a tree before it is learned.

    traces     "drop" words with the tag -NONE-, which nobody says, and constituents that are then empty; or "keep"
    functions  "cut" what follows the category: NP-SBJ-1 and NP=2 become NP, -LRB- stays; or "keep"
    wrappers   labels that are taken off where nothing but one tree is inside, see `unwrap`; () keeps them

    Chains of one child, such as (S (VP ...)), stay as they are, also where both labels are the same.
    """

    traces: Literal["drop", "keep"] = "drop"
    functions: Literal["cut", "keep"] = "cut"
    wrappers: tuple[str, ...] = WRAPPERS

    def __post_init__(self) -> None:
        if self.traces not in ("drop", "keep"):
            raise UsageError(f"traces={self.traces!r}", "NormalForm", 'Allowed: "drop", "keep".')
        if self.functions not in ("cut", "keep"):
            raise UsageError(f"functions={self.functions!r}", "NormalForm", 'Allowed: "cut", "keep".')


def normalise(tree: Tree, form: NormalForm | None = None) -> Tree:
    """The tree in normal form. Raises `DataError` for a tree of which nothing is left, as of one that holds only traces."""
    form = form or NormalForm()
    stack: list[tuple[str, list[Tree | str]]] = [("", [])]
    for kind, text in events(tree):
        if kind == "open":
            stack.append((text, []))
        elif kind == "word":
            stack[-1][1].append(text)
        else:
            label, children = stack.pop()
            is_tag = len(children) == 1 and isinstance(children[0], str)
            if not children or (is_tag and label == TRACE and form.traces == "drop"):
                continue
            if form.functions == "cut" and not is_tag:
                label = category(label)
            stack[-1][1].append(Tree(label, tuple(children)))
    left = stack[0][1]
    if not left or not isinstance(left[0], Tree):
        what = "The tree is empty: it holds no word but traces."
        raise DataError(what, f"at {repr(tree)[:80]}", "Take it out of the file.")
    return unwrap(left[0], form.wrappers)


def category(label: str) -> str:
    """The label without its function tags and indices: NP-SBJ-1, NP=2 give NP; -LRB- and -NONE- stay."""
    return label if label.startswith(("-", "=")) else re.split("[-=]", label, maxsplit=1)[0]


def treebank_word(word: str) -> str:
    """The word as trees hold it: ( is -LRB-, also inside a word; [ and { where they stand alone."""
    return _TREEBANK.get(word, word.replace("(", "-LRB-").replace(")", "-RRB-"))


def plain_word(word: str) -> str:
    """The word as people write it: -LRB- is (."""
    return _PLAIN.get(word, word)


class TaggedWord(NamedTuple):
    """A word and its tag; the tag is "" where the word stands in a constituent that is more than its tag."""

    word: str
    tag: str


def tagged_words(tree: Tree) -> list[TaggedWord]:
    """Words with their tags, from left to right."""
    return [TaggedWord(text, tag) for kind, text, tag in tagged_events(tree) if kind == "word"]


def linearise(tree: Tree, leaves: Leaves = "XX") -> list[str]:
    """The tree as tokens: "(NP" and ")NP" around, and for each word "XX", its tag, or the word.

    Raises `DataError` for tags where a word has none.
    """
    _allowed(leaves)
    return [
        f"({text}" if kind == "open" else f"){text}" if kind == "close" else _leaf(text, tag, leaves)
        for kind, text, tag in tagged_events(tree)
    ]


def from_tokens(
    tokens: Sequence[str], words: Sequence[str], tags: Sequence[str] | None = None, leaves: Leaves = "XX"
) -> Tree:
    """The tree of the tokens over these words; the inverse of `linearise`.

    tags  one for each word, "" for a word without; None: XX, or where `leaves` is "tags" those of the tokens

    Raises `DataError`, naming the token, for brackets that do not match, a constituent without a child, more than one tree,
    and words that are not the given ones, one for one.
    """
    _allowed(leaves)
    if tags is not None and len(tags) != len(words):
        raise DataError(f"There are {len(words)} words and {len(tags)} tags.", "from_tokens", "Give one tag a word.")
    return from_events(_checked_events(tokens, words, tags, leaves))


def label_inventory(trees: Iterable[Tree]) -> list[str]:
    """The labels of all constituents but tags, sorted."""
    return sorted({text for tree in trees for kind, text, _ in tagged_events(tree) if kind == "open"})


def bracket_tokens(labels: Iterable[str]) -> list[str]:
    """The tokens that a vocabulary needs beside those of words: "(NP" and ")NP" for each label, in order."""
    return [side + label for label in labels for side in ("(", ")")]


def check_words(tree: Tree, words: Sequence[str]) -> None:
    """Raises `DataError` where the words of the tree are not these, naming the first that differs."""
    for i, (got, wanted) in enumerate(zip_longest(tree.words(), words), start=1):
        if got != wanted:
            shown = ["nothing" if word is None else repr(word[:60]) for word in (got, wanted)]
            raise DataError(
                f"Word {i} of the tree is {shown[0]}, of the sentence {shown[1]}.",
                f"at {' '.join(words)[:80]!r}",
                "Give the tree of this sentence; the treebank writes brackets as -LRB- and -RRB-.",
            )


def bracketing(tree: Tree) -> measured.Bracketing:
    """What `axw.measures` scores of a tree: words, tags and constituents, nothing taken out."""
    words: list[str] = []
    tags: list[str] = []
    spans: list[measured.Span | None] = []
    opened: list[tuple[int, int]] = []  # where a constituent stands in `spans`, and its first word
    for kind, text, tag in tagged_events(tree):
        if kind == "word":
            words.append(text)
            tags.append(tag)
        elif kind == "open":
            opened.append((len(spans), len(words)))
            spans.append(None)
        else:
            place, start = opened.pop()
            spans[place] = measured.Span(text, start, len(words))
    return measured.Bracketing(tuple(words), tuple(tags), tuple(span for span in spans if span is not None))


def _allowed(leaves: str) -> None:
    if leaves not in get_args(Leaves):
        raise UsageError(f"leaves={leaves!r}", "how words are written as tokens", 'Allowed: "XX", "tags", "words".')


def _leaf(word: str, tag: str, how: Leaves) -> str:
    if how == "XX":
        return PLACEHOLDER
    if how == "tags" and not tag:
        raise DataError(f"The word {word[:60]!r} has no tag of its own.", "linearise", 'Give it one, or leaves="XX".')
    return tag if how == "tags" else word


def tagged_events(tree: Tree) -> Iterator[tuple[Literal["open", "word", "close"], str, str]]:
    """The events of the tree, with each word's own constituent folded into it: ("word", word, tag)."""
    steps = list(events(tree))
    i = 0
    while i < len(steps):
        kind, text = steps[i]
        if kind == "open" and i + 2 < len(steps) and steps[i + 1][0] == "word" and steps[i + 2][0] == "close":
            yield "word", steps[i + 1][1], text
            i += 3
        else:
            yield kind, text, ""
            i += 1


def _checked_events(
    tokens: Sequence[str], words: Sequence[str], tags: Sequence[str] | None, leaves: Leaves
) -> Iterator[Event]:
    open_labels: list[str] = []
    done = 0
    for i, token in enumerate(tokens):
        if i and not open_labels:
            raise _fault(tokens, i, "comes after the end of the tree")
        if token.startswith("("):
            open_labels.append(token[1:])
            yield "open", token[1:]
        elif token.startswith(")"):
            if not open_labels or open_labels.pop() != token[1:]:
                raise _fault(tokens, i, "does not close the bracket that was opened last")
            if tokens[i - 1].startswith("("):
                raise _fault(tokens, i, "closes a constituent without a child")
            yield "close", token[1:]
        else:
            if done == len(words):
                raise _fault(tokens, i, f"is one word more than the {len(words)} that are given")
            if leaves == "words" and token != words[done]:
                raise _fault(tokens, i, f"is not the word {words[done][:60]!r}")
            tag = tags[done] if tags is not None else token if leaves == "tags" else PLACEHOLDER
            yield from _tagged(words[done], tag)
            done += 1
    if open_labels or done < len(words) or not tokens:
        left = f"{len(open_labels)} brackets are open and {len(words) - done} words are left"
        raise DataError(f"The tokens end too early: {left}.", f"after token {len(tokens)}", "Give a whole tree.")


def _tagged(word: str, tag: str) -> Iterator[Event]:
    if tag:
        yield "open", tag
    yield "word", word
    if tag:
        yield "close", tag


def _fault(tokens: Sequence[str], place: int, what: str) -> DataError:
    return DataError(
        f"The token {tokens[place][:60]!r} {what}.",
        f"token {place + 1}: {' '.join(tokens[max(0, place - 4) : place + 2])[:100]}",
        "Give the tokens that `linearise` makes, over the same words.",
    )
