"""A folder of Hugging Face's library as a model of ours, proved where that library is installed."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from axw.data.vocabulary import BOS, EOS, NAMES
from axw.errors import GateError, ModelError, UsageError
from axw.export.imported import bert, marian
from axw.export.imported.folder import Foreign, read_foreign
from axw.export.imported.tokenizers import Known
from axw.models.translation.translator import Translator
from axw.models.words.masked_words import MaskedLanguageModel

CLOSE = 1e-3  # between two log p of made-up lines, which a trained model finds unlikely
_KINDS = {"bert": bert.faults, "marian": marian.faults}


class Imported(NamedTuple):
    """The model, and the greatest difference between its log p and those of the library; None where that is not installed."""

    model: MaskedLanguageModel | Translator
    difference: float | None


def import_model(folder: str | os.PathLike[str]) -> Imported:
    """`BertForMaskedLM` as a `MaskedLanguageModel`, `MarianMTModel` as a `Translator`, from a folder on this machine.

    Raises `UsageError` for another kind of model or a setting that ours does not have, `ModelError` for a damaged folder,
    `GateError` where the library is installed and says something else.
    """
    foreign = read_foreign(folder)
    kind = foreign.config.get("model_type")
    if kind not in _KINDS:
        raise UsageError(
            f"The folder holds a model of type {kind!r}; allowed: {', '.join(_KINDS)}.",
            f"In {str(folder)!r}.",
            "A model that axw exported is still where it was exported from.",
        )
    wrong = _KINDS[kind](dict(foreign.config))
    if wrong:
        raise UsageError(
            " ".join(wrong), f"In {str(Path(folder) / 'config.json')!r}.", "Such a model cannot be imported."
        )
    if kind == "bert":
        model, words = bert.imported(foreign)
        network = model.settings.network
        _filled(model, bert.weights(foreign, words, network.d_model, network.layers), foreign)
        return Imported(model, _bert_difference(model, words, foreign.path))
    translator, sides = marian.imported(foreign)
    _filled(translator, marian.weights(foreign, sides, translator.settings.transformer), foreign)
    return Imported(translator, _marian_difference(translator, sides, foreign.path))


def _filled(model: Any, weights: dict[str, Tensor], foreign: Foreign) -> None:
    """The network with these weights, once they were found to be exactly its own."""
    with torch.device("meta"):
        network: nn.Module = model._make_network(model._vocabularies)
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}
    found = {name: tuple(t.shape) for name, t in weights.items()}
    if shapes != found:
        name = next(n for n in sorted(shapes.keys() | found.keys()) if shapes.get(n) != found.get(n))
        raise ModelError(
            f"The weights are not those of the configuration: {name} is {found.get(name)}, and {shapes.get(name)} is needed.",
            f"In {str(foreign.path)!r}.",
            "Check that config.json and model.safetensors belong together.",
        )
    network.to_empty(device="cpu")
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(weights[name])
    model._network = network.eval()


# ------------------------------------------------------------------------------------------------------------ the proof


def _made_up(size: int, seed: int, longest: int) -> np.ndarray:
    """(3 n) ids that are no names, the same every time."""
    n = min(11, longest - 2)
    return np.random.default_rng(seed).integers(len(NAMES), size, (3, n))


@torch.no_grad()
def _bert_difference(model: MaskedLanguageModel, words: Known, path: Path) -> float | None:
    if importlib.util.find_spec("transformers") is None:
        return None
    from axw.export.answers import OurGuesses
    from axw.export.huggingface.answers import HuggingFaceGuesses

    inside = _made_up(words.vocabulary.size, 0, model.settings.longest)
    ids = np.concatenate([np.full((3, 1), BOS), inside, np.full((3, 1), EOS)], 1)
    ids[:, 2] = 4
    ours = OurGuesses(model.network).log_p(ids)  # type: ignore[arg-type]
    theirs = HuggingFaceGuesses(path, pad=int(words.theirs[0])).log_p(words.theirs[torch.from_numpy(ids)].numpy())
    return _compared(ours, theirs, words, path)


@torch.no_grad()
def _marian_difference(model: Translator, sides: tuple[Known, Known], path: Path) -> float | None:
    if importlib.util.find_spec("transformers") is None:
        return None
    from axw.export.huggingface.answers import loaded

    source = _made_up(sides[0].vocabulary.size, 0, model.settings.longest)
    source = np.concatenate([source, np.full((3, 1), EOS)], 1)
    read = _made_up(sides[1].vocabulary.size, 1, model.settings.longest)
    read = np.concatenate([np.full((3, 1), BOS), read], 1)
    network: Any = model.network
    one, other = torch.from_numpy(source), torch.from_numpy(read)
    ours = torch.log_softmax(network.logits(network(one, other)), -1).numpy()
    library = loaded(path, "AutoModelForSeq2SeqLM")
    logits = library(input_ids=sides[0].theirs[one], decoder_input_ids=sides[1].theirs[other]).logits
    return _compared(ours, torch.log_softmax(logits, -1).numpy(), sides[1], path)


def _compared(ours: np.ndarray, theirs: np.ndarray, words: Known, path: Path) -> float:
    """The greatest difference over the ids that both have."""
    both = (words.theirs >= 0).numpy()
    difference = float(np.abs(ours[..., both] - theirs[..., words.theirs.numpy()[both]]).max())
    if not difference <= CLOSE:
        raise GateError(
            f"The imported model does not say what it said: log p differs by {difference:.1e}; allowed: {CLOSE:.0e}.",
            f"In {str(path)!r}.",
            "Nothing was written. The folder may be of another version of its class.",
        )
    return difference
