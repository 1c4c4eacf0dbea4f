"""The files of an export to Hugging Face's library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from axw.data.vocabulary import BOS, PAD
from axw.export.huggingface import translators, words
from axw.export.huggingface.answers import HuggingFaceGuesses, HuggingFaceWrites
from axw.export.huggingface.tokenizer import tokenizer_files, tokenizer_json
from axw.export.questions import Subject
from axw.export.weights import contiguous, weights_of
from axw.networks.masked_words import MaskedWords
from axw.networks.transformer import Transformer
from axw.storage import json_to_bytes, tensors_to_bytes


def faults(given: Subject) -> list[str]:
    """What of the network no architecture of the library holds."""
    network = given.network
    if isinstance(network, MaskedWords):
        return words.faults(network.settings)
    if isinstance(network, Transformer):
        return translators.faults(network.settings, given.sizes)
    return ["architecture is 'luong'; there is no LSTM with attention among the library's architectures."]


def files(given: Subject) -> dict[str, bytes]:
    """config.json, model.safetensors, tokenizer.json and what belongs to them."""
    network: Any = given.network
    weights = weights_of(network)
    if given.guesses:
        found = words.written(network.settings, weights, given.longest)
        before: tuple[int, ...] = (BOS,)
    else:
        found, before = translators.written(network.settings, weights, given.sizes, given.longest), given.before
    made = {
        "config.json": json_to_bytes(found.config),
        "model.safetensors": tensors_to_bytes(contiguous(found.tensors), {"format": "pt"}),
        **tokenizer_files(given.source, before, given.longest, masks=given.guesses),
    }
    if not given.guesses:
        made["generation_config.json"] = json_to_bytes(_generation(given))
        if given.target is not given.source:
            made["target-tokenizer.json"] = tokenizer_json(given.target, ())
    return made


def program(folder: Path, given: Subject) -> HuggingFaceGuesses | HuggingFaceWrites:
    """The library, with an exported folder."""
    return HuggingFaceGuesses(folder) if given.guesses else HuggingFaceWrites(folder)


def _generation(given: Subject) -> dict[str, Any]:
    """What `generate` does where nothing else is said: the model's own search, as near as the library comes to it."""
    search = getattr(given.model.settings, "search", None)
    config: dict[str, Any] = {
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": PAD,
        "decoder_start_token_id": BOS,
        "suppress_tokens": [PAD, BOS],
        "max_new_tokens": given.longest,
        "num_beams": 1 if search is None else search.beam,
    }
    if search is not None and search.beam > 1:
        # log p / length^alpha, where gnmt divides by ((5 + length) / 6)^alpha.
        penalty = {"average": 1.0, "power": search.alpha, "gnmt": search.alpha, "none": 0.0}
        config |= {"length_penalty": penalty[search.length_penalty], "early_stopping": True}
    return config
