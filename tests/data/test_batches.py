"""Every sentence once, within the budget, with little padding; padded rows hold what went in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axw.data import BOS, EOS, PAD, Sentences, batches_by_length, pad
from axw.errors import UsageError


def padding_share(lengths: np.ndarray, batches: list[np.ndarray]) -> float:
    lengths = lengths.reshape(len(lengths), -1)
    padded = sum(len(b) * lengths[b].max(axis=0).sum() for b in batches)
    return 1.0 - lengths.sum() / padded


def log_normal(n: int, seed: int) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).lognormal(2.6, 0.5, n), 1, 200).astype(np.int64)


@given(
    st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=61),
    st.integers(1, 97),
    st.none() | st.integers(1, 7),
    st.sampled_from([0.0, 1.0, 3.5]),
    st.booleans(),
)
def test_every_sentence_once_and_within_the_budget(pairs, tokens, most, noise, both) -> None:
    lengths = np.array(pairs, np.int64).reshape(-1, 2)
    lengths = lengths if both else lengths[:, 0]
    batches = batches_by_length(lengths, tokens, seed=3, epoch=5, most=most, noise=noise)
    assert sorted(np.concatenate([*batches, []]).tolist()) == list(range(len(pairs)))
    for batch in batches:
        assert 1 <= len(batch) <= (most or len(batch))
        assert len(batch) * lengths[batch].max() <= tokens or len(batch) == 1


def test_the_batches_are_a_function_of_seed_and_epoch() -> None:
    lengths = log_normal(997, 1)
    first, again, epoch, seed = (
        batches_by_length(lengths, 500, seed=s, epoch=e) for s, e in [(1, 2), (1, 2), (1, 3), (2, 2)]
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    sets = [{tuple(b) for b in batches} for batches in (first, epoch, seed)]
    few = len(first) // 10  # the longest sentences are alone in every epoch
    assert len(sets[0] & sets[1]) < few and len(sets[0] & sets[2]) < few
    assert [len(b) for b in first] != sorted(len(b) for b in first)


@pytest.mark.parametrize("tokens", [1000, 4000])
def test_little_is_padding(tokens: int) -> None:
    lengths = log_normal(29_000, 2)
    assert padding_share(lengths, batches_by_length(lengths, tokens, seed=1, epoch=0)) < 0.06
    noise = np.random.default_rng(3).normal(1.0, 0.15, len(lengths))
    pairs = np.stack([lengths, np.maximum(1, lengths * noise).astype(np.int64)], axis=1)
    assert padding_share(pairs, batches_by_length(pairs, tokens, seed=1, epoch=0)) < 0.06


def test_a_long_sentence_is_a_batch_of_its_own() -> None:
    batches = batches_by_length(np.array([3, 1000, 3]), 10, seed=0, epoch=0)
    assert sorted(sorted(b.tolist()) for b in batches) == [[0, 2], [1]]


@pytest.mark.slow
def test_ten_million_sentences() -> None:
    lengths = log_normal(10_000_000, 4)
    batches = batches_by_length(lengths, 25_000, seed=1, epoch=0)
    assert np.bincount(np.concatenate(batches)).max() == 1
    assert padding_share(lengths, batches) < 0.01


@given(
    st.lists(st.lists(st.integers(5, 97), max_size=5), min_size=1, max_size=7),
    st.lists(st.integers(1, 4), max_size=2),
    st.lists(st.integers(1, 4), max_size=3),
    st.data(),
)
def test_padded_rows_hold_what_went_in(sentences, before, after, data) -> None:
    index = data.draw(st.lists(st.integers(0, len(sentences) - 1), max_size=5))
    rows = pad(Sentences.of(sentences), index, before=before, after=after)
    assert rows.dtype == np.int64
    width = max((len(sentences[i]) for i in index), default=0) + len(before) + len(after)
    assert rows.shape == (len(index), width)
    for row, i in zip(rows.tolist(), index, strict=True):
        whole = [*before, *sentences[i], *after]
        assert row == whole + [PAD] * (width - len(whole))


def test_a_target_between_begin_and_end() -> None:
    rows = pad(Sentences.of([[7, 8], [9]]), [1, 0], before=(BOS,), after=(EOS,))
    assert rows.tolist() == [[BOS, 9, EOS, PAD], [BOS, 7, 8, EOS]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lengths": np.array([1.0])}, r"lengths are float64 \(1,\); allowed: integers \(n,\), or \(n, 2\)"),
        ({"lengths": np.ones((2, 3), int)}, r"\(2, 3\)"),
        ({"lengths": np.array([-1])}, "A length is -1; allowed: 0 or more"),
        ({"tokens": 0}, "tokens=0; allowed: a whole number, 1 or more"),
        ({"tokens": True}, "tokens=True"),
        ({"most": 0}, "most=0"),
        ({"noise": -1.0}, "noise=-1.0; allowed: 0 or more"),
        ({"seed": 0.5}, r"seed=\(0.5, 0\)\nIn batches.\nGive an integer"),
    ],
)
def test_what_is_not_allowed_is_said(change: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        batches_by_length(**{"lengths": np.array([1]), "tokens": 9, "seed": 0, "epoch": 0} | change)
