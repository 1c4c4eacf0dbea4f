"""A model whose rows stay in their table, as a folder, and back.

model.safetensors  W, b; prior and scale of the target
config.json        form of the table, relations, classes, what fitting found
README.md          the model card
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from axw.data import Columns
from axw.errors import AxwError, ModelError, UsageError
from axw.models.model_card import code
from axw.models.tables.problem import Target
from axw.models.tables.saved_config import classes_from_config, classes_to_config
from axw.models.tables.saved_fields import Fields, not_written_by_axw
from axw.relations import Ref, SameValue
from axw.sql.design import Form
from axw.sql.model import SqlModel
from axw.sql.relations import EdgeTable, SqlRelation
from axw.sql.target import Answer
from axw.storage import json_from_bytes, json_to_bytes, read_folder, tensors_from_bytes, tensors_to_bytes, write_folder
from axw.version import __version__

FORMAT = 1
KIND = "table model in SQL"
_CONFIG = "format axw names form answer penalty temperature calibration_error rows".split()


def save(model: SqlModel, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write the model to a folder, whole or not at all.

    No row is in it: `load(path).predict(engine, rows, memory)` reads those of the training table, which must be kept.
    Raises `UsageError` for a folder that is there, `ResourceError` (disk, permission).
    """
    form, answer = model.form, model.answer
    arrays = {"W": model.W, "b": model.b, "prior": answer.target.prior, "scale": answer.target.scale}
    config = {
        "format": FORMAT,
        "axw": __version__,
        "names": list(model.names),
        "form": {
            "columns": form.columns.to_config(),
            "relations": [_relation_to_config(one) for one in form.relations],
            "id": form.id,
            "as_of": form.as_of,
            "labels": form.labels,
        },
        "answer": {
            "name": answer.name,
            "kind": answer.target.kind,
            "classes": None if answer.classes is None else classes_to_config(answer.classes),
        },
        "penalty": model.penalty,
        "temperature": model.temperature,
        "calibration_error": model.calibration_error,
        "rows": model.rows,
    }
    files = {
        "model.safetensors": tensors_to_bytes({name: torch.tensor(array) for name, array in arrays.items()}),
        "config.json": json_to_bytes(config),
        "README.md": _card(model).encode("utf-8", "backslashreplace"),
    }
    write_folder(path, files, meta={"kind": KIND, "class": "SqlModel"}, replace=overwrite)


def load(path: str | os.PathLike[str]) -> SqlModel:
    """The model that `save` wrote. Raises `ModelError` for a folder that is missing, damaged, or nothing that `save` writes."""
    folder = read_folder(path)
    where = f"In {str(folder.path / 'config.json')!r}."
    if folder.meta.get("kind") != KIND:
        raise ModelError(
            f"The folder holds a {folder.meta.get('kind')!r}, and not a {KIND!r}.",
            where,
            "Load it with axw.models.load." if folder.meta.get("kind") == "table model" else "Give another folder.",
        )
    config = json_from_bytes(folder.read("config.json"), where)
    try:
        return _model(Fields(config, "config.json").only(_CONFIG), folder.read("model.safetensors"))
    except (AxwError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        why = error.what if isinstance(error, AxwError) else f"{type(error).__name__}: {str(error)[:120]}"
        raise ModelError(
            f"The configuration is not one that axw writes: {why}", where, not_written_by_axw.todo
        ) from error


def _model(fields: Fields, tensors: bytes) -> SqlModel:
    saved = fields.part("form").only("columns relations id as_of labels".split())
    relations = tuple(_relation_from_config(one) for one in saved.get("relations", list))
    columns = Columns.from_config(saved.get("columns", dict))
    form = Form(
        columns,
        relations,
        saved.get("id", str, type(None)),
        saved.get("as_of", str, type(None)),
        saved.get("labels", bool),
    )
    asked = fields.part("answer").only(["name", "kind", "classes"])
    is_number = asked.one_of("kind", ("classes", "numbers")) == "numbers"
    classes = None if is_number else classes_from_config(asked.part("classes"))
    c = 1 if classes is None or len(classes) == 2 else len(classes)
    d = len(columns.names)
    p = d + len(relations) * (d + 1 + (c if form.labels else 0))
    shapes = {"W": (p, c), "b": (c,), "prior": (c,), "scale": (c,)}
    found = tensors_from_bytes(tensors, {name: (torch.float64, shape) for name, shape in shapes.items()})
    W, b, prior, scale = (np.array(found[name].numpy()) for name in shapes)
    answer = Answer(asked.get("name", str), classes, Target(asked.get("kind", str), prior, scale))
    error = None if classes is None else fields.number("calibration_error", least=0.0)
    penalty, temperature = fields.number("penalty", least=0.0), fields.number("temperature", above=0.0)
    return SqlModel(
        form, answer, W, b, penalty, temperature, error, fields.get("rows", int), tuple(fields.texts("names"))
    )


def _relation_to_config(relation: SqlRelation) -> dict[str, Any]:
    if isinstance(relation, EdgeTable):
        names = ("source", "target", "weight", "both", "distinct")
        return {
            "kind": "EdgeTable",
            "path": os.fspath(relation.path),
            **{name: getattr(relation, name) for name in names},
        }
    return relation.to_config().config


def _relation_from_config(config: Any) -> SqlRelation:
    settings = dict(config)
    kind = settings.pop("kind")
    if kind == "SameValue":
        return SameValue(*settings["columns"])
    if kind == "Ref":
        return Ref(settings["column"], both=settings["both"])
    if kind != "EdgeTable":
        raise UsageError(f"There is no relation of the kind {kind!r}.", "relations")
    return EdgeTable(**settings)


def _card(model: SqlModel) -> str:
    form = model.form
    equation = "Y = [X, A X, log(1 + count), A labels] W + b" if form.relations else "Y = X W + b"
    lines = ["# Table model in SQL", "", f"Predicts {code(model.answer.name)} of a row of a table.", "", "```python"]
    lines += ["import axw.sql", "", "with axw.sql.DuckDB() as engine:", '    model = axw.sql.load("this folder")']
    lines += ['    rows, memory = engine.read("new_rows.parquet"), engine.read("training_rows.parquet")']
    lines += ['    engine.write(model.predict(engine, rows, memory), "answers.parquet")', "```", "", "## Equation", ""]
    lines += [f"- {equation}", *(f"- rows read each other by: {code(one)}" for one in form.relations)]
    lines += [f"- a row reads only rows before its own {code(form.as_of)}"] if form.as_of is not None else []
    lines += [f"- penalty on the squared weights: {model.penalty:g}", f"- temperature: {model.temperature:.4f}"]
    lines += ["", "## Data", "", f"- {model.rows:,} training rows, none of which is in this folder"]
    if form.relations:
        lines.append(
            "- new rows read rows of the training table: keep it, and its edges, where an engine can read them"
        )
    lines.append(f"- columns used: {', '.join(map(code, form.columns.used)) or 'none'}")
    lines += [f"- column left out: {code(name)}, {code(why)}" for name, why in form.columns.dropped.items()]
    if model.calibration_error is not None:
        lines += [
            "",
            "## Quality",
            "",
            f"- calibration error, sampled training rows held out: {model.calibration_error:.4f}",
        ]
    return "\n".join([*lines, "", "## Versions", "", f"- axw {__version__}"]) + "\n"
