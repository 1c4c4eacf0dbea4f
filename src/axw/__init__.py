"""Y = A X W: who attends to whom, from the linear model to the Transformer.

Names are loaded when they are first used, so `import axw` costs milliseconds and does not import PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from axw.version import __version__

if TYPE_CHECKING:  # what type checkers and editors see of the names below
    from axw.data import check
    from axw.errors import AxwError
    from axw.ladders import AsOf, KnownNeighbours, NewGroups, ladder
    from axw.ladders.by_group import by_group
    from axw.models import (
        AttentionClassifier,
        AttentionRegressor,
        ConstituencyParser,
        MaskedLanguageModel,
        Translator,
        load,
    )
    from axw.models.tables.reasons import reasons
    from axw.models.tables.spatial import slx
    from axw.relations import Edges, Near, Ref, Relation, SameValue
    from axw.show import explain

_HOMES = {
    "AttentionClassifier": "axw.models",
    "AttentionRegressor": "axw.models",
    "ConstituencyParser": "axw.models",
    "MaskedLanguageModel": "axw.models",
    "Translator": "axw.models",
    "load": "axw.models",
    "Relation": "axw.relations",
    "SameValue": "axw.relations",
    "Ref": "axw.relations",
    "Edges": "axw.relations",
    "Near": "axw.relations",
    "ladder": "axw.ladders",
    "KnownNeighbours": "axw.ladders",
    "NewGroups": "axw.ladders",
    "AsOf": "axw.ladders",
    "by_group": "axw.ladders.by_group",
    "explain": "axw.show",
    "reasons": "axw.models.tables.reasons",
    "slx": "axw.models.tables.spatial",
    "check": "axw.data",
    "AxwError": "axw.errors",
}

__all__ = [
    "AsOf",
    "AttentionClassifier",
    "AttentionRegressor",
    "AxwError",
    "ConstituencyParser",
    "Edges",
    "KnownNeighbours",
    "MaskedLanguageModel",
    "Near",
    "NewGroups",
    "Ref",
    "Relation",
    "SameValue",
    "Translator",
    "__version__",
    "by_group",
    "check",
    "explain",
    "ladder",
    "load",
    "reasons",
    "slx",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'axw' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
