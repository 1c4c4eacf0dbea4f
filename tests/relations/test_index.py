"""A part of the memory, found by key, gives what the whole of it gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from axw import Edges, Near, Ref, SameValue
from axw.errors import DataError
from axw.relations import Relation, Rows

M, N = 53, 7


def table(seed: int) -> tuple[Rows, Rows]:
    """A memory of 53 rows, and 7 rows that ask, two of which are remembered."""
    rng = np.random.default_rng(seed)

    def columns(n: int) -> pd.DataFrame:
        frame = pd.DataFrame({"ticket": rng.integers(0, 20, n).astype(str), "class": rng.integers(0, 3, n)})
        frame["partner"] = [None if value < 10 else f"r{value}" for value in rng.integers(0, M + N, n)]
        frame.loc[rng.random(n) < 0.1, "ticket"] = " "
        return frame

    ids = np.array([f"r{number}" for number in range(M)], dtype=object)
    new = np.array([*(f"r{M + number}" for number in range(N - 2)), "r3", "r11"], dtype=object)
    return Rows(ids, columns(M)), Rows(new, columns(N))


def relations(seed: int) -> list[Relation]:
    rng = np.random.default_rng(seed + 100)
    ends = rng.integers(0, M + N, (200, 2))
    pairs = pd.DataFrame({"a": [f"r{a}" for a in ends[:, 0]], "b": [f"r{b}" for b in ends[:, 1]]})
    pairs["weight"] = rng.uniform(0.5, 2.0, len(pairs))
    edges = [Edges(pairs, "a", "b", "weight"), Edges(pairs, "a", "b", both=False)]
    return [*edges, SameValue("ticket"), SameValue("class", "ticket"), Ref("partner"), Ref("partner", both=False)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", range(6))
def test_a_part_of_the_memory_gives_what_the_whole_gives(seed, kind):
    memory, asking = table(seed)
    relation = relations(seed)[kind]
    index = relation.index(memory)
    assert index is not None
    cut = index.cut(asking)
    part = Rows(memory.ids[cut.places], memory.columns.iloc[cut.places])
    few, whole = cut.relation.given(asking, part), relation.given(asking, memory)
    assert len(cut.places) < M and (np.diff(cut.places) > 0).all()
    X = np.random.default_rng(seed).normal(size=(M, 3))
    np.testing.assert_array_equal(few.count(), whole.count())
    np.testing.assert_allclose(few.degree(), whole.degree(), rtol=1e-12)
    np.testing.assert_allclose(few.sum(X[cut.places]), whole.sum(X), atol=1e-12)


def test_numbers_are_one_key_however_they_are_written():
    ids = np.arange(11).astype(object)
    memory = Rows(ids, pd.DataFrame({"group": np.arange(11.0)}))
    index = SameValue("group").index(memory)
    for asked in ([3, 10**30], [3.0, np.nan], [np.int8(3), 2.5]):
        rows = Rows(np.array(["a", "b"], dtype=object), pd.DataFrame({"group": asked}, dtype=object))
        assert index.cut(rows).places.tolist() == [3]


def test_keys_of_another_kind_are_refused_as_by_the_relation():
    memory = Rows(np.arange(5).astype(object), pd.DataFrame({"group": ["007", "8", "9", "10", "11"]}))
    asking = Rows(np.array([9], dtype=object), pd.DataFrame({"group": [7]}))
    for ask in (SameValue("group").index(memory).cut, lambda rows: SameValue("group").given(rows, memory)):
        with pytest.raises(DataError, match="keys do not match"):
            ask(asking)


def test_nobody_remembered_and_nobody_who_asks():
    memory, asking = table(0)
    nobody = Rows(memory.ids[:0], memory.columns.iloc[:0])
    for relation in relations(0):
        assert len(relation.index(nobody).cut(asking).places) == 0
        assert len(relation.index(memory).cut(Rows(asking.ids[:0], asking.columns.iloc[:0])).places) == 0


def test_nearest_rows_are_looked_for_among_all():
    assert Near(["x"], 2).index(Rows(np.arange(3).astype(object), pd.DataFrame({"x": [1.0, 2.0, 4.0]}))) is None
