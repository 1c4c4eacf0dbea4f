"""Forced prefixes and constraints against filtering what can be said at all."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from axw.decoding import AllowedIds, search
from axw.errors import UsageError
from tests.decoding.toys import (
    END,
    SETTINGS,
    START,
    RecurrentDecoder,
    TableDecoder,
    every_hypothesis,
    follower,
    one,
    same,
)

V, LIMIT = 5, 4
WIDE = replace(SETTINGS, beam=V**LIMIT, nbest=7, max_factor=0.0, max_constant=LIMIT)


def test_a_prefix_for_each_sentence_is_brute_force_over_what_begins_so():
    prefixes = [[], [3], [2, 4, 2], [4, 4]]
    state = TableDecoder.start(4, V, 3)
    found = search(TableDecoder(), state, WIDE, source_lengths=[1] * 4, prefix=prefixes)
    for i, prefix in enumerate(prefixes):
        every = every_hypothesis(follower(TableDecoder(), one(state, i)), V, LIMIT, WIDE)
        same(found[i], [h for h in every if list(h.ids[: len(prefix)]) == prefix][:7])


def test_a_prefix_may_hold_what_the_model_would_never_say():
    decoder = RecurrentDecoder(9, seed=2)
    for temperature in (1.0, None):
        settings = replace(SETTINGS, beam=3, no_repeat_ngram=1, temperature=temperature)
        found = search(decoder, decoder.start(2, 3, 1), settings, source_lengths=[3, 3], prefix=[[5, 5, 5], [7]])
        assert found[0][0].ids[:3] == (5, 5, 5) and found[1][0].ids[0] == 7


WRONG = [
    ([[2], [1]], "The prefix of sentence 1 holds the id 1; allowed: ids that may be said before the end."),
    ([[-3], []], "The prefix of sentence 0 holds the id -3"),
    ([[], [0]], "The prefix of sentence 1 holds the id 0"),
    ([[], [2, 2, 2, 2]], "The prefix of sentence 1 has 4 ids; allowed: fewer than its limit, 4."),
    ([[], [2, 5]], "The prefix of sentence 1 holds the id 5; allowed: 0 to 4."),
    ([[]], "prefix is of 1 sentences, source_lengths of 2; allowed: one each."),
]


@pytest.mark.parametrize("prefix, message", WRONG)
def test_prefixes_that_cannot_be_said(prefix: list[list[int]], message: str):
    with pytest.raises(UsageError) as error:
        search(TableDecoder(), TableDecoder.start(2, V, 0), WIDE, source_lengths=[1, 1], prefix=prefix)
    assert message in error.value.what and error.value.where == "In search, prefix." and error.value.todo


def test_numbers_and_limits_that_do_not_fit():
    state = TableDecoder.start(2, V, 0)
    with pytest.raises(UsageError, match="numbers is of 3 sentences, source_lengths of 2"):
        search(TableDecoder(), state, WIDE, source_lengths=[1, 1], numbers=[1, 2, 3])
    with pytest.raises(UsageError, match="Sentence 1 may have 0 ids; allowed: 1 or more.\n.*max_factor.*\nRaise"):
        search(TableDecoder(), state, replace(WIDE, max_factor=0.5, max_constant=0), source_lengths=[2, 1])


# Words 2 and 3 open, word 4 closes the last that is open; the end comes when nothing is open.
class Depth(NamedTuple):
    open: Tensor


class Balanced:
    def start(self, count: int) -> Depth:
        return Depth(torch.zeros(count, 1, dtype=torch.int64))

    def allowed(self, state: Depth) -> Tensor:
        mask = torch.ones(*state.open.shape, V, dtype=torch.bool)
        mask[..., 4] = state.open > 0
        mask[..., END] = state.open == 0
        return mask

    def advance(self, state: Depth, tokens: Tensor) -> Depth:
        return Depth(state.open + ((tokens == 2) | (tokens == 3)).long() - (tokens == 4).long())

    def select(self, state: Depth, sentences: Tensor, parents: Tensor) -> Depth:
        return Depth(state.open[sentences[:, None], parents])


def opened(ids: tuple[int, ...]) -> int | None:
    depth = 0
    for token in ids:
        depth += -1 if token == 4 else 1
        if depth < 0:
            return None
    return depth


def plainly(sentence: int, ids: tuple[int, ...]) -> list[int]:
    depth = opened(ids)
    assert depth is not None
    return [2, 3, *([4] if depth else [END])]


@pytest.mark.parametrize("constraint", [Balanced(), AllowedIds(plainly, V, END)])
def test_a_constraint_is_brute_force_over_what_it_allows(constraint: object):
    state = TableDecoder.start(3, V, 5)
    found = search(TableDecoder(), state, WIDE, source_lengths=[1] * 3, allow=constraint)
    for i in range(3):
        every = every_hypothesis(follower(TableDecoder(), one(state, i)), V, LIMIT, WIDE)
        right = [h for h in every if (opened(h.ids) == 0 if h.finished else opened(h.ids) is not None)]
        same(found[i], right[:7])


@pytest.mark.parametrize("temperature", [None, 1.0])
def test_both_ways_to_write_a_constraint_agree_in_a_small_beam_and_with_a_prefix(temperature: float | None):
    decoder = RecurrentDecoder(V, seed=6, sharp=1.0)
    state = decoder.start(7, 3, 2)
    settings = replace(SETTINGS, beam=3, nbest=3, max_factor=0.0, max_constant=11, temperature=temperature)
    prefix = [[], [2], [3, 4, 2], [], [2, 2], [3], []]
    found = [
        search(decoder, state, settings, source_lengths=[3] * 7, allow=way, prefix=prefix)
        for way in (Balanced(), AllowedIds(plainly, V, END))
    ]
    assert found[0] == found[1]
    assert all(opened(h.ids) == 0 for row in found[0] for h in row if h.finished)


def test_where_nothing_may_follow_the_hypothesis_is_cut():
    dead_end = AllowedIds(lambda sentence, ids: [2, 3] if len(ids) < 2 + sentence else [], V, END)
    for temperature in (None, 1.0):
        settings = replace(SETTINGS, beam=2, temperature=temperature)
        found = search(TableDecoder(), TableDecoder.start(2, V, 1), settings, source_lengths=[9, 9], allow=dead_end)
        assert [(len(row[0].ids), row[0].finished) for row in found] == [(2, False), (3, False)]


def test_a_mask_of_the_wrong_shape():
    class Wrong(Balanced):
        def allowed(self, state: Depth) -> Tensor:
            return super().allowed(state)[..., :3]

    with pytest.raises(UsageError, match=r"mask of \(1, 1, 3\), torch.bool; allowed: \(1, 1, 5\), torch.bool"):
        search(TableDecoder(), TableDecoder.start(1, V, 1), SETTINGS, source_lengths=[1], allow=Wrong())


def test_the_sentence_number_says_who_is_asked_about():
    only = AllowedIds(lambda sentence, ids: [2 + sentence] if len(ids) < 4 - sentence else [END], V, END)
    found = search(
        TableDecoder(), TableDecoder.start(3, V, 1), replace(SETTINGS, beam=3), source_lengths=[1] * 3, allow=only
    )
    assert [row[0].ids for row in found] == [(2,) * 4, (3,) * 3, (4,) * 2]
    assert START not in {i for row in found for i in row[0].ids}
