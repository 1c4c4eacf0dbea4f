"""Flat arrays give what a list of lists gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axw.data import Sentences
from axw.errors import UsageError

lists = st.lists(st.lists(st.integers(0, 97), max_size=5), max_size=7)


@given(lists)
def test_what_goes_in_comes_out(sentences: list[list[int]]) -> None:
    flat = Sentences.of(sentences)
    assert [one.tolist() for one in flat] == sentences
    assert len(flat) == len(sentences)
    assert flat.lengths.tolist() == [len(one) for one in sentences]
    assert flat.ids.dtype == np.int32 and flat.starts.dtype == np.int64


@given(lists.filter(bool), st.data())
def test_take_slice_and_join_are_those_of_lists(sentences: list[list[int]], data: st.DataObject) -> None:
    flat = Sentences.of(sentences)
    index = data.draw(st.lists(st.integers(0, len(sentences) - 1), max_size=11))
    assert flat.take(index) == Sentences.of([sentences[i] for i in index])
    cut = data.draw(st.slices(len(sentences)))
    assert flat[cut] == Sentences.of(sentences[cut])
    at = data.draw(st.integers(0, len(sentences)))
    assert Sentences.join([flat[:at], flat[at:]]) == flat
    assert flat[-1].tolist() == sentences[-1]


@given(st.lists(st.lists(st.integers(0, 2), max_size=4), max_size=5))
def test_spelled_replaces_each_id(sentences: list[list[int]]) -> None:
    table = [[7], [], [5, 3]]
    spelled = [[piece for word in one for piece in table[word]] for one in sentences]
    assert Sentences.of(sentences).spelled(Sentences.of(table)) == Sentences.of(spelled)


def test_one_and_slices_look_into_the_same_memory() -> None:
    flat = Sentences.of([[1, 2, 3], [4], [5, 6]])
    assert np.shares_memory(flat[0], flat.ids)
    assert np.shares_memory(flat[1:].ids, flat.ids)
    assert not np.shares_memory(flat.take([0]).ids, flat.ids)


def test_nothing_is_a_value_too() -> None:
    assert len(Sentences.of([])) == len(Sentences.join([])) == 0
    assert Sentences.of([]).take([]) == Sentences.of([])
    assert Sentences.of([[]]) != Sentences.of([])
    assert Sentences.of([]) != "text"


def test_memory_mapped_ids_are_read_where_they_are(tmp_path) -> None:
    path = tmp_path / "ids"
    np.arange(7, dtype=np.int32).tofile(path)
    flat = Sentences(np.memmap(path, np.int32, "r"), np.array([0, 2, 7]))
    assert flat[1].tolist() == [2, 3, 4, 5, 6]
    assert type(flat.take([0]).ids) is np.ndarray


@pytest.mark.parametrize(
    ("ids", "starts", "said"),
    [
        (np.zeros(2), np.array([0, 2]), "Give ids int32"),
        (np.zeros(2, np.int32), np.array([0, 2], np.int32), "Give ids int32"),
        (np.zeros(2, np.int32), np.array([0, 1]), "do not go up from 0 to the 2 ids"),
        (np.zeros(2, np.int32), np.array([0, 2, 1, 2]), "do not go up"),
        (np.zeros(0, np.int32), np.array([], np.int64), "do not go up"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(ids: np.ndarray, starts: np.ndarray, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Sentences(ids, starts)


def test_ids_and_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match=r"A token id is -1; allowed: 0 to 2147483647"):
        Sentences.of([[3], [-1]])
    with pytest.raises(UsageError, match="A token id is 2147483648"):
        Sentences.of([[2**31]])
    flat = Sentences.of([[3]])
    with pytest.raises(UsageError, match="There is no sentence 1; allowed: 0 to 0"):
        flat.take([0, 1])
    with pytest.raises(IndexError, match="There is no sentence 1; there are 1"):
        flat[1]
