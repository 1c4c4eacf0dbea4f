"""What stood in the cells that an explanation speaks of: the column of the table behind each feature, and its value as text.

A row that asks is told as the user gave it. Of a remembered row its numbers are kept, and these are read back: a number to twelve
digits, and "other" for a level that had no column of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from axw.data import Columns, as_frame
from axw.data.parts import Number
from axw.data.values import NOT_KNOWN, texts_from_days, value_text
from axw.models.tables.answers import target_columns
from axw.models.tables.explanation import COUNT, OWN, Term
from axw.models.tables.problem import TableRows
from axw.models.tables.smoothing import SmoothingStep

MOST_LETTERS = 200  # of a value


class Texts(NamedTuple):
    """rows (m), rising; cells (m columns): what stands in them."""

    rows: np.ndarray
    cells: pd.DataFrame


@dataclass(frozen=True)
class Cells:
    """What explains the terms of one model for the rows that ask.

    columns  of X;  memory  the rows that are read
    asked    (n columns) the texts of the rows that ask
    targets  what the outputs are called;  answered  the columns that they answer;  classes  None for numbers
    means    relation of a term without rows: the mean of X (n d) over the rows that it reads
    """

    columns: Columns
    memory: TableRows
    asked: pd.DataFrame
    targets: tuple[str, ...]
    answered: list[str]
    classes: Any
    means: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, model: Any, X: Any, asking: TableRows) -> Cells:
        """The cells of a fitted model of a table that is asked X."""
        columns, frame = model._reader.columns, as_frame(X)
        asked = {name: [value_text(value)[:MOST_LETTERS] for value in frame[name]] for name in columns.used}
        classes, memory = getattr(model, "classes_", None), model.memory_
        smoothed = model.step_.relations if isinstance(model.step_, SmoothingStep) else ()
        means = {f"{each.name}, hop 1": each.given(asking.rows, memory.rows).mean(memory.X) for each in smoothed}
        answered = target_columns(model)
        texts = pd.DataFrame(asked, index=range(len(frame)), columns=columns.used, dtype=object)
        return cls(columns, memory, texts, tuple(model.targets_), answered, classes, means)

    def behind(self, term: Term) -> list[str]:
        """For each feature of a term the column behind it, "" where there is none."""
        if term.places is None and term.relation != OWN:
            return [""] * len(term.features)
        names, features = tuple(self.columns.names), term.features
        at = len(features) - len(names)
        if names and at >= 0 and features[at:] == names:
            return [*map(self._answer, features[:at]), *self.columns.source]
        return [*map(self._answer, features)] if term.places is not None else [""] * len(features)

    def _answer(self, feature: str) -> str:
        """The column whose answer is read where a feature is one of the outputs."""
        if feature not in self.targets:
            return ""
        return self.answered[self.targets.index(feature) if self.classes is None else 0]

    def texts(self, terms: Sequence[Term]) -> list[Texts]:
        """What stands in the rows that each term is of; terms that read the same rows, such as heads, are told once."""
        known: dict[int, Texts] = {}
        found = []
        for term in terms:
            if term.places is None:
                found.append(Texts(np.arange(len(self.asked)), self.asked))
                continue
            if not any(self.behind(term)):
                found.append(Texts(np.zeros(0, np.int64), pd.DataFrame()))
                continue
            if id(term.places) not in known:
                rows = np.unique(term.places)
                known[id(term.places)] = Texts(rows, self._remembered(rows))
            found.append(known[id(term.places)])
        return found

    def values(self, term: Term, texts: Texts, place: np.ndarray, slot: np.ndarray, feature: np.ndarray) -> np.ndarray:
        """What stands there, as text: one for each (row that asks, slot, feature) of a term."""
        if term.places is None and term.relation != OWN:
            return self._told_together(term, place, feature)
        columns = np.array(self.behind(term), dtype=object)[feature]
        found = np.full(len(place), "", dtype=object)
        at = np.searchsorted(texts.rows, place if term.places is None else term.places[place, slot])
        for column in dict.fromkeys(columns):
            if column in texts.cells.columns:
                here = columns == column
                found[here] = texts.cells[column].to_numpy()[at[here]]
        return found

    def _told_together(self, term: Term, place: np.ndarray, feature: np.ndarray) -> np.ndarray:
        """Of a term that names no row: how many are read, or what stands in them on average."""
        if term.relation in self.means:
            return mean_texts(self.columns, self.means[term.relation])[place, feature]
        if term.features == (COUNT,) and not self.means:
            return np.array([str(round(each)) for each in np.expm1(term.Z[place, 0])], dtype=object)
        return np.full(len(place), "", dtype=object)

    def _remembered(self, rows: np.ndarray) -> pd.DataFrame:
        """The texts of remembered rows, their answers among them."""
        told = self.columns.texts(self.memory.X[rows])
        if self.memory.Y is None:
            return told
        Y = self.memory.Y[rows]
        if self.classes is None:
            answers = {name: [value_text(float(f"{y:.12g}")) for y in Y[:, k]] for k, name in enumerate(self.answered)}
        else:
            codes = Y[:, 0] if Y.shape[1] == 1 else Y.argmax(1)
            lost = np.isnan(Y).any(1)
            names = [value_text(value) for value in self.classes]
            answers = {
                self.answered[0]: [NOT_KNOWN if no else names[int(c)] for c, no in zip(codes, lost, strict=True)]
            }
        return told.assign(**{name: values for name, values in answers.items() if name not in told.columns})


def mean_texts(columns: Columns, M: np.ndarray) -> np.ndarray:
    """(n d) the mean of X over rows that are read, for a reader: "31.5 on average", "40 % of them"."""
    found = np.array([[f"{100 * value:.3g} % of them" for value in row] for row in M], dtype=object).reshape(M.shape)
    at = 0
    for part in columns.parts:
        if isinstance(part, Number) and part.varies and part.kind != "boolean":
            mean = np.ldexp(M[:, at] * part.std + part.mean, part.exponent)
            days = part.kind in ("date", "duration")
            found[:, at] = [
                f"{text} on average"
                for text in (texts_from_days(mean, part.kind) if days else [f"{x:.4g}" for x in mean])
            ]
        at += len(part.names)
    return found
