"""`MarianMTModel` as a translator: the Transformer of 2017 with biases, and a number of its own for each word.

Its table of places has the sines first and the cosines behind them: columns are put into our order, where they take turns. A line
begins with the id that pads; here that is the start id, and padding itself is never said.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from axw.data.vocabulary import BOS, EOS, UNK
from axw.export.imported.folder import Foreign
from axw.export.imported.sentencepiece import read_marian_tokenizers
from axw.export.imported.tokenizers import NONE, Known, id_of, known, read_tokenizer
from axw.models.translation.settings import TranslationSettings
from axw.models.translation.translator import Translator
from axw.networks.blocks import TransformerSettings

_ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "swish": "swish", "silu": "swish"}
_LONGEST = 512


def faults(config: dict[str, Any]) -> list[str]:
    """What of the configuration our translator cannot hold."""
    wrong = []
    if config.get("activation_function", "gelu") not in _ACTIVATIONS:
        wrong.append(
            f"activation_function is {config.get('activation_function')!r}; allowed: {', '.join(_ACTIVATIONS)}."
        )
    for one, other in (("encoder_attention_heads", "decoder_attention_heads"), ("encoder_ffn_dim", "decoder_ffn_dim")):
        if config.get(one) != config.get(other):
            wrong.append(f"{one} is {config.get(one)!r}, {other} {config.get(other)!r}; allowed: equal ones.")
    return wrong


def imported(folder: Foreign) -> tuple[Translator, tuple[Known, Known]]:
    """The model in our words, and what its ids are called there, of source and target."""
    number, config = folder.number, folder.config
    sides = _vocabularies(folder)
    shares = bool(config.get("share_encoder_decoder_embeddings", True))
    scaled, tied = bool(config.get("scale_embedding", False)), bool(config.get("tie_word_embeddings", True))
    network = TransformerSettings(
        d_model=number("d_model"),
        layers=number("encoder_layers"),
        decoder_layers=number("decoder_layers"),
        heads=number("encoder_attention_heads"),
        d_ff=number("encoder_ffn_dim"),
        feedforward=_ACTIVATIONS[config.get("activation_function", "gelu")],
        bias=True,
        attention_bias=True,
        norm_place="post",
        longest=number("max_position_embeddings"),
        shared="none" if not (scaled and tied) else "all" if shares else "target",
        output_bias=True,
    )
    longest = min(_LONGEST, number("max_position_embeddings"))
    settings = TranslationSettings(
        transformer=network, vocabulary=sides[0].vocabulary.size, joint=shares, longest=longest
    )
    model = Translator(settings)
    model._vocabularies = {"source": sides[0].vocabulary}
    if sides[1] is not sides[0]:
        model._vocabularies["target"] = sides[1].vocabulary
    model.facts = {"data": {"imported from": folder.path.name, "pieces, source": sides[0].vocabulary.size}}
    return model, sides


def _vocabularies(folder: Foreign) -> tuple[Known, Known]:
    config = folder.config
    start, end = folder.number("decoder_start_token_id"), folder.number("eos_token_id")
    sizes = folder.number("vocab_size"), int(config.get("decoder_vocab_size") or folder.number("vocab_size"))
    if (folder.path / "tokenizer.json").is_file():
        tokenizer = read_tokenizer(folder.path)
        names = {BOS: start, EOS: end, UNK: id_of(tokenizer, _unknown(tokenizer), folder.path)}
        one = known(tokenizer, names, sizes[0])
        return one, one
    source, target, pieces = read_marian_tokenizers(folder.path)
    names = {BOS: start, EOS: end, UNK: pieces.get("<unk>", 1)}
    return known(source, names, sizes[0], pieces), known(target, names, sizes[1], pieces)


def _unknown(tokenizer: Any) -> str:
    return "<unk>" if tokenizer.token_to_id("<unk>") is not None else "[UNK]"


def weights(folder: Foreign, sides: tuple[Known, Known], s: TransformerSettings) -> dict[str, Tensor]:
    """Our names -> the tensors, their columns in our order."""
    d, stack = s.d_model, _Rows(folder, s.d_model)
    by = 1.0 if folder.config.get("scale_embedding") else math.sqrt(d)
    shared = "model.shared.weight"
    source = stack.rows("model.encoder.embed_tokens.weight", shared)
    target = stack.rows("model.decoder.embed_tokens.weight", shared)
    bias = folder.tensors.get("final_logits_bias")
    found = {
        "embed_source.weight": sides[0].rows(source) / by,
        "output_bias": sides[1].rows(torch.zeros(len(target)) if bias is None else bias[0], NONE),
    }
    if s.shared != "all":
        found["embed_target.weight"] = sides[1].rows(target) / by
    if s.shared == "none":
        tied = folder.config.get("tie_word_embeddings", True)
        found["output"] = sides[1].rows(target if tied else stack.rows("lm_head.weight"))
    for i in range(s.layers):
        theirs, ours = f"model.encoder.layers.{i}", f"encoder.layers.{i}"
        stack.layer(found, theirs, ours, {"self_attn": "attention"})
    for i in range(s.decoder_layers or s.layers):
        stack.layer(found, f"model.decoder.layers.{i}", f"layers.{i}", {"self_attn": "own", "encoder_attn": "cross"})
    return found


class _Rows:
    """Tensors with the columns of rows in our order: sines and cosines take turns."""

    def __init__(self, folder: Foreign, d: int) -> None:
        self.folder = folder
        self.order = torch.cat([torch.arange(0, d, 2), torch.arange(1, d, 2)]).argsort()

    def rows(self, name: str, *others: str) -> Tensor:
        return self.folder.take(name, *others)[..., self.order]

    def layer(self, found: dict[str, Tensor], theirs: str, ours: str, attentions: dict[str, str]) -> None:
        for name, mine in attentions.items():
            for part, place in (("q_proj", "score.query"), ("k_proj", "score.key"), ("v_proj", "value")):
                self._reads(found, f"{theirs}.{name}.{part}", f"{ours}.{mine}.{place}")
            self._writes(found, f"{theirs}.{name}.out_proj", f"{ours}.{mine}.out")
            self._norm(found, f"{theirs}.{name}_layer_norm", f"{ours}.around_{mine}.norm")
        self._reads(found, f"{theirs}.fc1", f"{ours}.feedforward.inner")
        self._writes(found, f"{theirs}.fc2", f"{ours}.feedforward.outer")
        self._norm(found, f"{theirs}.final_layer_norm", f"{ours}.around_feedforward.norm")

    def _reads(self, found: dict[str, Tensor], theirs: str, ours: str) -> None:
        found[f"{ours}.weight"] = self.folder.take(f"{theirs}.weight")[:, self.order]
        found[f"{ours}.bias"] = self.folder.take(f"{theirs}.bias")

    def _writes(self, found: dict[str, Tensor], theirs: str, ours: str) -> None:
        found[f"{ours}.weight"] = self.folder.take(f"{theirs}.weight")[self.order]
        found[f"{ours}.bias"] = self.folder.take(f"{theirs}.bias")[self.order]

    def _norm(self, found: dict[str, Tensor], theirs: str, ours: str) -> None:
        found[f"{ours}.weight"] = self.rows(f"{theirs}.weight")
        found[f"{ours}.bias"] = self.rows(f"{theirs}.bias")
