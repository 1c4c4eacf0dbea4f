"""How a row is described on the ground of a relation: each view of `smoothing_views` as the columns Z of the rows that ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils.extmath import randomized_svd

from axw.models.tables.problem import TableRows
from axw.models.tables.smoothing_views import HOPS, NEAREST, SMOOTH, Form, View, blocks_apart, lengths, smooth, unit
from axw.relations import Given, Relation
from axw.relations.alike import Joined, alike
from axw.relations.keys import itself
from axw.relations.propagate import propagate
from axw.relations.smoothing import Asked, states

NAMES = 64


class Columns(NamedTuple):
    """F of the rows that ask (n r) and of the memory (m r): the same array where they are the same rows."""

    asking: np.ndarray
    memory: np.ndarray


class Ground(NamedTuple):
    """Who asks whom: columns of both, places of the asking rows in the memory, A among the memory and A of the asking rows."""

    forms: dict[float, Form]
    names: dict[int, np.ndarray]
    X: np.ndarray
    M: np.ndarray
    itself: np.ndarray
    among: tuple[Given, ...]
    across: tuple[Given, ...]

    @property
    def same(self) -> bool:
        return self.X is self.M

    def columns(self, common: float) -> Columns:
        F = self.forms[common].of(self.M)
        return Columns(F if self.same else self.forms[common].of(self.X), F)

    def wide(self, common: float) -> Columns:
        """The columns before they are projected to few: what is told to a reader."""
        form = self.forms[common]._replace(V=None)
        F = form.of(self.M)
        return Columns(F if self.same else form.of(self.X), F)

    def nearest(self, F: Columns) -> tuple[Given, Given]:
        """The nearest rows by F: among the memory, and of the asking rows."""
        mean = F.memory.mean(0)
        M = F.memory - mean
        within = alike(M, M, np.arange(len(M)), NEAREST)
        return within, within if self.same else alike(F.asking - mean, M, self.itself, NEAREST)

    def joined(self, view: View, near: tuple[Given, Given] | None) -> tuple[Given, Given]:
        """(A among the memory, A of the asking rows): the relation, and the nearest rows beside it."""
        within = [(given_by(self.among, view.relation), 1.0)] if self.among else []
        given = [(given_by(self.across, view.relation), 1.0)] if self.across else []
        if view.alike and near is not None:
            within.append((near[0], view.alike))
            given.append((near[1], view.alike))
        return (within[0][0], given[0][0]) if len(within) == 1 else (Joined(within), Joined(given))


def ground_of(
    relations: Sequence[Relation],
    forms: dict[float, Form],
    names: dict[int, np.ndarray],
    asking: TableRows,
    memory: TableRows,
) -> Ground:
    """The ground on which views are described, of the rows that ask and the memory."""
    same = asking is memory
    among = [relation.given(memory.rows, memory.rows) for relation in relations]
    across = among if same else [relation.given(asking.rows, memory.rows) for relation in relations]
    own = np.arange(len(memory.X)) if same else itself(asking.rows.ids, memory.rows.ids)
    return Ground(forms, names, asking.X, memory.X, own, tuple(among), tuple(across))


def described(views: Sequence[View], ground: Ground) -> Iterator[tuple[View, np.ndarray]]:
    """Each view with its Z (n p) of the asking rows before they are `finished`, in their order.

    The columns of one form are kept at a time: views of one form should stand together.
    """
    done: dict[View, np.ndarray] = {}
    columns: dict[float, Columns] = {}
    near: dict[float, tuple[Given, Given]] = {}
    for view in views:
        if view not in done:
            if view.common not in columns:
                columns = {view.common: ground.columns(view.common)}
            F = columns[view.common]
            if view.alike and view.common not in near:
                near = {view.common: ground.nearest(F)}
            together = [v for v in views if v[1:] == view[1:] and (v.kind in SMOOTH) == (view.kind in SMOOTH)]
            if view.kind in SMOOTH:
                within, given = ground.joined(view, near.get(view.common))
                asked = None if ground.same else Asked(given, F.asking)
                found = smooth([v.kind for v in together], states(within, F.memory, HOPS, asked))
                done |= {v: found[v.kind] for v in together}
            else:
                done |= _apart(together, F, ground)
        yield view, done.pop(view)


def finished(view: View, Z: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Z less its centre, with rows of length 1 where the view has such."""
    Z = Z - centre
    if view.common >= 0:
        Z /= lengths(Z)
    return Z


def directions(relations: Sequence[Relation], rows: TableRows) -> dict[int, np.ndarray]:
    """Who may be read (m r) in the directions in which the relation varies most: right singular vectors of A, by relation."""
    among = [relation.given(rows.rows, rows.rows) for relation in relations]
    reads = list(range(len(among))) + ([-1] if len(among) > 1 else [])
    return {read: _singular(given_by(among, read).csr()) for read in reads}


def _apart(views: list[View], F: Columns, ground: Ground) -> dict[View, np.ndarray]:
    """Own and neighbours' columns beside each other, each block with rows of length 1 where the view has such."""
    if not ground.across:
        return {view: F.asking for view in views}
    relation = views[0].relation
    within, given = given_by(ground.among, relation), given_by(ground.across, relation)
    reads = propagate(given, F.memory, hops=2, within=within)
    done = {}
    for view in views:
        U = given.mean(ground.names[relation]) if view.kind == "names" else None
        blocks = blocks_apart(view.kind, F.asking, reads, U)
        blocks = [unit(block) for block in blocks] if view.common >= 0 and len(blocks) > 1 else blocks
        done[view] = np.concatenate(blocks, axis=1)
    return done


def given_by(givens: Sequence[Given], relation: int) -> Given:
    """The relation of that number, or all of them joined (-1)."""
    return givens[relation] if relation >= 0 else Joined([(given, 1.0) for given in givens])


def _singular(A: csr_array) -> np.ndarray:
    """Right singular vectors (m r) of the greatest singular values; the seed is fixed, so every run finds the same."""
    r = min(NAMES, A.shape[0] - 1)
    if r < 1 or A.nnz == 0:
        return np.zeros((A.shape[1], 1))
    _, s, V = randomized_svd(A, r, n_iter=4, random_state=0)
    return np.ascontiguousarray(np.where(s[:, None] > 1e-9, V, 0.0).T)
