"""Which settings of the estimators go together; every other combination is an error that says what to do."""

from __future__ import annotations

from typing import Any

from axw.equation import KINDS
from axw.errors import UsageError, did_you_mean
from axw.networks import RowSettings
from axw.relations import as_relations

NORMALIZE = ("softmax", "softmax-or-nothing", "none")
ATTENTION = ("none", "given", "dot", "bilinear", "query-key", "metric", "smoothing")


def check_settings(model: Any) -> None:
    """Raise UsageError for the first setting that is not allowed."""
    _one_of("attention", model.attention, ATTENTION)
    _one_of("normalize", model.normalize, NORMALIZE)
    if model.feedforward is not None:
        _one_of("feedforward", model.feedforward, tuple(KINDS))
    for name, least in (("rank", 1), ("heads", 1), ("members", 1), ("width", 1)):
        value = getattr(model, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UsageError(f"{name} is {value!r}; allowed: an integer of at least {least}.", name)
    if model.penalty is not None and not (isinstance(model.penalty, int | float) and model.penalty >= 0):
        raise UsageError(f"penalty is {model.penalty!r}; allowed: a number of at least 0, or None.", "penalty")
    _check_relations(model)
    if model.attention == "metric" and model.normalize == "none":
        raise UsageError(
            "attention='metric' is a distance, which needs a softmax; got normalize='none'.",
            "normalize",
            "Use normalize='softmax' or 'softmax-or-nothing', or attention='query-key'.",
        )
    if model.attention == "smoothing" and not hasattr(model, "validation"):
        raise UsageError(
            "attention='smoothing' answers classes; this model answers numbers.",
            "attention",
            "Use AttentionClassifier, or attention='given'.",
        )
    if getattr(model, "validation", None) is not None and model.attention != "smoothing":
        raise UsageError(
            f"validation is given, which attention={model.attention!r} does not use.",
            "validation",
            "Leave it out, or use attention='smoothing'.",
        )


def row_settings(model: Any) -> RowSettings:
    """The network of the trained rungs."""
    return RowSettings(
        score=model.attention,
        normalize=model.normalize,
        rank=model.rank,
        heads=model.heads if model.attention in ("query-key", "metric") else 1,
        feedforward=model.feedforward,
        width=model.width,
    )


def _check_relations(model: Any) -> None:
    relations = as_relations(model.relations)
    if model.attention == "given" and not relations:
        raise UsageError(
            "attention='given' needs at least one relation, got none.",
            "relations",
            "Add a relation such as axw.SameValue('household'), or use attention='none'.",
        )
    names = [relation.name for relation in relations]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        todo = "Leave one out. Two graphs need names: axw.Edges.from_graph(graph, name='...')."
        raise UsageError(f"Two relations are called {double[0]!r}.", "relations", todo)


def _one_of(name: str, got: Any, allowed: tuple[str, ...]) -> None:
    if got not in allowed:
        raise UsageError(f"{name} is {got!r}.", name, did_you_mean(str(got), allowed))
