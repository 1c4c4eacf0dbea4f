"""A table as a matrix: X (n d) of finite float64 numbers, whatever the columns held.

    number     z = (x 2^-e - mean) / std       missing: the median of the fit, and a column "age is missing"
    boolean    0 or 1
    date       days since 1970-01-01 UTC, then as a number
    category   one column a level seen often enough, "class = other" for the rest, "class is missing"

What is learned in `fit` is a value that never changes; `transform` is a function of it and of the frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from axw.data.many_numbers import fit_numbers, transform_numbers
from axw.data.parts import Category, Number, fit_category, fit_number, part_from_config
from axw.data.tables import as_frame
from axw.data.values import kind_of
from axw.errors import DataError, ModelError, UsageError, did_you_mean


@dataclass(frozen=True)
class Columns:
    """What `fit` learned of a table's columns; `transform` makes the matrix X (n d).

    parts    one `Number` or `Category` for each column that is used
    dropped  column: why it is not used (constant, all missing, names its rows)
    rows     rows seen in `fit`
    """

    parts: tuple[Number | Category, ...]
    dropped: dict[str, str] = field(default_factory=dict)
    rows: int = 0

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        sample_weight: Sequence[float] | np.ndarray | None = None,
        categorical: str | Iterable[str] = "from_dtype",
    ) -> Columns:
        """Learn medians, means, standard deviations and levels, column by column.

        sample_weight  (n,) >= 0; a row of weight 0 counts as absent, of weight 2 as two rows in mean, std and median
                       (levels are counted in rows, so that a common factor of the weights changes nothing)
        categorical    "from_dtype": text, object and category columns; or names of columns to read so as well

        Raises `DataError` for infinite or complex numbers, and for weights that do not fit the rows;
        `UsageError` for a name in `categorical` that is no column.
        """
        frame = as_frame(frame)
        chosen = _chosen(categorical, list(frame.columns))
        weight = _checked_weight(sample_weight, len(frame))
        if weight is not None and (weight == 0).any():
            frame, weight = frame.loc[weight > 0], weight[weight > 0]
        parts: list[Number | Category] = []
        dropped: dict[str, str] = {}
        many = {} if weight is not None else fit_numbers(frame, [name for name in frame.columns if name not in chosen])
        for name in frame.columns:
            part = many[name] if name in many else _part(frame[name], name in chosen, weight)
            if isinstance(part, str):
                dropped[name] = part
            else:
                parts.append(part)
        return cls(tuple(parts), dropped, len(frame))

    @property
    def names(self) -> list[str]:
        """The d names of the matrix's columns, each once."""
        seen: dict[str, int] = {}
        names = []
        for part in self.parts:
            for name in part.names:
                seen[name] = seen.get(name, 0) + 1
                names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
        return names

    @property
    def source(self) -> list[str]:
        """For each of the d columns, the column of the table that it came from."""
        return [part.name for part in self.parts for _ in part.names]

    @property
    def used(self) -> list[str]:
        """The columns of the table that `transform` reads."""
        return [part.name for part in self.parts]

    def transform(self, frame: pd.DataFrame) -> np.ndarray:
        """X (n d), float64, finite. Other columns are ignored, and so is the order of the columns.

        Raises `DataError` where a column is missing, holds something else than it did, or is infinite.
        """
        frame = self._with_columns(frame)
        width = [len(part.names) for part in self.parts]
        start = np.cumsum([0, *width])
        X, read = np.empty((len(frame), start[-1])), np.zeros(len(self.parts), dtype=bool)
        for places, block in transform_numbers(self.parts, frame):
            X[:, start[places]], read[places] = block, True
        for at in np.flatnonzero(~read):
            part = self.parts[at]
            X[:, start[at] : start[at + 1]] = part.transform(frame[part.name])
        return X

    def texts(self, X: np.ndarray) -> pd.DataFrame:
        """What stood in the table that `transform` made X (n d) of, as text: the way back, one column for each that is used.

        Numbers come back to twelve digits; a level that had no column of its own is "other".
        """
        found, at = {}, 0
        for part in self.parts:
            found[part.name] = part.texts(X[:, at : at + len(part.names)])
            at += len(part.names)
        return pd.DataFrame(found, index=range(len(X)), columns=self.used, dtype=object)

    def unseen(self, frame: pd.DataFrame) -> dict[str, int]:
        """Column: number of rows whose level has no column of its own (unseen in `fit`, or too rare there)."""
        frame = self._with_columns(frame)
        counts = {part.name: part.unseen(frame[part.name]) for part in self.parts}
        return {name: count for name, count in counts.items() if count}

    def _with_columns(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame = as_frame(frame)
        absent = [name for name in self.used if name not in frame.columns]
        if absent:
            raise DataError(
                f"{len(absent)} of {len(self.used)} columns are missing: {', '.join(map(repr, absent[:10]))}"
                + (", ..." if len(absent) > 10 else ""),
                f"got the columns {', '.join(map(repr, frame.columns[:10]))}"
                + (", ..." if frame.shape[1] > 10 else ""),
                "Give the columns that the model was fitted on; their order does not matter, and others are ignored.",
            )
        return frame

    def to_config(self) -> dict[str, Any]:
        """A value for JSON; `Columns.from_config` gives an equal `Columns` back."""
        kinds = {Number: "number", Category: "category"}
        columns = [{"is": kinds[type(part)], **asdict(part)} for part in self.parts]
        for column in columns:
            if "levels" in column:
                column["levels"] = list(column["levels"])
        return {"version": 1, "rows": self.rows, "columns": columns, "dropped": dict(self.dropped)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Columns:
        """The inverse of `to_config`. Raises `ModelError` where the value is not one that `to_config` makes."""
        try:
            if config["version"] != 1:
                raise ValueError(f"version {config['version']!r}, and this program reads version 1")
            parts = tuple(part_from_config(dict(column)) for column in config["columns"])
            dropped = {str(name): str(why) for name, why in dict(config["dropped"]).items()}
            return cls(parts, dropped, int(config["rows"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"The description of the columns cannot be read: {error!r}",
                "in the model's config",
                "Save the model again with this version, or take an undamaged copy.",
            ) from error


def _part(column: pd.Series, chosen: bool, weight: np.ndarray | None) -> Number | Category | str:
    kind = "category" if chosen else kind_of(column)
    return fit_category(column) if kind == "category" else fit_number(column, kind, weight)


def _chosen(categorical: str | Iterable[str], names: list[str]) -> frozenset[str]:
    if isinstance(categorical, str):
        if categorical == "from_dtype":
            return frozenset()
        raise UsageError(
            f"categorical={categorical!r}",
            "parameter categorical",
            'Give "from_dtype", or a list of column names.',
        )
    chosen = frozenset(map(str, categorical))
    for name in sorted(chosen - set(names)):
        raise UsageError(f"There is no column {name!r}.", "parameter categorical", did_you_mean(name, names))
    return chosen


def _checked_weight(sample_weight: Sequence[float] | np.ndarray | None, rows: int) -> np.ndarray | None:
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight, dtype=np.float64)
    where = "parameter sample_weight"
    if weight.shape != (rows,):
        raise DataError(
            f"sample_weight has the shape {weight.shape}, the table has {rows} rows.", where, "Give one weight a row."
        )
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise DataError(
            "sample_weight holds NaN, inf or a negative number.", where, "Give finite weights of 0 or more."
        )
    if not weight.any():
        raise DataError(
            "All sample weights are zero.", where, "Sample weights must contain at least one non-zero number."
        )
    return weight
