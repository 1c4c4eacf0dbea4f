"""What the rows that a row reads are known to be: the strongest signal there is, and never the row's own answer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from axw.errors import DataError, UsageError
from axw.relations.given import Given


class LabelColumns(NamedTuple):
    """rate (n c): the labels of the rows that are read, drawn to the prior; count (n,): how many of them have a label."""

    rate: np.ndarray
    count: np.ndarray  # type: ignore[assignment]  # the field's name, not tuple.count


def label_columns(given: Given, Y: np.ndarray, prior: np.ndarray, strength: float = 1.0) -> LabelColumns:
    """rate = (A Y + strength prior) / (A 1 + strength), over the rows whose label is known.

    Y (m c)     labels of the memory, one-hot or numbers; a row of NaN has no label, and lends none
    prior (c,)  what is known of a row that reads nobody. It is a constant: where it is the mean of Y, a row's own label
                is in it as one of m
    strength    how many rows the prior weighs; 0 = the mean of the rows read, and the prior only where there is none

    Leave-one-out by construction: A has no diagonal, so row i's own label is in no column of row i. `count` counts rows,
    `rate` goes by their weights. Raises `DataError` for other shapes, infinite labels, or a prior that is not finite.
    """
    labels, known, base = _checked(given, Y, prior, strength)
    total = given.sum(np.where(known[:, None], labels, 0.0))
    degree = given.degree() if known.all() else given.sum(known[:, None].astype(np.float64))[:, 0]
    return LabelColumns(_drawn(total, degree, base, strength), given.count(known))


def label_hops(
    given: Given,
    Y: np.ndarray,
    prior: np.ndarray,
    hops: int = 2,
    *,
    within: Given | None = None,
    folds: int = 5,
    seed: int = 0,
    strength: float = 1.0,
) -> list[LabelColumns]:
    """Labels at one hop, two hops, ...: R_1 = `label_columns`, R_h = (A R_(h-1) + strength prior) / (A 1 + strength).

    given   A (n m) between the rows that ask and the memory
    within  A (m m) among the memory; None where `given` is that already

    Beyond one hop a label would come back to its own row: i reads j, and j has read i. So the rows are dealt to `folds` by
    `seed`, and the columns of a fold are made with all labels of that fold hidden: no path, however long, leads from a row's
    label to its own columns. Rows that are not in the memory have no label there, and read all of them. `count` beyond one
    hop is the mean number of labelled rows that the rows read have read, as if no label had been hidden.
    """
    labels, known, _ = _checked(given, Y, prior, strength)
    among = given if within is None else within
    m = given.shape[1]
    if hops < 1 or not 2 <= folds:
        raise UsageError(f"hops is {hops} and folds is {folds}; allowed: at least 1 hop and 2 folds.", "label_hops")
    if not among.square or among.shape[0] != m:
        raise UsageError(
            f"A ({given.shape[0]} x {m}) is not among one set of rows, which a second hop needs.",
            "label_hops",
            "Give within=relation.given(memory, memory).",
        )
    found = [label_columns(given, Y, prior, strength)]
    for _ in range(hops - 1):
        found.append(LabelColumns(np.zeros_like(found[0].rate), np.zeros(given.shape[0])))
    fold = np.random.default_rng(seed).permutation(m) % folds
    fold_of_asking = np.where(given.itself >= 0, fold[given.itself], -1) if m else given.itself
    for part in np.unique(fold_of_asking) if hops > 1 else ():
        asks, visible = fold_of_asking == part, known & (fold != part)
        read = label_columns(among, np.where(visible[:, None], labels, np.nan), prior, strength)
        # Hidden labels are missing from the counts of rows that were learned from, and not from those of new rows.
        read = LabelColumns(read.rate, read.count * (known.sum() / max(1, visible.sum())))
        for hop in range(1, hops):
            further = _further(given, read, prior, strength)
            found[hop].rate[asks], found[hop].count[asks] = further.rate[asks], further.count[asks]
            read = further if among is given else _further(among, read, prior, strength)
    return found


def _further(given: Given, read: LabelColumns, prior: np.ndarray, strength: float) -> LabelColumns:
    """One hop more."""
    rate = _drawn(given.sum(read.rate), given.degree(), np.asarray(prior, dtype=np.float64), strength)
    return LabelColumns(rate, given.mean(read.count[:, None].astype(np.float64))[:, 0])


def _drawn(total: np.ndarray, degree: np.ndarray, prior: np.ndarray, strength: float) -> np.ndarray:
    """(total + strength prior) / (degree + strength), and the prior where that is 0 / 0."""
    weight = (degree + strength)[:, None]
    drawn = (total + strength * prior) / np.where(weight > 0, weight, 1.0)
    return np.asarray(np.where(weight > 0, drawn, prior))


def _checked(
    given: Given, Y: np.ndarray, prior: np.ndarray, strength: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(Y (m c) float64, known (m,), prior (c,))."""
    labels, base = np.asarray(Y, dtype=np.float64), np.asarray(prior, dtype=np.float64)
    if labels.ndim != 2 or base.shape != labels.shape[1:] or len(labels) != given.shape[1]:
        raise DataError(
            f"Y has shape {labels.shape} and prior {base.shape}; allowed: Y ({given.shape[1]}, c) and prior (c,).",
            "neighbours' labels",
            "Give one row of labels for each row of the memory, and one prior for each column.",
        )
    if not (np.isfinite(strength) and strength >= 0):
        raise UsageError(f"strength is {strength!r}; allowed: a number of at least 0.", "neighbours' labels")
    if not np.isfinite(base).all() or np.isinf(labels).any():
        raise DataError(
            "The prior is not finite, or a label is infinite.", "neighbours' labels", "Mark a missing label with NaN."
        )
    return labels, np.asarray(~np.isnan(labels).any(1)), base
