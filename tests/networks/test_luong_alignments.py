"""Alignments and unknown words, by examples that can be followed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from axw.errors import UsageError
from axw.networks.alignments import hard_alignment, rows_of_words, unk_replacement

# Steps read <s>, das, Haus and predict das, Haus, </s>; the source is: the house </s>
A = np.array([[0.5, 0.3, 0.2], [0.9, 0.1, 0.0], [0.1, 0.7, 0.2]])


def test_a_word_is_aligned_where_it_is_read_or_where_it_is_predicted():
    assert hard_alignment(rows_of_words(A, "input")).tolist() == [0, 1]
    assert hard_alignment(rows_of_words(A, "output")).tolist() == [0, 0]
    assert rows_of_words(A[None, None], "input").shape == (1, 1, 2, 3)


def test_a_word_that_reads_nothing_is_not_aligned_and_the_first_of_equals_is_taken():
    assert hard_alignment(np.array([[0.0, 0.0], [0.5, 0.5], [0.1, 0.2]])).tolist() == [-1, 0, 1]
    assert hard_alignment(np.zeros((2, 0))).tolist() == [-1, -1]


def test_unknown_words_are_translated_or_copied():
    rows, source = rows_of_words(A, "input"), ["the", "house"]
    assert unk_replacement([7, 3], rows, source) == [None, "house"]
    assert unk_replacement([3, 3], rows, source, {"house": "Haus"}) == ["the", "Haus"]
    assert unk_replacement([7, 8], rows, source, {"house": "Haus"}) == [None, None]


def test_the_end_of_the_source_is_not_copied():
    assert unk_replacement([3], np.array([[0.1, 0.2, 0.7]]), ["the", "house"]) == ["house"]


def test_an_unknown_word_that_reads_nothing_stands_as_it_is():
    assert unk_replacement([3], np.zeros((1, 2)), ["the", "house"]) == [None]
    assert unk_replacement([3], np.zeros((1, 2)), []) == [None]


def test_errors_say_what_is_allowed():
    with pytest.raises(
        UsageError, match=r"shape \(3, 3\) for 2 words and 2 source words; allowed: a row for each word"
    ):
        unk_replacement([7, 3], A, ["the", "house"])
    with pytest.raises(UsageError, match="aligned_word is 'both'; allowed: input, output."):
        rows_of_words(A, "both")
