"""Reasons for a decision: which information moved a row's score most towards the adverse answer.

    reason_i = C[i, part] - mean of C[part] over a reference        C: the exact parts of the score

Summed over all parts this is the score less the mean score of the reference, to the last digit. The reference decides what a
reason means: against all rows remembered, "lower than usual"; against rows that got the other answer, "lower than of those who
were accepted". The numbers say what the model did, and not what would have to change for it to answer otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from axw.data import as_frame
from axw.errors import DataError, UsageError, did_you_mean
from axw.models.tables import terms
from axw.models.tables.explanation import OWN
from axw.models.tables.linear import LinearStep
from axw.models.tables.problem import TableRows
from axw.models.tables.reading import names_of
from axw.models.tables.reason_parts import COLUMN, Contributions, Part, contributions, direction, mean, spread
from axw.models.tables.reason_wording import analysts_name, applicants_name, worded

REFERENCES = ("training", "granted")
ROUNDING = 9  # decimals in which contributions are compared: what differs by less is a tie


@dataclass(frozen=True)
class Reason:
    """One reason of one row.

    text          in the words of the wording
    contribution  how far it moved the score towards the adverse answer, against the reference; above 0
    parts         what it is made of: columns of the table, "column | relation", "count | relation", "answers | relation"
    value         what the row has in the column, where the reason is one column of its own; else None
    """

    text: str
    contribution: float
    parts: tuple[str, ...]
    value: Any


@dataclass(frozen=True)
class RowReasons:
    """The reasons of one row, the weightiest first: score - reference = the sum of their contributions + others."""

    id: Any
    score: float
    reference: float
    reasons: tuple[Reason, ...]
    others: float


@dataclass(frozen=True)
class Reasons:
    """Reasons for rows of a table.

    rows      one a row, in the order of the table
    adverse   the answer towards which contributions are signed
    against   the reference
    exact     which part of this is exact, in one sentence
    """

    rows: tuple[RowReasons, ...]
    adverse: str
    against: str
    exact: str
    _applicants: tuple[tuple[str, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """For the analyst: texts, parts and numbers (`axw.reasons/1`)."""
        rows = [
            {
                "id": _plain(row.id),
                "score": row.score,
                "reference": row.reference,
                "reasons": [
                    {"text": r.text, "contribution": r.contribution, "parts": list(r.parts), "value": _plain(r.value)}
                    for r in row.reasons
                ],
                "others": row.others,
            }
            for row in self.rows
        ]
        head = {"schema": "axw.reasons/1", "adverse": self.adverse, "against": self.against, "exact": self.exact}
        return {**head, "rows": rows}

    def to_frame(self) -> pd.DataFrame:
        """One line a reason: id, rank, text, contribution."""
        lines = [(row.id, k, r.text, r.contribution) for row in self.rows for k, r in enumerate(row.reasons, 1)]
        return pd.DataFrame(lines, columns=["id", "rank", "text", "contribution"])

    def to_text(self) -> str:
        """For the analyst: every reason with its number."""
        return "\n\n".join(self._row_text(row) for row in self.rows)

    def __str__(self) -> str:
        return self.to_text()

    def _row_text(self, row: RowReasons) -> str:
        head = f"row {row.id}: towards {self.adverse} {row.score:+.3f}; {self.against} {row.reference:+.3f}"
        lines = [
            f"  {reason.contribution:+8.3f}  {reason.text}"
            + ("" if reason.value is None else f" ({_plain(reason.value)})")
            for reason in row.reasons
        ]
        return "\n".join([head, *(lines or ["  nothing counted towards it"]), f"  {row.others:+8.3f}  everything else"])

    def applicant_view(self) -> ApplicantView:
        """What may be shown to the person whom a row is about."""
        ids = [row.id for row in self.rows]
        return ApplicantView(tuple(zip(ids, self._applicants, strict=True)))


@dataclass(frozen=True)
class ApplicantView:
    """Reasons for the person whom the row is about, (id, texts) a row, the weightiest first.

    It holds the person's own id and texts of the wording, and nothing else: no number, from which the value of another row might
    be told, and no name, count or value of a row that was read. What was read from other rows has the text of its relation.
    """

    rows: tuple[tuple[Any, tuple[str, ...]], ...]

    def to_json(self) -> dict[str, Any]:
        """`axw.reasons.applicant/1`."""
        rows = [{"id": _plain(identity), "reasons": list(texts)} for identity, texts in self.rows]
        return {"schema": "axw.reasons.applicant/1", "rows": rows}

    def to_text(self) -> str:
        blocks = []
        for identity, texts in self.rows:
            lines = [f"  - {text}" for text in texts] or ["  - nothing in the application counted against it"]
            blocks.append("\n".join([f"{identity}: what counted most, in order", *lines]))
        return "\n\n".join(blocks)

    def __str__(self) -> str:
        return self.to_text()


def reasons(
    model: Any,
    X: Any,
    *,
    adverse: Any,
    top: int = 4,
    reference: Any = "training",
    wording: Mapping[str, str] | None = None,
) -> Reasons:
    """For each row of X the `top` pieces of information that moved its score most towards the adverse answer.

    model      a fitted `AttentionClassifier` or `AttentionRegressor`
    X          rows, with the columns of `fit`
    adverse    the class nobody wants, such as "refused"; of a regressor "high" or "low"
    reference  "training": the mean of the rows that the model remembers; "granted": of those of them whose answer was not the
               adverse one; or a table of rows, such as those that passed by a small margin
    wording    key: text. A key is a column; a relation, for all that is read by it; or one thing that is read by it:
               "income | same household", and likewise "count", "answers" or "presence". Things of one text are one reason

    Fewer than `top` reasons come out where fewer things moved the score that way. Ties keep the order of the columns.
    Raises `UsageError` for an unknown answer, reference or key, `DataError` for a model that was saved without its rows where the
    reference needs them.
    """
    check_is_fitted(model)
    if not isinstance(top, int) or isinstance(top, bool) or top < 1:
        raise UsageError(f"top is {top!r}; allowed: a whole number of at least 1.", "top", "4 is usual.")
    v = direction(model, adverse)
    found = contributions(model, model._asking(X), v)
    words = worded(wording, found.parts)
    compared, against = _reference(model, reference, adverse, v)
    excess = found.C - compared.C
    frame, ids = as_frame(X), names_of(model._asking(X))
    own = _grouped(found.parts, [words.get(part) or analysts_name(part) for part in found.parts])
    shown = _grouped(found.parts, [words.get(part) or applicants_name(part) for part in found.parts])
    rows = tuple(
        _row(ids[i], float(found.score[i]), float(compared.score[0]), excess[i], own, top, frame.iloc[[i]])
        for i in range(len(ids))
    )
    applicants = tuple(tuple(text for text, _ in _ranked(excess[i], shown)[:top]) for i in range(len(ids)))
    return Reasons(rows, str(adverse), against, _exact(model), applicants)


_Groups = dict[str, list[tuple[int, Part]]]


def _grouped(parts: tuple[Part, ...], texts: list[str]) -> _Groups:
    """The parts of each text, in the order of the parts."""
    groups: _Groups = {}
    for at, (part, text) in enumerate(zip(parts, texts, strict=True)):
        groups.setdefault(text, []).append((at, part))
    return groups


def _ranked(excess: np.ndarray, groups: _Groups) -> list[tuple[str, float]]:
    """(text, contribution) of what moved the score towards the adverse answer, the most first; ties in the order of the parts."""
    sums = [(text, float(sum(excess[at] for at, _ in members))) for text, members in groups.items()]
    return sorted(
        ((text, value) for text, value in sums if round(value, ROUNDING) > 0),
        key=lambda each: -round(each[1], ROUNDING),
    )


def _row(
    identity: Any, score: float, reference: float, excess: np.ndarray, groups: _Groups, top: int, cells: pd.DataFrame
) -> RowReasons:
    chosen = []
    for text, value in _ranked(excess, groups)[:top]:
        parts = [part for _, part in groups[text]]
        alone = len(parts) == 1 and parts[0].kind == COLUMN and parts[0].relation == OWN
        cell = cells[parts[0].column].iloc[0] if alone else None
        chosen.append(Reason(text, value, tuple(part.key for part in parts), cell))
    others = score - reference - sum(reason.contribution for reason in chosen)
    return RowReasons(identity, score, reference, tuple(chosen), others)


def _reference(model: Any, reference: Any, adverse: Any, v: np.ndarray) -> tuple[Contributions, str]:
    """The mean contributions (1 p) and mean score of the reference, and what it is."""
    if isinstance(reference, str):
        rows, said = _remembered(model, reference, adverse)
    else:
        rows, said = model._asking(reference), "the mean of the rows of reference"
        said = "the row of reference" if len(rows.X) == 1 else said
    rows = spread(rows, not isinstance(model.step_, LinearStep))
    found = contributions(model, rows, v)
    each = np.concatenate([found.C, found.score[:, None]], axis=1)
    average = mean(each, rows.weights())[None, :]
    return Contributions(found.parts, average[:, :-1], average[:, -1]), said


def _remembered(model: Any, reference: str, adverse: Any) -> tuple[TableRows, str]:
    if reference not in REFERENCES:
        raise UsageError(f"reference is {reference!r}.", "reference", did_you_mean(reference, REFERENCES))
    memory: TableRows = model.memory_
    if not len(memory.X):
        raise DataError(
            "The model was saved without the rows that it learned from, so it does not know their mean.",
            f"reference={reference!r}",
            "Give rows to compare with: reference=X_accepted.",
        )
    if reference == "training":
        return memory, "the mean of the rows learned from"
    if not hasattr(model, "classes_"):
        todo = "Give the accepted rows themselves: reference=X_accepted."
        raise UsageError("reference='granted' needs classes, and this model answers numbers.", "reference", todo)
    granted = memory.take(np.flatnonzero(model.classes_[model._memory_codes()].astype(str) != str(adverse)))
    return granted, f"the mean of the rows learned from that are not {adverse}"


def _exact(model: Any) -> str:
    if isinstance(model.step_, LinearStep):
        return terms.EXACT
    return terms.GIVEN_A if model.feedforward is None else terms.ABOVE


def _plain(value: Any) -> Any:
    """A cell as JSON takes it; nothing where it is missing."""
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, str | int | float | bool) else str(value)
