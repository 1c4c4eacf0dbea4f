"""The table that a command reads: its rows, and what identifies the file for whoever repeats the run."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from axw.cli.output import say
from axw.cli.relations import Spec, known_columns
from axw.errors import AxwError, DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from axw.data import Finding


ONE_AT_A_TIME = "Fit one model for each: one --target."


class Table(NamedTuple):
    """A table as it was read: `name` as the user wrote it, and the size and SHA-256 of the bytes."""

    name: str
    frame: pd.DataFrame
    size: int
    sha256: str

    def facts(self) -> dict[str, Any]:
        rows, columns = self.frame.shape
        return {"path": self.name, "rows": rows, "columns": columns, "bytes": self.size, "sha256": self.sha256}


def read(path: Path, text: Collection[str] = (), identity: str | None = None) -> Table:
    """The table in a file, or on stdin where the path is `-`.

    text       columns that stay text (`text_columns` of the model that is asked)
    identity   the column that names the rows: text, but for whole numbers, so that 1.1 and 1.10 are two names
    """
    from axw.data import read_table

    names = [] if identity is None else [identity]
    if str(path) != "-":
        frame = read_table(path, text=text, names=names)  # says what is wrong with the path, where something is
        return Table(str(path), _numbered(frame), *_digest(path))
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("The table is to come from stdin, and stdin is a terminal.", "-", "Pipe a file: < table.csv")
    with tempfile.TemporaryDirectory(prefix="axw-") as folder:
        copy = Path(folder) / "stdin"
        copy.write_bytes(sys.stdin.buffer.read())
        try:
            frame = read_table(copy, text=text, names=names)
        except AxwError as error:
            raise type(error)(error.what, error.where.replace(str(copy), "stdin"), error.todo) from error
        return Table("-", _numbered(frame), *_digest(copy))


def text_columns(model: Any) -> set[str]:
    """The columns that a model learned as text: in another file their cells may all look like numbers, dates or truth values,
    and 1E5 would no longer be the level "1E5"."""
    from pandas.api import types

    reader = getattr(model, "_reader", None)
    if reader is None:
        return set()
    found = {part.name for part in reader.columns.parts if getattr(part, "levels", None) and _changes(part.levels)}
    rows = model.memory_.rows
    found |= {str(name) for name in rows.columns if types.infer_dtype(rows.columns[name], skipna=True) == "string"}
    if model.id is not None and types.infer_dtype(rows.ids[:100], skipna=True) == "string":
        found.add(str(model.id))
    classes = getattr(model, "classes_", None)
    if classes is not None and types.infer_dtype(classes, skipna=True) == "string":
        from axw.models.tables.answers import target_columns

        found |= set(target_columns(model))
    return found


def _changes(levels: Sequence[str]) -> bool:
    """Whether the levels, read as values, would be other levels, or are no values at all."""
    import pyarrow as pa

    from axw.data.cells import typed
    from axw.data.values import level_texts

    values = typed(pa.chunked_array([list(levels)], pa.string()), frozenset())
    return values.dtype == "str" or sorted(level_texts(values)[1]) != sorted(levels)


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows numbered from 1, as a reader counts them: so they are called where no column holds ids."""
    return frame.set_axis(range(1, len(frame) + 1))


def _digest(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


class Parts(NamedTuple):
    """A table cut into what is asked (`y`) and what may answer (`X`, the id column in it)."""

    X: pd.DataFrame
    y: pd.Series


def split(table: Table, target: str, drop: Sequence[str], identity: str | None) -> Parts:
    """X and y; rows without a target are left out and counted.

    Raises `UsageError` for a column that is not there, `DataError` for ids that are missing or not unique.
    """
    X, Y = split_targets(table, [target], drop, identity)
    return Parts(X, Y[target])


def split_targets(
    table: Table, targets: Sequence[str], drop: Sequence[str], identity: str | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """X, and Y (n targets); rows that lack one of the targets are left out and counted. Raises what `split` raises."""
    columns = [str(column) for column in table.frame.columns]
    known_columns(targets, columns, "--target", table.name)
    known_columns(drop, columns, "--drop", table.name)
    if identity is not None:
        known_columns([identity], columns, "--id", table.name)
        _sound_ids(table, identity)
    for place, target in enumerate(targets):
        if target in drop or target == identity:
            raise UsageError(
                f"{target!r} is the target and can be neither dropped nor the id.", "--target", "Choose another."
            )
        if target in targets[:place]:
            raise UsageError(f"{target!r} is named twice.", "--target", "Name each target once.")
    frame = table.frame[table.frame[list(targets)].notna().all(axis=1)]
    if len(frame) < len(table.frame):
        lost = len(table.frame) - len(frame)
        say(f"{lost} of {len(table.frame)} rows have no {' or '.join(targets)} and are left out")
    left_out = [*targets, *(name for name in dict.fromkeys(drop) if name != identity)]
    return frame.drop(columns=left_out), frame[list(targets)]


def numbers_only(Y: pd.DataFrame, task: str | None) -> None:
    """`UsageError` where several targets are not all numbers: classes are fitted one at a time."""
    import pandas as pd

    if task == "classification":
        raise UsageError("Several targets are classes; allowed: numbers.", "--task classification", ONE_AT_A_TIME)
    for name in Y.columns:
        if not pd.api.types.is_numeric_dtype(Y[name]) or pd.api.types.is_bool_dtype(Y[name]):
            what = f"The target {name!r} holds no numbers; several targets must all be numbers."
            raise UsageError(what, f"--target {name}", ONE_AT_A_TIME)


def _sound_ids(table: Table, identity: str) -> None:
    ids, where = table.frame[identity], f"{table.name}, column {identity!r}"
    if ids.isna().any():
        what = f"{int(ids.isna().sum())} of {len(ids)} ids are missing."
        raise DataError(what, where, "Fill them, or leave --id away.")
    double = ids[ids.duplicated()]
    if len(double):
        what = f"{len(double)} ids stand more than once, such as {double.iloc[0]}."
        raise DataError(what, where, "Name another column, or leave --id away.")


def named_rows(specs: Sequence[Spec], identity: str | None) -> None:
    """`UsageError` where a relation names rows by their ids and no id column was named."""
    for spec in specs:
        if spec.kind in ("ref", "edges") and identity is None:
            what = f"The relation {spec.text} names rows by their ids, and no column holds the ids."
            raise UsageError(what, f"--relation {spec.text}", "Add --id COLUMN.")


def measured(specs: Sequence[Spec], group: str | None, favourable: str | None, used: bool) -> list[str]:
    """The columns that are measured and not used: that of `--group`, unless `--use-group` is said.

    Raises `UsageError` for what makes no sense without `--group`, and where a relation reads a column that is not used.
    """
    for flag, said in (("--favourable", favourable is not None), ("--use-group", used)):
        if said and group is None:
            raise UsageError(
                f"{flag} says how groups are measured, and there is no --group.", flag, "Add --group COLUMN."
            )
    if group is None or used:
        return []
    for spec in specs:
        if group in spec.columns:
            what = f"The relation {spec.text} reads {group!r}, which is measured and not used."
            raise UsageError(what, f"--group {group}", "Choose another relation, or say --use-group.")
    return [group]


def group_values(table: Table, target: str, group: str | None) -> pd.Series | None:
    """The groups of the rows that have a target."""
    if group is None:
        return None
    columns = [str(column) for column in table.frame.columns]
    known_columns([group], columns, "--group", table.name)
    known_columns([target], columns, "--target", table.name)
    if group == target:
        raise UsageError(f"{group!r} is the target and cannot be the group.", "--group", "Choose another column.")
    return table.frame.loc[table.frame[target].notna(), group]


def task_of(y: pd.Series, task: str | None) -> str:
    """ "classification" or "regression": as the user says, else text, booleans and few whole numbers are classes."""
    from axw.data.leaks import is_classes

    return task or ("classification" if is_classes(y) else "regression")


def say_leaks(table: Table, targets: Sequence[str], drop: Sequence[str], identity: str | None) -> list[Finding]:
    """What `check` finds on the columns that will be used: errors stop, warnings are said before the fit begins."""
    findings = list(
        dict.fromkeys(
            finding
            for target in targets
            for finding in looked_at(
                table.frame, target, [*drop, *(other for other in targets if other != target)], identity
            )
        )
    )
    for finding in findings:
        if finding.severity == "error":
            raise DataError(finding.what, f"{table.name}, {finding.where}", finding.todo)
    say_warnings(findings)
    return findings


def looked_at(frame: pd.DataFrame, target: str, drop: Sequence[str], identity: str | None) -> list[Finding]:
    """What `check` finds on the columns that will be used."""
    from axw.data import check

    used = frame.drop(columns=[name for name in dict.fromkeys(drop) if name not in (identity, target)])
    # Rows that differ in a column which is no feature are not entered twice, and what the ids tell is told to nobody.
    unlike = not frame.duplicated().any()
    return [
        finding
        for finding in check(used, target)
        if finding.where != f"column {identity!r}" and not (finding.code == "copies" and unlike)
    ]


def say_warnings(findings: Sequence[Finding]) -> None:
    for finding in findings:
        if finding.severity == "warning":
            say(f"warning: {finding.what} ({finding.where}) {finding.todo}")
