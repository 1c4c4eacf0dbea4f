"""What a row may be described by, itself and along its relations: the candidates among which held-out rows decide.

    Z = unit(p(S) F - mean),    F = unit(X weights) V

F  standardised columns, each times (share of the rows in which it differs from its median)^(common / 2): 0 takes a rare word for
   as telling as a common one, 1 gives words the weight that they have in the text. `unit` divides a row by its length, V is a
   projection to at most MOST_WIDE columns where there are more (principal directions, Halko et al. 2011)
p  what is read along the relation: see KINDS
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.utils.extmath import randomized_svd

MOST_WIDE = 256
HOPS = 16
NEAREST = 15
KINDS = {
    "own": "the row's own columns: X",
    "apart 1": "own and neighbours' columns beside each other: [X, P X], P = D^-1 A",
    "apart 2": "and the neighbours' neighbours: [X, P X, P² X]",
    "neighbours 1": "the neighbours' columns alone: P X",
    "neighbours 2": "the neighbours' neighbours alone: P² X",
    "names": "who the row reads, by name, in few directions: [X, P U] with A = U s V'",
    "two hops": "S² X, as SGC",
    "pagerank 0.05": "personalised PageRank, which goes home with probability 0.05",
    "pagerank 0.1": "the same, 0.1",
    "pagerank 0.2": "the same, 0.2",
    "s2gc": "the mean of S X ... S^16 X, and 0.05 X, as S²GC",
}
APART = ("own", "apart 1", "apart 2", "neighbours 1", "neighbours 2", "names")
SMOOTH = ("two hops", "pagerank 0.05", "pagerank 0.1", "pagerank 0.2", "s2gc")


class View(NamedTuple):
    """One way to describe a row.

    kind      one of KINDS
    relation  the number of the relation that it reads, -1 for all of them joined; 0 where there is none
    alike     how much the NEAREST rows by their columns are joined to the relation: 0, or the weight of a cosine
    common    exponent of how common a column is; -1 for plain standardised columns whose rows keep their length
    """

    kind: str
    relation: int
    alike: float
    common: float

    def words(self, relations: Sequence[str]) -> str:
        """The view in words, for a table of what was chosen."""
        by = "all relations" if self.relation < 0 else relations[self.relation] if relations else "nothing"
        near = f" + {self.alike:g} x nearest rows" if self.alike else ""
        form = "plain columns" if self.common < 0 else f"rows of length 1, common^{self.common:g}"
        return f"{self.kind}, {form}" if self.kind == "own" else f"{self.kind} by {by}{near}, {form}"


class Form(NamedTuple):
    """X to F: mean (d), weight (d), V (d r) or None; `unit` divides each row by its length."""

    mean: np.ndarray
    weight: np.ndarray
    V: np.ndarray | None
    unit: bool

    def of(self, X: np.ndarray) -> np.ndarray:
        F = (X - self.mean) * self.weight
        F = unit(F) if self.unit else F
        return F if self.V is None else F @ self.V


def form(X: np.ndarray, common: float, seed: int) -> Form:
    """Learned from all known rows, with and without a label."""
    mean, std = X.mean(0), X.std(0)
    there = std > 1e-9
    weight = np.where(there, 1.0 / np.where(there, std, 1.0), 0.0)
    if common > 0:
        weight = weight * commonness(X) ** (common / 2)
    plain = Form(mean, weight, None, common >= 0)
    if X.shape[1] <= MOST_WIDE or len(X) <= 2:
        return plain
    F = plain.of(X).astype(np.float32)
    wide = min(MOST_WIDE, len(X) - 1)
    V = randomized_svd(F, wide, n_iter=2, random_state=seed)[2].T
    return plain._replace(V=np.ascontiguousarray(V, dtype=np.float64))


def commonness(X: np.ndarray) -> np.ndarray:
    """The share of the rows in which a column differs from its median: near 1 for measurements, small for rare words."""
    share = (np.median(X, axis=0) != X).mean(0)
    return np.asarray(np.maximum(share, 1.0 / max(1, len(X))))


def unit(Z: np.ndarray) -> np.ndarray:
    """Rows divided by their length."""
    length = np.linalg.norm(Z, axis=1, keepdims=True)
    return np.asarray(Z / np.where(length > 1e-12, length, 1.0))


def candidates(X: np.ndarray, relations: int, nearest: bool) -> list[View]:
    """All views of a table with so many relations; `nearest`: whether the nearest rows may be looked for."""
    # Where no column has a usual value, the two weights of common columns are one.
    commons = (0.5, 1.0) if X.size and commonness(X).min() < 0.5 else (1.0,)
    reads = list(range(relations)) + ([-1] if relations > 1 else [])
    found = [View("own", 0, 0.0, common) for common in (-1.0, *commons)]
    for read in reads:
        found += [View(kind, read, 0.0, -1.0) for kind in ("apart 1", "apart 2", "names")]
        found += [View(kind, read, 0.0, common) for common in commons for kind in APART[1:5]]
    for common in commons:
        for alike in (0.0, 0.1) if nearest else (0.0,):
            found += [View(kind, read, alike, common) for read in reads for kind in SMOOTH]
        if nearest and not reads:
            found += [View(kind, 0, 1.0, common) for kind in SMOOTH]
    return found


def blocks_apart(kind: str, F: np.ndarray, reads: Sequence[np.ndarray], U: np.ndarray | None) -> list[np.ndarray]:
    """The blocks of a view whose hops are kept apart: F own, `reads` what one and two hops gave, U who is read by name."""
    if kind == "names":
        return [F] if U is None else [F, U]
    chosen = {"own": [F], "apart 1": [F, *reads[:1]], "apart 2": [F, *reads[:2]]}
    return chosen.get(kind) or [reads[0] if kind == "neighbours 1" else reads[1]]


def smooth(kinds: Sequence[str], states: Iterator[np.ndarray]) -> dict[str, np.ndarray]:
    """p(S) F for each of the kinds, from one walk over S^h F."""
    total: dict[str, np.ndarray] = {}
    for hop, state in enumerate(states):
        for kind in kinds:
            if weight := share(kind, hop):
                total[kind] = total[kind] + weight * state if kind in total else weight * state
    return total


def share(kind: str, hop: int) -> float:
    """How much hop h weighs in p(S)."""
    if kind == "two hops":
        return float(hop == 2)
    if kind == "s2gc":
        return 0.95 / HOPS if hop else 0.05
    restart = float(kind.removeprefix("pagerank "))
    return restart * (1.0 - restart) ** hop
