"""What each piece of information adds to a score, per row: the exact explanation, summed over the rows that are read.

    score_i = base + sum over parts of C[i, part]        part: one column of the table, by one relation (or of the row itself)

All columns that a category is written as are one part, and so are a number and the flag that it is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from axw.errors import UsageError, did_you_mean
from axw.models.tables import terms
from axw.models.tables.attending import AttendingStep
from axw.models.tables.explanation import OWN, Term
from axw.models.tables.linear import LinearStep, gram
from axw.models.tables.problem import TableRows

CELLS = 4_000_000  # numbers that are read at once
MOST_READ = 2_000  # remembered rows that are asked for a mean where A is learned: an evenly spaced sample of more

COLUMN, COUNT, ANSWERS, PRESENCE, TOGETHER = "column", "count", "answers", "presence", "together"


class Part(NamedTuple):
    """A piece of information.

    kind      "column" of the table; or, of the rows that are read, their "count", their "answers", their "presence"; or what a
              feed-forward layer makes of everything "together"
    column    the column of the table; "" for the other kinds
    relation  by which it is read; "own row" for the row's own
    """

    kind: str
    column: str
    relation: str

    @property
    def key(self) -> str:
        """How a wording names it: "income", "income | same household", "count | same household"."""
        own = self.relation == OWN or self.kind == TOGETHER
        return (self.column or self.kind) if own else f"{self.column or self.kind} | {self.relation}"


class Contributions(NamedTuple):
    """parts (p); C (n p), which with the base adds up to the score (n)."""

    parts: tuple[Part, ...]
    C: np.ndarray
    score: np.ndarray


def direction(model: Any, adverse: Any) -> np.ndarray:
    """v (c,): outputs @ v rises with the adverse answer.

    Two classes: the log-odds of the adverse one. More: its score less the mean of the others'. Numbers: the number, or its
    negative.
    """
    if not hasattr(model, "classes_"):
        if adverse not in ("high", "low"):
            raise UsageError(f"adverse is {adverse!r}.", "adverse", did_you_mean(str(adverse), ("high", "low")))
        if len(model.targets_) > 1:
            raise UsageError(
                f"The model answers {len(model.targets_)} numbers; allowed: one.", "model", "Fit one at a time."
            )
        return model.target_.scale * (1.0 if adverse == "high" else -1.0)
    classes = model.classes_.tolist()
    places = [i for i, each in enumerate(classes) if each == adverse] or [
        i for i, each in enumerate(classes) if str(each) == str(adverse)
    ]
    if not places:
        raise UsageError(f"adverse is {adverse!r}.", "adverse", did_you_mean(str(adverse), map(str, classes)))
    if len(classes) == 2:
        return np.array([1.0 if places[0] == 1 else -1.0]) / model.temperature_
    v = np.full(len(classes), -1.0 / (len(classes) - 1))
    v[places[0]] = 1.0
    return np.asarray(v / model.temperature_)


def contributions(model: Any, asking: TableRows, v: np.ndarray) -> Contributions:
    """The parts of the score outputs @ v of some rows."""
    step = model.step_
    if isinstance(step, LinearStep):
        kinds, C, base = _linear(model, asking, v)
    elif isinstance(step, AttendingStep):
        kinds, C, base = _attending(model, asking, v)
    else:
        raise UsageError(
            f"Reasons are not written for attention={model.attention!r}; allowed: none, given, dot, bilinear, query-key.",
            "model",
            "Fit one of those; 'none' and 'given' have reasons that are exact.",
        )
    parts = tuple(dict.fromkeys(kinds))
    place = {part: at for at, part in enumerate(parts)}
    summed = np.zeros((len(asking.X), len(parts)))
    for at, part in enumerate(kinds):
        summed[:, place[part]] += C[:, at]
    return Contributions(parts, summed, summed.sum(1) + base)


def _linear(model: Any, asking: TableRows, v: np.ndarray) -> tuple[list[Part], np.ndarray, float]:
    """Z * (W v), column by column: Z is the design of a linear rung."""
    step, fitted, memory, source = model.step_, model.fitted_, model.memory_, model._reader.columns.source
    base, w = float(fitted.b @ v), fitted.W @ v
    own = [Part(COLUMN, name, OWN) for name in source]
    if step.attention == "dot":
        # A X W with A = X X' is X (X'X W): its score is linear in the row's own columns.
        return own, asking.X * (gram(memory) @ w), base
    kinds = list(own)
    for relation in step.relations:
        kinds += [Part(COLUMN, name, relation.name) for name in source] + [Part(COUNT, "", relation.name)]
        kinds += [Part(ANSWERS, "", relation.name)] * (len(step.targets) if step.labels else 0)
    return kinds, step.design(asking, memory, model.target_) * w, base


def _attending(model: Any, asking: TableRows, v: np.ndarray) -> tuple[list[Part], np.ndarray, float]:
    """The terms of a rung whose A is learned, each summed over the rows that it reads; a few rows at a time."""
    wide = len(model.memory_.X) if not model.step_.relations else model.step_.most
    batch = max(1, CELLS // max(1, wide * (asking.X.shape[1] + 2)))
    blocks = []
    for start in range(0, max(1, len(asking.X)), batch):
        places = np.arange(start, min(start + batch, len(asking.X)))
        found = terms.attending_terms(
            model.step_,
            model.fitted_,
            asking.take(places),
            model.memory_,
            model.target_,
            tuple(model._reader.columns.names),
            model.targets_,
        )
        blocks.append(np.concatenate([_summed(term, v) for term in found[1:]], axis=1))
    kinds = [part for number, term in enumerate(found[1:]) for part in _parts(model, term, number)]
    return kinds, np.concatenate(blocks), float((found[0].W @ v)[0])


def _parts(model: Any, term: Term, number: int) -> list[Part]:
    """What the columns of a term are; the first term after the base is the row's own, where the network has one."""
    source = model._reader.columns.source
    if number == 0 and model.fitted_.own is not None:
        return [Part(COLUMN, name, OWN) for name in source]
    if term.places is None:
        return [Part(TOGETHER, "", term.relation)]
    answers = [Part(ANSWERS, "", term.relation)] * (len(model.targets_) if model.step_.labels else 0)
    return [Part(PRESENCE, "", term.relation), *answers, *(Part(COLUMN, name, term.relation) for name in source)]


def _summed(term: Term, v: np.ndarray) -> np.ndarray:
    """(n e): sum over the rows read of A Z (W v)."""
    w = term.W @ v
    if term.places is None:
        return term.A * term.Z * w
    return np.asarray(np.einsum("nr,nre->ne", term.A, term.Z[term.places]) * w)


def spread(rows: TableRows, learned: bool) -> TableRows:
    """The rows whose mean is taken: all, or an evenly spaced sample where each would have to ask all the others."""
    n = len(rows.X)
    if not learned or n <= MOST_READ:
        return rows
    return rows.take(np.arange(MOST_READ) * n // MOST_READ)


def mean(values: np.ndarray, weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """The weighted mean of rows (n p)."""
    w = np.asarray(weights, dtype=np.float64)
    return np.asarray(w @ values / w.sum())
