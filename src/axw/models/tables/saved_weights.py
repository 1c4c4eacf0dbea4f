"""model.safetensors and memory.parquet of a saved table model: the numbers, whose shapes follow from the config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from axw.errors import ModelError
from axw.models.tables.linear import Linear, LinearStep
from axw.models.tables.nearby import MemoryIndex
from axw.models.tables.problem import TableRows, Target
from axw.models.tables.saved_config import unfitted_network, unfitted_step
from axw.models.tables.saved_fields import Fields
from axw.models.tables.saved_keys import table_from_bytes
from axw.models.tables.saved_smoothing import outline, smoothed_from, smoothed_shapes, smoothed_tensors
from axw.models.tables.smoothing import Smoothed, SmoothingStep
from axw.relations import Rows
from axw.storage import Folder, tensors_from_bytes

# What stands for the label of a row that has none: a file holds finite numbers alone, and classes are 0 and 1.
NO_LABEL = -1.0


def tensors_of(model: Any, memory: TableRows) -> dict[str, torch.Tensor]:
    """The weights by name, and the memory as it is saved."""
    network: dict[str, torch.Tensor] = {}
    arrays = {"memory.X": memory.X, "memory.Y": memory.Y, "memory.weight": memory.weight}
    arrays |= {"target.prior": model.target_.prior, "target.scale": model.target_.scale}
    if isinstance(model.fitted_, Linear):
        arrays |= {"linear.W": model.fitted_.W, "linear.b": model.fitted_.b}
    elif isinstance(model.fitted_, Smoothed):
        assert memory.Y is not None
        arrays |= smoothed_tensors(model.fitted_) | {"memory.Y": np.nan_to_num(memory.Y, nan=NO_LABEL)}
    else:
        network = {f"network.{name}": weight for name, weight in model.fitted_.state_dict().items()}
    tensors = {name: torch.tensor(array, dtype=torch.float64) for name, array in arrays.items() if array is not None}
    return tensors | network


def load_weights(model: Any, folder: Folder, fields: Fields) -> None:
    """The shapes follow from the config alone; weights of another shape are refused before anything is allocated."""
    d, c = len(model._reader.columns.names), len(model.targets_)
    found, saved = fields.part("fitted"), fields.part("memory").only(["rows", "weighted", "forms"])
    m, weighted = saved.get("rows", int), saved.get("weighted", bool)
    shapes: dict[str, tuple[int, ...]] = {
        "memory.X": (m, d),
        "memory.Y": (m, c),
        "target.prior": (c,),
        "target.scale": (c,),
    }
    shapes |= {"memory.weight": (m,)} if weighted else {}
    model.step_ = step = unfitted_step(model, found.number("penalty", least=0.0))
    network = unfitted_network(model, d, c, found.get("network", dict, type(None)))
    if isinstance(step, LinearStep):
        shapes |= {"linear.W": (len(step.columns()), c), "linear.b": (c,)}
    told = outline(found.get("smoothing", dict), len(step.relations)) if isinstance(step, SmoothingStep) else None
    if told is not None:
        shapes |= smoothed_shapes(told, d, c, m, len(step.relations))
    if network is not None:
        shapes |= {f"network.{name}": tuple(weight.shape) for name, weight in network.state_dict().items()}
    expected = {name: (torch.float64, shape) for name, shape in shapes.items()}
    tensors = tensors_from_bytes(folder.read("model.safetensors"), expected)
    # A copy lies where PyTorch wants it, on which the last bit of a product may depend.
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    if told is not None:
        model.fitted_ = smoothed_from(told, {name: tensor.numpy() for name, tensor in tensors.items()})
    elif network is None:
        W, b = tensors["linear.W"].numpy(), tensors["linear.b"].numpy()
        model.fitted_ = Linear(W, b, found.number("penalty", least=0.0), np.zeros((0, c)))
    else:
        weights = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
        network.load_state_dict(weights, assign=True)
        model.fitted_ = network
    arrays = {name: tensor.numpy() for name, tensor in tensors.items() if not name.startswith("network.")}
    if not (arrays["target.scale"] > 0).all() or (weighted and not (arrays["memory.weight"] >= 0).all()):
        raise ModelError("A scale or a weight is negative; allowed: scales above 0, weights of at least 0.")
    model.target_ = Target(fields.part("target").get("kind", str), arrays["target.prior"], arrays["target.scale"])
    model.memory_ = _load_memory(model, folder, m, saved.texts("forms"), arrays)
    model._index = MemoryIndex.of(step, model.memory_, model._reader)


def _load_memory(model: Any, folder: Folder, m: int, forms: list[str], arrays: Mapping[str, np.ndarray]) -> TableRows:
    keys = model._reader.keys
    names = ["id", *(f"key {name}" for name in keys)]
    if len(forms) != len(names):
        raise ModelError(f"The memory has {len(forms)} columns of ids and keys; {len(names)} are expected.")
    table = table_from_bytes(folder.read("memory.parquet"), dict(zip(names, forms, strict=True)), m, "memory.parquet")
    columns = {name: table[f"key {name}"] for name in keys}
    rows = Rows(table["id"].to_numpy(dtype=object), pd.DataFrame(columns, index=range(m)))
    Y = arrays["memory.Y"]
    if isinstance(model.fitted_, Smoothed):
        Y = np.where(Y == NO_LABEL, np.nan, Y)
    return TableRows(rows, arrays["memory.X"], Y, arrays.get("memory.weight"))
