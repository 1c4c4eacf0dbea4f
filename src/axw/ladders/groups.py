"""Folds that hold whole groups of related rows, and how a group that is too large for that is cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse import csgraph

from axw.errors import DataError, did_you_mean
from axw.relations import FactoredGiven, Relation, Rows, check_named

Fold: TypeAlias = tuple[np.ndarray, np.ndarray]  # positions of the rows to learn from, and of those to test


def rows_of(frame: pd.DataFrame, relations: Sequence[Relation], id: str | None) -> Rows:
    """Who the rows are (the index, or the column `id`), and the columns that the relations read."""
    keys = list(dict.fromkeys(name for relation in relations for name in relation.columns))
    for name in [*keys, *([] if id is None else [id])]:
        if name not in frame.columns:
            raise DataError(f"There is no column {name!r}.", "X", did_you_mean(str(name), map(str, frame.columns)))
    check_named(frame, relations, id)
    ids = frame.index if id is None else pd.Index(frame[id])
    if not ids.is_unique:
        raise DataError(
            f"{int(ids.duplicated().sum())} rows have the name of another row, for example {ids[ids.duplicated()][0]!r}.",
            "the index" if id is None else f"column {id!r}",
            "Give each row a name of its own: reset_index(), or id='column'.",
        )
    return Rows(ids.to_numpy(dtype=object), frame[keys])


def check_relations(frame: pd.DataFrame, relations: Sequence[Relation], id: str | None) -> None:
    """Warn of keys that name nobody, and refuse keys that match nothing: of the whole table, since in a fold the keys of rows
    that were held out name nobody, rightly."""
    if relations:
        rows = rows_of(frame, relations, id)
        for relation in relations:
            relation.check(rows)


def given_groups(groups: Any, rows: int) -> np.ndarray:
    """Group numbers (n,) of groups given by hand; a row whose group is missing is a group of its own."""
    labels = np.asarray(pd.factorize(pd.Series(groups))[0])
    if len(labels) != rows:
        raise DataError(f"{len(labels)} groups were given for {rows} rows.", "groups", "Give one group for each row.")
    alone = labels < 0
    labels[alone] = labels.max() + 1 + np.arange(alone.sum())
    return labels


class Links(NamedTuple):
    """Who is directly related to whom among n rows, in either direction and by any relation.

    pairs  (n n) sparse: the relations that are kept as pairs
    groups (n g) sparse, one for each relation that is kept as groups: the group of each row. Its pairs are never formed.
    """

    pairs: sparse.csr_array
    groups: tuple[sparse.csr_array, ...]

    @staticmethod
    def of(relations: Sequence[Relation], who: Rows) -> Links:
        n = len(who.ids)
        pairs, groups = sparse.csr_array((n, n)), []
        for relation in relations:
            given = relation.given(who, who)
            if isinstance(given, FactoredGiven):
                known = np.flatnonzero(given.asking >= 0)
                place = (np.ones(len(known)), (known, given.asking[known]))
                groups.append(sparse.csr_array(place, shape=(n, int(given.asking.max(initial=0)) + 1)))
            else:
                A = given.csr()
                pairs = pairs + A + A.T
        return Links(sparse.csr_array(pairs), tuple(groups))

    def touching(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n,) that are directly related to one of `rows` (n,), both True where so."""
        found = self.pairs @ rows.astype(float) > 0
        for M in self.groups:
            found |= M @ (M.T @ rows.astype(float)) > 0
        return np.asarray(found)

    def graph(self, members: np.ndarray) -> sparse.csr_matrix:
        """The links among `members`; every group is one more node, so that it costs as many links as it has rows."""
        blocks = sparse.hstack([self.pairs[members][:, members], *(M[members] for M in self.groups)])
        hubs = sparse.csr_array((blocks.shape[1] - len(members), blocks.shape[1]))
        half = sparse.vstack([blocks, hubs])
        return sparse.csr_matrix(half + half.T)


def group_folds(
    labels: np.ndarray, codes: np.ndarray, folds: int, related: Links | None, rng: np.random.Generator
) -> list[np.ndarray]:
    """Rows tested in each fold. Where `related` is given, groups of more than n / folds rows are cut first."""
    if related is not None:
        labels = _cut(labels, len(labels) // folds, related, rng)
    fold_of = _dealt(labels, codes, folds, rng)[labels]
    tests = [np.flatnonzero(fold_of == fold) for fold in range(folds)]
    if any(not len(test) for test in tests):
        raise DataError(
            f"{labels.max() + 1} groups of related rows cannot fill {folds} parts.",
            "NewGroups",
            f"Use at most {labels.max() + 1} folds, or ask only about rows whose relatives are known: "
            "cv=[axw.KnownNeighbours()].",
        )
    return tests


def train_rows(test: np.ndarray, rows: int, related: Links | None) -> np.ndarray:
    """All rows but the tested ones, and but those directly related to one of these."""
    out = np.zeros(rows, dtype=bool)
    out[test] = True
    if related is not None:
        out |= related.touching(out)
    train = np.flatnonzero(~out)
    if not len(train):
        raise DataError(
            f"All {rows} rows are directly related to the {len(test)} tested ones; nothing is left to learn from.",
            "NewGroups",
            "Leave out the relation that joins every row, or ask only about rows whose relatives are known: "
            "cv=[axw.KnownNeighbours()].",
        )
    return train


def _cut(labels: np.ndarray, most: int, related: Links, rng: np.random.Generator) -> np.ndarray:
    """Group numbers in which no group holds more than `most` rows.

    A large group is walked in reverse Cuthill-McKee order, in which related rows are near each other, and cut into stretches of
    equal size: few links cross a cut, so the buffer is small.
    """
    labels, most = labels.copy(), max(1, most)
    for large in np.flatnonzero(np.bincount(labels) > most):
        members = rng.permutation(np.flatnonzero(labels == large))
        walk = csgraph.reverse_cuthill_mckee(related.graph(members), symmetric_mode=True)
        walk = members[walk[walk < len(members)]]
        pieces = np.array_split(walk, -(-len(walk) // most))
        for piece in pieces[1:]:
            labels[piece] = labels.max() + 1
    return labels


def _dealt(labels: np.ndarray, codes: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold of each group (groups,): largest first, each where the sum of squares of the shares of the rows, and of every
    class, grows least."""
    shares = np.zeros((labels.max() + 1, codes.max() + 2))
    np.add.at(shares, (labels, codes), 1.0)
    shares[:, -1] = shares[:, :-1].sum(1)
    order = rng.permutation(len(shares))
    order = order[np.argsort(-shares[order, -1], kind="stable")]
    shares /= np.maximum(shares.sum(0), 1.0)
    held = np.zeros((folds, shares.shape[1]))
    fold = np.empty(len(shares), dtype=np.intp)
    for group in order:
        # (held + share)^2 - held^2, without what is the same for every fold
        fold[group] = np.argmin(held @ shares[group])
        held[fold[group]] += shares[group]
    return fold
