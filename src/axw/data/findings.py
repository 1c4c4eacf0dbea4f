"""What is worth knowing about a table before a model is fitted: `check` lists it, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from pandas.api import types

from axw.data.leaks import determined, is_classes, leaks, one_outcome
from axw.data.parts import ID_RATIO, ID_ROWS, MOST_LEVELS
from axw.data.tables import as_frame
from axw.data.values import kind_of, level_texts, numbers_of
from axw.errors import DataError, did_you_mean

Severity = Literal["error", "warning", "note"]
_ORDER = {"error": 0, "warning": 1, "note": 2}
_MOSTLY = 0.99


class HasColumns(Protocol):
    """What `check` needs of a relation."""

    @property
    def name(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Finding:
    """One thing that was found: an error stops a fit, a warning may make it worthless, a note is good to know."""

    severity: Severity
    code: str
    where: str
    what: str
    todo: str

    def to_text(self) -> str:
        """Three lines: what, where, what to do."""
        return f"{self.severity}: {self.what}\n  {self.where}\n  {self.todo}"

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


def findings_to_text(findings: Sequence[Finding]) -> str:
    """All findings, three lines each, and a line of counts."""
    counts = {severity: sum(f.severity == severity for f in findings) for severity in _ORDER}
    total = ", ".join(f"{count} {severity}{'s' * (count != 1)}" for severity, count in counts.items())
    return "\n".join([*(finding.to_text() for finding in findings), total])


def findings_to_dict(findings: Sequence[Finding]) -> dict[str, object]:
    """A value for JSON: `findings`, and `counts` by severity."""
    counts = {severity: sum(f.severity == severity for f in findings) for severity in _ORDER}
    return {"counts": counts, "findings": [finding.to_dict() for finding in findings]}


def check(frame: pd.DataFrame, target: str | None = None, relations: Iterable[HasColumns] = ()) -> list[Finding]:
    """The findings on a table, errors first.

    target     the column to predict; with it, each other column is tried alone for holding the answer
    relations  whatever has `.name` and `.columns`; a relation over the target would hand out the answer

    Raises nothing for the data: a table that cannot be used at all is one finding of severity "error".
    """
    try:
        frame = as_frame(frame)
    except DataError as error:
        return [Finding("error", "table", error.where, error.what, error.todo)]
    found = list(_of_relations(frame, target, relations))
    features = frame.drop(columns=[target]) if target in frame.columns else frame
    for name in features.columns:
        found += _of_column(features[name])
    found += _of_table(frame, features)
    if target is not None:
        found += _of_target(frame, target)
        if not any(f.severity == "error" and f.code.startswith("target") for f in found):
            found += _of_leaks(features, frame[target])
    return sorted(found, key=lambda finding: _ORDER[finding.severity])


def _of_relations(frame: pd.DataFrame, target: str | None, relations: Iterable[HasColumns]) -> Iterator[Finding]:
    for relation in relations:
        where = f"relation {relation.name!r}"
        if target is not None and target in relation.columns:
            what = f"The relation reads the target {target!r}: it would hand out the answer."
            yield Finding("error", "relation-target", where, what, "Relate the rows by another column.")
        for name in relation.columns:
            if name not in frame.columns and name != target:
                what = f"The relation reads the column {name!r}, which the table does not have."
                yield Finding("error", "relation-column", where, what, did_you_mean(name, frame.columns))


def _of_target(frame: pd.DataFrame, name: str) -> Iterator[Finding]:
    where = f"target {name!r}"
    if name not in frame.columns:
        what = f"There is no column {name!r}."
        yield Finding("error", "target-unknown", where, what, did_you_mean(name, frame.columns))
        return
    target = frame[name]
    lost = int(target.isna().sum())
    different = _different(target)
    if different < 2:
        what = "Every target is missing." if lost == len(target) else "The target is the same in every row."
        yield Finding("error", "target-constant", where, what, "Choose a target that differs between rows.")
        return
    if lost:
        what = f"{lost} of {len(target)} rows have no target."
        yield Finding("warning", "target-missing", where, what, "They are not trained on; drop or fill them.")
    if _infinite(target):
        yield Finding("error", "target-infinite", where, "The target holds inf.", "Replace or drop these rows.")
    elif is_classes(target):
        counts = target.astype(str)[target.notna()].value_counts()
        alone = [str(value) for value in counts.index[counts == 1]]
        if alone:
            what = f"{len(alone)} of {different} classes have one row: {', '.join(map(repr, alone[:5]))}."
            yield Finding(
                "warning", "target-rare", where, what, "Merge or drop them: one row cannot be trained and tested."
            )
        if different > MOST_LEVELS:
            what = f"The target has {different} classes in {len(target)} rows."
            yield Finding("warning", "target-classes", where, what, "Check that it is a class and not a name.")


def _of_column(column: pd.Series) -> Iterator[Finding]:
    where = f"column {column.name!r}"
    lost, rows = int(column.isna().sum()), len(column)
    if lost == rows:
        yield Finding("note", "all-missing", where, "Every value is missing.", "It is left out; drop it.")
        return
    different = _different(column)
    if different == 1 and not lost:
        what = f"Every value is {str(column.iloc[0])[:60]!r}."
        yield Finding("note", "constant", where, what, "It is left out; drop it.")
        return
    if lost >= _MOSTLY * rows:
        what = f"{lost} of {rows} values are missing."
        yield Finding("warning", "mostly-missing", where, what, "Drop it, unless being there is what counts.")
    if kind_of(column) == "category":
        yield from _of_text(column, rows - lost)
    elif kind_of(column) == "number":
        yield from _of_numbers(column)


def _of_text(column: pd.Series, known: int) -> Iterator[Finding]:
    where = f"column {column.name!r}"
    _, texts = level_texts(column)
    inferred = types.infer_dtype(column.astype(object), skipna=True)
    numbers = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").notna().to_numpy()
    comma = pd.Series(texts, dtype=object).str.fullmatch(
        r"[-+]?\d{1,3}([.\s]?\d{3})*,\d+|[-+]?\d{1,3}(,\d{3})+(\.\d+)?"
    )
    if column.dtype == object and inferred.startswith("mixed"):
        kinds = sorted({type(value).__name__ for value in column.dropna()})
        what = f"It mixes {' and '.join(kinds[:5])}; all are read as text."
        yield Finding("warning", "mixed", where, what, "Make it one kind, and leave unknown values empty.")
    elif 2 * numbers.sum() > len(texts) and not numbers.all():
        odd = [text for text, is_number in zip(texts, numbers, strict=True) if not is_number]
        what = f"Most values are numbers, and {len(odd)} are not, such as {odd[0][:60]!r}; all are read as text."
        yield Finding("warning", "mixed", where, what, "Correct these, or leave them empty, to read numbers.")
    elif comma.all():
        what = f"Numbers written with commas, such as {texts[0]!r}, are read as text."
        yield Finding("warning", "comma", where, what, "Write them with a point, and without thousands marks.")
    if known > ID_ROWS and len(texts) > ID_RATIO * known:
        what = f"It names its rows: {len(texts)} different values in {known} rows. It is not used as a feature."
        yield Finding("note", "id-like", where, what, "Use it as the row id, or in a relation.")
    elif len(texts) > MOST_LEVELS:
        what = f"It has {len(texts)} different values; the {MOST_LEVELS} most frequent ones are told apart."
        yield Finding("note", "many-levels", where, what, "Group the values, or use it in a relation.")


def _of_numbers(column: pd.Series) -> Iterator[Finding]:
    where = f"column {column.name!r}"
    x = numbers_of(column)
    infinite = int(np.isinf(x).sum())
    if infinite:
        what = f"{infinite} of {len(x)} values are inf."
        yield Finding("error", "infinite", where, what, "Replace them by a number, or leave them empty.")
    x = x[np.isfinite(x)]
    values, counts = np.unique(x, return_counts=True)
    if (
        len(x) > ID_ROWS
        and len(values) == len(x)
        and (values == np.round(values)).all()
        and values[-1] - values[0] == len(x) - 1
    ):
        what = f"It counts the rows: every whole number from {values[0]:g} to {values[-1]:g}, once each."
        yield Finding("note", "id-like", where, what, "Use it as the row id rather than as a feature.")
    for at, code in _codes(values, counts):
        what = f"{code:g} stands in {counts[at]} rows, far outside the rest: does it mean that the value is missing?"
        yield Finding("warning", "code", where, what, f"If so, leave these cells empty instead of {code:g}.")


def _codes(values: np.ndarray, counts: np.ndarray) -> Iterator[tuple[int, float]]:
    """An extreme value of 9s (8s, 7s) or -1 that repeats, and lies further off than the others lie apart."""
    for at, rest in ((0, slice(1, None)), (len(values) - 1, slice(None, -1))):
        others = values[rest]
        if len(others) < 3 or counts[at] < 3:
            continue
        value, digits = float(values[at]), f"{abs(values[at]):.0f}"
        typical = value == round(value) and (value == -1 or (len(set(digits)) == 1 and digits[0] in "789"))
        gap = float(np.abs(others / 2 - value / 2).min() * 2)
        far = gap >= float(others[-1] / 2 - others[0] / 2) * 2
        if typical and (far or (value < 0 <= others[0])):
            yield at, value


def _of_table(frame: pd.DataFrame, features: pd.DataFrame) -> Iterator[Finding]:
    rows, columns = features.shape
    if rows < max(10, columns):
        what = f"{rows} rows for {columns} columns."
        yield Finding(
            "warning", "few-rows", "the table", what, "Expect wide intervals; get more rows or use fewer columns."
        )
    for first, second in _identical(features):
        what = f"{second!r} is the same as {first!r} in every row."
        yield Finding("warning", "identical", f"columns {first!r}, {second!r}", what, "Drop one of the two.")
    copies = int(_hashes(frame).duplicated().sum())
    if copies:
        what = f"{copies} of {rows} rows are copies of another row."
        todo = "Drop them where they are entered twice: a copy in the test part is no test."
        yield Finding("warning" if copies > rows / 100 else "note", "copies", "the table", what, todo)


def _identical(features: pd.DataFrame) -> Iterator[tuple[str, str]]:
    first: dict[int, str] = {}
    for name in features.columns:
        key = hash(_hashes(features[[name]]).to_numpy().tobytes())
        if key not in first:
            first[key] = name
        elif _different(features[name]) + features[name].isna().any() > 1:
            yield first[key], name


def _hashes(frame: pd.DataFrame) -> pd.Series:
    """(n,) uint64, equal where rows are equal; what cannot be hashed is hashed as its text."""
    try:
        return pd.util.hash_pandas_object(frame, index=False)
    except TypeError:
        return pd.util.hash_pandas_object(frame.astype(str), index=False)


def _of_leaks(features: pd.DataFrame, target: pd.Series) -> Iterator[Finding]:
    todo = "Leave it out if it is not known at the time of the prediction."
    scored = set()
    for leak in leaks(features, target):
        scored.add(leak.column)
        by = "" if leak.how in ("its size", "its value") else f" by {leak.how}"
        what = f"{leak.column} alone has {leak.measure} {leak.score:.2f}{by}: does it hold the answer?"
        yield Finding("warning", "leak", f"column {leak.column!r}", what, todo)
    for name in features.columns:
        if name in scored:
            continue
        outcome = one_outcome(features[name], target)
        if outcome is not None:
            what = f"Wherever {name} is filled in, the target is {outcome[:60]!r}: does it hold the answer?"
            yield Finding("warning", "leak", f"column {name!r}", what, todo)
        elif determined(features[name], target):
            what = f"Each value of {name} goes with one value of the target: does it hold the answer?"
            yield Finding("warning", "leak", f"column {name!r}", what, todo)


def _infinite(column: pd.Series) -> bool:
    return kind_of(column) == "number" and bool(np.isinf(numbers_of(column)).any())


def _different(column: pd.Series) -> int:
    try:
        return int(column.nunique())
    except TypeError:  # lists and dicts have no hash
        return int(column.dropna().astype(str).nunique())
