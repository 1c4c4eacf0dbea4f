"""Rows of a table: predictions for many at once, and the parts that an answer is the sum of."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from axw.models.tables.explanation import OWN
from axw.serve.limits import PARTS
from axw.serve.refusals import Refusal
from axw.serve.table_form import TableForm


class RowItem(NamedTuple):
    """A row that was asked about, and its name or None."""

    row: Mapping[str, Any]
    name: Any


class TableAnswers:
    """What a model of a table answers; rows of several questions are one table to it."""

    def __init__(self, model: Any) -> None:
        self.model, self.form = model, TableForm.of(model)
        self.classes = [str(value) for value in getattr(model, "classes_", [])]

    def predict(self, key: Hashable, items: Sequence[RowItem]) -> list[Any]:
        """{"prediction", "probabilities" of a classifier, "notes"} for each row."""
        answers: list[Any] = [None] * len(items)
        for index, rows, frame in self._tables(items, answers):
            found = self.model.predict_proba(frame) if self.classes else np.asarray(self.model.predict(frame))
            for i, row, values in zip(index, rows, found, strict=True):
                finite = bool(np.isfinite(values).all())
                answers[i] = (
                    {**self._answer(values), "notes": self.form.unseen(row)} if finite else Refusal("not_finite")
                )
        return answers

    def _answer(self, values: Any) -> dict[str, Any]:
        if self.classes:
            chances = {name: float(p) for name, p in zip(self.classes, values, strict=True)}
            return {"prediction": self.classes[int(np.argmax(values))], "probabilities": chances}
        if np.ndim(values):
            return {"prediction": {str(t): float(v) for t, v in zip(self.model.targets_, values, strict=True)}}
        return {"prediction": float(values)}

    def explain(self, key: Any, items: Sequence[RowItem]) -> list[Any]:
        """The outputs of each row, and the greatest parts that add up to them."""
        answers: list[Any] = [None] * len(items)
        for index, rows, frame in self._tables(items, answers):
            told = self.model.explain(frame)
            lines = dict(list(told.contributions.groupby("place", sort=False)))
            none = told.contributions.iloc[:0]
            for place, (i, row) in enumerate(zip(index, rows, strict=True)):
                outputs = dict(zip(told.names, map(float, told.outputs[place]), strict=True))
                if not all(map(math.isfinite, outputs.values())):
                    answers[i] = Refusal("not_finite")
                    continue
                parts = {name: _parts(lines.get(place, none), name) for name in told.names}
                answers[i] = {"outputs": outputs, "parts": parts, "exact": told.exact, "notes": self.form.unseen(row)}
        return answers

    def _tables(
        self, items: Sequence[RowItem], answers: list[Any]
    ) -> Iterator[tuple[list[int], list[dict[str, Any]], pd.DataFrame]]:
        """Tables in which no name stands twice, since a row is known by its name; refusals go into `answers`."""
        checked: list[tuple[int, dict[str, Any], Any]] = []
        for i, item in enumerate(items):
            try:
                checked.append((i, *self.form.row(item.row, item.name)))
            except Refusal as refusal:
                answers[i] = refusal
        while checked:
            names: set[Any] = set()
            now: list[tuple[int, dict[str, Any], Any]] = []
            later: list[tuple[int, dict[str, Any], Any]] = []
            for each in checked:
                (later if each[2] is not None and each[2] in names else now).append(each)
                names.add(each[2])
            rows = [row for _, row, _ in now]
            yield [i for i, _, _ in now], rows, self.form.frame(rows, [name for _, _, name in now])
            checked = later


def _parts(lines: pd.DataFrame, output: str) -> list[dict[str, Any]]:
    """At most `PARTS` greatest contributions to one output, the rest as one part, so that they add up."""
    mine = lines[lines["output"] == output]
    order = np.argsort(-mine["contribution"].abs().to_numpy(), kind="stable")
    parts = [
        {
            "relation": str(line.relation),
            "read": "" if line.relation == OWN or line.read in ("", None) else str(line.read),
            "feature": str(line.feature),
            "column": str(line.column),
            "value": str(line.value),
            "weight": float(line.weight),
            "contribution": float(line.contribution),
        }
        for line in mine.iloc[order[:PARTS]].itertuples(index=False)
    ]
    if len(order) > PARTS:
        rest = float(mine["contribution"].to_numpy()[order[PARTS:]].sum())
        parts.append(
            {
                "relation": "",
                "read": "",
                "feature": "",
                "column": "",
                "value": "",
                "others": len(order) - PARTS,
                "contribution": rest,
            }
        )
    return parts
