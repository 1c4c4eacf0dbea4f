"""Beam search against greedy search, brute force and a search written out plainly; alone and in a batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from axw.decoding import SearchSettings, length_penalty, score, search
from axw.errors import NotFiniteError, UsageError
from tests.decoding.toys import (
    END,
    SETTINGS,
    START,
    RecurrentDecoder,
    TableDecoder,
    every_hypothesis,
    follower,
    one,
    plain_beam,
    same,
)

PENALTIES = ["gnmt", "power", "average", "none"]
seeds = st.integers(0, 10_000)


def with_limit(limit: int, settings: SearchSettings = SETTINGS, **changes: object) -> SearchSettings:
    return replace(settings, max_factor=0.0, max_constant=limit, **changes)


def test_width_1_is_greedy_search():
    decoder = RecurrentDecoder(11)
    state = decoder.start(13, 3, 1)
    found = search(decoder, state, with_limit(17, beam=1), source_lengths=[3] * 13)
    for i in range(13):
        next_ids, ids, total = follower(decoder, one(state, i)), [], 0.0
        while len(ids) < 17:
            log_p = next_ids(tuple(ids))
            token = max((t for t in range(11) if t != START), key=lambda t: log_p[t])
            total += log_p[token]
            if token == END:
                break
            ids.append(token)
        [best] = found[i]
        assert best.ids == tuple(ids) and best.finished == (len(ids) < 17)
        assert abs(best.log_probability - total) < 1e-4


@pytest.mark.parametrize("penalty", PENALTIES)
@given(seed=seeds)
@examples(max_examples=8, deadline=None)
def test_a_beam_of_every_sequence_is_brute_force(penalty: str, seed: int):
    V, limit = 4, 4
    settings = with_limit(limit, beam=V**limit, nbest=9, length_penalty=penalty)
    state = TableDecoder.start(2, V, seed)
    found = search(TableDecoder(), state, settings, source_lengths=[1, 1])
    for i in range(2):
        wanted = every_hypothesis(follower(TableDecoder(), one(state, i)), V, limit, settings)
        same(found[i], wanted[:9])


@given(
    seed=seeds,
    beam=st.integers(1, 6),
    nbest=st.integers(1, 6),
    penalty=st.sampled_from(PENALTIES),
    alpha=st.sampled_from([0.0, 0.6, 2.0]),
    least=st.integers(0, 3),
    limit=st.integers(1, 9),
)
@examples(max_examples=60, deadline=None)
def test_it_is_the_search_as_defined_and_stopping_early_changes_nothing(
    seed, beam, nbest, penalty, alpha, least, limit
):
    settings = with_limit(
        limit, beam=beam, nbest=min(nbest, beam), length_penalty=penalty, alpha=alpha, min_length=least
    )
    state = TableDecoder.start(3, 5, seed)
    found = search(TableDecoder(), state, settings, source_lengths=[1] * 3)
    for i in range(3):
        same(found[i], plain_beam(follower(TableDecoder(), one(state, i)), 5, limit, settings))


def test_it_does_stop_early():
    decoder, settings = TableDecoder(), with_limit(40, beam=5, length_penalty="none")
    search(decoder, TableDecoder.start(1, 5, 3), settings, source_lengths=[1])
    free = len(decoder.rows)
    assert free < 40
    decoder = TableDecoder()
    state = TableDecoder.start(1, 5, 3)
    search(decoder, state, replace(settings, nbest=5), source_lengths=[1])
    assert free < len(decoder.rows)


@given(seed=seeds, order=st.permutations(range(7)), temperature=st.sampled_from([None, 0.9]))
@examples(max_examples=15, deadline=None)
def test_alone_in_a_batch_and_in_any_order(seed, order, temperature):
    decoder = RecurrentDecoder(13, seed=seed)
    state = decoder.start(7, 5, seed)
    lengths = [1, 2, 3, 5, 2, 3, 1]
    settings = replace(SETTINGS, beam=3, nbest=3, max_factor=2.0, max_constant=3, temperature=temperature)
    together = search(decoder, state, settings, source_lengths=lengths)
    shuffled = type(state)(*(part[list(order)] for part in state))
    again = search(decoder, shuffled, settings, source_lengths=[lengths[i] for i in order], numbers=list(order))
    for place, i in enumerate(order):
        same(again[place], together[i])
        [alone] = search(decoder, one(state, i), settings, source_lengths=[lengths[i]], numbers=[i])
        same(alone, together[i])


def test_an_empty_batch_in_an_empty_list_out():
    assert search(TableDecoder(), TableDecoder.start(0, 5, 0), SETTINGS, source_lengths=[]) == []
    assert score(TableDecoder(), TableDecoder.start(0, 5, 0), []) == []


def test_done_sentences_leave_the_batch():
    decoder = TableDecoder()
    search(decoder, TableDecoder.start(11, 5, 0), replace(SETTINGS, beam=3), source_lengths=[5] * 11)
    sizes = [b for b, _ in decoder.rows]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == 11 and sizes[-1] < 11
    assert decoder.rows[0] == (11, 1) and {w for _, w in decoder.rows[1:]} == {3}


def test_the_limit_follows_the_source_and_what_is_cut_says_so():
    # The end has probability 0, so everything is cut.
    state = TableDecoder.start(3, 5, 0)
    log_p = state.log_p.clone()
    log_p[..., END] = -torch.inf
    settings = replace(SETTINGS, beam=2, nbest=2, max_factor=1.5, max_constant=2)
    found = search(TableDecoder(), state._replace(log_p=log_p), settings, source_lengths=[1, 4, 7])
    assert [len(h.ids) for row in found for h in row] == [3, 3, 8, 8, 12, 12]
    assert not any(h.finished for row in found for h in row)
    for row, limit in zip(found, [3, 8, 12], strict=True):
        assert row[0].score == pytest.approx(row[0].log_probability / ((5 + limit) / 6) ** 0.6)


def test_whole_hypotheses_come_before_cut_ones():
    state = TableDecoder.start(1, 5, 5)
    [found] = search(TableDecoder(), state, with_limit(1, beam=4, nbest=4), source_lengths=[1])
    assert [h.finished for h in found] == [True, False, False, False]
    assert found[0].ids == () and found[0].score < found[1].score and found[1].score >= found[2].score


def test_length_penalties():
    assert length_penalty("gnmt", 0.6, 7) == pytest.approx(2**0.6)
    assert length_penalty("average", 0.6, 7) == 7 and length_penalty("none", 0.6, 7) == 1
    assert length_penalty("power", 0.6, 7) == 7**0.6 and length_penalty("power", 0.6, 0) == 1
    for kind in PENALTIES:
        assert length_penalty(kind, 0.0, 0) > 0


@pytest.mark.parametrize("width", [1, 3])
def test_equals_are_taken_in_order(width: int):
    # Every id is as likely as every other, the end a little less.
    log_p = torch.full((2, 7, 7, 7), -2.0)
    log_p[..., END] = -2.5
    state = TableDecoder.start(2, 7, 0)._replace(log_p=log_p)
    found = search(TableDecoder(), state, with_limit(2, beam=width, nbest=width), source_lengths=[1, 1])
    wanted = [(2, 2), (2, 3), (2, 4)][:width]
    assert [[h.ids for h in row] for row in found] == [wanted, wanted]


def test_min_length_and_never():
    decoder = RecurrentDecoder(9, seed=4)
    state = decoder.start(5, 3, 1)
    settings = with_limit(12, beam=3, nbest=3, min_length=6, never=(START, 4, 7))
    found = search(decoder, state, settings, source_lengths=[3] * 5)
    assert all(len(h.ids) >= 6 and not {0, 1, 4, 7} & set(h.ids) for row in found for h in row)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("temperature", [None, 1.0])
def test_no_n_gram_twice(n: int, temperature: float | None):
    decoder = RecurrentDecoder(7, seed=2)
    state = decoder.start(5, 3, 1)
    settings = with_limit(15, beam=3, nbest=3, min_length=4, temperature=temperature)
    free = search(decoder, state, settings, source_lengths=[3] * 5)
    blocked = search(decoder, state, replace(settings, no_repeat_ngram=n), source_lengths=[3] * 5)
    assert any(_repeats(h.ids, n) for row in free for h in row)
    assert not any(_repeats(h.ids, n) for row in blocked for h in row)
    assert all(row for row in blocked)


def _repeats(ids: tuple[int, ...], n: int) -> bool:
    grams = [ids[i : i + n] for i in range(len(ids) - n + 1)]
    return len(grams) != len(set(grams))


def test_scores_are_what_forced_decoding_gives():
    decoder = RecurrentDecoder(9)
    state = decoder.start(5, 3, 1)
    found = search(decoder, state, with_limit(12, beam=4), source_lengths=[3] * 5)
    best = [row[0] for row in found]
    assert all(h.finished for h in best)
    forced = score(decoder, state, [h.ids for h in best], start=START, end=END)
    for h, p in zip(best, forced, strict=True):
        assert len(p) == len(h.ids) + 1 and p.sum() == pytest.approx(h.log_probability, abs=1e-4)


def test_score_takes_targets_of_any_length_and_says_which_id_is_unknown():
    decoder = RecurrentDecoder(9)
    state = decoder.start(3, 3, 1)
    targets = [[], [2, 3, 4, 5, 2], [8, 8]]
    found = score(decoder, state, targets, start=START, end=END)
    for i, target in enumerate(targets):
        next_ids = follower(decoder, one(state, i))
        wanted = [next_ids(tuple(target[:t]))[token] for t, token in enumerate([*target, END])]
        assert found[i].tolist() == pytest.approx(wanted, abs=1e-5)
    with pytest.raises(UsageError, match="Target 1 holds the id 9; allowed: 0 to 8"):
        score(decoder, state, [[], [2, 9], []], start=START, end=END)


def test_the_decoder_s_tensors_are_never_written_into():
    log_p = torch.log_softmax(torch.randn(1, 6, 6, 6), -1)
    kept = log_p.clone()
    state = TableDecoder.start(1, 6, 0)._replace(log_p=log_p)
    for temperature in (None, 1.0):
        settings = with_limit(6, beam=2, min_length=2, no_repeat_ngram=2, temperature=temperature)
        search(TableDecoder(), state, settings, source_lengths=[1], prefix=[[2]])
    assert torch.equal(log_p, kept)


@pytest.mark.parametrize("temperature", [None, 1.0])
def test_a_probability_that_is_not_a_number_is_an_error(temperature: float | None):
    state = TableDecoder.start(2, 5, 0)
    state.log_p[1] = torch.nan
    with pytest.raises(NotFiniteError, match="log-probability that is not a number.\nAt id 1"):
        search(TableDecoder(), state, replace(SETTINGS, temperature=temperature), source_lengths=[1, 1])


def test_coverage_is_the_formula_and_changes_the_order():
    decoder = RecurrentDecoder(9, seed=5)
    state = decoder.start(6, 5, 2)
    settings = with_limit(10, beam=5, nbest=5, coverage=0.8)
    lengths = [5, 2, 3, 5, 4, 1]
    found = search(decoder, state, settings, source_lengths=lengths)
    for i, row in enumerate(found):
        for h in row:
            own, seen = one(state, i), torch.zeros(5)
            for token in [START, *h.ids][: len(h.ids) + h.finished]:
                _, A, own = decoder.step_with_attention(torch.tensor([[token]]), own)
                seen += A[0, 0]
            penalty = 0.8 * seen[: lengths[i]].clamp(max=1).log().sum()
            lp = length_penalty("gnmt", 0.6, len(h.ids) + h.finished)
            assert h.score == pytest.approx(h.log_probability / lp + float(penalty), abs=1e-4)
    plain = search(decoder, state, replace(settings, coverage=0.0), source_lengths=lengths)
    assert [[h.ids for h in row] for row in plain] != [[h.ids for h in row] for row in found]


@given(seed=seeds, nbest=st.integers(1, 3), penalty=st.sampled_from(PENALTIES), coverage=st.sampled_from([0.0, 0.7]))
@examples(max_examples=20, deadline=None)
def test_the_n_best_are_the_first_of_more(seed: int, nbest: int, penalty: str, coverage: float):
    # With n as large as the beam nothing stops early.
    decoder = RecurrentDecoder(11, seed=seed)
    state = decoder.start(5, 3, seed)
    settings = with_limit(12, beam=5, nbest=5, length_penalty=penalty, coverage=coverage)
    all_of_them = search(decoder, state, settings, source_lengths=[3, 1, 2, 3, 3])
    few = search(decoder, state, replace(settings, nbest=nbest), source_lengths=[3, 1, 2, 3, 3])
    for row, wanted in zip(few, all_of_them, strict=True):
        same(row, wanted[:nbest])


def test_coverage_needs_a_decoder_that_says_what_it_reads():
    with pytest.raises(UsageError, match="does not say what it reads.*\n.*coverage.*\nSet coverage to 0"):
        search(TableDecoder(), TableDecoder.start(1, 5, 0), replace(SETTINGS, coverage=0.2), source_lengths=[1])


def test_a_state_of_other_sentences_is_said():
    decoder = RecurrentDecoder(11)
    state = decoder.start(3, 5, 1)
    said = r"The state is of 3 sentences, and 1 were asked for.*\n.*\nStart the decoder with those sentences alone"
    with pytest.raises(UsageError, match=said):
        search(decoder, state, with_limit(5, beam=2), source_lengths=[5])
    with pytest.raises(UsageError, match=said):
        score(decoder, state, [[4, 5]])
