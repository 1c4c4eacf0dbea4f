"""A text model as a folder, and back: weights, settings, vocabularies, model card. Nothing in it is ever run.

model.safetensors   the weights of the network
config.json         kind, settings, what fitting found
vocabulary.json     or one file for each vocabulary, such as source.json and target.json
README.md           the model card
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from axw.data.vocabulary import Vocabulary
from axw.errors import AxwError, ModelError
from axw.storage import Folder, json_from_bytes, json_to_bytes, tensors_from_bytes, tensors_to_bytes, write_folder
from axw.version import __version__

FORMAT = 1
KINDS = ("words", "sentences", "translation", "trees")
_MOST_VOCABULARIES = 2


class SavedText(NamedTuple):
    """What a folder holds: enough to make the model again."""

    kind: str
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]
    vocabularies: dict[str, Vocabulary]
    tensors: bytes

    def network(self, make: Callable[[], nn.Module]) -> nn.Module:
        """The network that `make` builds, with the saved weights, in `eval` mode.

        It is built without memory first, and gets some once the file was found to hold exactly its weights. `ModelError`.
        """
        with torch.device("meta"):
            network = make()
        shapes = {name: (p.dtype, tuple(p.shape)) for name, p in network.named_parameters()}
        found = tensors_from_bytes(self.tensors, shapes)
        network.to_empty(device="cpu")
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(found[name])
        return network.eval()


def save_text(
    path: str | os.PathLike[str],
    kind: str,
    network: nn.Module,
    *,
    settings: Mapping[str, Any],
    vocabularies: Mapping[str, Vocabulary],
    facts: Mapping[str, Any],
    card: str,
    replace: bool = False,
) -> None:
    """Write the model to the folder `path`, whole or not at all. `UsageError` for a folder that is there, `ResourceError`."""
    config = {
        "format": FORMAT,
        "axw": __version__,
        "kind": kind,
        "settings": dict(settings),
        "facts": dict(facts),
        "vocabularies": sorted(vocabularies),
    }
    # Each once: an embedding that is also the output, or both languages', goes under its first name.
    tensors = {name: parameter.detach().contiguous() for name, parameter in network.named_parameters()}
    files = {"model.safetensors": tensors_to_bytes(tensors), "config.json": json_to_bytes(config)}
    files |= {f"{name}.json": vocabulary.to_bytes() for name, vocabulary in vocabularies.items()}
    files["README.md"] = card.encode("utf-8", "backslashreplace")
    write_folder(path, files, meta={"kind": kind}, replace=replace)


def read_text(folder: Folder) -> SavedText:
    """What is in a verified folder. `ModelError` for anything that `save_text` does not write."""
    where = f"In {str(folder.path / 'config.json')!r}."
    config = json_from_bytes(folder.read("config.json"), where)
    try:
        if config["format"] != FORMAT or config["kind"] not in KINDS or config["kind"] != folder.meta.get("kind"):
            raise ModelError(
                f"The model has format {config['format']!r}, kind {config['kind']!r}; allowed: {FORMAT}.", where
            )
        names = [str(name) for name in config["vocabularies"]]
        if not 1 <= len(names) <= _MOST_VOCABULARIES or not all(name.isidentifier() for name in names):
            raise ModelError(f"The model has vocabularies {names}; allowed: one or two names.", where)
        vocabularies = {
            name: Vocabulary.from_bytes(folder.read(f"{name}.json"), f"In {str(folder.path / name)!r}.json.")
            for name in names
        }
        settings, facts = dict(config["settings"]), dict(config["facts"])
    except AxwError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"The configuration is not one that axw writes: {type(error).__name__}: {error}", where
        ) from error
    return SavedText(str(config["kind"]), settings, facts, vocabularies, folder.read("model.safetensors"))
