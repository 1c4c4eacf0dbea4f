"""The doors: fit, and what each kind of model is for. Names are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axw.models.loading import load
    from axw.models.tables.estimators import AttentionClassifier, AttentionRegressor
    from axw.models.tables.explanation import Explanation
    from axw.models.translation.translator import Translator
    from axw.models.trees.parser import ConstituencyParser
    from axw.models.words.masked_words import MaskedLanguageModel

_HOMES = {
    "AttentionClassifier": "tables.estimators",
    "AttentionRegressor": "tables.estimators",
    "ConstituencyParser": "trees.parser",
    "Explanation": "tables.explanation",
    "MaskedLanguageModel": "words.masked_words",
    "Translator": "translation.translator",
    "load": "loading",
}

__all__ = [
    "AttentionClassifier",
    "AttentionRegressor",
    "ConstituencyParser",
    "Explanation",
    "MaskedLanguageModel",
    "Translator",
    "load",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'axw.models' has no attribute {name!r}")
    return getattr(import_module(f"axw.models.{_HOMES[name]}"), name)
