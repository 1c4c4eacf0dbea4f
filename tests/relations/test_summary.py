import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given as with_each
from hypothesis import settings

from axw.errors import DataError
from axw.relations import Edges, Ref, Rows, SameValue, likeness, summary
from tests.relations.dense import KINDS, one_kind, rows, seeds, sizes

TABLE = Rows(
    np.array(list("abcdef"), object),
    pd.DataFrame({"t": ["x", "x", "x", "y", "y", None], "s": ["b", "a", "zz", None, "e", "a"]}),
)


def test_the_numbers():
    got = summary(SameValue("t"), TABLE, ["u", "u", "v", "v", "v", "u"])
    assert (got.name, got.rows, got.isolated, got.pairs, got.degree_max) == ("same t", 6, 1, 8, 2)
    assert (got.degree_mean, got.degree_median, got.coverage) == (8 / 6, 1.5, 5 / 6)
    assert got.keys.missing == 1
    assert got.target.kind == "classes" and got.target.observed == 4 / 8 and got.target.chance == 0.5
    assert json.loads(json.dumps(got.to_dict()))["target"] == {"kind": "classes", "observed": 0.5, "chance": 0.5}
    assert got.to_text() == (
        "same t\n"
        "  83.3% of 6 rows read others, 1 read nobody\n"
        "  rows read: mean 1.33, median 1.5, most 2; pairs 8\n"
        "  keys: 1 missing\n"
        "  pairs of one class: 0.500 (by chance 0.500)"
    )


def test_keys_are_counted_and_lines_are_short():
    got = summary(Ref("s"), TABLE, [1.5, 1.0, 2.0, 3.0, 4.0, 1.25])
    assert (got.keys.missing, got.keys.dangling, got.keys.itself) == (1, 1, 1)
    edges = pd.DataFrame({"a" * 90: ["a", "a", "b", "zz"], "b": ["b", "b", "b", "a"]})
    long = summary(Edges(edges, "a" * 90, "b"), TABLE).to_text()
    assert "1 dangling, 1 duplicate, 1 to itself" in long
    assert all(len(line) <= 80 for line in [*long.splitlines(), *got.to_text().splitlines()])
    assert "pairs correlation:" in got.to_text()


def pairs(given, known):
    A = given.csr().toarray() * known * known[:, None]
    i, j = np.nonzero(A)
    return i, j, A[i, j]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@with_each(n=sizes, seed=seeds)
def test_likeness_is_what_the_pairs_say(kind, n, seed):
    table, rng = rows(n, seed), np.random.default_rng(seed)
    given = one_kind(kind, n, seed)[0].given(table, table)
    classes = rng.choice(np.array(["u", "v", "w", None], object), n)
    i, j, w = pairs(given, pd.notna(classes))
    got = likeness(given, classes)
    if not len(i):
        assert got is None
    else:
        chance = sum(w[classes[i] == c].sum() * w[classes[j] == c].sum() for c in "uvw") / w.sum() ** 2
        np.testing.assert_allclose([got.observed, got.chance], [w[classes[i] == classes[j]].sum() / w.sum(), chance])
    y = np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n) + 100)
    i, j, w = pairs(given, ~np.isnan(y))
    got = likeness(given, y)
    if len(i):
        covariance = np.cov(y[i], y[j], aweights=w, ddof=0)
        scale = np.sqrt(covariance[0, 0] * covariance[1, 1])
        if scale > 1e-12:
            np.testing.assert_allclose(got.observed, covariance[0, 1] / scale, atol=1e-8)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ([True, False, True, True, False, True], "classes"),
        ([0, 1, 0, 1, 0, 1], "classes"),
        ([0.0, 1.0, np.nan, 1.0, 0.0, 1.0], "classes"),
        ([0.5, 1.0, 2.0, 1.0, 0.0, 1.0], "numbers"),
        (pd.Series(["a", "b", "a", "b", "a", "b"], dtype="category"), "classes"),
    ],
)
def test_classes_and_numbers_are_told_apart(target, kind):
    assert summary(SameValue("t"), TABLE, target).target.kind == kind


def test_a_target_of_another_length():
    with pytest.raises(DataError, match="The target has 2 answers for 6 rows."):
        summary(SameValue("t"), TABLE, [1, 2])


def test_an_empty_table_and_a_target_that_is_not_known():
    nobody = Rows(np.zeros(0, object), pd.DataFrame({"t": []}))
    assert summary(SameValue("t"), nobody).to_text().startswith("same t\n  0.0% of 0 rows")
    assert summary(SameValue("t"), TABLE, [None] * 6).target is None
