"""Trees to tokens and back, and the normal form."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axw.data import Tree, read_trees
from axw.data.brackets import (
    Leaves,
    NormalForm,
    bracket_tokens,
    bracketing,
    category,
    check_words,
    from_tokens,
    label_inventory,
    linearise,
    normalise,
    plain_word,
    tagged_words,
    treebank_word,
)
from axw.data.trees import events, from_events
from axw.errors import AxwError, DataError, UsageError
from tests.data.made_up_trees import chain, constituents, right_branching, tags

CAT = Tree.from_string("(S (NP (DT the) (NN cat)) (VP (VBD sat)))")
TOLD = Tree.from_string(
    "(S (NP-SBJ-1 (NP=2 (-LRB- -LRB-) (NN x))) (VP (VBD reported) (SBAR-CLR (-NONE- 0) (S (-NONE- *T*-1)))) (. .))"
)
HOW: tuple[Leaves, ...] = ("XX", "tags", "words")


def again(tree: Tree, how: Leaves) -> Tree:
    found = tagged_words(tree)
    return from_tokens(linearise(tree, how), [word for word, _ in found], [tag for _, tag in found], how)


@settings(max_examples=150, deadline=None)
@given(constituents(bare=True) | tags(), st.sampled_from(["XX", "words"]))
def test_tokens_and_words_give_the_tree_again(tree: Tree, how: Leaves) -> None:
    assert again(tree, how) == tree
    assert [word for word, _ in tagged_words(tree)] == tree.words()
    assert len(linearise(tree, how)) == len(tree.words()) + 2 * len(bracketing(tree).spans)


@settings(max_examples=80, deadline=None)
@given(constituents())
def test_tags_as_tokens_need_no_others(tree: Tree) -> None:
    assert from_tokens(linearise(tree, "tags"), tree.words(), leaves="tags") == tree == again(tree, "tags")
    assert from_events(events(tree)) == tree


@settings(max_examples=80, deadline=None)
@given(constituents())
def test_tokens_are_words_and_the_inventory(tree: Tree) -> None:
    found = linearise(tree, "words")
    assert set(found) <= set(bracket_tokens(label_inventory([tree]))) | set(tree.words())
    spans = bracketing(tree)
    assert spans.words == tuple(tree.words()) and len(spans.tags) == len(spans.words)
    assert {span.label for span in spans.spans} == set(label_inventory([tree]))
    assert all(0 <= span.start < span.end <= len(spans.words) for span in spans.spans)


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        ("XX", "(S (NP XX XX )NP (VP XX )VP )S"),
        ("tags", "(S (NP DT NN )NP (VP VBD )VP )S"),
        ("words", "(S (NP the cat )NP (VP sat )VP )S"),
    ],
)
def test_tokens_as_vinyals_et_al(how: Leaves, wanted: str) -> None:
    assert " ".join(linearise(CAT, how)) == wanted
    assert again(CAT, how) == CAT


def test_without_tags_words_get_the_placeholder() -> None:
    tree = from_tokens(linearise(CAT), CAT.words())
    assert tree.to_string() == "(S (NP (XX the) (XX cat)) (VP (XX sat)))"
    assert label_inventory([CAT, TOLD])[:2] == ["NP", "NP-SBJ-1"]
    assert bracket_tokens(["NP", "S"]) == ["(NP", ")NP", "(S", ")S"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["(S", ")S", "(NP", ")NP", "XX", "DT"]), max_size=9), st.integers(0, 3))
def test_any_tokens_are_one_tree_or_an_error_of_ours(tokens: list[str], words: int) -> None:
    try:
        tree = from_tokens(tokens, ["w"] * words)
    except AxwError as error:
        assert isinstance(error, DataError) and error.where and error.todo
        return
    assert tree.words() == ["w"] * words
    assert linearise(tree) == ["XX" if token == "DT" else token for token in tokens]


@pytest.mark.parametrize(
    ("tokens", "what"),
    [
        ("(S XX )NP", "token 3: .*|The token '\\)NP' does not close the bracket that was opened last."),
        (")S", "The token '\\)S' does not close the bracket that was opened last."),
        ("(S (NP )NP", "The token '\\)NP' closes a constituent without a child."),
        ("(S XX )S XX", "The token 'XX' comes after the end of the tree."),
        ("(S XX XX", "The tokens end too early: 1 brackets are open and 0 words are left."),
        ("(S XX )S", "The tokens end too early: 0 brackets are open and 1 words are left."),
        ("(S XX XX XX )S", "The token 'XX' is one word more than the 2 that are given."),
        ("", "The tokens end too early: 0 brackets are open and 2 words are left."),
    ],
)
def test_tokens_that_are_no_tree_are_named(tokens: str, what: str) -> None:
    with pytest.raises(DataError, match=what):
        from_tokens(tokens.split(), ["a", "b"])


def test_words_and_tags_must_fit() -> None:
    with pytest.raises(DataError, match="The token 'the' is not the word 'a'") as caught:
        from_tokens(linearise(CAT, "words"), ["a", "cat", "sat"], leaves="words")
    assert caught.value.where == "token 3: (S (NP the cat"
    with pytest.raises(DataError, match="3 words and 1 tags"):
        from_tokens(linearise(CAT), CAT.words(), ["DT"])
    with pytest.raises(DataError, match="The word 'b' has no tag of its own"):
        linearise(Tree("S", (Tree("NN", ("a",)), "b")), "tags")
    with pytest.raises(UsageError, match='Allowed: "XX", "tags", "words"'):
        linearise(CAT, "pos")  # type: ignore[arg-type]


def test_check_words_names_the_first_that_differs() -> None:
    check_words(CAT, ["the", "cat", "sat"])
    with pytest.raises(DataError, match="Word 2 of the tree is 'cat', of the sentence 'dog'"):
        check_words(CAT, ["the", "dog", "sat"])
    with pytest.raises(DataError, match="Word 4 of the tree is nothing, of the sentence 'down'"):
        check_words(CAT, ["the", "cat", "sat", "down"])


def test_normal_form_of_a_told_sentence() -> None:
    assert normalise(TOLD).to_string() == "(S (NP (NP (-LRB- -LRB-) (NN x))) (VP (VBD reported)) (. .))"
    kept = normalise(TOLD, NormalForm(traces="keep", functions="keep"))
    assert kept == TOLD
    assert "NP-SBJ-1" in normalise(TOLD, NormalForm(functions="keep")).to_string()
    assert "(SBAR (-NONE- 0) (S (-NONE- *T*-1)))" in normalise(TOLD, NormalForm(traces="keep")).to_string()


@pytest.mark.parametrize(("label", "wanted"), [("NP-SBJ-1", "NP"), ("NP=2", "NP"), ("-LRB-", "-LRB-"), ("", "")])
def test_category(label: str, wanted: str) -> None:
    assert category(label) == wanted


def test_wrappers_come_off_by_choice() -> None:
    wrapped = Tree("TOP", (Tree("S1", (Tree("", (CAT,)),)),))
    assert normalise(wrapped) == CAT
    assert normalise(wrapped, NormalForm(wrappers=())) == wrapped
    behind = Tree("TOP", (CAT, Tree("-NONE-", ("*",))))
    assert normalise(behind) == CAT


@settings(max_examples=100, deadline=None)
@given(constituents(bare=True))
def test_normal_form_is_a_fixed_point_over_the_same_words(tree: Tree) -> None:
    plain = normalise(tree)
    assert normalise(plain) == plain and plain.words() == tree.words()


def test_a_tree_of_traces_is_empty() -> None:
    with pytest.raises(DataError, match="The tree is empty: it holds no word but traces"):
        normalise(Tree.from_string("(S (NP-SBJ (-NONE- *)) (VP (-NONE- *?*)))"))


@pytest.mark.parametrize(("kind", "what"), [("NormalForm", "traces"), ("NormalForm", "functions")])
def test_settings_are_checked(kind: str, what: str) -> None:
    with pytest.raises(UsageError, match="Allowed: "):
        NormalForm(**{what: "maybe"})  # type: ignore[arg-type]


def test_words_of_brackets() -> None:
    assert [treebank_word(word) for word in ["(", "]", "a(s)", "cat"]] == ["-LRB-", "-RSB-", "a-LRB-s-RRB-", "cat"]
    assert [plain_word(treebank_word(word)) for word in "()[]{}"] == list("()[]{}")


@pytest.mark.parametrize("tree", [chain(10_000), right_branching(10_000)], ids=["deep", "deep and long"])
def test_ten_thousand_levels(tree: Tree) -> None:
    assert again(tree, "XX") == tree and normalise(tree) == tree
    assert len(bracketing(tree).spans) == 10_000


@pytest.mark.parametrize(
    ("steps", "what"),
    [
        ([("close", "S")], "A constituent is closed that was not opened"),
        ([("open", "S"), ("word", "a")], "The events are not those of one tree"),
        ([("word", "a")], "The events are not those of one tree"),
        ([], "The events are not those of one tree"),
    ],
)
def test_events_that_are_no_tree(steps: list, what: str) -> None:
    with pytest.raises(DataError, match=what):
        from_events(steps)


@pytest.mark.data
@pytest.mark.parametrize("how", HOW)
def test_every_tree_of_the_treebank_comes_back(how: Leaves) -> None:
    folder = Path(os.environ.get("AXW_DATA", "../shared/data")) / "treebank"
    if not folder.is_dir():
        pytest.skip(f"AXW_DATA: there is no folder {folder}")
    for name in ("train.mrg.gz", "valid.mrg.gz"):
        plain = [normalise(tree) for tree in read_trees(folder / name)]
        assert all(again(tree, how) == tree for tree in plain)
        assert not any("-" in label for label in label_inventory(plain))
