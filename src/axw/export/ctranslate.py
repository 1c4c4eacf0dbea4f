"""CTranslate2: an encoder-decoder in the words of its `TransformerSpec`, in float32 or with weights of 8 bits.

It knows pre- and post-norm, layer and RMS norms, ReLU, GELU, Swish and the gated kinds of these and of the sigmoid, rotary places
and distances in the scores. It knows no LSTM, no activation that is the identity (bilinear) or a square, no ALiBi in an encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from axw.data.vocabulary import BOS, EOS, NAMES, UNK, Vocabulary
from axw.export.answers import Ids, Said, in_parts
from axw.export.huggingface.tokenizer import tokenizer_json
from axw.export.installed import installed
from axw.export.questions import Subject
from axw.export.weights import (
    Product,
    Weights,
    attention,
    gate_and_hidden,
    places_of,
    product,
    table_of_places,
    weights_of,
)
from axw.networks.blocks import TransformerSettings
from axw.networks.transformer import Transformer
from axw.storage.foreign import remove_tree, scratch_folder

ACTIVATIONS = {"relu": "RELU", "gelu": "GELU", "swish": "SWISH"}
GATES = {"glu": "Sigmoid", "reglu": "RELU", "geglu": "GELU", "swiglu": "SWISH"}


def faults(given: Subject) -> list[str]:
    """What of the network CTranslate2 cannot hold; each "name is value; it holds others"."""
    if not isinstance(given.network, Transformer):
        what = "architecture is 'luong'" if not given.guesses else "the network guesses hidden words"
        return [f"{what}; it holds Transformers with an encoder and a decoder."]
    s = given.network.settings
    allowed: dict[str, tuple[object, ...]] = {
        "score": ("query-key",),
        "window": (None,),
        "normalize": ("softmax",),
        "feedforward": (*ACTIVATIONS, *GATES),
        "positions": ("sinusoidal", "learned", "rotary", "relative", "none"),
    }
    wrong = [
        f"{name} is {getattr(s, name)!r}; it holds {', '.join(map(str, values))}."
        for name, values in allowed.items()
        if getattr(s, name) not in values
    ]
    if s.heads * s.key_width != s.d_model or s.key_width != s.value_width:
        wrong.append(f"d_k is {s.key_width}, d_v {s.value_width}; it holds d_model / heads of each.")
    if s.layers < 1:
        wrong.append(f"layers is {s.layers}; it holds 1 or more.")
    return wrong


def files(given: Subject) -> dict[str, bytes]:
    """model.bin, config.json, the vocabularies and tokenizer.json."""
    return _files(given, None)


def files_int8(given: Subject) -> dict[str, bytes]:
    """The same with weights of 8 bits."""
    return _files(given, "int8")


def _files(given: Subject, quantization: str | None) -> dict[str, bytes]:
    spec = _spec(given)
    spec.validate()
    spec.optimize(quantization=quantization)
    scratch = scratch_folder()
    try:
        spec.save(str(scratch))
        made = {path.name: path.read_bytes() for path in sorted(scratch.iterdir())}
    finally:
        remove_tree(scratch)
    made["tokenizer.json"] = tokenizer_json(given.source, given.before)
    if given.target is not given.source:
        made["target-tokenizer.json"] = tokenizer_json(given.target, ())
    return made


# ------------------------------------------------------------------------------------------------------------ the spec


def _spec(given: Subject) -> Any:
    specs = installed("ctranslate2").specs
    transformer: Any = given.network
    s, w = transformer.settings, weights_of(transformer)
    kind = GATES.get(s.feedforward) or ACTIVATIONS[s.feedforward]
    common: dict[str, Any] = {
        "num_heads": s.heads,
        "pre_norm": s.norm_place == "pre",
        "activation": getattr(specs.common_spec.Activation, kind),
        "ffn_glu": s.feedforward in GATES,
        "rms_norm": s.norm == "rms",
        "layernorm_embedding": s.embedding_norm,
        "relative_attention_bias": s.positions == "relative",
    }
    if s.positions == "rotary":
        common |= {"rotary_dim": s.key_width, "rotary_interleave": False}
    layers = (s.layers, len(transformer.layers))
    encoder = specs.transformer_spec.TransformerEncoderSpec(layers[0], **common)
    decoder = specs.transformer_spec.TransformerDecoderSpec(layers[1], **common)
    spec = specs.TransformerSpec(encoder, decoder)
    places = places_of(given.longest)
    _stack(encoder, encoder.embeddings[0], s, w, places, "embed_source", {"self_attention": "attention"})
    name = "embed_source" if s.shared == "all" else "embed_target"
    _stack(decoder, decoder.embeddings, s, w, places, name, {"self_attention": "own", "attention": "cross"})
    decoder.projection.weight = _array(w["output"] if s.shared == "none" else w[f"{name}.weight"])
    if "output_bias" in w:
        decoder.projection.bias = _array(w["output_bias"])
    _register(spec, given)
    spec.config.layer_norm_epsilon = s.norm_epsilon or (1e-5 if s.norm == "layer" else torch.finfo(torch.float32).eps)
    return spec


def _register(spec: Any, given: Subject) -> None:
    """What the ids are called, and which of them begin and end a line."""
    spec.register_source_vocabulary(list(given.source.entries))
    spec.register_target_vocabulary(list(given.target.entries))
    spec.config.bos_token = spec.config.decoder_start_token = NAMES[BOS]
    spec.config.eos_token, spec.config.unk_token = NAMES[EOS], NAMES[UNK]
    spec.config.add_source_bos = spec.config.add_source_eos = False


def _stack(
    spec: Any, embeddings: Any, s: TransformerSettings, w: Weights, places: int, name: str, attentions: dict[str, str]
) -> None:
    """An encoder or a decoder: `attentions` are those of a layer, by CTranslate2's names; `name` that of the embedding."""
    before = "" if "attention" in attentions else "encoder."
    embeddings.weight = _array(w[f"{name}.weight"])
    spec.scale_embeddings = True
    if s.positions == "rotary":
        if hasattr(spec, "position_encodings"):
            del spec.position_encodings
    elif s.positions != "relative":
        spec.position_encodings.encodings = _array(table_of_places(w, name, s.positions, places, s.d_model))
    if s.embedding_norm:
        _norm(spec.layernorm_embedding, w, f"{name}.norm")
    if s.norm_place == "pre":
        _norm(spec.layer_norm, w, f"{before}last")
    for number, layer in enumerate(spec.layer):
        at = f"{before}layers.{number}"
        for theirs, mine in attentions.items():
            own = getattr(layer, theirs)
            _attention(own, attention(w, f"{at}.{mine}"), alone=theirs == "self_attention")
            _norm(own.layer_norm, w, f"{at}.around_{mine}.norm")
            if s.positions == "relative" and theirs == "self_attention":
                own.relative_attention_bias = _array(w[f"{before}bias.learnt.weight"])
                own.relative_attention_max_distance = np.dtype("int32").type(128)
        _norm(layer.ffn.layer_norm, w, f"{at}.around_feedforward.norm")
        _feedforward(layer.ffn, s, product(w, f"{at}.feedforward.inner"), product(w, f"{at}.feedforward.outer"))


def _attention(spec: Any, parts: dict[str, Product], *, alone: bool) -> None:
    """Query, key and value as one product where they read the same rows, else query, and key with value."""
    groups = [["query", "key", "value"]] if alone else [["query"], ["key", "value"]]
    for linear, group in zip(spec.linear, [*groups, ["out"]], strict=True):
        _linear(linear, *(parts[name] for name in group))


def _feedforward(spec: Any, s: TransformerSettings, inner: Product, outer: Product) -> None:
    if s.feedforward in GATES:
        inner, hidden = gate_and_hidden(inner)
        _linear(spec.linear_0_noact, hidden)
    _linear(spec.linear_0, inner)
    _linear(spec.linear_1, outer)


def _linear(spec: Any, *parts: Product) -> None:
    spec.weight = _array(torch.cat([part.weight for part in parts]))
    if any(part.bias is not None for part in parts):
        spec.bias = _array(torch.cat([part.bias_or_zero() for part in parts]))


def _norm(spec: Any, w: Weights, name: str) -> None:
    spec.gamma = _array(w[f"{name}.weight"])
    if f"{name}.bias" in w:
        spec.beta = _array(w[f"{name}.bias"])


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.numpy())


# -------------------------------------------------------------------------------------------------------- its answers


class CTranslate2Writes:
    """`ctranslate2.Translator` of a folder. It leaves ids out before it makes probabilities, so none is left out."""

    never: tuple[int, ...] = ()

    def __init__(self, folder: Path, given: Subject) -> None:
        ctranslate2 = installed("ctranslate2")
        self.translator = ctranslate2.Translator(str(folder), compute_type="default", intra_threads=1)
        self.source, self.target = given.source, given.target
        self.number = {entry: i for i, entry in enumerate(given.target.entries)}

    def search(self, sources: Sequence[Ids], beam: int, most: int) -> list[Said]:
        found: dict[int, Said] = {}
        for index in in_parts(sources):
            made = self.translator.translate_batch(
                [_called(self.source, sources[i]) for i in index],
                beam_size=beam,
                length_penalty=0,
                max_decoding_length=most,
                min_decoding_length=0,
                max_input_length=0,
                return_scores=True,
            )
            found |= {
                i: Said([self.number[name] for name in best.hypotheses[0]], best.scores[0])
                for i, best in zip(index, made, strict=True)
            }
        return [found[i] for i in range(len(sources))]

    def score(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[float]:
        found: dict[int, float] = {}
        for index in in_parts(sources):
            made = self.translator.score_batch(
                [_called(self.source, sources[i]) for i in index],
                [_called(self.target, targets[i]) for i in index],
                max_input_length=0,
            )
            found |= {i: float(np.sum(each.log_probs, dtype=np.float64)) for i, each in zip(index, made, strict=True)}
        return [found[i] for i in range(len(sources))]


def _called(vocabulary: Vocabulary, ids: Ids) -> list[str]:
    return [vocabulary.entries[i] for i in ids]


def program(folder: Path, given: Subject) -> CTranslate2Writes:
    """CTranslate2, with an exported folder."""
    return CTranslate2Writes(folder, given)
