"""Which tokens keep the answer of a decoder a well-formed tree over exactly n words.

    (S (NP XX XX )NP (VP XX )VP )S </s>

A constituent may be opened while words are left, a word may stand in any constituent, the constituent opened last may be closed
once it has a child, the root only when no word is left, and after the root comes the end. What is opened must still be closed in
time, so opening costs two tokens of those that are left. By these rules some token is always allowed, and every path ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from axw.errors import UsageError

_NEVER, _OPEN, _WORD, _CLOSE, _END = range(5)


class TreeTokens(NamedTuple):
    """Where the tokens of trees stand in a vocabulary of `size` tokens.

    opens, closes  "(NP" and ")NP" of each label, in the same order
    words          the tokens that may stand for a word: XX alone, or each tag
    end            the token that ends an answer
    """

    opens: Sequence[int]
    closes: Sequence[int]
    words: Sequence[int]
    end: int
    size: int


@dataclass(frozen=True)
class TreeLimits:
    """How large a tree may grow. Trees of the Wall Street Journal need 29 levels and 7 openings in a row.

    depth  most constituents that are open at a time
    chain  most that are opened in a row, hence also the longest chain of constituents with one child
    spare  tokens beyond one for each word, the end among them: 300, as Vaswani et al. 2017 allow in parsing (section 6.3);
           in a search, `SearchSettings(max_factor=1, max_constant=spare)` gives the same limit
    """

    depth: int = 64
    chain: int = 12
    spare: int = 300

    def __post_init__(self) -> None:
        for name, least in (("depth", 1), ("chain", 1), ("spare", 3)):
            if getattr(self, name) < least:
                raise UsageError(
                    f"{name}={getattr(self, name)}",
                    "TreeLimits",
                    f"Give {least} or more: one bracket and the end need it.",
                )


class TreeState(NamedTuple):
    """What a hypothesis has said so far: b sentences, w hypotheses each. A value; `advance` gives a new one."""

    labels: Int[Tensor, "b w depth"]  # labels of the open constituents, from the root on
    open: Int[Tensor, "b w"]  # how many are open
    chain: Int[Tensor, "b w"]  # how many were opened since the last word or closing bracket
    words_left: Int[Tensor, "b w"]
    tokens_left: Int[Tensor, "b w"]
    ended: Bool[Tensor, "b w"]  # the end was said, or a token that was not allowed


class _Allowed(NamedTuple):
    """The kinds of token that may follow, and the one closing token that fits the constituent opened last."""

    open: Bool[Tensor, "b w"]
    word: Bool[Tensor, "b w"]
    close: Bool[Tensor, "b w"]
    end: Bool[Tensor, "b w"]
    closing: Int[Tensor, "b w"]


class TreeConstraint:
    """The rules for one vocabulary. Holds nothing of any sentence: `start`, `allowed`, `advance` and `select` are functions of
    a `TreeState`.

    Raises `UsageError` for ids outside the vocabulary, ids with two meanings, and labels that cannot be closed.
    """

    def __init__(
        self, tokens: TreeTokens, limits: TreeLimits | None = None, device: torch.device | str | None = None
    ) -> None:
        _check(tokens)
        self.tokens, self.limits = tokens, limits or TreeLimits()
        kinds = torch.full((tokens.size,), _NEVER)
        labels = torch.zeros(tokens.size, dtype=torch.long)
        for kind, ids in ((_OPEN, tokens.opens), (_CLOSE, tokens.closes), (_WORD, tokens.words), (_END, [tokens.end])):
            kinds[list(ids)] = kind
        labels[list(tokens.opens)] = torch.arange(len(tokens.opens))
        self._kinds, self._labels = kinds.to(device), labels.to(device)
        # The mask of each of the eight answers to: may a constituent open, may a word stand, may it end?
        masks = [
            (kinds == _OPEN) & bool(i & 1) | (kinds == _WORD) & bool(i & 2) | (kinds == _END) & bool(i & 4)
            for i in range(8)
        ]
        self._masks = torch.stack(masks).to(device)
        self._closes = torch.tensor(list(tokens.closes), device=device)

    def start(self, word_counts: Int[Tensor, "b"]) -> TreeState:
        """Nothing said yet, over so many words; w = 1. Raises `UsageError` for a sentence without a word."""
        for i, count in enumerate(word_counts.tolist(), start=1):
            if count < 1:
                todo = "Leave empty sentences out: a tree has at least one word."
                raise UsageError(f"Sentence {i} has {count} words.", "TreeConstraint.start", todo)
        words = word_counts.to(self._kinds.device, torch.long)[:, None]
        none = torch.zeros_like(words)
        labels = words.new_zeros((*words.shape, self.limits.depth))
        return TreeState(labels, none, none, words, words + self.limits.spare, none.bool())

    def over(self, word_counts: Int[Tensor, "b"]) -> TreesOver:
        """The rules for these sentences, as a search takes them: `search(..., allow=rules.over(word_counts))`."""
        return TreesOver(self, word_counts)

    def allowed(self, state: TreeState) -> Bool[Tensor, "b w V"]:
        """True for the tokens that may follow. Never empty: after the end, the end again."""
        may = self._may(state)
        mask = self._masks[may.open.long() + 2 * may.word.long() + 4 * may.end.long()]
        return mask.scatter_(-1, may.closing[..., None], may.close[..., None])

    def advance(self, state: TreeState, tokens: Int[Tensor, "b w"]) -> TreeState:
        """The state after one more token each. A token that was not allowed ends its hypothesis; give it a score of -inf."""
        may = self._may(state)
        kind = self._kinds[tokens]
        opened = (kind == _OPEN) & may.open
        said = (kind == _WORD) & may.word
        closed = may.close & (tokens == may.closing)
        place = state.open.clamp(max=self.limits.depth - 1)[..., None]
        label = torch.where(opened, self._labels[tokens], state.labels.gather(-1, place)[..., 0])
        return TreeState(
            labels=state.labels.scatter(-1, place, label[..., None]),
            open=state.open + opened.long() - closed.long(),
            chain=torch.where(opened, state.chain + 1, 0),
            words_left=state.words_left - said.long(),
            tokens_left=state.tokens_left - (~state.ended).long(),
            ended=state.ended | ~(opened | said | closed),
        )

    def select(self, state: TreeState, sentences: Int[Tensor, "b2"], parents: Int[Tensor, "b2 w2"]) -> TreeState:
        """The states of some sentences, each with those of its hypotheses that go on."""
        return TreeState(*(field[sentences[:, None], parents] for field in state))

    def _may(self, state: TreeState) -> _Allowed:
        going = ~state.ended
        inside = going & (state.open > 0)
        words = going & (state.words_left > 0)
        # Two brackets more, each word that is left, what is open, and the end.
        in_time = state.words_left + state.open + 3 <= state.tokens_left
        small = (state.open < self.limits.depth) & (state.chain < self.limits.chain)
        has_child = state.chain == 0
        root_waits = (state.open == 1) & (state.words_left > 0)
        top = state.labels.gather(-1, (state.open - 1).clamp(min=0)[..., None])[..., 0]
        return _Allowed(
            open=words & in_time & small,
            word=words & inside,
            close=inside & has_child & ~root_waits,
            end=state.ended | ((state.open == 0) & (state.words_left == 0)),
            closing=self._closes[top],
        )


class TreesOver:
    """The rules for given sentences: a `Constraint` of `axw.decoding`, whose search says only how many sentences there are."""

    def __init__(self, rules: TreeConstraint, word_counts: Int[Tensor, "b"]) -> None:
        self.rules, self.word_counts = rules, word_counts

    def start(self, count: int) -> TreeState:
        """`TreeConstraint.start`. Raises `UsageError` where there are not so many sentences."""
        if count != len(self.word_counts):
            todo = "Give one number of words for each sentence."
            raise UsageError(f"{count} sentences, {len(self.word_counts)} numbers of words", "TreesOver.start", todo)
        return self.rules.start(self.word_counts)

    def allowed(self, state: TreeState) -> Bool[Tensor, "b w V"]:
        return self.rules.allowed(state)

    def advance(self, state: TreeState, tokens: Int[Tensor, "b w"]) -> TreeState:
        return self.rules.advance(state, tokens)

    def select(self, state: TreeState, sentences: Int[Tensor, "b2"], parents: Int[Tensor, "b2 w2"]) -> TreeState:
        return self.rules.select(state, sentences, parents)


def _check(tokens: TreeTokens) -> None:
    ids = [*tokens.opens, *tokens.closes, *tokens.words, tokens.end]
    if len(tokens.opens) != len(tokens.closes) or not tokens.opens or not tokens.words:
        raise UsageError(
            f"{len(tokens.opens)} opening and {len(tokens.closes)} closing brackets, {len(tokens.words)} words",
            "TreeTokens",
            "Give an opening and a closing token for each label, at least one label, and at least one word.",
        )
    outside = [i for i in ids if not 0 <= i < tokens.size]
    if outside:
        raise UsageError(
            f"The token {outside[0]} is outside the vocabulary.", "TreeTokens", f"Give ids of 0 to {tokens.size - 1}."
        )
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise UsageError(f"The token {twice} has two meanings.", "TreeTokens", "Give each id once.")
