"""The door of the relations: what may stand in a list of them, rows that have names, and keys that are told from features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from axw.errors import DataError, UsageError
from axw.relations.base import Relation
from axw.relations.edges import Edges
from axw.relations.graphs import is_graph

# A text column that a relation reads is a feature as well only while its values are groups of many rows (a class, a region); a
# family name or an account number says which rows belong together, and nothing by itself.
MOST_KEY_LEVELS = 20


def as_relations(relations: Any) -> tuple[Relation, ...]:
    """Relations as they are, a graph of libpysal as the `Edges` that it holds, called "graph"; `UsageError` for anything else."""
    listed = None if isinstance(relations, Relation | str) or is_graph(relations) else _listed(relations)
    if listed is None or not all(isinstance(each, Relation) or is_graph(each) for each in listed):
        raise UsageError(
            f"relations is {relations!r}; allowed: a list of relations.",
            "relations",
            "Write relations=[axw.SameValue('household')], for example. A graph of libpysal may stand in the list.",
        )
    return tuple(each if isinstance(each, Relation) else Edges.from_graph(each) for each in listed)


def _listed(relations: Any) -> list[Any] | None:
    try:
        return list(relations)
    except TypeError:
        return None


def only_keys(frame: pd.DataFrame, keys: Iterable[str], id: str | None) -> list[str]:
    """Those of the key columns that are names of groups rather than features."""
    texts = [name for name in keys if name != id and not pd.api.types.is_float_dtype(frame[name].dtype)]
    return [name for name in texts if frame[name].nunique() > MOST_KEY_LEVELS]


def only_numbered(frame: pd.DataFrame) -> bool:
    """The index is the default one, 0, 1, 2, ...: a row's number says where it stands and not who it is."""
    return isinstance(frame.index, pd.RangeIndex) and frame.index.start == 0 and frame.index.name is None


def check_named(frame: pd.DataFrame, relations: Sequence[Relation], id: str | None) -> None:
    """Relations that name rows need rows that have names. A place in a table is not one, since it changes when rows are taken;
    and once a fold has been taken nobody can tell any more that it was a place: so the whole table is looked at."""
    by_id = [relation.name for relation in relations if relation.by_id]
    if by_id and id is None and only_numbered(frame):
        raise DataError(
            f"The relation {by_id[0]!r} names rows, but the rows of X are only numbered by their place.",
            "X",
            "Set the index to the row ids, df.set_index('customer_id'), or say id='customer_id'.",
        )
