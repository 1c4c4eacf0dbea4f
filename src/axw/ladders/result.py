"""What a ladder found: every rung on every question, which one pays, and which one to use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from axw.ladders.held_out import HeldOut
from axw.ladders.rungs import Rung
from axw.ladders.statistics import Interval, corrected_interval
from axw.ladders.verdict import Answer, Answers, Choice, Comparison, Question, choose, compare, relation_pays, sentence
from axw.measures import PRIMARY

SCHEMA = "axw.ladder/1"
MEASURES = {"log_loss": "log loss", "squared_error": "squared error"}


@dataclass(frozen=True)
class Cell:
    """One rung on one question.

    metrics   mean over the folds; calibration_error of all out-of-fold rows together
    loss      the primary loss with its own interval (not corrected for the number of rungs)
    compared  with the rung below; None for the lowest, and for a failed one
    seconds   to fit, mean over the folds
    """

    metrics: Mapping[str, float]
    loss: Interval
    compared: Comparison | None
    seconds: float
    failed: str

    @property
    def pays(self) -> bool | None:
        return None if self.compared is None else self.compared.pays


@dataclass(frozen=True)
class Row:
    """One rung: its cells by question, the first question first."""

    rung: str
    reads: str
    below: str | None
    note: str
    cells: Mapping[str, Cell]

    @property
    def first(self) -> Cell:
        return next(iter(self.cells.values()))

    @property
    def pays(self) -> bool | None:
        """On the first question."""
        return self.first.pays

    @property
    def seconds(self) -> float:
        """To fit once, mean over the questions."""
        return _mean(np.array([cell.seconds for cell in self.cells.values()]))


@dataclass(frozen=True)
class Ladder:
    """The result of `axw.ladder`.

    task       "classification" or "regression"
    primary    the loss that decides: "log_loss" or "squared_error"
    questions  how rows were held out
    rows       one a rung, the simplest first
    choices    the rung to use, by question
    pays       whether the relation pays, by question; None = no rung reads one
    data, settings  what it was made from
    held_out   what every rung answered for the rows that it did not learn from; not part of the JSON
    """

    task: str
    primary: str
    questions: tuple[Question, ...]
    rows: tuple[Row, ...]
    choices: Mapping[str, Choice]
    pays: Mapping[str, bool | None]
    data: Mapping[str, Any]
    settings: Mapping[str, Any]
    held_out: HeldOut | None = field(default=None, repr=False, compare=False)

    @property
    def use(self) -> dict[str, str]:
        """The rung to use for the first question, and why; `why` names the answer to every question."""
        losses = [
            {row.rung: row.cells[q.name].metrics.get(self.primary, math.nan) for row in self.rows}
            for q in self.questions
        ]
        choices = [self.choices[q.name] for q in self.questions]
        why = sentence(
            self.questions, choices, losses, [self.pays[q.name] for q in self.questions], MEASURES[self.primary]
        )
        return {"rung": choices[0].rung, "why": why}

    def to_text(self, width: int = 110) -> str:
        """A table for a terminal, one block a question; columns are left out until it fits in `width`."""
        from axw.ladders.text import ladder_text

        return ladder_text(self, width)

    def to_json(self) -> dict[str, Any]:
        """Plain values (`axw.ladder/1`): what is not a number is None, so `json.dumps(..., allow_nan=False)` takes it.

        A rung's difference, interval and pays are those of the first question: primary loss minus that of the rung below,
        negative = better, with its Holm-adjusted interval; `by_question` holds them for every question.
        """
        content = {
            "schema": SCHEMA,
            "rungs": [_row_json(row) for row in self.rows],
            "use": self.use,
            "data": self.data,
            "settings": self.settings,
        }
        return {key: _plain(value) for key, value in content.items()}

    def to_frame(self) -> pd.DataFrame:
        """One row a rung and question."""
        records = []
        for question in self.questions:
            for row in self.rows:
                cell = row.cells[question.name]
                about = {"question": question.name, "rung": row.rung, "reads": row.reads, "below": row.below}
                compared = {key: value for key, value in _cell_json(cell).items() if key != "interval"}
                low, high = (math.nan, math.nan) if cell.compared is None else cell.compared.interval[1:3]
                records.append({**about, **cell.metrics, **compared, "low": low, "high": high, "note": row.note})
        return pd.DataFrame.from_records(records)

    def __str__(self) -> str:
        return self.to_text()


def build(
    rungs: Sequence[Rung],
    questions: Sequence[Question],
    answers: Mapping[str, Answers],
    task: str,
    data: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Ladder:
    """The ladder of answers[question][rung]."""
    primary, level = PRIMARY[task], float(settings.get("level", 0.95))
    compared = {q.name: compare(rungs, answers[q.name], q, primary, level) for q in questions}
    choices = {q.name: choose(rungs, answers[q.name], q, primary, compared[q.name], level) for q in questions}
    rows = []
    for rung in rungs:
        cells = {
            q.name: _cell(rung, answers[q.name][rung.name], q, primary, level, compared[q.name]) for q in questions
        }
        rows.append(
            Row(rung.name, rung.reads, rung.below, _note(rung, [answers[q.name][rung.name] for q in questions]), cells)
        )
    return Ladder(
        task,
        primary,
        tuple(questions),
        tuple(rows),
        choices,
        {q.name: relation_pays(rungs, answers[q.name], primary, compared[q.name], choices[q.name]) for q in questions},
        data,
        settings,
    )


def _cell(
    rung: Rung, answer: Answer, question: Question, primary: str, level: float, compared: Mapping[str, Comparison]
) -> Cell:
    if answer.failed:
        return Cell({}, Interval(math.nan, math.nan, math.nan, math.nan), None, math.nan, answer.failed)
    metrics = {name: _mean(values) for name, values in answer.folds.items()}
    if primary == "log_loss":
        metrics["calibration_error"] = answer.calibration
    loss = corrected_interval(answer.folds[primary], question.train_size, question.test_size, level, scale=0.0)
    return Cell(metrics, loss, compared.get(rung.name), _mean(answer.seconds), "")


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _note(rung: Rung, answers: Sequence[Answer]) -> str:
    notes = [rung.note, *dict.fromkeys(f"failed: {answer.failed}" for answer in answers if answer.failed)]
    count, first = sum(answer.warned[0] for answer in answers), next((a.warned[1] for a in answers if a.warned[0]), "")
    if count:
        notes.append(f"{count} of {sum(len(answer.seconds) for answer in answers)} fits warned: {first}")
    return "; ".join(filter(None, notes))


def _row_json(row: Row) -> dict[str, Any]:
    first = _cell_json(row.first)
    return {
        "rung": row.rung,
        "reads": row.reads,
        "below": row.below,
        "metrics": {question: dict(cell.metrics) for question, cell in row.cells.items()},
        "difference": first["difference"],
        "interval": first["interval"],
        "pays": first["pays"],
        "seconds": row.seconds,
        "note": row.note,
        "by_question": {question: _cell_json(cell) for question, cell in row.cells.items()},
    }


def _cell_json(cell: Cell) -> dict[str, Any]:
    compared = cell.compared
    return {
        "compared_with": None if compared is None else compared.below,
        "difference": None if compared is None else compared.interval.mean,
        "interval": None if compared is None else [compared.interval.low, compared.interval.high],
        "p": None if compared is None else compared.interval.p,
        "pays": cell.pays,
        "loss": cell.loss.mean,
        "loss_interval": [cell.loss.low, cell.loss.high],
        "seconds": cell.seconds,
        "failed": cell.failed or None,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
