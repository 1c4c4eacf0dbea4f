import numpy as np
import pandas as pd
from hypothesis import given as with_each
from hypothesis import settings
from hypothesis import strategies as st

from axw.relations import Edges, Ref, Rows, SameValue, components
from tests.relations.dense import KINDS, one_kind, rows, seeds, sizes


def plain(A):
    """Flood fill from each row that has no component yet."""
    label = np.full(len(A), -1)
    for start in range(len(A)):
        front = [start] if label[start] < 0 else []
        number = label.max() + 1
        while front:
            label[front] = number
            front = [j for j in np.flatnonzero((A[front] + A[:, front].T).any(0)) if label[j] < 0]
    return label


@settings(max_examples=25, deadline=None)
@with_each(n=sizes, seed=seeds, kinds=st.sets(st.sampled_from(KINDS)))
def test_components_are_those_of_the_sum_of_the_relations(n, seed, kinds):
    table = rows(n, seed)
    relations = [one_kind(kind, n, seed)[0] for kind in kinds]
    A = sum((relation.given(table, table).csr().toarray() for relation in relations), np.zeros((n, n)))
    np.testing.assert_array_equal(components(relations, table), plain(A))


def test_a_deep_chain_is_one_component_without_recursion():
    n = 100_000
    table = Rows(np.arange(n).astype(object), pd.DataFrame({"s": np.arange(n) - 1}))
    assert (components([Ref("s")], table) == 0).all()
    ring = Edges(pd.DataFrame({"a": [0, 1, 2], "b": [1, 2, 0]}), "a", "b", both=False)
    assert len(np.unique(components([ring], table))) == n - 2


def test_a_great_group_is_not_a_clique():
    n = 300_000
    table = Rows(np.arange(n).astype(object), pd.DataFrame({"t": np.zeros(n), "u": [*range(n)]}))
    assert (components([SameValue("t")], table) == 0).all()
    assert len(np.unique(components([SameValue("u")], table))) == n
    assert (components([], table) == np.arange(n)).all()
