"""Pictures and reports. One self-contained page, no request to anywhere, no script needed. Names load when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axw.show.alignment import AlignmentDisplay
    from axw.show.any_model import display, explain
    from axw.show.attention import AttentionDisplay
    from axw.show.classes import ClassesDisplay
    from axw.show.curves import CurvesDisplay
    from axw.show.ladder import CalibrationDisplay, LadderDisplay
    from axw.show.masked_word import MaskedWordDisplay
    from axw.show.rows import RowsDisplay
    from axw.show.tree import TreeDisplay

_HOMES = {
    "AlignmentDisplay": "alignment",
    "AttentionDisplay": "attention",
    "CalibrationDisplay": "ladder",
    "ClassesDisplay": "classes",
    "CurvesDisplay": "curves",
    "LadderDisplay": "ladder",
    "MaskedWordDisplay": "masked_word",
    "RowsDisplay": "rows",
    "TreeDisplay": "tree",
    "display": "any_model",
    "explain": "any_model",
}

__all__ = [
    "AlignmentDisplay",
    "AttentionDisplay",
    "CalibrationDisplay",
    "ClassesDisplay",
    "CurvesDisplay",
    "LadderDisplay",
    "MaskedWordDisplay",
    "RowsDisplay",
    "TreeDisplay",
    "display",
    "explain",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'axw.show' has no attribute {name!r}")
    value = getattr(import_module(f"axw.show.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
