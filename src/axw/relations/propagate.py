"""A X, A(A X), ...: what rows read, what the rows read have read, and so on, each hop as columns of its own.

SGC    softmax(S^K X W)                             Wu et al. 2019 (arXiv 1902.07153), equation 8
SIGN   [X, S X, S² X, ...] W, the hops kept apart   Frasca et al. 2020 (arXiv 2004.11198), equation 3
S = D^-1 A, or D^-1/2 A D^-1/2; of A + I with self-loops, as in GCN, Kipf and Welling 2017 (arXiv 1609.02907)
"""

from __future__ import annotations

import numpy as np

from axw.errors import UsageError, did_you_mean
from axw.relations.given import Given

NORMALISATIONS = ("both", "rows")
SELF_LOOPS = ("add", "none")


def propagate(
    given: Given,
    X: np.ndarray,
    *,
    by: str = "rows",
    hops: int = 1,
    self_loops: str = "none",
    within: Given | None = None,
) -> list[np.ndarray]:
    """[S X, S² X, ..., S^hops X], each (n d), by A(A X): A A is never formed.

    X (m d)      columns of the memory
    by           "rows": S = D^-1 A, a weighted mean.  "both": S = D^-1/2 A D^-1/2; a row that reads nothing gets 0
    self_loops   "add": A + I, so that a row reads itself too, with weight 1.  "none": A as it is given
    within       A (m m) among the memory itself, for asking rows that are not the memory: S^h X = S_given S_within^(h-1) X.
                 None where `given` is already among the memory

    After two hops without self-loops a row has read itself by way of those it reads; that is fine for columns, and not for
    labels: see `label_hops`. Raises `UsageError` for another setting, or where a second hop has nowhere to start from.
    """
    _one_of("by", by, NORMALISATIONS)
    _one_of("self_loops", self_loops, SELF_LOOPS)
    if hops < 1:
        raise UsageError(f"hops is {hops}; allowed: at least 1.", "propagate")
    among = within if within is not None else given
    if not among.square and (hops > 1 or by == "both" or self_loops == "add"):
        raise UsageError(
            f"A ({given.shape[0]} x {given.shape[1]}) is not among one set of rows; hops={hops}, by={by!r} and "
            f"self_loops={self_loops!r} need A among the memory too.",
            "propagate",
            "Give within=relation.given(memory, memory).",
        )
    if self_loops == "add" and not given.square:
        raise UsageError(
            "self_loops='add' needs the columns of the rows themselves, which the memory does not hold.",
            "propagate",
            "Use self_loops='none', and give the model the row's own columns beside these.",
        )
    loop = 1.0 if self_loops == "add" else 0.0
    found, read = [], np.asarray(X, dtype=np.float64)
    for hop in range(hops):
        found.append(_step(given, among, read, by, loop))
        if hop + 1 < hops:
            read = found[-1] if among is given else _step(among, among, read, by, loop)
    return found


def _step(given: Given, among: Given, X: np.ndarray, by: str, loop: float) -> np.ndarray:
    """S X for the rows that ask."""
    power = 1.0 if by == "rows" else 0.5
    left = _inverse(given.degree() + loop, power)
    right = X if by == "rows" else X * _inverse(among.degree() + loop, power)
    total = given.sum(right)
    return np.asarray(left * (total + loop * right if loop else total))


def _inverse(degree: np.ndarray, power: float) -> np.ndarray:
    """degree^-power (n 1), 0 where the degree is 0."""
    return np.asarray(np.where(degree > 0, np.where(degree > 0, degree, 1.0) ** -power, 0.0))[:, None]


def _one_of(name: str, got: str, allowed: tuple[str, ...]) -> None:
    if got not in allowed:
        raise UsageError(f"{name} is {got!r}.", "propagate", did_you_mean(str(got), allowed))
