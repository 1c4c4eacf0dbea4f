"""A ladder as a table for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from axw.ladders.verdict import Question

if TYPE_CHECKING:
    from axw.ladders.result import Cell, Ladder, Row

# Columns in the order in which they are shown, and in which they are left out where the terminal is narrow.
COLUMNS = {
    "classification": ("rung", "reads", "log loss", "AUROC", "accuracy", "difference", "fit", "pays?"),
    "regression": ("rung", "reads", "RMSE", "MAE", "R²", "difference", "fit", "pays?"),
}
LEAVE_OUT = ("reads", "fit", "accuracy", "MAE", "AUROC", "R²")
METRICS = {"log loss": "log_loss", "AUROC": "auroc", "accuracy": "accuracy", "RMSE": "rmse", "MAE": "mae", "R²": "r2"}
DIFFERENCE = {"classification": "Δ vs rung below [95 % CI]", "regression": "Δ squared error [95 % CI]"}
LEFT = ("rung", "reads")


def ladder_text(ladder: Ladder, width: int = 110) -> str:
    """One block a question, then the notes, and last which rung to use; no line is longer than `width` (at least 60)."""
    width = max(width, 60)
    blocks = []
    for question in ladder.questions:
        blocks.append("\n".join([*_heading(question, width), *_table(ladder, question, width)]))
    about = [f"{number}. {row.note}" for number, row in enumerate(ladder.rows, 1) if row.note]
    if about:
        blocks.append("\n".join(line for note in about for line in wrap(note, width, subsequent_indent="   ")))
    lower = "log loss" if ladder.task == "classification" else "squared error"
    key = (
        f"Δ: {lower} minus that of the rung below (negative = better), with an interval that is corrected for overlapping "
        "training sets and for the number of rungs. A rung pays where all of it is below 0."
    )
    blocks.append("\n".join(wrap(key, width)))
    blocks.append("\n".join(wrap(ladder.use["why"], width)))
    return "\n\n".join(blocks) + "\n"


def _heading(question: Question, width: int) -> list[str]:
    title = question.title[0].upper() + question.title[1:]
    sizes = (
        f"{question.folds} tests, about {question.train_size:.0f} rows learned from and {question.test_size:.0f} tested"
    )
    lines = wrap(f"{title} ({sizes})", width)
    for said in question.warnings:
        lines += wrap(said, width, initial_indent="! ", subsequent_indent="  ")
    return lines


def _table(ladder: Ladder, question: Question, width: int) -> list[str]:
    columns = list(COLUMNS[ladder.task])
    cells = {
        column: [_shown(ladder, question, row, n, column) for n, row in enumerate(ladder.rows, 1)] for column in columns
    }
    head = {column: DIFFERENCE[ladder.task] if column == "difference" else column for column in columns}
    wide = {column: max(len(text) for text in (head[column], *cells[column])) for column in columns}
    for column in LEAVE_OUT:
        if _total(wide, columns) > width and column in columns:
            columns.remove(column)
    over = _total(wide, columns) - width
    if over > 0:
        wide["rung"] = max(12, wide["rung"] - over)
    lines = [_line([head[column] for column in columns], columns, wide), "-" * _total(wide, columns)]
    for number in range(len(ladder.rows)):
        lines.append(_line([cells[column][number] for column in columns], columns, wide))
    return [line.rstrip() for line in lines]


def _total(wide: dict[str, int], columns: Sequence[str]) -> int:
    return sum(wide[column] for column in columns) + 2 * (len(columns) - 1)


def _line(texts: Sequence[str], columns: Sequence[str], wide: dict[str, int]) -> str:
    parts = []
    for text, column in zip(texts, columns, strict=True):
        fit = text if len(text) <= wide[column] else text[: wide[column] - 1] + "…"
        parts.append(fit.ljust(wide[column]) if column in LEFT else fit.rjust(wide[column]))
    return "  ".join(parts)


def _shown(ladder: Ladder, question: Question, row: Row, number: int, column: str) -> str:
    cell = row.cells[question.name]
    if column == "rung":
        return f"{number:>2} {row.rung}"
    if column == "reads":
        return row.reads
    if cell.failed:
        return "failed" if column == "pays?" else ""
    if column == "fit":
        return _seconds(cell.seconds)
    if column == "pays?":
        return {True: "yes", False: "no", None: ""}[cell.pays]
    if column == "difference":
        return _difference(cell, ladder.task)
    return _number(cell.metrics[METRICS[column]], ladder.task)


def _difference(cell: Cell, task: str) -> str:
    if cell.compared is None:
        return ""
    mean, low, high, _ = cell.compared.interval
    if task == "classification":
        return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"
    return f"{mean:+.3g} [{low:+.3g}, {high:+.3g}]"


def _number(value: float, task: str) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if task == "classification" else f"{value:.4g}"


def _seconds(value: float) -> str:
    if value < 0.0995:
        return f"{value * 1000:.0f} ms"
    return f"{value:.2g} s" if value < 9.95 else f"{value:.0f} s"
