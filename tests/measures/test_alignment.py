"""Alignment error by hand and by another way to count; both formats say the same; soft alignments of words."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axw.errors import DataError, UsageError
from axw.measures.alignment import alignment_error_rate, best_links, read_numbered, read_pairs, word_attention

links = st.frozensets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8)


def test_the_error_rate_by_hand():
    sure, possible = [{(0, 0), (1, 2)}, {(3, 3)}], [{(0, 0), (1, 2), (1, 1)}, {(3, 3)}]
    found = alignment_error_rate(sure, possible, [{(0, 0), (1, 1), (2, 2)}, set()])
    # 3 found, 3 sure; found and sure: 1; found and possible: 2.
    assert found.error == pytest.approx(1 - (1 + 2) / (3 + 3))
    assert (found.precision, found.recall) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert found.f == pytest.approx(2 * (2 / 3) * (1 / 3)) and found.protocol.startswith("aer|")


@given(st.lists(st.tuples(links, links, links), min_size=1, max_size=4))
@settings(deadline=None)
def test_the_error_rate_against_counting_links_one_by_one(sentences: list):
    sure, possible, found = (list(side) for side in zip(*sentences, strict=True))
    score = alignment_error_rate(sure, possible, found)
    every = [(i, link) for i, triple in enumerate(sentences) for link in triple[0] | triple[1] | triple[2]]
    every = list(dict.fromkeys(every))
    a_s = sum(link in found[i] and link in sure[i] for i, link in every)
    a_p = sum(link in found[i] and (link in sure[i] or link in possible[i]) for i, link in every)
    size = sum(link in found[i] for i, link in every) + sum(link in sure[i] for i, link in every)
    if size:
        assert score.error == pytest.approx(1 - (a_s + a_p) / size) and -1e-9 <= score.error <= 1
    else:
        assert math.isnan(score.error)
    same = alignment_error_rate(sure, possible, sure)
    assert same.error == 0 if any(sure) else math.isnan(same.error)


def test_sure_links_only_make_the_error_one_minus_f():
    sure = [{(0, 0), (1, 1), (2, 2)}]
    score = alignment_error_rate(sure, [set()], [{(0, 0), (5, 5)}])
    assert score.error == pytest.approx(1 - score.f)


def test_links_of_different_numbers_of_sentences():
    with pytest.raises(DataError, match="Links of 1, 2 and 1 sentences; allowed: as many of sure, possible and found"):
        alignment_error_rate([set()], [set(), set()], [set()])


def test_both_formats():
    pairs = read_pairs(["0-0 1-2 3?4\n", "\n", " 2p1 2-2\n"])
    assert pairs[0].sure == {(0, 0), (1, 2)} and pairs[0].possible == {(0, 0), (1, 2), (3, 4)}
    assert pairs[1] == (frozenset(), frozenset()) and pairs[2].sure == {(2, 2)}
    numbered = read_numbered(["1 0 0 S \n", "1 1 2\n", "\n", "1 3 4 P\n", "3 2 1 P\n", "3 2 2 S\n"])
    assert numbered == pairs
    assert read_numbered(["1 1 1 S"], 3, first_word=1) == read_pairs(["0-0", "", ""])


WRONG = [
    (
        lambda: read_pairs(["0-0", "1-2 x-3"], "a.txt"),
        "'x-3' is not a link; allowed: source-target",
        "Line 2 of a.txt.",
    ),
    (lambda: read_pairs(["-1-2"]), "'-1-2' is not a link", "Line 1 of the alignment."),
    (lambda: read_pairs(["1-" + "9" * 90]), "is not a link", "Line 1 of the alignment."),
    (lambda: read_numbered(["1 2 S"]), "'1 2 S' is not a link; allowed: sentence source target", "Line 1 of"),
    (lambda: read_numbered(["0 1 1 S"]), "allowed: sentences from 1, words from 0", "Line 1 of"),
    (lambda: read_numbered(["1 0 1 S"], first_word=1), "allowed: sentences from 1, words from 1", "Line 1 of"),
    (lambda: read_numbered(["1 0 1 S", "9 0 0 S"], 8), "allowed: sentences from 1 to 8, words from 0", "Line 2 of"),
]


@pytest.mark.parametrize("read, what, where", WRONG)
def test_lines_that_are_no_links(read, what: str, where: str):
    with pytest.raises(DataError) as error:
        read()
    assert what in error.value.what and where in error.value.where and error.value.todo


def test_soft_alignments_of_words_from_those_of_pieces():
    A = np.array([[0.5, 0.2, 0.2, 0.1], [0.1, 0.6, 0.2, 0.1], [0.2, 0.0, 0.4, 0.4]])
    # Two target words (pieces 0 1 | 2); source: word 0 of pieces 0 and 1, word 1 of piece 2, and the end, no word.
    found = word_attention(A, np.array([0, 0, 1]), np.array([0, 0, 1, -1]))
    assert np.allclose(found, [[0.7, 0.2], [0.2, 0.4]])
    assert best_links(found) == {(0, 0), (1, 1)} and best_links(found, 0.5) == {(0, 0)}
    assert best_links(np.zeros((0, 3))) == frozenset() == best_links(np.zeros((2, 3)))
    assert best_links(np.full((1, 3), 1 / 3)) == {(0, 0)}
    with pytest.raises(UsageError, match=r"A has shape \(3, 4\); allowed: \(3, 3\), one word for each piece"):
        word_attention(A, np.array([0, 0, 1]), np.array([0, 0, 1]))


@pytest.mark.data
def test_both_files_of_the_hand_made_alignment_agree():
    folder = Path(os.environ.get("AXW_DATA", "../shared/data")) / "alignment"
    if not folder.exists():
        pytest.skip(f"{folder} is missing; set AXW_DATA")
    pairs = read_pairs((folder / "de-en.wa").read_text().splitlines())
    numbered = read_numbered((folder / "de-en.ref.wa").read_text().splitlines())
    assert len(pairs) == 100 and sum(len(sentence.sure) for sentence in pairs) == 1233
    assert pairs == numbered
