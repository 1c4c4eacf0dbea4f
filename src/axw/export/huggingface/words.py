"""A masked-word model as an architecture of Hugging Face's library whose equations are the same.

EuroBERT        pre-norm, rotary places, a gated feed-forward layer. Its norms are RMS norms without a bias. A layer norm is that
                of rows whose mean is 0: norm(x) = rms(x - mean x). Whatever is added to a row is centred first, and what a
                norm adds goes into the biases of the products behind it.
XLM-RoBERTa-XL  pre-norm, places added to the words (or none), an ungated feed-forward layer. Before words are scored it has one
                more product, a gelu and a norm. gelu(z + B) = z + B where z + B is large, and a norm takes B away again.
BERT            post-norm, as `axw import` brings it in.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from axw.export.weights import (
    Product,
    Weights,
    attention,
    gate_and_hidden,
    product,
    table_of_places,
)
from axw.networks.blocks import TransformerSettings

ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "swish": "silu", "relu2": "relu2"}
GATES = {"glu": "sigmoid", "bilinear": "linear", "reglu": "relu", "geglu": "gelu", "swiglu": "silu"}


class Written(NamedTuple):
    """config.json and the tensors."""

    config: dict[str, Any]
    tensors: dict[str, Tensor]


def architecture(s: TransformerSettings) -> str:
    """Which of the three holds such a network, or else is nearest to it."""
    if s.norm_place == "post":
        return "bert"
    return "eurobert" if s.positions == "rotary" or s.feedforward in GATES else "xlm-roberta-xl"


def faults(s: TransformerSettings) -> list[str]:
    """What of the settings that architecture cannot hold; each "name is value; allowed: others"."""
    kind = architecture(s)
    allowed: dict[str, tuple[object, ...]] = {"score": ("query-key",), "window": (None,), "normalize": ("softmax",)}
    if kind == "eurobert":
        allowed |= {"feedforward": tuple(GATES), "positions": ("rotary",)}
    else:
        allowed |= {"feedforward": tuple(ACTIVATIONS), "norm": ("layer",)}
        places = ("learned", "sinusoidal", "none")
        allowed["positions"] = ("learned",) if kind == "bert" else places
    allowed |= {name: (kind == "bert",) for name in ("embedding_norm", "output_transform")}
    wrong = [
        f"{name} is {getattr(s, name)!r} with norm_place {s.norm_place!r}; {kind} holds {_names(values)}."
        for name, values in allowed.items()
        if getattr(s, name) not in values
    ]
    if kind != "eurobert" and s.heads * s.key_width != s.d_model:
        wrong.append(f"heads {s.heads} times d_k {s.key_width} is not d_model {s.d_model}; {kind} holds equal ones.")
    if kind == "eurobert" and s.d_model % s.heads:
        wrong.append(f"d_model {s.d_model} is not a multiple of heads {s.heads}; {kind} holds a multiple.")
    if s.key_width != s.value_width:
        wrong.append(f"d_k is {s.key_width}, d_v {s.value_width}; {kind} holds equal ones.")
    return wrong


def _names(values: tuple[object, ...]) -> str:
    return ", ".join(str(value) for value in values)


def written(s: TransformerSettings, w: Weights, longest: int) -> Written:
    """config.json and the tensors of the architecture that holds such a network. longest: pieces read at once."""
    config, tensors = {"eurobert": _eurobert, "xlm-roberta-xl": _xlm_roberta_xl, "bert": _bert}[architecture(s)](
        s, w, longest
    )
    common = {
        "vocab_size": w["frequency"].shape[0],
        "hidden_size": s.d_model,
        "num_hidden_layers": s.layers,
        "num_attention_heads": s.heads,
        "intermediate_size": s.inner_width,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "mask_token_id": 4,
        "dtype": "float32",
    }
    return Written({**common, **config}, tensors)


# ------------------------------------------------------------------------------------------------------------ EuroBERT


def _eurobert(s: TransformerSettings, w: Weights, longest: int) -> Written:
    layer_norm = s.norm == "layer"
    centred = _centred if layer_norm else _as_it_is
    tensors = {"model.embed_tokens.weight": centred(Product((w["embed.weight"] * math.sqrt(s.d_model)).T)).weight.T}
    for i in range(s.layers):
        before, after = f"encoder.layers.{i}", f"model.layers.{i}"
        gamma, beta = _norm(w, f"{before}.around_attention.norm")
        parts = attention(w, f"{before}.attention")
        for part, name in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj")):
            _put(tensors, f"{after}.self_attn.{name}", _reading(parts[part], beta))
        _put(tensors, f"{after}.self_attn.o_proj", centred(parts["out"]))
        tensors[f"{after}.input_layernorm.weight"] = gamma
        gamma, beta = _norm(w, f"{before}.around_feedforward.norm")
        gate, hidden = gate_and_hidden(_reading(product(w, f"{before}.feedforward.inner"), beta))
        _put(tensors, f"{after}.mlp.gate_proj", gate)
        _put(tensors, f"{after}.mlp.up_proj", hidden)
        _put(tensors, f"{after}.mlp.down_proj", centred(product(w, f"{before}.feedforward.outer")))
        tensors[f"{after}.post_attention_layernorm.weight"] = gamma
    gamma, beta = _norm(w, "encoder.last")
    tensors["model.norm.weight"] = gamma
    _put(tensors, "lm_head", _reading(Product(w["embed.weight"], w["frequency"]), beta))
    epsilon = 1e-5 if layer_norm else torch.finfo(torch.float32).eps
    config = {
        "model_type": "eurobert",
        "architectures": ["EuroBertForMaskedLM"],
        "num_key_value_heads": s.heads,
        "head_dim": s.key_width,
        "hidden_act": GATES[s.feedforward],
        "rms_norm_eps": s.norm_epsilon or epsilon,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "max_position_embeddings": longest,
        "attention_bias": True,
        "mlp_bias": True,
        "tie_word_embeddings": False,
    }
    return Written(config, tensors)


def _norm(w: Weights, name: str) -> tuple[Tensor, Tensor | None]:
    """gamma and beta; an RMS norm has no beta."""
    return w[f"{name}.weight"], w.get(f"{name}.bias")


def _reading(part: Product, beta: Tensor | None) -> Product:
    """(x + beta) W' + b as x W' + b'."""
    if beta is None:
        return part
    return Product(part.weight, part.bias_or_zero() + (part.weight.double() @ beta.double()).float())


def _centred(part: Product) -> Product:
    """x W' + b minus its mean."""
    weight, bias = part.weight.double(), part.bias_or_zero().double()
    return Product((weight - weight.mean(0)).float(), (bias - bias.mean()).float())


def _as_it_is(part: Product) -> Product:
    return part


def _put(tensors: dict[str, Tensor], name: str, part: Product) -> None:
    tensors[f"{name}.weight"], tensors[f"{name}.bias"] = part.weight, part.bias_or_zero()


# ------------------------------------------------------------------------------------------- XLM-RoBERTa-XL and BERT


def _xlm_roberta_xl(s: TransformerSettings, w: Weights, longest: int) -> Written:
    n = w["embed.places"].shape[0] if s.positions == "learned" else longest
    places = table_of_places(w, "embed", s.positions, n, s.d_model)
    tensors = {
        "roberta.embeddings.word_embeddings.weight": w["embed.weight"] * math.sqrt(s.d_model),
        # Places are counted from the padding id + 1, which is 1.
        "roberta.embeddings.position_embeddings.weight": torch.cat([torch.zeros(1, s.d_model), places]),
        "roberta.embeddings.token_type_embeddings.weight": torch.zeros(1, s.d_model),
    }
    for i in range(s.layers):
        after = f"roberta.encoder.layer.{i}"
        _bert_layer(tensors, w, f"encoder.layers.{i}", after)
        _put_norm(tensors, f"{after}.attention.self_attn_layer_norm", w, f"encoder.layers.{i}.around_attention.norm")
        _put_norm(tensors, f"{after}.LayerNorm", w, f"encoder.layers.{i}.around_feedforward.norm")
    epsilon = s.norm_epsilon or 1e-5
    gamma, beta = w["encoder.last.weight"], w["encoder.last.bias"]
    ones = torch.ones(s.d_model)
    tensors["roberta.encoder.LayerNorm.weight"], tensors["roberta.encoder.LayerNorm.bias"] = ones, 0 * ones
    # No row of a norm has a number above sqrt(d), and gelu(x) is x in float32 from 8 on.
    _put(tensors, "lm_head.dense", Product(torch.eye(s.d_model), ones * (math.sqrt(s.d_model) + 8)))
    # A norm of normed rows divides by sqrt(1 + epsilon).
    tensors["lm_head.layer_norm.weight"], tensors["lm_head.layer_norm.bias"] = gamma * math.sqrt(1 + epsilon), beta
    _put(tensors, "lm_head.decoder", Product(w["embed.weight"], w["frequency"]))
    tensors["lm_head.bias"] = w["frequency"]
    config = {
        "model_type": "xlm-roberta-xl",
        "architectures": ["XLMRobertaXLForMaskedLM"],
        "hidden_act": ACTIVATIONS[s.feedforward],
        "layer_norm_eps": epsilon,
        "max_position_embeddings": n + 1,
        "type_vocab_size": 1,
        "tie_word_embeddings": False,
    }
    return Written(config, tensors)


def _bert(s: TransformerSettings, w: Weights, longest: int) -> Written:
    tensors = {
        "bert.embeddings.word_embeddings.weight": w["embed.weight"] * math.sqrt(s.d_model),
        "bert.embeddings.position_embeddings.weight": w["embed.places"],
        "bert.embeddings.token_type_embeddings.weight": torch.zeros(1, s.d_model),
    }
    _put_norm(tensors, "bert.embeddings.LayerNorm", w, "embed.norm")
    for i in range(s.layers):
        after = f"bert.encoder.layer.{i}"
        _bert_layer(tensors, w, f"encoder.layers.{i}", after)
        _put_norm(tensors, f"{after}.attention.output.LayerNorm", w, f"encoder.layers.{i}.around_attention.norm")
        _put_norm(tensors, f"{after}.output.LayerNorm", w, f"encoder.layers.{i}.around_feedforward.norm")
    _put(tensors, "cls.predictions.transform.dense", product(w, "transform.inner"))
    _put_norm(tensors, "cls.predictions.transform.LayerNorm", w, "transform.norm")
    _put(tensors, "cls.predictions.decoder", Product(w["embed.weight"], w["frequency"]))
    tensors["cls.predictions.bias"] = w["frequency"]
    config = {
        "model_type": "bert",
        "architectures": ["BertForMaskedLM"],
        "hidden_act": ACTIVATIONS[s.feedforward],
        "layer_norm_eps": s.norm_epsilon or 1e-5,
        "max_position_embeddings": w["embed.places"].shape[0],
        "type_vocab_size": 1,
        "tie_word_embeddings": False,
    }
    return Written(config, tensors)


def _bert_layer(tensors: dict[str, Tensor], w: Weights, before: str, after: str) -> None:
    """The products of a layer; both architectures call them the same."""
    parts = attention(w, f"{before}.attention")
    for part in ("query", "key", "value"):
        _put(tensors, f"{after}.attention.self.{part}", parts[part])
    _put(tensors, f"{after}.attention.output.dense", parts["out"])
    _put(tensors, f"{after}.intermediate.dense", product(w, f"{before}.feedforward.inner"))
    _put(tensors, f"{after}.output.dense", product(w, f"{before}.feedforward.outer"))


def _put_norm(tensors: dict[str, Tensor], name: str, w: Weights, before: str) -> None:
    tensors[f"{name}.weight"], tensors[f"{name}.bias"] = w[f"{before}.weight"], w[f"{before}.bias"]
