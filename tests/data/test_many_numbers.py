"""Many columns of numbers at once are the same columns one by one, bit for bit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from axw.data import Columns, columns, many_numbers
from axw.errors import DataError


def wide(n: int = 23, d: int = 31) -> pd.DataFrame:
    """Columns of many sizes; among them counts, gaps, one value only, whole numbers, text and yes or no."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)) * 2.0 ** rng.integers(-1000, 1000, d) + rng.integers(0, 3, d)
    X[:, 3], X[:, 7] = (rng.random(n) < 0.2), 5.0
    X[rng.random(n) < 0.3, 11] = np.nan
    X[:, 13], X[:, 17] = np.nan, 1e300 * (1 + 1e-16 * rng.random(n))
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(d)])
    frame.insert(5, "whole", rng.integers(0, 9, n))
    frame.insert(9, "text", np.where(rng.random(n) < 0.5, "a", "b"))
    return frame.assign(yes=rng.random(n) < 0.5, small=X[:, 3].astype(np.float32))


@pytest.mark.parametrize("cells", [1, 100, 10**6])
def test_the_same_bits_as_one_column_after_the_other(cells, monkeypatch):
    frame = wide()
    new = frame.iloc[::-1].reset_index(drop=True)
    new.iloc[2, :4] = np.nan
    new.iloc[3, 0] = 1e308
    monkeypatch.setattr(many_numbers, "_CELLS", cells)
    found = Columns.fit(frame)
    many = [found.transform(frame), found.transform(new), found.transform(new.iloc[[4]])]
    monkeypatch.setattr(columns, "fit_numbers", lambda frame, names: {})
    monkeypatch.setattr(columns, "transform_numbers", lambda parts, frame: iter(()))
    assert Columns.fit(frame) == found and len(many_numbers.fit_numbers(frame, list(frame.columns))) > 10
    for one, whole in zip([frame, new, new.iloc[[4]]], many, strict=True):
        np.testing.assert_array_equal(found.transform(one), whole)


def test_infinity_is_said_as_it_is_of_one_column():
    frame = wide()
    found = Columns.fit(frame)
    with pytest.raises(DataError, match="Column 'c4' holds inf .* in 1 of 23 rows."):
        found.transform(frame.assign(c4=[np.inf, *[0.0] * 22]))
    with pytest.raises(DataError, match="Column 'c4' holds inf .* in 2 of 23 rows."):
        Columns.fit(frame.assign(c4=[np.inf, -np.inf, *[0.0] * 21]))


def test_columns_named_as_categories_and_weighted_rows_are_left_to_the_other_way():
    frame = wide()[["c0", "c3", "c5"]]
    assert Columns.fit(frame, categorical=["c3"]).names[1:3] == ["c3 = 0", "c3 = 1"]
    weight = np.ones(len(frame))
    weight[:3] = 2.0
    twice = pd.concat([frame, frame.iloc[:3]])
    np.testing.assert_allclose(
        Columns.fit(frame, weight).transform(frame), Columns.fit(twice).transform(frame), atol=1e-12
    )
