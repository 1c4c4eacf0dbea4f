"""The columns that a model of a table asks for: a form for people, and the check of the rows that programs send."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from axw.data.parts import Category, Number
from axw.data.values import level_text
from axw.serve.refusals import Refusal

_NUMERIC = ("number", "boolean")
NEW = -(10**15)  # from here down: the names of rows that have none, where names are numbers


@dataclass(frozen=True)
class Field:
    """One column.

    type      number, boolean, date, duration, category, or key: a value by which other rows are found
    number    for a key: whether its values are numbers
    levels    of a category: the values that were learned; `other`: any other value has a place of its own
    missing   null was seen in training;  typical: what to start a form with
    needed    a row without the column is refused; a key may be left out
    """

    name: str
    type: str
    number: bool
    levels: tuple[str, ...]
    other: bool
    missing: bool
    typical: Any
    needed: bool

    def check(self, value: Any) -> Any:
        """The value as the model reads it. Raises `Refusal` where it is of another type."""
        if value is None:
            return None
        if self.type in _NUMERIC or (self.type == "key" and self.number):
            if isinstance(value, str):
                raise self._refused(value, "a number")
            return float(value) if self.type in _NUMERIC else value
        if self.type in ("date", "duration"):
            if not isinstance(value, str):
                raise self._refused(
                    value, 'a text such as "2026-11-23"' if self.type == "date" else 'a text such as "3 days"'
                )
            return value
        return level_text(value)

    def _refused(self, value: Any, wanted: str) -> Refusal:
        return Refusal(
            "unusable", f"The column {self.name[:80]!r} holds {str(value)[:40]!r}; allowed: {wanted}, or null."
        )


@dataclass(frozen=True)
class TableForm:
    """The fields of a row, and how rows are named.

    id         the column that names the rows, or None
    named      rows are named by the index of their table: `ids` of a question
    numbers    names are numbers
    """

    fields: tuple[Field, ...]
    id: str | None
    named: bool
    numbers: bool

    @classmethod
    def of(cls, model: Any) -> TableForm:
        """The form of a fitted `AttentionClassifier` or `AttentionRegressor`."""
        reader, remembered = model._reader, model.memory_.rows
        at, found = 0, []
        for part in reader.columns.parts:
            shares = model.memory_.X[:, at : at + len(part.names)].mean(0) if len(model.memory_.X) else np.zeros(0)
            at += len(part.names)
            if part.name != reader.id:
                found.append(_of_part(part, shares))
        known = {field.name for field in found}
        for name in reader.keys:
            if name not in known and name != reader.id:
                number = reader.hashing is None and pd.api.types.is_numeric_dtype(remembered.columns[name].dtype)
                found.append(Field(name, "key", number, (), True, True, None, needed=False))
        numbers = pd.api.types.infer_dtype(remembered.ids, skipna=True) in ("integer", "floating")
        return cls(tuple(found), reader.id, reader.named and reader.id is None, numbers and reader.hashing is None)

    def to_json(self) -> dict[str, Any]:
        """What `GET /v1/models` says of the columns."""
        fields = [{**asdict(field), "levels": list(field.levels)} for field in self.fields]
        return {"columns": fields, "id": self.id, "named": self.named, "numbers": self.numbers}

    def row(self, row: Mapping[str, Any], name: Any) -> tuple[dict[str, Any], Any]:
        """A row's values by column, and its name or None. `Refusal` where a column is missing or holds something else."""
        absent = [field.name for field in self.fields if field.needed and field.name not in row]
        if absent:
            told = ", ".join(repr(each[:80]) for each in absent[:10]) + (", ..." if len(absent) > 10 else "")
            raise Refusal(
                "unusable", f"{len(absent)} of {len(self.fields)} columns are missing: {told}. Say null for unknown."
            )
        if self.id is not None:
            name = row.get(self.id)
        if isinstance(name, bool) or (self.numbers and isinstance(name, str)) or isinstance(name, float):
            raise Refusal(
                "unusable",
                f"The row's name is {str(name)[:40]!r}; allowed: {'a whole number' if self.numbers else 'a text'}.",
            )
        if not self.numbers and isinstance(name, int):
            name = str(name)
        return {field.name: field.check(row.get(field.name)) for field in self.fields}, name

    def frame(self, rows: Sequence[Mapping[str, Any]], names: Sequence[Any]) -> pd.DataFrame:
        """The rows as a table. One without a name gets one that no row has, so that it is never taken for a remembered row."""
        columns: dict[str, Any] = {}
        for field in self.fields:
            values = [row[field.name] for row in rows]
            if field.type in _NUMERIC:
                columns[field.name] = np.array([math.nan if value is None else value for value in values], np.float64)
            else:
                columns[field.name] = pd.Series(values, dtype=object).to_numpy()
        new = [NEW - i if self.numbers else f"new row {i} \x00" for i in range(len(rows))]
        called = [each if name is None else name for name, each in zip(names, new, strict=True)]
        if self.id is not None:
            columns[self.id] = pd.Series(called, dtype=None if self.numbers else object).to_numpy()
        index = pd.Index(called if self.named else new, dtype=None if self.numbers and self.named else object)
        return pd.DataFrame(columns, index=index)

    def unseen(self, row: Mapping[str, Any]) -> list[str]:
        """A note for each value that the model has not met."""
        return [
            f"{field.name[:80]} = {str(row[field.name])[:80]} was not seen in training"
            for field in self.fields
            if field.type == "category" and row[field.name] is not None and row[field.name] not in field.levels
        ]


def _of_part(part: Number | Category, shares: np.ndarray) -> Field:
    """shares: how often each level of a category is among the remembered rows; empty where none are."""
    if isinstance(part, Category):
        most = int(shares[: len(part.levels)].argmax()) if len(shares) and part.levels else 0
        typical = part.levels[most] if part.levels else None
        return Field(part.name, "category", False, part.levels, part.other, part.missing, typical, needed=True)
    typical_of: Any = float(f"{part.fill:.6g}")
    if part.kind == "date":
        typical_of = str(pd.Timestamp(0) + pd.Timedelta(days=part.fill))[:10]
    elif part.kind == "duration":
        typical_of = f"{part.fill:.6g} days"
    elif part.kind == "boolean":
        typical_of = bool(part.fill)
    return Field(part.name, part.kind, part.kind in _NUMERIC, (), True, part.missing, typical_of, needed=True)
