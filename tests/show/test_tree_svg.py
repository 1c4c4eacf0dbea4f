"""Trees as pictures and as text: nothing is lost, nothing overlaps, no word becomes markup."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from axw.data import Tree
from axw.errors import UsageError
from axw.show.svg import Svg
from axw.show.tree_nodes import Attention, bar_length, nodes_of, weight_text
from axw.show.tree_svg import tree_svg
from axw.show.tree_text import tree_text
from tests.data.made_up_trees import chain, constituents, right_branching
from tests.show.nasty import NASTY

SVG = "{http://www.w3.org/2000/svg}"
CAT = Tree.from_string("(S (NP (DT the) (NN cat)) (VP (VBD sat)) (. .))")


def long(words: int) -> Tree:
    """A sentence of phrases of three words."""
    phrases = [
        Tree("NP", tuple(Tree("NN", (f"word{j}",)) for j in range(i, min(i + 3, words)))) for i in range(0, words, 3)
    ]
    return Tree("S", tuple(phrases))


def parsed(svg: Svg) -> ET.Element:
    return ET.fromstring(svg.to_text())


def texts(root: ET.Element, kind: str) -> list[ET.Element]:
    return [part for part in root.iter(f"{SVG}text") if part.get("class") == kind]


@settings(max_examples=60, deadline=None)
@given(constituents(bare=True), st.booleans())
def test_every_word_and_label_is_drawn_inside_the_picture(tree: Tree, wide: bool) -> None:
    if wide:
        tree = Tree("S", (tree, *long(40).children))
    words = tree.words()
    root = parsed(tree_svg(tree, Attention([0.5] * len(words), 0), title="A tree"))
    _, _, width, height = map(float, root.get("viewBox", "").split())
    assert [part.text for part in texts(root, "word")] == words
    drawn = [part.text or "" for part in texts(root, "number")]
    assert sorted(drawn) == sorted(node.label for node in nodes_of(tree) if node.word is None)
    for part in root.iter():
        for name, value in part.attrib.items():
            if name in ("x", "x1", "x2"):
                assert 0 <= float(value) <= width
            elif name in ("y", "y1", "y2"):
                assert 0 <= float(value) <= height
    assert len([part for part in root.iter(f"{SVG}rect") if part.get("class") == "band"]) == 1


@settings(max_examples=40, deadline=None)
@given(constituents(bare=True), st.integers(40, 90), st.booleans())
def test_the_text_has_one_line_a_node_and_no_longer_than_allowed(tree: Tree, width: int, ascii_only: bool) -> None:
    words = tree.words()
    attention = Attention([1 / len(words)] * len(words), len(words) - 1)
    lines = tree_text(tree, attention, width=width, characters="ascii" if ascii_only else "boxes").split("\n")
    assert len(lines) == len(nodes_of(tree)) and max(map(cell_len, lines)) <= width
    assert sum("█" in line or "#" in line for line in lines) == len(words)


def test_a_tree_as_text() -> None:
    assert tree_text(CAT).split("\n") == [
        "S",
        "├─ NP",
        "│  ├─ DT the",
        "│  └─ NN cat",
        "├─ VP",
        "│  └─ VBD sat",
        "└─ . .",
    ]
    assert tree_text(CAT, characters="ascii").split("\n")[:4] == ["S", "|- NP", "|  |- DT the", "|  `- NN cat"]
    read = tree_text(CAT, Attention([0.5, 0.25, 0.004, 0.0], 1), width=48).split("\n")
    assert read[2] == "│  ├─ DT the                    .50 ████████████"
    assert read[3] == "│  └─ NN cat                  * .25 ██████"
    assert read[5] == "│  └─ VBD sat                     0"
    assert tree_text(Tree("NN", ("cat",))) == "NN cat"


def test_a_short_tree_stands_and_a_long_one_lies() -> None:
    stands, lies = parsed(tree_svg(CAT, title="x")), parsed(tree_svg(long(41), title="x"))
    assert len({part.get("y") for part in texts(stands, "word")}) == 1
    assert len({part.get("x") for part in texts(lies, "word")}) == 1
    for root, along in ((stands, "x"), (lies, "y")):
        places = [float(part.get(along, "")) for part in texts(root, "word")]
        assert places == sorted(set(places))
    assert parsed(tree_svg(CAT, title="x")).find(f"{SVG}title").text == "x"  # type: ignore[union-attr]


def test_bars_are_as_long_as_the_weights() -> None:
    weights = [0.1, 0.6, 0.0, 0.3]
    for tree, size in ((CAT, "height"), (Tree("S", (CAT, *long(37).children)), "width")):
        row = weights + [0.0] * (len(tree.words()) - 4)
        root = parsed(tree_svg(tree, Attention(row), title="x"))
        bars = [part for part in root.iter(f"{SVG}rect") if part.get("class") == "bar"]
        lengths = [float(bar.get(size, "")) for bar in bars]
        assert lengths == pytest.approx([max(lengths) * weight / 0.6 for weight in row], abs=0.01)
        assert bars[1].find(f"{SVG}title").text == "cat: 0.6000"  # type: ignore[union-attr]
    assert bar_length(Attention([0.0, 0.0]), 0) == 0
    assert [weight_text(weight) for weight in (0.004, 0.07, 1.0, 0.996)] == ["0", ".07", "1.00", "1.00"]


@pytest.mark.parametrize("wide", [False, True])
def test_no_word_and_no_label_becomes_markup(wide: bool) -> None:
    for nasty in NASTY:
        tree = Tree(nasty, (Tree(nasty, (nasty,)), Tree("NN", ("b",)), *(long(41).children if wide else ())))
        svg = tree_svg(tree, Attention([1.0] * len(tree.words()), 0), title=nasty).to_text()
        root = ET.fromstring(svg)
        allowed = {"svg", "title", "desc", "text", "line", "rect"}
        assert {part.tag.removeprefix(SVG) for part in root.iter()} <= allowed
        assert not any(name.startswith("on") or "href" in name for part in root.iter() for name in part.attrib)
        text = tree_text(tree, Attention([1.0] * len(tree.words()), 0))
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text) and max(map(cell_len, text.split("\n"))) <= 80


@pytest.mark.parametrize("tree", [chain(10_000), right_branching(10_000)], ids=["deep", "deep and long"])
def test_ten_thousand_levels_are_text_and_too_much_for_a_picture(tree: Tree) -> None:
    lines = tree_text(tree).split("\n")
    assert len(lines) == len(nodes_of(tree)) and max(map(cell_len, lines)) <= 80
    assert lines[-1].startswith("…") or lines[-1].startswith(" ")
    with pytest.raises(UsageError, match="10000 levels; at most 400 and 60 can be drawn"):
        tree_svg(tree, title="x")


@pytest.mark.parametrize(
    ("attention", "what"),
    [
        (Attention([1.0]), "1 weights for 4 words"),
        (Attention([1.0, -0.1, 0, 0]), "one that is negative or not finite"),
        (Attention([1.0, float("nan"), 0, 0]), "one that is negative or not finite"),
        (Attention([1.0, 0, 0, 0], 4), "reader=4\nattention.reader\nAllowed: 0 to 3, or None."),
    ],
)
def test_weights_must_fit_the_words(attention: Attention, what: str) -> None:
    for draw in (lambda: tree_svg(CAT, attention, title="x"), lambda: tree_text(CAT, attention)):
        with pytest.raises(UsageError, match=what):
            draw()


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(UsageError, match="The constituent 'NP' has no child"):
        tree_svg(Tree("S", (Tree("NP", ()), "a")), title="x")
    with pytest.raises(UsageError, match="width=39"):
        tree_text(CAT, width=39)
    with pytest.raises(UsageError, match='"boxes" or "ascii"'):
        tree_text(CAT, characters="latin")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="A tree of 401 words"):
        tree_svg(long(401), title="x")
