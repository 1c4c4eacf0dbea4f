"""A that is given: relations keyed by row id, propagation, neighbours' labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from axw.errors import DataError, did_you_mean
from axw.relations.base import KeyCounts, Relation, Rows, Saved
from axw.relations.components import components
from axw.relations.edges import Edges
from axw.relations.given import FactoredGiven, Given, Neighbours, SparseGiven
from axw.relations.index import Cut, KeyIndex, RowIndex
from axw.relations.labels import LabelColumns, label_columns, label_hops
from axw.relations.near import Near
from axw.relations.propagate import propagate
from axw.relations.ref import Ref
from axw.relations.same import SameValue
from axw.relations.summary import Likeness, RelationSummary, likeness, summary
from axw.relations.table import as_relations, check_named, only_keys, only_numbered

__all__ = [
    "Cut",
    "Edges",
    "FactoredGiven",
    "Given",
    "KeyCounts",
    "KeyIndex",
    "LabelColumns",
    "Likeness",
    "Near",
    "Neighbours",
    "Ref",
    "Relation",
    "RelationSummary",
    "RowIndex",
    "Rows",
    "SameValue",
    "Saved",
    "SparseGiven",
    "as_relations",
    "check_named",
    "components",
    "label_columns",
    "label_hops",
    "likeness",
    "only_keys",
    "only_numbered",
    "propagate",
    "relation_from_config",
    "summary",
]

_KINDS: dict[str, type[Relation]] = {"SameValue": SameValue, "Ref": Ref, "Edges": Edges, "Near": Near}


def relation_from_config(config: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Relation:
    """The relation that `to_config` made into values. Raises `DataError` for values that it does not make."""
    kind = config.get("kind")
    if kind not in _KINDS:
        raise DataError(
            f"There is no relation of the kind {kind!r}. {did_you_mean(str(kind), _KINDS)}", "relation", "Update axw."
        )
    try:
        return _KINDS[kind].from_config(config, tables)
    except KeyError as error:
        raise DataError(
            f"The setting {error} of a saved {kind} is missing.", "relation", "Save the model again."
        ) from error
