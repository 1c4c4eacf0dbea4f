"""What a row may be described by, itself and along its relations: the candidates among which held-out rows decide.

    Z = unit(p(S) F - mean),    F = unit(X weights) V

F  standardised columns, each times (share of the rows in which it differs from its median)^(common / 2): 0 takes a rare word for
   as telling as a common one, 1 gives words the weight that they have in the text. `unit` divides a row by its length, V is a
   projection to at most MOST_WIDE columns where there are more (principal directions, Halko et al. 2011)
p  what is read along the relation: see KINDS
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.utils.extmath import randomized_svd

MOST_WIDE = 256
BLOCK = 250_000  # numbers that a core's cache holds
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

    def of(self, X: np.ndarray, dtype: type = np.float64) -> np.ndarray:
        """F (n r), some rows at a time: what lies between is as wide as X, and stays in a core's cache."""
        F: np.ndarray = np.empty((len(X), X.shape[1] if self.V is None else self.V.shape[1]), dtype)
        step = max(1, BLOCK // max(1, X.shape[1]))
        for start in range(0, len(X), step):
            rows = X[start : start + step] - self.mean
            rows *= self.weight
            if self.unit:
                rows /= lengths(rows)
            F[start : start + step] = rows if self.V is None else rows @ self.V
        return F


def forms_of(X: np.ndarray, commons: Iterable[float], often: np.ndarray, seed: int) -> dict[float, Form]:
    """Learned from all known rows, with and without a label; often (d,) is commonness(X)."""
    mean, std = X.mean(0), X.std(0)
    there = std > 1e-9
    weight = np.where(there, 1.0 / np.where(there, std, 1.0), 0.0)
    forms = {}
    for common in commons:
        plain = Form(mean, weight * often ** (max(common, 0.0) / 2), None, common >= 0)
        forms[common] = (
            plain if X.shape[1] <= MOST_WIDE or len(X) <= 2 else plain._replace(V=_directions(plain, X, seed))
        )
    return forms


def _directions(plain: Form, X: np.ndarray, seed: int) -> np.ndarray:
    F = plain.of(X, np.float32)
    V = randomized_svd(F, min(MOST_WIDE, len(X) - 1), n_iter=2, random_state=seed)[2].T
    return np.ascontiguousarray(V, dtype=np.float64)


def commonness(X: np.ndarray) -> np.ndarray:
    """The share of the rows in which a column differs from its median: near 1 for measurements, small for rare words."""
    share = (np.median(X, axis=0) != X).mean(0)
    return np.asarray(np.maximum(share, 1.0 / max(1, len(X))))


def unit(Z: np.ndarray) -> np.ndarray:
    """Rows divided by their length."""
    return np.asarray(Z / lengths(Z))


def lengths(Z: np.ndarray) -> np.ndarray:
    """The length of each row (n 1); 1 for a row of zeros, which stays as it is."""
    length = np.sqrt(np.einsum("ij,ij->i", Z, Z))[:, None]
    return np.where(length > 1e-12, length, 1.0)


def candidates(often: np.ndarray, relations: int, nearest: bool) -> list[View]:
    """All views of a table with so many relations, those of one form after another.

    often (d,) is commonness(X); `nearest`: whether the nearest rows may be looked for
    """
    # Where no column has a usual value, the two weights of common columns are one.
    commons = (0.5, 1.0) if often.size and often.min() < 0.5 else (1.0,)
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
    return sorted(found, key=lambda view: view.common)


def blocks_apart(kind: str, F: np.ndarray, reads: Sequence[np.ndarray], U: np.ndarray | None) -> list[np.ndarray]:
    """The blocks of a view whose hops are kept apart: F own, `reads` what one and two hops gave, U who is read by name."""
    if kind == "names":
        return [F] if U is None else [F, U]
    chosen = {"own": [F], "apart 1": [F, *reads[:1]], "apart 2": [F, *reads[:2]]}
    return chosen.get(kind) or [reads[0] if kind == "neighbours 1" else reads[1]]


def smooth(kinds: Sequence[str], states: Iterator[np.ndarray]) -> dict[str, np.ndarray]:
    """p(S) F for each of the kinds, from one walk over S^h F. Of a state some rows at a time are added to all kinds."""
    total: dict[str, np.ndarray] = {}
    for hop, state in enumerate(states):
        weights = {kind: weight for kind in kinds if (weight := share(kind, hop))}
        total |= {kind: np.zeros_like(state) for kind in weights if kind not in total}
        step = max(1, BLOCK // 8 // max(1, state.shape[1]))
        for start in range(0, len(state), step):
            part = slice(start, start + step)
            for kind, weight in weights.items():
                total[kind][part] += weight * state[part]
    return total


def share(kind: str, hop: int) -> float:
    """How much hop h weighs in p(S)."""
    if kind == "two hops":
        return float(hop == 2)
    if kind == "s2gc":
        return 0.95 / HOPS if hop else 0.05
    restart = float(kind.removeprefix("pagerank "))
    return restart * (1.0 - restart) ** hop
