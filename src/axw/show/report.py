"""The report of a ladder: a plain value for programs, and the page that is drawn from it.

report     schema, title, verdict [text], questions [question], relations [relation], findings [finding],
           reproduce {command, seed, seconds, versions {..}, data [file]}, notes [text], ladder (`axw.ladder/1`),
           by_group (`axw.by_group/1`, or null)
question   name, question, measure, better, chosen, verdict, explained, rungs [rung], looked
rung       number, name, reads, below, value, low, high, seconds, difference, difference_low, difference_high, p, pays,
           measures {..}, note
looked     of a question: what its rung to use answered for held-out rows (see `axw.show.ladder_samples`), or null
relation   name, facts {..}, degrees [{read, rows}]
finding    severity, where, what, todo
file       path, rows, columns, bytes, sha256
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from axw.show.ladder_samples import of_question
from axw.show.report_page import report_page

if TYPE_CHECKING:
    import pandas as pd

    from axw.data import Finding
    from axw.ladders.by_group import ByGroup
    from axw.ladders.result import Cell, Ladder, Row
    from axw.ladders.verdict import Question

SCHEMA = "axw.report/1"
NAMES = {"log_loss": "log loss", "squared_error": "squared error", "rmse": "RMSE", "mae": "MAE", "r2": "R²"}
NAMES |= {"auroc": "AUROC", "brier": "Brier score", "calibration_error": "calibration error"}

NOTES = (
    "An interval of the difference that lies below zero on its whole length says that the rung pays: it is corrected for "
    "the overlap of the training sets and for the number of rungs compared. The interval of the loss itself is not.",
    "Attention shows where a model looked, not why.",
)


class Reproduce(NamedTuple):
    """What somebody needs to get the same again: the command line, the seed, versions, and the files with their SHA-256."""

    command: str
    seed: int
    seconds: float | None
    versions: Mapping[str, str]
    data: Sequence[Mapping[str, Any]]


def ladder_report(
    ladder: Ladder,
    reproduce: Reproduce,
    *,
    title: str,
    findings: Sequence[Finding] = (),
    relations: Sequence[Mapping[str, Any]] = (),
    by_group: ByGroup | None = None,
    X: pd.DataFrame | None = None,
    notes: Iterable[str] = NOTES,
) -> tuple[str, dict[str, Any]]:
    """(page, value): the HTML page of a ladder, and the JSON-able value that holds every number on it.

    relations  name, facts and degrees of each
    by_group   how the answers fall on groups, from `axw.by_group`
    X          the rows (n) of the ladder, for examples and slices; None = there are none
    """
    value: dict[str, Any] = {
        "schema": SCHEMA,
        "title": title,
        "verdict": [ladder.use["why"]],
        "questions": [_question(ladder, question, X) for question in ladder.questions],
        "relations": [dict(relation) for relation in relations],
        "findings": [
            {"severity": found.severity, "where": found.where, "what": found.what, "todo": found.todo}
            for found in findings
        ],
        "reproduce": {
            **reproduce._asdict(),
            "versions": dict(reproduce.versions),
            "data": [dict(f) for f in reproduce.data],
        },
        "notes": list(notes),
        "ladder": ladder.to_json(),
        "by_group": None if by_group is None else by_group.to_json(),
    }
    return report_page(value), value


def _question(ladder: Ladder, question: Question, X: pd.DataFrame | None) -> dict[str, Any]:
    choice, pays = ladder.choices[question.name], ladder.pays[question.name]
    said = (
        f"Use {choice.rung}."
        if choice.rung == choice.best
        else f"Use {choice.rung}: {choice.best} is not significantly better."
    )
    if pays is not None:
        said += " The relation pays." if pays else " The relation does not pay."
    sizes = f"about {question.train_size:.0f} rows learned from and {question.test_size:.0f} tested"
    return {
        "name": question.name,
        "question": question.title[:1].upper() + question.title[1:],
        "measure": NAMES[ladder.primary],
        "better": "lower",
        "chosen": choice.rung,
        "verdict": said,
        "explained": " ".join([f"{question.folds} tests, {sizes}.", *question.warnings]),
        "rungs": [_rung(ladder, row, row.cells[question.name], number) for number, row in enumerate(ladder.rows, 1)],
        "looked": None if X is None else of_question(ladder, question, X),
    }


def _rung(ladder: Ladder, row: Row, cell: Cell, number: int) -> dict[str, Any]:
    compared = cell.compared
    others = {NAMES.get(key, key): _known(value) for key, value in cell.metrics.items() if key != ladder.primary}
    return {
        "number": number,
        "name": row.rung,
        "reads": row.reads,
        "below": compared.below if compared else None,
        "value": _known(cell.loss.mean),
        "low": _known(cell.loss.low),
        "high": _known(cell.loss.high),
        "seconds": _known(cell.seconds),
        "difference": _known(compared.interval.mean) if compared else None,
        "difference_low": _known(compared.interval.low) if compared else None,
        "difference_high": _known(compared.interval.high) if compared else None,
        "p": _known(compared.interval.p) if compared else None,
        "pays": cell.pays,
        "measures": others,
        "note": row.note,
    }


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def degree_bars(counts: Sequence[int]) -> list[dict[str, Any]]:
    """How many rows read 0, 1, 2, 3 to 4, 5 to 8, ... others: ranges that double."""
    bars: list[dict[str, Any]] = []
    low, high = 0, 0
    most = max(counts, default=0)
    while low <= most:
        label = str(low) if low == high else f"{low} to {high}"
        bars.append({"read": label, "rows": sum(1 for count in counts if low <= count <= high)})
        low, high = high + 1, max(1, 2 * high)
    return bars
