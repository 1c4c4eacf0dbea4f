"""config.json of a saved table model: what goes in, and how each value is checked on the way back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from axw.data import Columns
from axw.errors import ModelError, UsageError
from axw.models.tables.attending import AttendingStep
from axw.models.tables.estimators import AttentionClassifier, AttentionRegressor
from axw.models.tables.linear import LinearStep
from axw.models.tables.reading import Reader
from axw.models.tables.saved_fields import Fields as Fields
from axw.models.tables.saved_fields import not_written_by_axw as not_written_by_axw
from axw.models.tables.saved_fields import short
from axw.models.tables.saved_keys import Hashing, typed, untyped
from axw.models.tables.settings import check_settings, row_settings
from axw.models.tables.smoothing import SmoothingStep
from axw.networks import RowNetwork, RowSettings
from axw.relations import Relation, as_relations

KIND = "table model"
LINEAR = ("none", "given", "dot")
CLASSES = {"AttentionClassifier": AttentionClassifier, "AttentionRegressor": AttentionRegressor}
_DTYPE = re.compile(r"\|O|\|b1|\|[iu]1|[<>][iu][248]|[<>]f[248]|[<>]U\d{1,5}")
_KIND_OF = {"b": {"boolean"}, "i": {"integer"}, "u": {"integer"}, "f": {"number"}, "U": {"text"}}


# --------------------------------------------------------------------------------------------------------- parameters


def parameters_to_config(model: Any) -> dict[str, Any]:
    """The constructor's parameters but the relations."""
    parameters = model.get_params(deep=False)
    del parameters["relations"]
    parameters.pop("validation", None)  # names of rows that only fit has a use for
    seed = parameters["random_state"]
    parameters["random_state"] = int(seed) if isinstance(seed, int | np.integer) else None
    parameters["labels"] = bool(parameters["labels"])
    if not isinstance(parameters["categorical"], str):
        parameters["categorical"] = [str(name) for name in parameters["categorical"]]
    if isinstance(parameters.get("class_weight"), Mapping):
        parameters["class_weight"] = [[typed(key), float(weight)] for key, weight in parameters["class_weight"].items()]
    return parameters


def unfitted(fields: Fields, relations: list[Relation]) -> Any:
    """The estimator with its parameters, as its constructor makes it."""
    fields.get("format", int)
    kind = CLASSES[fields.one_of("class", tuple(CLASSES))]
    names = [name for name in kind._get_param_names() if name not in ("relations", "validation")]
    saved = fields.part("parameters").only(names)
    parameters = {name: fields.get("parameters", dict)[name] for name in names}
    saved.get("labels", bool)
    saved.get("id", str, type(None))
    saved.get("random_state", int, type(None))
    if saved.get("categorical", str, list) != "from_dtype":
        saved.texts("categorical")
    if isinstance(parameters.get("class_weight"), list):
        parameters["class_weight"] = {untyped(key): float(weight) for key, weight in parameters["class_weight"]}
    elif parameters.get("class_weight") not in (None, "balanced"):
        raise ModelError(f"'class_weight' is {short(parameters['class_weight'])}; allowed: null, 'balanced' or a list.")
    model = kind(**parameters, relations=relations or ())
    check_settings(model)
    return model


# --------------------------------------------------------------------------------------------------------------- steps


def unfitted_step(model: Any, penalty: float) -> LinearStep | AttendingStep | SmoothingStep:
    """The step that `fit` takes with these parameters."""
    relations = as_relations(model.relations)
    if model.attention == "smoothing":
        return SmoothingStep(relations, model.penalty)
    if model.attention in LINEAR:
        return LinearStep(model.attention, relations, model.labels, model._reader.columns.names, model.targets_)
    return AttendingStep(row_settings(model), relations, model.labels, members=model.members, penalty=penalty)


def unfitted_network(model: Any, d: int, c: int, saved: Mapping[str, Any] | None) -> RowNetwork | None:
    """The network that these parameters lead to, without memory for its weights; None for a rung that is solved."""
    step = model.step_
    learned = isinstance(step, AttendingStep)
    settings = _merged(step, saved.get("heads")) if learned and saved is not None else None
    if (settings is None) == learned or saved != (None if settings is None else vars(settings)):
        raise ModelError(f"The network is {short(saved)}, which is not what the parameters make of it.")
    if settings is None:
        return None
    with torch.device("meta"):
        return RowNetwork(d, 1 + (c if model.labels else 0) + d, c, settings)


def _merged(step: AttendingStep, heads: Any) -> RowSettings:
    """Several networks beside each other, as many as lead to that many heads."""
    count = max(1, heads // step.settings.heads) if type(heads) is int else 1
    return replace(step.settings, heads=step.settings.heads * count, width=step.settings.width * count)


def unchanged(model: Any) -> None:
    """`UsageError` where a parameter that shapes the answer is no longer the one that `fit` used."""
    was, now = model.step_, unfitted_step(model, 0.0)
    same = was.labels == now.labels and was.relations == now.relations
    if isinstance(was, LinearStep) and isinstance(now, LinearStep):
        same = same and was.attention == now.attention and _keys(as_relations(model.relations)) == model._reader.keys
    elif isinstance(was, SmoothingStep) and isinstance(now, SmoothingStep):
        same = same and was.penalties == now.penalties
    elif isinstance(was, AttendingStep) and isinstance(now, AttendingStep):
        same = same and model.fitted_.settings == _merged(now, model.fitted_.settings.heads)
    else:
        same = False
    if not same or model.id != model._reader.id:
        raise UsageError(
            "The parameters were changed after fit: they are no longer those of the weights.",
            "save",
            "Call fit(X, y) again, or set the parameters back.",
        )


def _keys(relations: Sequence[Relation]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for relation in relations for name in relation.columns))


# -------------------------------------------------------------------------------------------------------------- reader


def reader_to_config(model: Any, keys: Sequence[str], hashing: Hashing | None) -> dict[str, Any]:
    reader, names = model._reader, getattr(model, "feature_names_in_", None)
    return {
        "columns": reader.columns.to_config(),
        "keys": list(keys),
        "named": bool(reader.named),
        "positions": bool(reader.positions),
        "hashing": None if hashing is None else {"salt": hashing.salt, "kinds": dict(hashing.kinds)},
        "n_features_in": int(model.n_features_in_),
        "feature_names_in": None if names is None else [str(name) for name in names],
    }


def reader_from_config(model: Any, saved: Fields, context: str) -> Reader:
    """The Reader, with n_features_in_ and feature_names_in_ set on the model."""
    saved.only("columns keys named positions hashing n_features_in feature_names_in".split())
    model.n_features_in_ = saved.get("n_features_in", int)
    if saved.get("feature_names_in", list, type(None)) is not None:
        model.feature_names_in_ = np.array(names := saved.texts("feature_names_in"), dtype=object)
        if len(names) != model.n_features_in_:
            raise ModelError(f"{len(names)} names for {model.n_features_in_} columns.")
    keys = tuple(saved.texts("keys"))
    if keys != _keys(as_relations(model.relations)):
        raise ModelError(
            f"The key columns are {short(keys)}; the relations read {short(_keys(as_relations(model.relations)))}."
        )
    hashing = _hashing(saved, keys)
    if (hashing is not None) != (context == "hashed"):
        raise ModelError(f"The context is {context!r}, and there is {'no' if hashing is None else 'a'} salt.")
    columns = Columns.from_config(saved.get("columns", dict))
    return Reader(columns, keys, model.id, saved.get("named", bool), saved.get("positions", bool), hashing)


def _hashing(saved: Fields, keys: Sequence[str]) -> Hashing | None:
    if saved.get("hashing", dict, type(None)) is None:
        return None
    fields = saved.part("hashing").only(["salt", "kinds"])
    kinds = fields.part("kinds").only(list(keys))
    return Hashing(fields.get("salt", str), {name: tuple(kinds.texts(name)) for name in keys})


# ------------------------------------------------------------------------------------------------------------- classes


def classes_to_config(classes: np.ndarray) -> dict[str, Any]:
    """The classes with their types: 1, 1.0, True and "1" are four different answers."""
    values = [typed(value) for value in classes.tolist()]
    dtype = classes.dtype.str
    if not _DTYPE.fullmatch(dtype) or len({kind for kind, _ in values}) != 1:
        raise UsageError(
            f"Classes of the type {classes.dtype} cannot be saved; allowed: text, integers, numbers, true and false.",
            "classes_",
            "Turn y into text before the model is fitted.",
        )
    return {"dtype": dtype, "values": values}


def classes_from_config(saved: Fields) -> np.ndarray:
    """Classes (c) in rising order, at least two."""
    saved.only(["dtype", "values"])
    dtype, pairs = saved.get("dtype", str), saved.get("values", list)
    values = [untyped(pair) for pair in pairs]
    kinds = {str(pair[0]) for pair in pairs}
    if not _DTYPE.fullmatch(dtype) or len(values) < 2 or not kinds <= _KIND_OF.get(dtype[1], kinds) or len(kinds) != 1:
        raise ModelError(
            f"{len(values)} classes of the kinds {sorted(kinds)} and the type {dtype[:20]!r} are not possible."
        )
    if any(not low < high for low, high in zip(values, values[1:], strict=False)):
        raise ModelError(f"The classes {short(values)} are not different and in rising order.")
    classes = np.empty(len(values), dtype=np.dtype(dtype))
    classes[:] = values
    if classes.tolist() != values:
        raise ModelError(f"The classes {short(values)} do not fit the type {dtype!r}.")
    return classes
