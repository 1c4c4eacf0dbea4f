"""`BertForMaskedLM` as a masked-word model: post-norm, learned places, biases everywhere, a norm of embedded words."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from axw.data.vocabulary import BOS, EOS, MASK, NAMES, PAD, UNK
from axw.export.imported.folder import Foreign
from axw.export.imported.tokenizers import NONE, Known, id_of, known, read_tokenizer
from axw.models.words.masked_words import MaskedLanguageModel
from axw.models.words.settings import WordsSettings
from axw.networks.blocks import TransformerSettings

_NAMES = {PAD: "[PAD]", BOS: "[CLS]", EOS: "[SEP]", UNK: "[UNK]", MASK: "[MASK]"}
_MOST_WORDS = 30_000


def faults(config: dict[str, Any]) -> list[str]:
    """What of the configuration our masked-word model cannot hold."""
    allowed = {
        "hidden_act": ("gelu",),
        "position_embedding_type": ("absolute", None),
        "is_decoder": (False, None),
    }
    return [
        f"{name} is {config.get(name)!r}; allowed: {values[0]!r}."
        for name, values in allowed.items()
        if config.get(name) not in values
    ]


def imported(folder: Foreign) -> tuple[MaskedLanguageModel, Known]:
    """The model in our words, and what its ids are called there."""
    number = folder.number
    size, places = number("vocab_size"), number("max_position_embeddings")
    network = TransformerSettings(
        d_model=number("hidden_size"),
        layers=number("num_hidden_layers"),
        heads=number("num_attention_heads"),
        d_ff=number("intermediate_size"),
        feedforward="gelu",
        bias=True,
        attention_bias=True,
        positions="learned",
        longest=places,
        norm_place="post",
        norm_epsilon=float(folder.config.get("layer_norm_eps", 1e-12)),
        embedding_norm=True,
        output_transform=True,
    )
    settings = WordsSettings(network=network, vocabulary=size, longest=places, batch_tokens=max(8192, places))
    tokenizer = read_tokenizer(folder.path)
    names = {ours: id_of(tokenizer, token, folder.path) for ours, token in _NAMES.items()}
    words = known(tokenizer, names, size)
    model = MaskedLanguageModel(settings)
    model._vocabularies = {"vocabulary": words.vocabulary}
    model.facts = {"data": {"imported from": folder.path.name, "pieces": size}, "words": _words(words)}
    return model, words


def weights(folder: Foreign, words: Known, d: int, layers: int) -> dict[str, Tensor]:
    """Our names -> the tensors. Ours multiplies embedded words by sqrt(d), and scores words with the same matrix."""
    take, root = folder.take, math.sqrt(d)
    embeddings = "bert.embeddings"
    bias = take("cls.predictions.bias", "cls.predictions.decoder.bias")
    found = {
        "embed.weight": words.rows(take(f"{embeddings}.word_embeddings.weight")) / root,
        "embed.places": take(f"{embeddings}.position_embeddings.weight")
        + take(f"{embeddings}.token_type_embeddings.weight")[0],
        "frequency": words.rows(bias, NONE),
        **_pair(folder, "embed.norm", f"{embeddings}.LayerNorm"),
        **_pair(folder, "transform.inner", "cls.predictions.transform.dense"),
        **{
            name: t * root for name, t in _pair(folder, "transform.norm", "cls.predictions.transform.LayerNorm").items()
        },
    }
    for i in range(layers):
        ours, theirs = f"encoder.layers.{i}", f"bert.encoder.layer.{i}"
        for mine, other in (
            ("attention.score.query", "attention.self.query"),
            ("attention.score.key", "attention.self.key"),
            ("attention.value", "attention.self.value"),
            ("attention.out", "attention.output.dense"),
            ("around_attention.norm", "attention.output.LayerNorm"),
            ("feedforward.inner", "intermediate.dense"),
            ("feedforward.outer", "output.dense"),
            ("around_feedforward.norm", "output.LayerNorm"),
        ):
            found |= _pair(folder, f"{ours}.{mine}", f"{theirs}.{other}")
    return found


def _pair(folder: Foreign, ours: str, theirs: str) -> dict[str, Tensor]:
    return {f"{ours}.{part}": folder.take(f"{theirs}.{part}") for part in ("weight", "bias")}


def _words(words: Known) -> dict[str, list[Any]]:
    """What can be an answer: the pieces that are words of letters. How often each is said is not known, so all count 1."""
    pieces = words.vocabulary.entries[len(NAMES) :]
    found = [piece for piece in pieces if piece.isalpha()][:_MOST_WORDS]
    return {"words": found, "counts": [1] * len(found)}
