"""`--relation` as the user writes it, and the relation that it names.

same:COL[,COL]                   SameValue(COL, ...)        rows with the same value
ref:COL                          Ref(COL)                   the column holds the id of another row
edges:FILE:SRC:DST[:WEIGHT]      Edges(FILE, SRC, DST)      a table of pairs of ids
near:COL,COL:K                   Near([COL, COL], K)        the K nearest rows
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from axw.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from axw.relations import Relation

SHAPES = {
    "same": "same:COL[,COL]",
    "ref": "ref:COL",
    "edges": "edges:FILE:SRC:DST[:WEIGHT]",
    "near": "near:COL,COL:K",
}


class Spec(NamedTuple):
    """A relation as it was written: its kind, the columns of the table that it reads, and the rest."""

    text: str
    kind: str
    columns: tuple[str, ...] = ()
    file: str = ""
    ends: tuple[str, ...] = ()
    k: int = 0


def parse(text: str) -> Spec:
    """The parts of one `--relation`; `UsageError` where it has another shape than those above. Reads no file."""
    kind, colon, rest = text.partition(":")
    if kind not in SHAPES:
        what = f"There is no relation of the kind {kind!r}. {did_you_mean(kind, SHAPES)}"
        raise UsageError(what, f"--relation {text}", f"Write one of: {'  '.join(SHAPES.values())}")
    if not colon or not rest.strip():
        raise _shape(text, kind, "it names no column")
    return _PARSERS[kind](text, rest)


def _same(text: str, rest: str) -> Spec:
    return Spec(text, "same", columns=_columns(text, "same", rest))


def _ref(text: str, rest: str) -> Spec:
    columns = _columns(text, "ref", rest)
    if len(columns) != 1:
        raise _shape(text, "ref", f"it names {len(columns)} columns, and one holds the id of the row that is read")
    return Spec(text, "ref", columns=columns)


def _edges(text: str, rest: str) -> Spec:
    parts = rest.split(":")
    if len(parts) > 1 and len(parts[0]) == 1 and parts[0].isalpha() and parts[1][:1] in ("\\", "/"):
        parts = [f"{parts[0]}:{parts[1]}", *parts[2:]]  # a Windows drive
    if len(parts) not in (3, 4) or not all(part.strip() for part in parts):
        raise _shape(text, "edges", "it needs a file and the columns of the row that reads and of the row that is read")
    return Spec(text, "edges", file=parts[0], ends=tuple(part.strip() for part in parts[1:]))


def _near(text: str, rest: str) -> Spec:
    names, colon, count = rest.rpartition(":")
    if not colon:
        raise _shape(text, "near", "it says no number of neighbours")
    if not (count.strip().isascii() and count.strip().isdigit() and 1 <= int(count) <= 10_000):
        raise _shape(text, "near", f"the number of neighbours is {count!r}; allowed: 1 to 10000")
    return Spec(text, "near", columns=_columns(text, "near", names), k=int(count))


_PARSERS: dict[str, Callable[[str, str], Spec]] = {"same": _same, "ref": _ref, "edges": _edges, "near": _near}


def _columns(text: str, kind: str, names: str) -> tuple[str, ...]:
    columns = tuple(part.strip() for part in names.split(","))
    if not all(columns):
        raise _shape(text, kind, "a column name is empty")
    return columns


def _shape(text: str, kind: str, why: str) -> UsageError:
    return UsageError(f"A relation cannot be read: {why}.", f"--relation {text}", f"Write {SHAPES[kind]}")


def known_columns(wanted: Sequence[str], columns: Sequence[str], where: str, table: str) -> None:
    """`UsageError` that names the first wanted column that the table has not, and the columns that come near it."""
    for column in wanted:
        if column not in columns:
            near = difflib.get_close_matches(column, columns, n=3, cutoff=0.5)
            listed = ", ".join(repr(name) for name in (near or list(columns)[:8]))
            what = f"There is no column {column!r} in {table}."
            hint = f"Did you mean {listed}?" if near else f"Its columns: {listed}{' ...' if len(columns) > 8 else ''}"
            raise UsageError(what, where, hint)


def relations(specs: Sequence[Spec], columns: Sequence[str], table: str) -> list[Relation]:
    """The relations that the specs name, their columns checked against the table, their edge files read."""
    made = []
    for spec in specs:
        known_columns(spec.columns, columns, f"--relation {spec.text}", table)
        made.append(_make(spec))
    return made


def _make(spec: Spec) -> Relation:
    from axw.relations import Edges, Near, Ref, SameValue

    if spec.kind == "same":
        return SameValue(*spec.columns)
    if spec.kind == "ref":
        return Ref(spec.columns[0])
    if spec.kind == "near":
        return Near(list(spec.columns), k=spec.k)
    from axw.data import read_table

    frame = read_table(Path(spec.file))
    known_columns(spec.ends, list(frame.columns), f"--relation {spec.text}", spec.file)
    source, target, *weight = spec.ends
    return Edges(frame, source, target, weight=weight[0] if weight else None)
