"""Bracketed trees: written and read they are the same, however deep; and what is not a tree is told with its place."""

from __future__ import annotations

import copy
import gzip
import io
import os
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axw.data.lines import LinePolicy
from axw.data.trees import WRAPPERS, Tree, read_trees, unwrap
from axw.errors import AxwError, DataError, UsageError

CAT = Tree("S", (Tree("NP", (Tree("DT", ("the",)), Tree("NN", ("cat",)))), Tree("VP", (Tree("VBD", ("sat",)),))))
CAT_TEXT = "(S (NP (DT the) (NN cat)) (VP (VBD sat)))"

names = st.sampled_from(
    ["S", "NP-SBJ=1", "-LRB-", "-NONE-", "*T*-1", "1\u00a0000", "\u2028", "\x85", "語", "''", "$"]
) | st.text(st.characters(codec="utf-8", exclude_characters="() \t\r\n\v\f\0"), min_size=1, max_size=3)
trees = st.recursive(
    st.builds(lambda label, words: Tree(label, tuple(words)), names, st.lists(names, min_size=1, max_size=2)),
    lambda child: (
        st.builds(lambda label, children: Tree(label, tuple(children)), names, st.lists(child | names, min_size=1))
        | st.builds(lambda children: Tree("", tuple(children)), st.lists(child, min_size=1))
    ),
    max_leaves=11,
)


def read(text: str | bytes, wrappers: tuple[str, ...] = WRAPPERS) -> list[Tree]:
    return list(read_trees(io.BytesIO(text.encode() if isinstance(text, str) else text), wrappers=wrappers))


def deep(levels: int) -> str:
    return "(S " * levels + "word" + ")" * levels


@settings(max_examples=60, deadline=None)
@given(st.lists(trees, min_size=1, max_size=4), st.sampled_from([" ", "\n", "\r\n", "\t ", "\n\n \n"]))
def test_what_is_written_is_read_again(some: list[Tree], between: str) -> None:
    assert [Tree.from_string(tree.to_string()) for tree in some] == some
    text = "\n" + between.join(tree.to_string() for tree in some)
    assert read(text, wrappers=()) == some
    assert read(text) == [unwrap(tree) for tree in some]
    assert read(text.replace(" ", between), wrappers=()) == some  # a tree on more than one line
    assert read(text.replace("(", " ( ").replace(")", " ) "), wrappers=()) == some
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trees.mrg.gz"
        path.write_bytes(gzip.compress(text.encode()))
        assert list(read_trees(path, wrappers=())) == some


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(["(", ")", "(S", "NN", " ", "\n", "(NN cat)", "\0", "\xff"])).map("".join), st.booleans()
)
def test_any_text_is_trees_or_an_error_of_ours(text: str, latin: bool) -> None:
    data = text.encode("latin-1" if latin else "utf-8")
    try:
        got = read(data, wrappers=())
    except AxwError:
        return
    assert data.count(b"(") == data.count(b")") == sum(tree.to_string().count("(") for tree in got)


def test_a_tree_is_a_label_and_its_children() -> None:
    (tree,) = read(CAT_TEXT)
    assert (
        tree == CAT
        and tree.label == "S"
        and [child.label for child in tree.children if isinstance(child, Tree)] == ["NP", "VP"]
    )
    assert tree.words() == ["the", "cat", "sat"] and tree.to_string() == CAT_TEXT
    assert repr(tree) == f"<Tree {CAT_TEXT}>" and copy.deepcopy(tree) is tree
    assert tree != Tree("S", ("the", "cat", "sat")) and tree != CAT_TEXT and len({tree, CAT, Tree("S", ("a",))}) == 2
    assert Tree("S", (Tree("a", ("b",)), "c")) != Tree("S", (Tree("a", ("b", "c")),))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"( {CAT_TEXT} )", CAT_TEXT),
        (f"({CAT_TEXT})", CAT_TEXT),
        (f"(TOP {CAT_TEXT})", CAT_TEXT),
        (f"(ROOT\n  {CAT_TEXT})\n", CAT_TEXT),
        (f"(S1 ( {CAT_TEXT}))", CAT_TEXT),
        ("(TOP word)", "(TOP word)"),
        ("( (NP a) (VP b))", "( (NP a) (VP b))"),
        ("(NP (NP a))", "(NP (NP a))"),
        ("(S (-LRB- -LRB-) (NN x) (-RRB- -RRB-))", "(S (-LRB- -LRB-) (NN x) (-RRB- -RRB-))"),
        ("( S ( NN cat ) )", "(S (NN cat))"),
        ("\ufeff(S (NN cat))", "(S (NN cat))"),
    ],
)
def test_wrappers_come_off_and_all_else_stays(text: str, wanted: str) -> None:
    assert [tree.to_string() for tree in read(text)] == [wanted]


def test_wrappers_can_be_kept_or_named() -> None:
    text = "(VROOT (S (NN cat)))"
    assert read(f"( {text})", ())[0].to_string() == f"( {text})"
    assert read(text)[0].to_string() == text
    assert read(text, ("VROOT",))[0].to_string() == "(S (NN cat))"


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("(S (NN a)))", "line 1, column 11", "A closing bracket without an opening one."),
        ("(S (NN a))\n\n  )", "line 3, column 3", "A closing bracket without an opening one."),
        ("(S (NN a))\n (S (NN b)", "line 2, column 2", "An opening bracket is not closed before the end of the text."),
        (
            "(S (NN a))\n(S (NP (NN b)",
            "line 2, column 1",
            "2 opening brackets are not closed before the end of the text.",
        ),
        (
            "(S (NN a)\n(S (NN b))\n(S (NN c))",
            "line 1, column 1",
            "An opening bracket is not closed before the end of the text. A new tree seems to begin at line 2.",
        ),
        ("(S (NN))", "line 1, column 7", "The constituent 'NN' has no child: neither a word nor a tree."),
        ("(S 語 ())", "line 1, column 7", "The constituent has no child: neither a word nor a tree."),
        ("\ufeff( )", "line 1, column 3", "The constituent has no child: neither a word nor a tree."),
        ("(S a)\r\nstray (S b)", "line 2, column 1", "The word 'stray' stands outside any tree."),
        ("(S a) -LRB-", "line 1, column 7", "The word '-LRB-' stands outside any tree."),
    ],
)
def test_errors_have_a_line_and_a_column(text: str, where: str, what: str) -> None:
    with pytest.raises(DataError) as caught:
        read(text)
    assert caught.value.where == f"the stream, {where}" and caught.value.what == what and caught.value.todo


def test_trees_before_an_error_are_given() -> None:
    stream = read_trees(io.BytesIO(b"(S a)\n(S b)\n)"))
    assert [next(stream).words(), next(stream).words()] == [["a"], ["b"]]
    with pytest.raises(DataError, match="line 3, column 1"):
        next(stream)


@pytest.mark.parametrize(("data", "what"), [(b"", "There is no data"), (b"\n \n", "There is no tree")])
def test_a_file_without_trees_is_an_error(data: bytes, what: str) -> None:
    with pytest.raises(DataError, match=what):
        read(data)


def test_errors_of_the_lines_are_errors_of_the_trees(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2, byte 4"):
        read(b"(S a)\n(S \xff)")
    stream = read_trees(io.BytesIO(b"(S a\0)\r\n(S \xff)"), LinePolicy(on_bad_utf8="replace"))
    assert [tree.words() for tree in stream] == [["a\ufffd"], ["\ufffd"]]
    assert stream.report.nuls.times == stream.report.replaced.times == stream.report.crlf.times == 1
    with pytest.raises(UsageError, match='Use on_long="error"'):
        read_trees(tmp_path / "x", LinePolicy(on_long="skip"))
    before = len(os.listdir("/proc/self/fd"))
    path = tmp_path / "two.mrg"
    path.write_text("(S a)\n(S b)\n")
    stream = read_trees(path)
    next(stream)
    stream.close()
    assert list(stream) == [] and len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("tree", "what"),
    [
        (Tree("S", ()), "a constituent has no child"),
        (Tree("", ("word",)), "a word stands first under a constituent without a label"),
        (Tree("S", ("two words",)), "The word 'two words' cannot stand in brackets"),
        (Tree("S", ("(",)), r"The word '\(' cannot stand in brackets"),
        (Tree("S", ("",)), "The word '' cannot stand in brackets"),
        (Tree("N P", ("a",)), "The label 'N P' cannot stand in brackets"),
    ],
)
def test_what_brackets_cannot_hold_is_not_written(tree: Tree, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        tree.to_string()


@pytest.mark.parametrize(("text", "count"), [("", 0), ("(S a) (S b)", 2)])
def test_from_string_wants_one_tree(text: str, count: int) -> None:
    with pytest.raises(DataError, match=f"Expected one tree, got {count}"):
        Tree.from_string(text)


@pytest.mark.parametrize("levels", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_tree_may_be_100_000_levels_deep(levels: int) -> None:
    text = deep(levels)
    (tree,), other = read(text), Tree.from_string(text)
    assert tree == other and hash(tree) == hash(other) and copy.deepcopy(tree) is tree
    assert tree.to_string() == text and tree.words() == ["word"] and repr(tree) == f"<Tree {text}>"
    wrapped = Tree.from_string("(" * (levels - 1) + "(NN w)" + ")" * (levels - 1))
    assert unwrap(wrapped) == Tree("NN", ("w",)) and wrapped != tree and wrapped.to_string().startswith("( ( ( (")
    with pytest.raises(DataError, match=f"{levels - 1} opening brackets are not closed"):
        read(text[: -levels + 1])


def test_trees_are_streamed() -> None:
    text = (CAT_TEXT + "\n").encode() * 4_001
    tracemalloc.start()
    count = sum(1 for _ in read_trees(io.BytesIO(text)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 4_001 and peak < 6 * 2**18 * 2


@pytest.mark.data
def test_the_treebank_sample_is_read_and_written_again() -> None:
    folder = Path(os.environ.get("AXW_DATA", "../shared/data")) / "treebank"
    if not folder.is_dir():
        pytest.skip(f"AXW_DATA: there is no folder {folder}")
    for name, count in [("train.mrg.gz", 3396), ("valid.mrg.gz", 273)]:
        some = list(read_trees(folder / name))
        assert len(some) == count and all(tree.label and tree.words() for tree in some)
        assert read("\n".join(tree.to_string() for tree in some)) == some
        with gzip.open(folder / name, "rt", encoding="utf-8") as file:
            raw = file.read()
        whole = list(read_trees(folder / name, wrappers=()))
        plain = "".join("".join(tree.to_string() for tree in whole).split())
        assert plain == "".join(raw.split())
