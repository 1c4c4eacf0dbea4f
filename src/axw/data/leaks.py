"""Does one column alone hold the answer?

For each column, the best score that it reaches by itself, in the ways that leaks usually come:

    numbers, dates     by rank; numbers also by bins, as the answer may be a bent function of them
    few values         the mean target of the other rows with the same value (five folds)
    missing            whether the value is there at all, as with a date that is only filled in afterwards
    text               a word or number in it, as in "letter_rejected_2041.pdf"

Classes are scored by AUROC, one class against the rest: 0.5 is chance, 1 holds the answer. Numbers are scored by R²,
or by the square of the rank correlation. A score counts only where chance cannot explain it (z > 4 under no relation,
Mann and Whitney 1947), so that a class of three rows raises no alarm.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from axw.data.values import as_float, kind_of, level_texts, numbers_of

AUROC = 0.95
R2 = 0.98
_ROWS = 50_000  # more rows are sampled: a leak shows in these as well
_FEW = 50
_FOLDS = 5
_CLASSES = 10  # the most frequent ones
_BEYOND_CHANCE = 4.0


class Leak(NamedTuple):
    """A column, its score ("AUROC" or "R²"), and how the score was reached."""

    column: str
    measure: str
    score: float
    how: str


def is_classes(target: pd.Series) -> bool:
    """Text, booleans, categories, and whole numbers of at most 20 different values are classes."""
    if kind_of(target) != "number":
        return kind_of(target) not in ("date", "duration")
    values = numbers_of(target)
    different = np.unique(values[np.isfinite(values)])
    return len(different) <= 2 or (len(different) <= 20 and bool((different == np.round(different)).all()))


def leaks(frame: pd.DataFrame, target: pd.Series) -> list[Leak]:
    """The columns of `frame` that alone tell `target` (n,) beyond AUROC 0.95 or R² 0.98, by the plainest reading that does."""
    known = target.notna().to_numpy()
    frame, target = frame.loc[known], target.loc[known]
    if len(frame) > _ROWS:
        rows = np.sort(np.random.default_rng(0).choice(len(frame), _ROWS, replace=False))
        frame, target = frame.iloc[rows], target.iloc[rows]
    classes = is_classes(target)
    Y = _indicators(target) if classes else _unit(_numbers(target))[:, None]
    found = []
    for name in frame.columns:
        measure, limit = ("AUROC", AUROC) if classes else ("R²", R2)
        for how, x in _readings(frame[name], Y):
            score = _score(x, Y, classes)
            if score > limit:
                found.append(Leak(str(name), measure, score, how))
                break
    return found


def determined(column: pd.Series, target: pd.Series) -> bool:
    """Each value of the column goes with one value of the target, where chance would make it so once in a million.

    With classes of shares p_c and n_l rows of value l, chance does so with probability prod_l sum_c p_c^n_l.
    """
    if kind_of(column) != "category" and column.nunique() > len(column) / 2:
        return False  # too few values repeat, and their texts would take long
    both = column.notna().to_numpy() & target.notna().to_numpy()
    x, _ = level_texts(column.loc[both])
    y, _ = level_texts(target.loc[both])
    rows, shares = np.bincount(x), np.bincount(y) / max(len(y), 1)
    pairs = len(np.unique(x * np.int64(len(shares)) + y))
    if pairs > np.count_nonzero(rows) or pairs < 2:
        return False
    sizes, repeats = np.unique(rows[rows > 0], return_counts=True)
    shares = shares[shares > 0]
    log_chance = sum(k * np.log((shares**n).sum() + 1e-300) for n, k in zip(sizes, repeats, strict=True))
    return bool(log_chance < np.log(1e-6))


def one_outcome(column: pd.Series, target: pd.Series) -> str | None:
    """The one class that all rows have where the column is filled in, if chance does so once in a million.

    Such a column is often filled in afterwards, for some of one outcome only: AUROC alone would not show it.
    """
    given = (column.notna() & target.notna()).to_numpy()
    if not is_classes(target) or not column.isna().any() or not given.any():
        return None
    codes, texts = level_texts(target)
    here = codes[given]
    share = float((codes[codes >= 0] == here[0]).mean())
    alone = bool((here == here[0]).all()) and share < 1 and len(here) * np.log(share) < np.log(1e-6)
    return texts[int(here[0])] if alone else None


def _readings(column: pd.Series, Y: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Each way to read the column: (n,) numbers to rank, or (n, k) one expectation for each column of Y."""
    lost = column.isna().to_numpy()
    if lost.any():
        yield "whether it is missing", lost.astype(np.float64)
    if lost.all():
        return
    kind = kind_of(column)
    codes, texts = level_texts(column)
    if kind != "category":
        x = _numbers(column)
        yield "its size", np.where(np.isnan(x), np.nanmedian(x), x)
        if len(texts) > _FEW:
            yield "its size, in bins", _expected(_bins(x), Y)
    if len(texts) <= max(_FEW, len(column) // 5):
        yield "its value", _expected(codes + 1, Y)
    if kind == "category" and len(texts) > _FEW:
        number = pd.to_numeric(pd.Series(texts).str.extract(r"([-+]?\d+(?:\.\d+)?)")[0], errors="coerce")
        x = np.append(number.to_numpy(dtype=np.float64), np.nan)[codes]
        if np.isfinite(x).mean() > 0.5:
            yield "the number in it", np.where(np.isfinite(x), x, np.nanmedian(x))
        yield from _words(codes, texts)


def _words(codes: np.ndarray, texts: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Whether one of the most frequent words stands in the text."""
    words = [set(re.findall(r"[^\W_]+", text.lower()[:1000])) for text in texts]
    weights = np.bincount(codes[codes >= 0], minlength=len(texts))
    counts: Counter[str] = Counter()
    for found, weight in zip(words, weights, strict=True):
        for word in found:
            counts[word] += int(weight)
    for word, _ in counts.most_common(_FEW):
        holds = np.array([word in found for found in words] + [False], dtype=np.float64)
        yield f"the word {word!r}", holds[codes]


def _score(x: np.ndarray, Y: np.ndarray, classes: bool) -> float:
    """The best score over the columns of Y, 0 where chance explains it."""
    X = np.repeat(x[:, None], Y.shape[1], axis=1) if x.ndim == 1 else x
    measure = _auroc if classes else _r2
    return max(measure(X[:, at], Y[:, at]) for at in range(Y.shape[1]))


def _auroc(x: np.ndarray, y: np.ndarray) -> float:
    positive = int(y.sum())
    negative = len(y) - positive
    if not positive or not negative:
        return 0.0
    area = (rankdata(x)[y == 1].sum() - positive * (positive + 1) / 2) / (positive * negative)
    area = max(area, 1 - area)
    deviation = np.sqrt((len(y) + 1) / (12.0 * positive * negative))
    return float(area) if (area - 0.5) / deviation > _BEYOND_CHANCE else 0.0


def _r2(x: np.ndarray, y: np.ndarray) -> float:
    if len(y) < 20 or x.min() == x.max() or y.min() == y.max():
        return 0.0
    plain = np.corrcoef(_unit(x), _unit(y))[0, 1] ** 2
    ranks = np.corrcoef(rankdata(x), rankdata(y))[0, 1] ** 2
    return float(np.nanmax([plain, ranks]))


def _unit(x: np.ndarray) -> np.ndarray:
    """Within [-1, 1], by a power of two: squares stay in range, and the correlation is the same."""
    scaled: np.ndarray = np.ldexp(x, -int(np.frexp(np.abs(x).max())[1]))
    return scaled


def _expected(codes: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """(n k): the mean of Y over the rows of the other folds with the same code, shrunk by one row of the overall mean.

    A value that no other fold holds says nothing: it gets the overall mean.
    """
    fold = np.random.default_rng(0).permutation(len(codes)) % _FOLDS
    expected = np.empty_like(Y)
    for one in range(_FOLDS):
        others, here = fold != one, fold == one
        prior = Y[others].mean(axis=0)
        count = np.bincount(codes[others], minlength=int(codes.max()) + 1)
        for at in range(Y.shape[1]):
            total = np.bincount(codes[others], weights=Y[others, at], minlength=len(count))
            expected[here, at] = ((total + prior[at]) / (count + 1))[codes[here]]
    return expected


def _bins(x: np.ndarray) -> np.ndarray:
    """(n,): the number of the quantile bin, at least 20 rows each; 0 for missing."""
    known = x[~np.isnan(x)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, max(2, min(100, len(known) // 20)))[1:-1]))
    return np.where(np.isnan(x), 0, np.searchsorted(edges, x) + 1).astype(np.int64)


def _indicators(target: pd.Series) -> np.ndarray:
    """(n k): 1 where the row is of the class, for the most frequent classes; one column where there are two."""
    codes, texts = level_texts(target)
    order = np.argsort(-np.bincount(codes, minlength=len(texts)), kind="stable")
    chosen = order[:1] if len(texts) == 2 else order[:_CLASSES]
    members: np.ndarray = codes[:, None] == chosen[None, :]
    return members.astype(np.float64)


def _numbers(column: pd.Series) -> np.ndarray:
    """(n,) NaN where missing; infinities, which are a finding of their own, count as missing here."""
    kind = kind_of(column)
    if kind != "number":
        return as_float(column, kind)
    x = numbers_of(column)
    return np.where(np.isinf(x), np.nan, x)
