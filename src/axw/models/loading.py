"""Any saved model, by what its folder says it is."""

from __future__ import annotations

import os
from typing import Any

from axw.errors import ModelError
from axw.models.tables import saved
from axw.models.tables.saved_config import KIND
from axw.models.text_model import TextModel, model_folder
from axw.models.translation.translator import Translator
from axw.models.trees.parser import ConstituencyParser
from axw.models.words.classifier import FineTunedClassifier
from axw.models.words.masked_words import MaskedLanguageModel
from axw.storage import read_folder

TEXT: dict[str, type[TextModel[Any, Any]]] = {
    door.kind: door for door in (MaskedLanguageModel, FineTunedClassifier, Translator, ConstituencyParser)
}


def load(path: str | os.PathLike[str]) -> Any:
    """The model of a folder that `save` wrote, or of a training run that has ended; needs none of the training data.

    Every byte is verified against the folder's manifest, and every value against the others, before it is used.

    Raises `ModelError` for a folder that is missing, damaged, made by something newer or nothing that axw writes.
    """
    folder = read_folder(model_folder(path))
    kind = folder.meta.get("kind")
    if kind == KIND:
        return saved.from_folder(folder)
    if kind not in TEXT:
        raise ModelError(
            f"The folder holds a {kind!r}; allowed: {', '.join(map(repr, (KIND, *TEXT)))}.",
            f"In {str(folder.path)!r}.",
            "Give the folder of a saved model.",
        )
    return TEXT[str(kind)].from_folder(folder)
