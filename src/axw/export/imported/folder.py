"""A folder of Hugging Face's library: its configuration and its weights. Nothing in it is run, and no pickle is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from axw.errors import ModelError, UsageError
from axw.storage import json_from_bytes, tensors_from_bytes
from axw.storage.disk import read_bounded

_MOST_JSON, _MOST_BYTES = 64 << 20, 8 << 30
_SAFE = "In Python: AutoModelForMaskedLM.from_pretrained(FOLDER).save_pretrained(NEW) writes model.safetensors."


class Foreign(NamedTuple):
    """config.json, and the tensors by name, in float32."""

    path: Path
    config: Mapping[str, Any]
    tensors: dict[str, Tensor]

    def take(self, name: str, *others: str) -> Tensor:
        """The tensor of the first of these names that is there. `ModelError` where none is."""
        for each in (name, *others):
            if each in self.tensors:
                return self.tensors[each]
        raise ModelError(f"There is no tensor {name!r}.", f"In {str(self.path)!r}.", "Check that the folder is whole.")

    def number(self, name: str) -> int:
        """A whole number of the configuration, from 0 on."""
        value = self.config.get(name)
        if type(value) is not int or value < 0:
            raise ModelError(
                f"{name} is {value!r}; allowed: a whole number.", f"In {str(self.path / 'config.json')!r}."
            )
        return value


def read_foreign(path: str | os.PathLike[str]) -> Foreign:
    """What is in the folder. `ModelError` where it is damaged or missing, `UsageError` where its weights are a pickle."""
    path = Path(path)
    if not path.is_dir():
        raise ModelError("There is no such folder.", f"In {str(path)!r}.", "Check the path; nothing is downloaded.")
    if not (path / "config.json").is_file():
        raise ModelError(
            "The folder holds no config.json.", f"In {str(path)!r}.", "Name a folder of Hugging Face's library."
        )
    config = json_from_bytes(read_bounded(path / "config.json", _MOST_JSON), repr(str(path / "config.json")))
    if not isinstance(config, dict):
        raise ModelError("config.json is no object.", f"In {str(path)!r}.", "Check the path.")
    weights = path / "model.safetensors"
    if not weights.is_file():
        if any(path.glob("*.bin")):
            raise UsageError(
                "The weights are a pickle, which may run code and is not opened.", f"In {str(path)!r}.", _SAFE
            )
        raise ModelError("The folder holds no model.safetensors.", f"In {str(path)!r}.", _SAFE)
    tensors = tensors_from_bytes(read_bounded(weights, _MOST_BYTES))
    renamed = {name.replace(".gamma", ".weight").replace(".beta", ".bias"): t.float() for name, t in tensors.items()}
    return Foreign(path, config, renamed)
