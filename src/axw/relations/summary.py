"""A relation in a few numbers: how many rows read how many, and whether rows that read each other are alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from textwrap import fill, indent
from typing import Any

import numpy as np
import pandas as pd

from axw.errors import DataError
from axw.relations.base import KeyCounts, Relation, Rows
from axw.relations.given import Given

MOST_CLASSES = 20


@dataclass(frozen=True)
class Likeness:
    """Whether rows that read each other have like answers; each pair counts by its weight.

    kind "classes": `observed` is the share of pairs of one class (edge homophily), and `chance` what it would be if the two
    rows of a pair were drawn independently.
    kind "numbers": `observed` is the correlation of the two answers of a pair (assortativity, Newman 2003), `chance` 0.
    """

    kind: str
    observed: float
    chance: float


@dataclass(frozen=True)
class RelationSummary:
    """What a relation is like among the rows of one table.

    degree_*  how many rows a row reads            isolated  rows that read nobody
    coverage  share of the rows that read others   pairs     number of pairs: i reads j
    keys      what was counted among the keys      target    whether rows that read each other have like answers
    """

    name: str
    rows: int
    degree_mean: float
    degree_median: float
    degree_max: int
    isolated: int
    coverage: float
    pairs: int
    keys: KeyCounts
    target: Likeness | None

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON."""
        return {**asdict(self), "keys": self.keys._asdict()}

    def to_text(self) -> str:
        """A few lines of at most 80 columns."""
        lines = [
            self.name,
            f"{self.coverage:.1%} of {self.rows:,} rows read others, {self.isolated:,} read nobody",
            f"rows read: mean {self.degree_mean:.2f}, median {self.degree_median:g}, most {self.degree_max:,}; "
            f"pairs {self.pairs:,}",
        ]
        counted = [f"{value:,} {name}" for name, value in self._counted().items() if value]
        if counted:
            lines.append(f"keys: {', '.join(counted)}")
        if self.target is not None:
            what = "of one class" if self.target.kind == "classes" else "correlation"
            lines.append(f"pairs {what}: {self.target.observed:.3f} (by chance {self.target.chance:.3f})")
        return indent("\n".join(fill(line, 78) for line in lines), "  ").removeprefix("  ")

    def _counted(self) -> dict[str, int]:
        keys = self.keys
        return {
            "missing": keys.missing,
            "dangling": keys.dangling,
            "duplicate": keys.duplicates,
            "to itself": keys.itself,
            "variants": keys.variants,
        }


def summary(relation: Relation, rows: Rows, target: Any = None) -> RelationSummary:
    """What the relation is like among the rows of one table.

    target (n,)  answers of the rows, missing where not known; classes where it is text, truth values or at most 20 different
                 whole numbers, numbers otherwise. Pairs with a missing answer are left out of its likeness.

    Raises `DataError` where the target has another number of rows.
    """
    n, given = len(rows.ids), relation.given(rows, rows)
    count = given.count()
    isolated = int((count == 0).sum())
    return RelationSummary(
        name=relation.name,
        rows=n,
        degree_mean=float(count.mean()) if n else 0.0,
        degree_median=float(np.median(count)) if n else 0.0,
        degree_max=int(count.max(initial=0)),
        isolated=isolated,
        coverage=1.0 - isolated / n if n else 0.0,
        pairs=int(count.sum()),
        keys=relation.counts(rows),
        target=None if target is None else likeness(given, target),
    )


def likeness(given: Given, target: Any) -> Likeness | None:
    """The likeness of the answers (n,) of rows that read each other; None where no pair has two known answers."""
    values = pd.Series(target).reset_index(drop=True)
    if len(values) != given.shape[1] or not given.square:
        raise DataError(
            f"The target has {len(values)} answers for {given.shape[1]} rows.", "target", "Give one answer a row."
        )
    known = values.notna().to_numpy()
    classes = _classes(values[known])
    if classes is not None:
        return _homophily(given, known, classes)
    numbers = np.zeros(len(values))
    numbers[known] = values[known].to_numpy(dtype=np.float64)
    return _assortativity(given, known, numbers)


def _classes(known: pd.Series) -> np.ndarray | None:
    """The class of each answer as a number, or None where the answers are numbers."""
    numeric = pd.api.types.is_numeric_dtype(known.dtype) and not pd.api.types.is_bool_dtype(known.dtype)
    codes, different = pd.factorize(known)
    if numeric:
        values = np.asarray(different, dtype=np.float64)
        if len(values) > MOST_CLASSES or not (values == np.floor(values)).all():
            return None
    return np.asarray(codes)


def _homophily(given: Given, known: np.ndarray, classes: np.ndarray) -> Likeness | None:
    """sum_c Y_c' A Y_c over 1' A 1, and sum_c p_c q_c with p and q the classes of the rows that read and that are read."""
    same, total, reads, is_read = 0.0, 0.0, [], []
    everyone = given.sum(known[:, None].astype(np.float64))[:, 0]
    for c in range(int(classes.max(initial=-1)) + 1):
        member = np.zeros(len(known))
        member[known] = classes == c
        of_class = given.sum(member[:, None])[:, 0]
        same += float(member @ of_class)
        reads.append(float(member @ everyone))
        is_read.append(float(known @ of_class))
        total += reads[-1]
    if total <= 0:
        return None
    chance = float(np.dot(reads, is_read)) / total**2
    return Likeness("classes", same / total, chance)


def _assortativity(given: Given, known: np.ndarray, y: np.ndarray) -> Likeness | None:
    """Correlation over the pairs of the answers of the row that reads and of the row that is read."""
    weight = known.astype(np.float64)
    y = np.where(known, y - y[known].mean() if known.any() else 0.0, 0.0)
    degree, read, square = given.sum(np.stack([weight, y, y**2], axis=1)).T * weight
    total = degree.sum()
    if total <= 0:
        return None
    mean_i, mean_j = (degree @ y) / total, read.sum() / total
    variance_i, variance_j = (degree @ y**2) / total - mean_i**2, square.sum() / total - mean_j**2
    scale = np.sqrt(max(variance_i, 0.0) * max(variance_j, 0.0))
    covariance = (y @ read) / total - mean_i * mean_j
    return Likeness("numbers", float(covariance / scale) if scale > 0 else 0.0, 0.0)
