"""Columns that mostly hold one value, as a sparse matrix of what differs from it: words, categories, counts.

    X W + b = D W + (b + u W)        D = X - u, u (d) the usual value of each column

So a model of D is one of X with another b, and 0 need not be the usual value: columns may have been centred.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

# Of the numbers, at most so many may differ: a product with a sparse matrix takes several times as long for each.
MOST = 0.1
_LOOKED_AT, _MIDDLE, _CELLS = 99, 9, 500_000


class Differences(NamedTuple):
    """u (d) and D (n d), X = u + D."""

    usual: np.ndarray
    D: csr_array


def differences(X: np.ndarray) -> Differences | None:
    """None where more than a share MOST of X differs from what is usual, which some rows tell at once."""
    n, d = X.shape
    if n < _LOOKED_AT or not d:
        return None
    some = X[:: n // _LOOKED_AT]
    usual = np.sort(some[:: len(some) // _MIDDLE][:_MIDDLE], axis=0)[_MIDDLE // 2]
    if not np.isfinite(usual).all() or (some != usual).mean() > 2 * MOST:
        return None
    places, parts, found, step = [], [], 0, max(1, _CELLS // d)
    for start in range(0, n, step):
        rows = X[start : start + step]
        at = np.flatnonzero(rows != usual)
        found += len(at)
        if found > MOST * n * d:
            return None
        places.append(at + start * d)
        parts.append(rows.ravel()[at])
    row, column = np.divmod(np.concatenate(places), d)
    small = np.int32 if max(found, n, d) < 2**31 else np.int64
    start_of_row = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))]).astype(small)
    values = np.concatenate(parts) - usual[column]
    return Differences(usual, csr_array((values, column.astype(small), start_of_row), shape=(n, d)))
