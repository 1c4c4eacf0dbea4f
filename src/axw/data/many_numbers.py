"""Columns of numbers, many at once: the same numbers as `parts` finds column by column, without a call of pandas for each.

A bag of words has thousands of columns and few rows. What needs more than a look (text, dates, gaps, columns that do not vary,
weights, infinity) is left to `parts`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from axw.data.parts import FURTHEST, Category, Number

_CELLS = 250_000  # numbers that are in a core's cache together


def fit_numbers(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, Number]:
    """`fit_number` of those columns that are float64, vary and have no gap, by name; all rows weigh 1."""
    found: dict[str, Number] = {}
    for places, x in _blocks(frame, list(names)):
        with np.errstate(invalid="ignore"):  # gaps, and infinity less infinity
            low, high = x.min(1), x.max(1)
            largest = np.maximum(np.abs(low), np.abs(high))
            plain = np.isfinite(largest) & (high / 2 - low / 2 > 2 * np.finfo(np.float64).eps * largest)
        x, places, largest = x[plain], places[plain], largest[plain]
        exponent = np.frexp(largest)[1]
        u = np.ldexp(x, -exponent[:, None])
        mean = u.mean(1)
        std = np.sqrt(((u - mean[:, None]) ** 2).mean(1))
        for place, fill, *rest in zip(places, _medians(x), exponent, mean, std, strict=True):
            name = str(frame.columns[place])
            found[name] = Number(name, "number", True, False, float(fill), int(rest[0]), float(rest[1]), float(rest[2]))
    return found


def transform_numbers(
    parts: Sequence[Number | Category], frame: pd.DataFrame
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`transform` of those whose column is float64 without infinity: places among the parts (k,), and their columns (n k)."""
    of_name = {part.name: at for at, part in enumerate(parts) if _plain(part)}
    for places, x in _blocks(frame, list(of_name)):
        finite = ~np.isinf(x).any(1)
        at = np.array([of_name[str(frame.columns[place])] for place in places[finite]], dtype=np.int64)
        few: list[Number] = [part for part in (parts[i] for i in at) if isinstance(part, Number)]
        fill, mean, std = (np.array([getattr(part, name) for part in few])[:, None] for name in ("fill", "mean", "std"))
        exponent = np.array([part.exponent for part in few], dtype=np.int64)[:, None]
        x = x[finite]
        with np.errstate(over="ignore"):  # as in `Number.transform`
            z = (np.ldexp(np.where(np.isnan(x), fill, x), -exponent) - mean) / std
        yield at, np.clip(z, -FURTHEST, FURTHEST).T


def _plain(part: Number | Category) -> bool:
    return isinstance(part, Number) and part.kind == "number" and part.varies and not part.missing


def _blocks(frame: pd.DataFrame, names: list[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(places in the frame (k,), values (k n)) of the columns that are float64, some at a time."""
    double = np.flatnonzero([dtype == np.dtype(np.float64) for dtype in frame.dtypes])
    places = double[np.isin(double, frame.columns.get_indexer(pd.Index(names, dtype=object)))]
    step = max(1, _CELLS // max(1, len(frame)))
    for start in range(0, len(places), step):
        part = places[start : start + step]
        yield part, np.ascontiguousarray(frame.iloc[:, part].to_numpy().T)


def _medians(x: np.ndarray) -> np.ndarray:
    """The median of each row (k n), the mean of the middle two."""
    middle = (x.shape[1] - 1) // 2, x.shape[1] // 2
    low, high = np.partition(x, middle, axis=1)[:, middle].T
    return np.where(low == high, low, low / 2 + high / 2)
