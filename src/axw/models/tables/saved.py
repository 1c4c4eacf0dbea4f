"""A table model as a folder, and back: weights, the rows that may be read, settings, model card. Nothing in it is ever run.

model.safetensors   W, b or the network; X, Y and weight of the memory; prior and scale of the target
config.json         class, parameters, relations, form of the table, classes, what fitting found
memory.parquet      ids and relation keys of the rows that may be read
relation-0.parquet  the table of the first relation that has one
README.md           the model card
"""

from __future__ import annotations

import os
import secrets
from typing import Any

import numpy as np
import pandas as pd

from axw.errors import AxwError, ModelError, UsageError
from axw.models.model_card import model_card
from axw.models.tables.attending import AttendingStep
from axw.models.tables.estimators import AttentionClassifier, AttentionRegressor
from axw.models.tables.problem import TableRows
from axw.models.tables.saved_config import (
    KIND,
    classes_from_config,
    classes_to_config,
    parameters_to_config,
    reader_from_config,
    reader_to_config,
    unchanged,
    unfitted,
)
from axw.models.tables.saved_fields import FORMAT, Fields, not_written_by_axw
from axw.models.tables.saved_keys import Hashing, canonical, table_from_bytes, table_to_bytes
from axw.models.tables.saved_smoothing import smoothed_to_config
from axw.models.tables.saved_weights import load_weights, tensors_of
from axw.models.tables.smoothing import Smoothed
from axw.relations import Edges, Near, Ref, Relation, Rows, SameValue, as_relations, relation_from_config
from axw.storage import (
    Folder,
    json_from_bytes,
    json_to_bytes,
    read_folder,
    tensors_to_bytes,
    write_folder,
)
from axw.version import __version__

CONTEXTS = ("full", "hashed", "none")
MOST_RELATIONS = 1_000
Model = AttentionClassifier | AttentionRegressor


# ------------------------------------------------------------------------------------------------------------- writing


def save(model: Model, path: str | os.PathLike[str], *, context: str = "full", overwrite: bool = False) -> None:
    """Write a fitted model to the folder `path`, whole or not at all; `load` gives it back, and predicts the same bit for bit.

    context    what of the training rows is kept for new rows to read:
               "full"    their ids and relation keys as they are
               "hashed"  salted SHA-256 of ids and keys, in the memory and in the tables of relations. The salt is in the folder,
                         so whoever can guess a key can check the guess: names and account numbers are hidden, not protected.
                         The rows' columns and answers, and the levels of categories, stay in the clear; so does a key column that
                         is a feature as well. `Near` needs the numbers themselves and is refused. The loaded model predicts; to
                         fit again, give it the relations over ids in the clear.
               "none"    no row at all, and no relations: for attention="none", which reads no other row
    overwrite  replace a model that is there

    A RandomState given as random_state is saved as None: its state is not part of the model.

    Raises `UsageError` (a context that this model does not allow, parameters changed after fit, relations or ids of a kind that
    cannot be saved, a folder that is there), `ResourceError` (disk, permission).
    """
    if type(model) not in (AttentionClassifier, AttentionRegressor):
        raise UsageError(
            f"A {type(model).__name__} cannot be saved; allowed: AttentionClassifier and AttentionRegressor.", "save"
        )
    if not hasattr(model, "fitted_"):
        raise UsageError("The model is not fitted.", "save", "Call fit(X, y) first.")
    unchanged(model)
    _check_context(model, context)
    memory, relations, hashing = _kept(model, context)
    files: dict[str, bytes] = {"model.safetensors": tensors_to_bytes(tensors_of(model, memory))}
    keys = {"id": memory.rows.ids, **{f"key {name}": memory.rows.columns[name] for name in memory.rows.columns.columns}}
    files["memory.parquet"], forms = table_to_bytes(keys)
    saved_relations = [_save_relation(relation, number, files) for number, relation in enumerate(relations)]
    config = {
        "format": FORMAT,
        "axw": __version__,
        "class": type(model).__name__,
        "context": context,
        "parameters": parameters_to_config(model),
        "relations": saved_relations,
        "reader": reader_to_config(model, [] if context == "none" else model._reader.keys, hashing),
        "target": {"kind": model.target_.kind, "names": list(model.targets_)},
        "classes": classes_to_config(model.classes_) if isinstance(model, AttentionClassifier) else None,
        "fitted": _found(model),
        "memory": {"rows": len(memory.X), "weighted": memory.weight is not None, "forms": forms},
    }
    files["config.json"] = json_to_bytes(config)
    files["README.md"] = model_card(model, context).encode("utf-8", "backslashreplace")
    write_folder(path, files, meta={"kind": KIND, "class": type(model).__name__}, replace=overwrite)


def _check_context(model: Model, context: str) -> None:
    hashed = model._reader.hashing is not None
    reads = model.attention != "none"
    near = [relation for relation in as_relations(model.relations) if type(relation) is Near]
    refused = {
        "full": "the ids and keys of this model are hashed already" if hashed else "",
        "hashed": f"{near[0]!r} needs the numbers themselves, which a hash hides" if near else "",
        "none": f"attention={model.attention!r} reads remembered rows" if reads else "",
    }
    if refused.get(context) == "":
        return
    allowed = [repr(name) for name, why in refused.items() if not why]
    why = f", for {refused[context]}" if context in refused else ""
    raise UsageError(
        f"context is {context!r}; allowed for this model: {', '.join(allowed)}{why}.",
        "context",
        "Choose one of those, or fit another model: attention='none' needs no rows, SameValue and Ref can be hashed.",
    )


def _kept(model: Model, context: str) -> tuple[TableRows, list[Relation], Hashing | None]:
    """The memory and the relations as they are saved."""
    memory, relations, hashing = model.memory_, list(as_relations(model.relations)), model._reader.hashing
    if context == "none":
        empty = memory.take(np.zeros(0, dtype=np.int64))
        return empty._replace(rows=Rows(empty.rows.ids, empty.rows.columns[[]]), weight=None), [], None
    if context == "hashed" and hashing is None:
        # From the system and not from the seed: whoever knows the seed would know the salt of every model.
        hashing = Hashing.of(memory.rows, secrets.token_hex(16))
        relations = [hashing.edges(relation) if type(relation) is Edges else relation for relation in relations]
        memory = memory._replace(rows=hashing.rows(memory.rows))
    return memory, relations, hashing


def _save_relation(relation: Relation, number: int, files: dict[str, bytes]) -> dict[str, Any]:
    if type(relation) not in (SameValue, Ref, Edges, Near):
        raise UsageError(
            f"A relation of the class {type(relation).__name__} cannot be saved; allowed: SameValue, Ref, Edges, Near.",
            f"relation {relation.name!r}",
            "Write it as Edges.",
        )
    config, tables = relation.to_config()
    if not tables:
        return {"config": config, "forms": None}
    (table,) = tables.values()
    # In an order of its own: the same edges are the same file, whatever order they came in.
    texts = pd.DataFrame({name: [canonical(value) for value in table[name]] for name in table.columns})
    ordered = table.iloc[texts.sort_values(list(texts.columns), kind="stable").index]
    files[f"relation-{number}.parquet"], forms = table_to_bytes({name: ordered[name] for name in ordered.columns})
    return {"config": config, "forms": dict(zip(ordered.columns, forms, strict=True))}


def _found(model: Model) -> dict[str, Any]:
    step, fitted = model.step_, model.fitted_
    smoothing = {"smoothing": smoothed_to_config(fitted)} if isinstance(fitted, Smoothed) else {}
    return smoothing | {
        "temperature": float(model.temperature_),
        "calibration_error": float(model.calibration_error_) if isinstance(model, AttentionClassifier) else None,
        "iterations": int(model.n_iter_),
        "penalty": _penalty(model),
        "network": vars(fitted.settings) if isinstance(step, AttendingStep) else None,
        "one_target": model._one_target if isinstance(model, AttentionRegressor) else None,
    }


def _penalty(model: Model) -> float:
    if isinstance(model.fitted_, Smoothed):
        return float(model.penalty or 0.0)  # each voice has its own
    return float(model.step_.penalty if isinstance(model.step_, AttendingStep) else model.fitted_.penalty)


# ------------------------------------------------------------------------------------------------------------- reading


def load(path: str | os.PathLike[str]) -> Model:
    """The model that `save` wrote to the folder `path`. Needs no training table.

    Every byte is verified against the folder's manifest, and every value against the others, before it is used.

    Raises `ModelError` for a folder that is missing, damaged, made by something newer or nothing that axw writes.
    """
    return from_folder(read_folder(path))


def from_folder(folder: Folder) -> Model:
    """`load`, of a folder that was read."""
    where = f"In {str(folder.path / 'config.json')!r}."
    if folder.meta.get("kind") != KIND:
        raise ModelError(
            f"The folder holds a {folder.meta.get('kind')!r}, and not a {KIND!r}.",
            where,
            "Give the folder of a saved model.",
        )
    config = json_from_bytes(folder.read("config.json"), where)
    try:
        return _model(folder, config)
    except ModelError as error:
        raise ModelError(error.what, error.where or where, error.todo or not_written_by_axw.todo) from error
    except (AxwError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
        # RuntimeError: PyTorch, and a recursion that is too deep. Whatever a strange value leads to, it is the file's fault.
        why = error.what if isinstance(error, AxwError) else f"{type(error).__name__}: {str(error)[:120]}"
        raise ModelError(
            f"The configuration is not one that axw writes: {why}", where, not_written_by_axw.todo
        ) from error


def _model(folder: Folder, config: Any) -> Model:
    fields = Fields(config, "config.json").only(
        "format axw class context parameters relations reader target classes fitted memory".split()
    )
    context = fields.one_of("context", CONTEXTS)
    relations = _load_relations(folder, fields.get("relations", list))
    model = unfitted(fields, relations)
    model._reader = reader_from_config(model, fields.part("reader"), context)
    _load_target(model, fields)
    load_weights(model, folder, fields)
    return model


def _load_relations(folder: Folder, saved: list[Any]) -> list[Relation]:
    if len(saved) > MOST_RELATIONS:
        raise ModelError(f"{len(saved):,} relations; allowed: {MOST_RELATIONS:,}.")
    relations = []
    for number, item in enumerate(saved):
        fields = Fields(item, f"relation {number}").only(["config", "forms"])
        config, tables = fields.get("config", dict), {}
        if (forms := fields.get("forms", dict, type(None))) is not None:
            name = f"relation-{number}.parquet"
            tables = {str(config.get("table")): table_from_bytes(folder.read(name), forms, None, name)}
        relation = relation_from_config(config, tables)
        if relation.to_config().config != config:
            raise ModelError(
                f"The relation {number} is {relation!r}, which would be saved otherwise than it stands there."
            )
        relations.append(relation)
    return relations


def _load_target(model: Model, fields: Fields) -> None:
    target, classifier = fields.part("target").only(["kind", "names"]), isinstance(model, AttentionClassifier)
    target.one_of("kind", ("classes",) if classifier else ("numbers",))
    model.targets_ = tuple(target.texts("names"))
    outputs, found = len(model.targets_), fields.part("fitted")
    more = ["smoothing"] * (model.attention == "smoothing")
    found.only([*"temperature calibration_error iterations penalty network one_target".split(), *more])
    model.temperature_, model.n_iter_ = found.number("temperature", above=0.0), found.get("iterations", int)
    if isinstance(model, AttentionClassifier):
        model.classes_ = classes_from_config(fields.part("classes"))
        expected = 1 if len(model.classes_) == 2 else len(model.classes_)
        model.calibration_error_ = found.number("calibration_error", least=0.0)
    else:
        model._one_target = found.get("one_target", bool)
        expected = 1 if model._one_target else max(1, outputs)
    if outputs != expected:
        raise ModelError(f"{outputs} targets are named; {expected} are expected of these classes or numbers.")
