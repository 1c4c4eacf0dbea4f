"""Three questions that a test can ask: rows whose relatives are known, whole new groups, and what comes later.

All three are scikit-learn splitters: `split(X, y, groups)` gives (train, test) row positions, and the same ones every time.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from axw.data import as_frame
from axw.data.leaks import is_classes
from axw.errors import DataError, DataWarning, UsageError, did_you_mean
from axw.ladders.groups import Fold, Links, given_groups, group_folds, rows_of, train_rows
from axw.relations import Relation, Rows, as_relations, components


class KnownNeighbours:
    """Rows are held out one by one, so a row's relatives, and their answers, are mostly known: K-fold.

    folds    parts; each row is tested once in every repeat
    repeats  number of times, each with other parts
    seed     which parts

    Classes are spread evenly over the parts. A class with one row could not be learned where that row is tested, so the row is
    always learned from, and counted in a DataWarning. A numeric target is split at random.
    Raises UsageError for folds < 2, DataError for fewer rows than folds.
    """

    name = "known_neighbours"
    title = "rows whose relatives are known"

    def __init__(self, folds: int = 10, repeats: int = 1, seed: int = 0) -> None:
        _check_counts(folds, repeats)
        self.folds, self.repeats, self.seed = folds, repeats, seed

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Fold]:
        rows = len(X)
        codes = class_codes(y, rows)
        alone = np.bincount(codes)[codes] == 1 if codes.max(initial=0) > 0 else np.zeros(rows, dtype=bool)
        if alone.any():
            warnings.warn(
                f"{int(alone.sum())} classes have one row; these rows are always learned from and never tested.",
                DataWarning,
            )
        _check_rows(int((~alone).sum()), self.folds)
        for repeat in range(self.repeats):
            order = np.random.default_rng([self.seed, repeat]).permutation(np.flatnonzero(~alone))
            order = order[np.argsort(codes[order], kind="stable")]
            for fold in range(self.folds):
                test = np.sort(order[fold :: self.folds])
                yield np.setdiff1d(np.arange(rows), test), test

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return self.folds * self.repeats

    def __repr__(self) -> str:
        return _shown(self, "folds", "repeats", "seed")


class NewGroups:
    """Whole groups are held out, so that no tested row has a relative among the rows learned from.

    folds      parts; every row is tested once in every repeat
    relations  groups are the connected components of these together; without any, `split` takes `groups`
    repeats    number of times, each with other parts
    seed       which parts
    id         column that names the rows; None = the index

    Groups go, the largest first, where the parts stay most even in rows and in classes. A component of more than 1 / folds of
    the rows is cut into pieces of neighbouring rows, and then a row that is directly related to a tested row is dropped from the
    rows learned from: a buffer, counted in a DataWarning. Groups given to `split` by hand have no inside: they stay whole.
    Raises UsageError for folds < 2, DataError where a part, or what is left to learn from it, is empty.
    """

    name = "new_groups"
    title = "whole new groups"

    def __init__(
        self,
        folds: int = 10,
        relations: Sequence[Relation] = (),
        repeats: int = 1,
        seed: int = 0,
        id: str | None = None,
    ) -> None:
        _check_counts(folds, repeats)
        self.folds, self.repeats, self.seed, self.id = folds, repeats, seed, id
        self.relations = as_relations(relations)

    def with_relations(self, relations: Sequence[Relation], id: str | None) -> NewGroups:
        """The same splitter; relations and id are filled in where it has none."""
        return NewGroups(self.folds, self.relations or tuple(relations), self.repeats, self.seed, self.id or id)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Fold]:
        rows = len(X)
        _check_rows(rows, self.folds)
        codes = class_codes(y, rows)
        labels, who = self._groups(X, groups, rows)
        related = None
        if who is not None and np.bincount(labels).max() > rows / self.folds:
            related = Links.of(self.relations, who)
        dropped = []
        for repeat in range(self.repeats):
            tests = group_folds(labels, codes, self.folds, related, np.random.default_rng([self.seed, repeat]))
            for test in tests:
                train = train_rows(test, rows, related)
                dropped.append(rows - len(train) - len(test))
                yield train, test
        if related is not None:
            warnings.warn(
                f"One group of related rows holds {np.bincount(labels).max()} of {rows} rows, more than 1 / {self.folds} of "
                f"them. It was cut, and on average {np.mean(dropped):.0f} rows next to the tested ones were not learned from "
                f"(at most {max(dropped)}).",
                DataWarning,
            )

    def _groups(self, X: Any, groups: Any, rows: int) -> tuple[np.ndarray, Rows | None]:
        """Group numbers (n,), and the rows as relations see them where these made the groups."""
        if not self.relations:
            if groups is None:
                raise UsageError(
                    "NewGroups has no relations and was given no groups.",
                    "relations",
                    "Write NewGroups(folds, [axw.SameValue('household')]), or give groups= to split.",
                )
            return given_groups(groups, rows), None
        if groups is not None:
            raise UsageError(
                "NewGroups carries relations and was given groups as well; allowed: one of them.",
                "groups",
                "Leave out groups=, or write NewGroups(folds) without relations.",
            )
        who = rows_of(as_frame(X), self.relations, self.id)
        return components(self.relations, who), who

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return self.folds * self.repeats

    def __repr__(self) -> str:
        names = ", ".join(relation.name for relation in self.relations)
        return f"NewGroups(folds={self.folds}, relations=[{names}], repeats={self.repeats}, seed={self.seed}, id={self.id!r})"


class AsOf:
    """What comes later: learn from all rows before a date, test on those that follow, then move on (expanding window).

    column  dates, or numbers that grow with time
    folds   tests; the rows are cut into folds + 1 stretches of about equal size, and the first is only learned from

    Rows of one date are never on both sides: train is strictly before test. Rows without a date are left out, and counted in a
    DataWarning. Raises DataError for an unknown column, one that has no order, or too few different dates.
    """

    name = "as_of"
    title = "later rows"

    def __init__(self, column: str, folds: int = 5) -> None:
        if not isinstance(folds, int) or folds < 1:
            raise UsageError(f"folds is {folds!r}; allowed: a whole number of at least 1.", "folds", "5 is usual.")
        self.column, self.folds = column, folds

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Fold]:
        when = _moments(as_frame(X), self.column)
        known = np.flatnonzero(~np.isnan(when))
        if len(known) < len(when):
            warnings.warn(
                f"{len(when) - len(known)} of {len(when)} rows have no {self.column!r}; they are left out.", DataWarning
            )
        cuts = _cuts(when[known], self.folds)
        if len(cuts) <= self.folds:
            raise DataError(
                f"{len(np.unique(when[known]))} different dates cannot be cut into {self.folds + 1} stretches.",
                f"column {self.column!r}",
                "Use fewer folds.",
            )
        for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
            yield known[when[known] < start], known[(when[known] >= start) & (when[known] < stop)]

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return self.folds

    def __repr__(self) -> str:
        return _shown(self, "column", "folds")


def class_codes(y: Any, rows: int) -> np.ndarray:
    """Class numbers (n,) to spread evenly: those of a class target, and one class for numbers or no target."""
    if y is None or not is_classes(pd.Series(y)):
        return np.zeros(rows, dtype=np.intp)
    return np.asarray(pd.factorize(pd.Series(y), use_na_sentinel=False)[0], dtype=np.intp)


def _moments(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Dates or numbers as float64 (n,), NaN where missing."""
    if column not in frame.columns:
        raise DataError(f"There is no column {column!r}.", "AsOf", did_you_mean(column, map(str, frame.columns)))
    values = frame[column]
    if not pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        try:
            moments = pd.to_datetime(values, format=None if values.dtype.kind == "M" else "ISO8601", utc=True)
        except (ValueError, TypeError) as error:
            raise DataError(
                f"Not all values are dates: {error}".splitlines()[0],
                f"column {column!r}",
                "Write dates as 2024-12-31, or give a column of numbers.",
            ) from error
        # Microseconds since 1970 are exact in float64 until the year 2255.
        values = pd.Series(moments.dt.tz_convert(None).dt.as_unit("us").to_numpy().astype("int64")).where(
            moments.notna().to_numpy()
        )
    return np.asarray(values.to_numpy(dtype=float, na_value=np.nan))


def _cuts(when: np.ndarray, folds: int) -> np.ndarray:
    """The moments (folds + 1,) where a tested stretch begins, and the end; fewer where there are too few different moments."""
    order = np.sort(when)
    if not len(order):
        return np.array([])
    places = (np.arange(1, folds + 1) * len(order)) // (folds + 1)
    starts = np.unique(order[places])
    starts = starts[starts > order[0]]
    return np.append(starts, np.inf)


def _check_counts(folds: int, repeats: int) -> None:
    for name, value, least in (("folds", folds, 2), ("repeats", repeats, 1)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UsageError(f"{name} is {value!r}; allowed: a whole number of at least {least}.", name)


def _check_rows(rows: int, folds: int) -> None:
    if rows < folds:
        what = f"{rows} rows that can be tested cannot be cut into {folds} parts."
        raise DataError(what, "X", "Use fewer folds, or more rows.")


def _shown(splitter: object, *names: str) -> str:
    return f"{type(splitter).__name__}({', '.join(f'{name}={getattr(splitter, name)!r}' for name in names)})"
