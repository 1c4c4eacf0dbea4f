"""What is hidden can be put back; shares, spans and whole words are as the papers say; functions of ids and seed alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axw.data import BOS, EOS, MASK, PAD, UNK, Masked, fill_spans, mask_spans, mask_words
from axw.data.randomness import generator
from axw.data.span_filling import noise_mask
from axw.errors import UsageError

PIECES = range(11, 103)
SENTINELS = range(5, 11)
MASKS = {"pieces": mask_words, "spans": mask_spans}


def rows(*sentences: list[int]) -> np.ndarray:
    width = max(map(len, sentences))
    return np.array([[*s, *[PAD] * (width - len(s))] for s in sentences], np.int64).reshape(len(sentences), width)


def text(b: int, n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(PIECES.start, PIECES.stop, (b, n))


ids_of_rows = st.lists(
    st.lists(st.sampled_from([BOS, EOS, UNK, MASK, 7]) | st.integers(PIECES.start, PIECES.stop - 1), max_size=13),
    min_size=1,
    max_size=5,
).map(lambda sentences: rows(*sentences))


def restored(masked: Masked) -> np.ndarray:
    flat = masked.ids.reshape(-1).copy()
    flat[masked.positions] = masked.targets
    return flat.reshape(masked.ids.shape)


@pytest.mark.parametrize("how", MASKS)
@given(ids_of_rows, st.sampled_from([0.15, 0.4, 0.99]), st.integers(0, 7))
def test_what_is_hidden_can_be_put_back(how: str, ids: np.ndarray, ratio: float, seed: int) -> None:
    masked = MASKS[how](ids, PIECES, seed=seed, ratio=ratio)
    assert np.array_equal(restored(masked), ids)
    assert (np.diff(masked.positions) > 0).all()
    assert np.isin(masked.targets, PIECES).all(), "names, extra tokens and padding are never hidden"
    chosen = np.zeros(ids.size, bool)
    chosen[masked.positions] = True
    pieces, of = np.isin(ids, PIECES).sum(axis=1), chosen.reshape(ids.shape).sum(axis=1)
    assert (of >= np.minimum(1, pieces)).all()
    assert (of <= np.maximum(np.ceil(ratio * pieces), 1)).all()


@pytest.mark.parametrize("how", MASKS)
@pytest.mark.parametrize("ratio", [0.15, 0.25, 0.4])
def test_the_shares_are_those_of_the_paper(how: str, ratio: float) -> None:
    ids = text(499, 41)
    masked = MASKS[how](ids, PIECES, seed=(1, 2, 3), ratio=ratio)
    assert len(masked.targets) / ids.size == pytest.approx(ratio, rel=0.02)
    said = masked.ids.reshape(-1)[masked.positions]
    hidden, kept = (said == MASK).mean(), (said == masked.targets).mean()
    assert hidden == pytest.approx(0.8, abs=0.03)
    assert kept == pytest.approx(0.1 + 0.1 / len(PIECES), abs=0.03)
    where = np.bincount(masked.positions % 41, minlength=41) / 499
    assert abs(where - ratio).max() < 0.07, "every place is as likely as any other"


@pytest.mark.parametrize("how", MASKS)
def test_all_and_none_become_the_mask(how: str) -> None:
    ids = text(7, 13)
    masked = MASKS[how](ids, PIECES, seed=1, hidden=1.0, swapped=0.0)
    assert (masked.ids.reshape(-1)[masked.positions] == MASK).all()
    masked = MASKS[how](ids, PIECES, seed=1, hidden=0.0, swapped=0.0)
    assert np.array_equal(masked.ids, ids) and len(masked.targets)


@pytest.mark.parametrize("how", MASKS)
def test_a_function_of_ids_and_seed(how: str) -> None:
    ids = text(7, 13)
    first, again, other = (MASKS[how](ids, PIECES, seed=seed).positions for seed in [(1, 2, 3), (1, 2, 3), (1, 2, 4)])
    assert first.tolist() == again.tolist() != other.tolist()


def test_whole_words() -> None:
    ids = text(211, 37)
    words = np.sort(np.random.default_rng(1).integers(0, 17, ids.shape), axis=1)
    ids[:, 0], words[:, 0] = BOS, -1
    masked = mask_words(ids, PIECES, seed=5, words=words, ratio=0.2)
    chosen = np.zeros(ids.shape, bool)
    chosen.reshape(-1)[masked.positions] = True
    shares = [chosen[r, words[r] == w].mean() for r, w in itertools.product(range(211), range(17)) if w in words[r]]
    assert set(shares) == {0.0, 1.0}
    assert np.mean(shares) == pytest.approx(0.2, abs=0.01)
    alone = mask_words(ids, PIECES, seed=5, words=np.broadcast_to(np.arange(37), ids.shape))
    assert np.array_equal(alone.positions, mask_words(ids, PIECES, seed=5).positions)


def test_spans_have_their_mean_length() -> None:
    masked = mask_spans(text(97, 509), PIECES, seed=1, ratio=0.05, mean=3.0, longest=100)
    runs = np.split(masked.positions, np.flatnonzero(np.diff(masked.positions) > 1) + 1)
    assert np.mean([len(run) for run in runs]) == pytest.approx(3.0, abs=0.35)
    masked = mask_spans(text(97, 509), PIECES, seed=1, ratio=0.05, mean=1.0)
    runs = np.split(masked.positions, np.flatnonzero(np.diff(masked.positions) > 1) + 1)
    assert np.mean([len(run) for run in runs]) < 1.1


def test_nothing_to_hide_is_no_fault() -> None:
    for mask in MASKS.values():
        for ids in (np.zeros((3, 5), np.int64), np.zeros((2, 0), np.int64), np.zeros((0, 2), np.int64)):
            masked = mask(ids, PIECES, seed=1)
            assert len(masked.positions) == 0 and np.array_equal(masked.ids, ids)


def filled(source: np.ndarray, target: np.ndarray) -> list[int]:
    """The text of one row, put together again."""
    spans: dict[int, list[int]] = {}
    for piece in target[1 : target.tolist().index(EOS)].tolist():
        if piece in SENTINELS and piece not in spans:
            spans[piece] = []
        else:
            spans[list(spans)[-1]].append(piece)
    return [p for s in source.tolist() for p in spans.get(s, [s])]


@given(st.lists(st.integers(0, 23), min_size=1, max_size=5), st.integers(0, 7), st.sampled_from([0.15, 0.3]))
def test_filled_in_spans_give_the_text(lengths: list[int], seed: int, ratio: float) -> None:
    sentences = [text(1, n, seed)[0].tolist() for n in lengths]
    source, target = fill_spans(rows(*sentences), PIECES, seed=seed, sentinels=SENTINELS, ratio=ratio)
    for sentence, left, said in zip(sentences, source, target, strict=True):
        assert filled(left[left != PAD], said) == sentence
        assert said[0] == BOS and (not sentence or said[1] == SENTINELS[0])
        assert [s for s in left if s in SENTINELS] == [s for s in said if s in SENTINELS]


def test_names_stay_in_the_source() -> None:
    ids = rows([BOS, *range(20, 29), UNK, *range(30, 39), EOS])
    source, target = fill_spans(ids, PIECES, seed=2, sentinels=SENTINELS, ratio=0.5)
    assert [i for i in source[0] if i in (BOS, UNK, EOS)] == [BOS, UNK, EOS]
    assert UNK not in target[0] and target[0].tolist().count(EOS) == 1
    both = [i for i in (*source[0], *target[0]) if i in PIECES]
    assert sorted(both) == [*range(20, 29), *range(30, 39)]


def noise_numbers(length: int, ratio: float, mean: float) -> tuple[int, int]:
    """T5's `random_spans_noise_mask`, the counting part, one row, as it stands there."""
    noise = min(max(int(np.round(max(length, 2) * ratio)), 1), max(length, 2) - 1)
    return noise, max(int(np.round(noise / mean)), 1)


@given(st.lists(st.integers(2, 61), min_size=1, max_size=7), st.sampled_from([(0.15, 3.0), (0.5, 2.0), (0.15, 1.0)]))
def test_spans_are_counted_as_in_t5(lengths: list[int], how: tuple[float, float]) -> None:
    mask = noise_mask(np.array(lengths), *how, generator("test", 1))
    for row, length in zip(mask, lengths, strict=True):
        noise, spans = noise_numbers(length, *how)
        assert row.sum() == noise and not row[length:].any()
        assert (np.diff(row[:length].astype(int)) == 1).sum() == min(spans, length - noise)
        assert not row[0] and row[length - 1]


def test_every_cut_is_as_likely() -> None:
    """4 pieces taken out of 8, in 2 spans: 3 ways to cut the text times 3 ways to cut the spans."""
    mask = noise_mask(np.full(9000, 8), 0.5, 2.0, generator("test", 2))
    found, times = np.unique(mask, axis=0, return_counts=True)
    assert len(found) == 9
    assert abs(times / 9000 - 1 / 9).max() < 0.015


def test_a_row_of_one_piece_loses_it() -> None:
    source, target = fill_spans(rows([20], [21, 22]), PIECES, seed=1, sentinels=SENTINELS)
    assert source.tolist() == [[5, PAD], [21, 5]]
    assert target.tolist() == [[BOS, 5, 20, EOS], [BOS, 5, 22, EOS]]


def test_the_same_masks_in_every_batch_layout_of_one_seed_only() -> None:
    ids = text(5, 31)
    one, two = (fill_spans(ids, PIECES, seed=(3, 1), sentinels=SENTINELS) for _ in range(2))
    assert np.array_equal(one.source, two.source) and np.array_equal(one.target, two.target)
    other = fill_spans(ids, PIECES, seed=(3, 2), sentinels=SENTINELS)
    assert one.target.shape != other.target.shape or not np.array_equal(one.target, other.target)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: mask_words(np.ones(3, int), PIECES, seed=1), r"ids are int64 \(3,\); allowed: integers \(b, n\)"),
        (lambda: mask_words(np.ones((1, 3)), PIECES, seed=1), "ids are float64"),
        (lambda: mask_words(text(1, 3), PIECES, seed=1, ratio=0.0), r"ratio=0.0; allowed: above 0, below 1"),
        (lambda: mask_words(text(1, 3), PIECES, seed=1, hidden=0.8, swapped=0.3), "hidden=0.8, swapped=0.3; allowed"),
        (lambda: mask_words(text(1, 3), PIECES, seed=1, words=np.ones(3, int)), "Give vocabulary.word_numbers"),
        (lambda: mask_spans(text(1, 3), PIECES, seed=1, mean=0.5), "mean=0.5, longest=10; allowed: 1 or more"),
        (lambda: fill_spans(text(1, 3), PIECES, seed=1, sentinels=[5], mean=0.0), "mean=0.0; allowed: 1 or more"),
        (
            lambda: fill_spans(text(1, 60), PIECES, seed=1, sentinels=[5]),
            "A row has 3 spans, and there are 1 sentinels",
        ),
        (lambda: mask_words(text(1, 3), PIECES, seed="x"), "seed='x'\nIn mask words.\nGive an integer, or several"),
    ],
)
def test_what_is_not_allowed_is_said(call, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        call()
