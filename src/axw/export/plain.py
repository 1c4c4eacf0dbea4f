"""safetensors: the weights under plain names, and a description, for a program that is yet to be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch

from axw.export.answers import Decodes, OurGuesses, ours
from axw.export.questions import Subject
from axw.export.weights import contiguous, weights_of
from axw.learning.settings import to_dict
from axw.storage import json_from_bytes, json_to_bytes, tensors_from_bytes, tensors_to_bytes

SCHEMA = "axw.weights/1"


def faults(given: Subject) -> list[str]:
    """Every network can be written down."""
    return []


def files(given: Subject) -> dict[str, bytes]:
    """model.safetensors, config.json, and tokenizer.json of each vocabulary."""
    network: Any = given.network
    weights = contiguous(weights_of(network))
    config = {
        "schema": SCHEMA,
        "network": type(network).__name__,
        "settings": to_dict(network.settings),
        "sizes": list(given.sizes),
        "ids": {"pad": 0, "start": 1, "end": 2, "unknown": 3, "mask": 4, "before": list(given.before)},
        "tensors": {name: list(tensor.shape) for name, tensor in weights.items()},
    }
    made = {"model.safetensors": tensors_to_bytes(weights), "config.json": json_to_bytes(config)}
    made["tokenizer.json"] = given.source.tokenizer_json()
    if given.target is not given.source:
        made["target-tokenizer.json"] = given.target.tokenizer_json()
    return made


def program(folder: Path, given: Subject) -> Decodes | OurGuesses:
    """A network that is built anew from the files alone."""
    data = (folder / "config.json").read_bytes()
    config = json_from_bytes(data, repr(str(folder / "config.json")))
    kind: Any = type(given.network)
    settings = type(cast(Any, given.network).settings)(**config["settings"])
    network = kind(settings, given.sizes[0], seed=1) if given.guesses else kind(settings, *given.sizes, seed=1)
    shapes = {name: (torch.float32, tuple(shape)) for name, shape in config["tensors"].items()}
    tensors = tensors_from_bytes((folder / "model.safetensors").read_bytes(), shapes)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(tensors[name])
    network.eval()
    return OurGuesses(network) if given.guesses else ours(network, (0, 1))
