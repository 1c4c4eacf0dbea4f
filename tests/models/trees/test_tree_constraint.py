"""Under the mask every path is a tree over exactly the words, and every such tree has a path."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from axw.data import Tree, read_trees
from axw.data.brackets import bracket_tokens, from_tokens, label_inventory, linearise, normalise
from axw.decoding import SearchSettings, search
from axw.errors import DataError, UsageError
from axw.models.trees.constraint import TreeConstraint, TreeLimits, TreeState, TreeTokens
from tests.data.made_up_trees import LABELS, constituents

END = "</s>"


def rules_for(
    labels: tuple[str, ...], words: tuple[str, ...] = ("XX",), **limits: int
) -> tuple[TreeConstraint, list[str]]:
    """Rules, and the vocabulary in an order of no meaning: two ids that no tree holds stand first and last."""
    tokens = sorted([*bracket_tokens(labels), *words, END], key=lambda token: token[::-1])
    names = ["<pad>", *tokens, "<unk>"]
    ids = {token: i for i, token in enumerate(names)}
    opens, closes = [ids["(" + label] for label in labels], [ids[")" + label] for label in labels]
    at = TreeTokens(opens, closes, [ids[word] for word in words], ids[END], len(names))
    return TreeConstraint(at, TreeLimits(**limits)), names


def walk(rules: TreeConstraint, counts: list[int], w: int, seed: int, open_more: float) -> Tensor:
    """Token ids (b w t) of random walks under the mask, until all have ended; the mask is never empty."""
    generator = torch.Generator().manual_seed(seed)
    state = rules.start(torch.tensor(counts))
    weight = torch.ones(rules.tokens.size)
    weight[list(rules.tokens.opens)] = open_more
    said = []
    for t in range(max(counts) + rules.limits.spare):
        mask = rules.allowed(state)
        assert mask.shape == (len(counts), 1 if t == 0 else w, rules.tokens.size) and mask.any(-1).all()
        if t == 0:
            state = rules.select(state, torch.arange(len(counts)), torch.zeros(len(counts), w, dtype=torch.long))
            mask = rules.allowed(state)
        chosen = torch.multinomial((mask * weight).flatten(0, 1), 1, generator=generator).view(len(counts), w)
        state = rules.advance(state, chosen)
        said.append(chosen)
    assert state.ended.all() and (state.tokens_left >= 0).all()
    return torch.stack(said, -1)


def depth_and_chain(tokens: list[str]) -> tuple[int, int]:
    depth = deepest = run = longest = 0
    for token in tokens:
        opened, closed = token.startswith("("), token.startswith(")")
        depth, run = depth + opened - closed, run + 1 if opened else 0
        deepest, longest = max(deepest, depth), max(longest, run)
    return deepest, longest


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 7), min_size=1, max_size=3),
    st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(3, 17)),
    st.integers(0, 2**31),
    st.sampled_from([0.2, 1.0, 30.0]),
)
def test_random_walks_end_in_a_tree_over_the_words(
    counts: list[int], limits: tuple[int, int, int], seed: int, open_more: float
) -> None:
    depth, chain, spare = limits
    rules, names = rules_for(("S", "NP", ""), ("DT", "NN"), depth=depth, chain=chain, spare=spare)
    for count, hypotheses in zip(counts, walk(rules, counts, 2, seed, open_more).tolist(), strict=True):
        for ids in hypotheses:
            tokens = [names[i] for i in ids]
            end = tokens.index(END)
            assert set(tokens[end:]) == {END} and end + 1 <= count + spare
            tree = from_tokens(tokens[:end], ["w"] * count, leaves="tags")
            assert linearise(tree, "tags") == tokens[:end]
            assert depth_and_chain(tokens[:end])[0] <= depth and depth_and_chain(tokens[:end])[1] <= chain


def accepts(rules: TreeConstraint, ids: list[int], count: int) -> bool:
    """Whether each token is allowed after those before it."""
    state = rules.start(torch.tensor([count]))
    for i in ids:
        if not rules.allowed(state)[0, 0, i]:
            return False
        state = rules.advance(state, torch.tensor([[i]]))
    return True


@settings(max_examples=40, deadline=None)
@given(constituents())
def test_every_tree_within_the_limits_is_allowed_step_by_step(tree: Tree) -> None:
    tokens = linearise(tree)
    depth, chain = depth_and_chain(tokens)
    n = len(tree.words())
    spare = len(tokens) - n + 1
    rules, names = rules_for(LABELS, depth=depth, chain=chain, spare=spare)
    assert accepts(rules, [names.index(token) for token in [*tokens, END]], n)
    for name, less in [("depth", depth - 1), ("chain", chain - 1), ("spare", spare - 1)]:
        limits = {"depth": depth, "chain": chain, "spare": spare, name: less}
        if less >= (3 if name == "spare" else 1):
            narrow, _ = rules_for(LABELS, **limits)
            assert not accepts(narrow, [names.index(token) for token in [*tokens, END]], n)


@pytest.mark.parametrize("count", [1, 2])
def test_allowed_strings_are_the_strings_that_can_be_read(count: int) -> None:
    """Every string of up to seven tokens: the mask and the reader of tokens agree on which are trees."""
    rules, names = rules_for(("S",), depth=2, chain=2, spare=7 - count)
    kinds = [names.index(token) for token in ("(S", ")S", "XX", END)]
    accepted = 0
    frontier: list[tuple[list[int], TreeState]] = [([], rules.start(torch.tensor([count])))]
    allowed = set()
    while frontier:
        ids, state = frontier.pop()
        if ids and names[ids[-1]] == END:
            allowed.add(tuple(names[i] for i in ids[:-1]))
            continue
        for i in kinds:
            if rules.allowed(state)[0, 0, i]:
                frontier.append(([*ids, i], rules.advance(state, torch.tensor([[i]]))))
    for length in range(1, 7):
        for tokens in itertools.product(("(S", ")S", "XX"), repeat=length):
            depth, chain = depth_and_chain(list(tokens))
            try:
                from_tokens(tokens, ["w"] * count)
                readable = tokens != ("XX",) and depth <= 2 and chain <= 2
            except DataError:
                readable = False
            accepted += readable
            assert readable == (tokens in allowed), tokens
    assert accepted == len(allowed) > 1


def test_hypotheses_are_selected_with_their_state() -> None:
    rules, names = rules_for(("S", "NP", "VP"), depth=5)
    ids = {token: i for i, token in enumerate(names)}

    def state_after(text: str, count: int) -> TreeState:
        state = rules.start(torch.tensor([count]))
        for token in text.split():
            state = rules.advance(state, torch.tensor([[ids[token]]]))
        return state

    paths = [["(S (NP XX", "(S XX XX", "(NP (VP (S"], ["(VP XX (S", "(S (NP XX", "(S (S XX"]]
    counts = [5, 7]
    state = rules.select(rules.start(torch.tensor(counts)), torch.arange(2), torch.zeros(2, 3, dtype=torch.long))
    for t in range(3):
        state = rules.advance(state, torch.tensor([[ids[path.split()[t]] for path in row] for row in paths]))
    picked = rules.select(state, torch.tensor([1]), torch.tensor([[2, 0, 0, 1]]))
    for place, path in enumerate(["(S (S XX", "(VP XX (S", "(VP XX (S", "(S (NP XX"]):
        alone = state_after(path, 7)
        assert torch.equal(rules.allowed(picked)[0, place], rules.allowed(alone)[0, 0])
        assert [field[0, place].tolist() for field in picked[1:]] == [field[0, 0].tolist() for field in alone[1:]]
    before = [field.clone() for field in picked]
    rules.advance(picked, torch.full((1, 4), ids["XX"]))
    assert all(torch.equal(a, b) for a, b in zip(before, picked, strict=True))  # a state is never written into


def test_a_token_that_is_not_allowed_ends_its_hypothesis() -> None:
    rules, names = rules_for(("S", "NP"))
    for wrong in (")S", "XX", "<pad>", END):
        state = rules.advance(rules.start(torch.tensor([3])), torch.tensor([[names.index(wrong)]]))
        for _ in range(3):
            assert [names[i] for i in rules.allowed(state)[0, 0].nonzero().flatten()] == [END]
            state = rules.advance(state, torch.tensor([[names.index("(S")]]))


class Dice:
    """A decoder that knows nothing: log-probabilities are drawn once for each step, and the same for all."""

    def __init__(self, size: int, seed: int) -> None:
        self.table = torch.randn(97, size, generator=torch.Generator().manual_seed(seed)).log_softmax(-1)

    def step(self, tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return self.table[state % len(self.table)], state + 1

    def select(self, state: Tensor, sentences: Tensor, parents: Tensor) -> Tensor:
        return state[sentences[:, None], parents]


@pytest.mark.parametrize("seed", range(5))
def test_a_search_finds_trees_only(seed: int) -> None:
    rules, names = rules_for(("S", "NP", "VP"), spare=31)
    counts = [1, 5, 11]
    wanted = SearchSettings(beam=3, nbest=3, max_factor=1, max_constant=31, start=0, end=rules.tokens.end, never=())
    found = search(
        Dice(len(names), seed),
        torch.zeros(3, 1, dtype=torch.long),
        wanted,
        source_lengths=counts,
        allow=rules.over(torch.tensor(counts)),
    )
    for count, hypotheses in zip(counts, found, strict=True):
        assert hypotheses[0].finished
        for hypothesis in hypotheses:
            tokens = [names[i] for i in hypothesis.ids if i != rules.tokens.end]
            if hypothesis.finished:
                assert from_tokens(tokens, ["w"] * count).words() == ["w"] * count


@pytest.mark.parametrize(
    ("tokens", "what"),
    [
        (TreeTokens([1], [], [2], 3, 4), "1 opening and 0 closing brackets, 1 words"),
        (TreeTokens([], [], [2], 3, 4), "0 opening and 0 closing brackets, 1 words"),
        (TreeTokens([0], [1], [2], 4, 4), "The token 4 is outside the vocabulary.\nTreeTokens\nGive ids of 0 to 3."),
        (TreeTokens([0], [1], [-2], 3, 4), "The token -2 is outside the vocabulary"),
        (TreeTokens([0], [1], [1], 3, 4), "The token 1 has two meanings"),
    ],
)
def test_ids_are_checked(tokens: TreeTokens, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        TreeConstraint(tokens)


@pytest.mark.parametrize(("name", "value"), [("depth", 0), ("chain", 0), ("spare", 2)])
def test_limits_are_checked(name: str, value: int) -> None:
    with pytest.raises(UsageError, match=f"{name}={value}"):
        TreeLimits(**{name: value})


def test_sentences_have_words() -> None:
    rules, _ = rules_for(("S",))
    with pytest.raises(UsageError, match="Sentence 2 has 0 words"):
        rules.start(torch.tensor([3, 0]))
    with pytest.raises(UsageError, match="3 sentences, 2 numbers of words"):
        rules.over(torch.tensor([3, 1])).start(3)


@pytest.mark.data
def test_every_tree_of_the_treebank_is_allowed_step_by_step() -> None:
    folder = Path(os.environ.get("AXW_DATA", "../shared/data")) / "treebank"
    if not folder.is_dir():
        pytest.skip(f"AXW_DATA: there is no folder {folder}")
    trees = [normalise(tree) for name in ("train", "valid") for tree in read_trees(folder / f"{name}.mrg.gz")]
    # One sentence is a list of 249 words and needs 325 tokens more; all others need 161 at most.
    rules, names = rules_for(tuple(label_inventory(trees)), spare=325)
    ids = {token: i for i, token in enumerate(names)}
    said = [[ids[token] for token in [*linearise(tree), END]] for tree in trees]
    state = rules.start(torch.tensor([len(tree.words()) for tree in trees]))
    for t in range(max(map(len, said))):
        step = torch.tensor([[row[t] if t < len(row) else rules.tokens.end] for row in said])
        assert rules.allowed(state).gather(-1, step[..., None]).all(), t
        state = rules.advance(state, step)
    assert state.ended.all() and (state.words_left == 0).all() and (state.open == 0).all()
