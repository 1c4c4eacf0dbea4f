"""An encoder-decoder as an architecture of Hugging Face's library whose equations are the same.

Pegasus  pre-norm with layer norms, places added to the words (or none)
Marian   post-norm, sinusoids: the form of 2017; two vocabularies of other sizes too
T5       pre-norm with RMS norms, distances in the scores (or no places), every kind of feed-forward layer

Pegasus and Marian keep the sines of a place in the first half of a row and the cosines in the second, where Vaswani et al. let
them take turns. So the columns of every row, and of all that reads or writes rows, are put into that order.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from axw.export.huggingface.words import ACTIVATIONS, GATES, Written
from axw.export.weights import (
    Product,
    Weights,
    attention,
    gate_and_hidden,
    places_of,
    product,
    scaled,
    table_of_places,
)
from axw.networks.blocks import TransformerSettings

_T5_GATES = GATES | {"geglu": "gelu_python"}  # its "gated-gelu" is another function


def architecture(s: TransformerSettings) -> str:
    """Which of the three holds such a network, or else is nearest to it."""
    if s.norm == "rms" or s.positions == "relative":
        return "t5"
    return "marian" if s.norm_place == "post" else "pegasus"


def faults(s: TransformerSettings, sizes: tuple[int, int]) -> list[str]:
    """What that architecture cannot hold of the settings, or of two vocabularies; each "name is value; holds others"."""
    kind = architecture(s)
    allowed: dict[str, tuple[object, ...]] = {"score": ("query-key",), "window": (None,), "normalize": ("softmax",)}
    allowed |= {"embedding_norm": (False,)}
    if kind == "t5":
        allowed |= {"norm": ("rms",), "norm_place": ("pre",), "positions": ("relative", "none"), "shared": ("all",)}
        allowed |= {"feedforward": (*ACTIVATIONS, *GATES), "bias": (False,), "attention_bias": (False,)}
        allowed["output_bias"] = (False,)
    else:
        places = ("sinusoidal",) if kind == "marian" else ("sinusoidal", "learned", "none")
        allowed |= {"feedforward": tuple(ACTIVATIONS), "positions": places, "norm_epsilon": (None, 1e-5)}
    wrong = [
        f"{name} is {getattr(s, name)!r} with norm {s.norm!r}, norm_place {s.norm_place!r}; {kind} holds "
        + ", ".join(map(str, values))
        + "."
        for name, values in allowed.items()
        if getattr(s, name) not in values
    ]
    if s.positions == "rotary":
        wrong.append("A network trained with positions relative and norm rms goes to t5.")
    if kind != "t5" and s.heads * s.key_width != s.d_model:
        wrong.append(f"heads {s.heads} times d_k {s.key_width} is not d_model {s.d_model}; {kind} holds equal ones.")
    if s.key_width != s.value_width:
        wrong.append(f"d_k is {s.key_width}, d_v {s.value_width}; {kind} holds equal ones.")
    if kind == "pegasus" and (s.shared != "all" or sizes[0] != sizes[1]):
        wrong.append(f"shared is {s.shared!r}; {kind} holds one matrix for both languages: all.")
    if s.layers < 1:
        wrong.append(f"layers is {s.layers}; {kind} holds 1 or more.")
    return wrong


def written(s: TransformerSettings, w: Weights, sizes: tuple[int, int], longest: int) -> Written:
    """config.json and the tensors of the architecture that holds such a network. longest: pieces read at once."""
    kind = architecture(s)
    config, tensors = _t5(s, w) if kind == "t5" else _marian(s, w, sizes, longest, pre=kind == "pegasus")
    common = {
        "vocab_size": sizes[0],
        "d_model": s.d_model,
        "is_encoder_decoder": True,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 1,
        "dtype": "float32",
    }
    return Written({**common, **config}, tensors)


# --------------------------------------------------------------------------------------------------- Pegasus, Marian


class _Stack:
    """Tensors whose rows have their columns in the order of `order`."""

    def __init__(self, w: Weights, order: Tensor) -> None:
        self.w, self.order, self.tensors = w, order, dict[str, Tensor]()

    def reads(self, name: str, part: Product) -> None:
        self._put(name, Product(part.weight[:, self.order], part.bias_or_zero()))

    def writes(self, name: str, part: Product) -> None:
        self._put(name, Product(part.weight[self.order], part.bias_or_zero()[self.order]))

    def rows(self, name: str, rows: Tensor) -> None:
        self.tensors[name] = rows[..., self.order]

    def norm(self, name: str, before: str) -> None:
        self.rows(f"{name}.weight", self.w[f"{before}.weight"])
        self.rows(f"{name}.bias", self.w[f"{before}.bias"])

    def attention(self, name: str, before: str) -> None:
        parts = attention(self.w, before)
        for part, short in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj")):
            self.reads(f"{name}.{short}", parts[part])
        self.writes(f"{name}.out_proj", parts["out"])

    def feedforward(self, name: str, before: str) -> None:
        self.reads(f"{name}.fc1", product(self.w, f"{before}.feedforward.inner"))
        self.writes(f"{name}.fc2", product(self.w, f"{before}.feedforward.outer"))
        self.norm(f"{name}.final_layer_norm", f"{before}.around_feedforward.norm")

    def _put(self, name: str, part: Product) -> None:
        self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"] = part.weight, part.bias_or_zero()


def _marian(s: TransformerSettings, w: Weights, sizes: tuple[int, int], longest: int, *, pre: bool) -> Written:
    order = torch.cat([torch.arange(0, s.d_model, 2), torch.arange(1, s.d_model, 2)])
    stack = _Stack(w, order)
    n = w["embed_source.places"].shape[0] if s.positions == "learned" else places_of(longest)
    for side, name in (("encoder", "embed_source"), ("decoder", "embed_target")):
        name = "embed_source" if s.shared == "all" else name
        stack.rows(f"model.{side}.embed_positions.weight", table_of_places(w, name, s.positions, n, s.d_model))
        stack.rows(f"model.{side}.embed_tokens.weight", w[f"{name}.weight"])
    if s.shared == "all":
        stack.rows("model.shared.weight", w["embed_source.weight"])
    if s.shared == "none":
        stack.rows("lm_head.weight", w["output"])
    bias = w.get("output_bias")
    stack.tensors["final_logits_bias"] = (torch.zeros(sizes[1]) if bias is None else bias)[None]
    for i in range(s.layers):
        after, before = f"model.encoder.layers.{i}", f"encoder.layers.{i}"
        stack.attention(f"{after}.self_attn", f"{before}.attention")
        stack.norm(f"{after}.self_attn_layer_norm", f"{before}.around_attention.norm")
        stack.feedforward(after, before)
    depth = _decoder_layers(w)
    for i in range(depth):
        after, before = f"model.decoder.layers.{i}", f"layers.{i}"
        for mine, theirs in (("own", "self_attn"), ("cross", "encoder_attn")):
            stack.attention(f"{after}.{theirs}", f"{before}.{mine}")
            stack.norm(f"{after}.{theirs}_layer_norm", f"{before}.around_{mine}.norm")
        stack.feedforward(after, before)
    if pre:
        stack.norm("model.encoder.layer_norm", "encoder.last")
        stack.norm("model.decoder.layer_norm", "last")
    config = {
        "model_type": "pegasus" if pre else "marian",
        "architectures": ["PegasusForConditionalGeneration" if pre else "MarianMTModel"],
        "activation_function": ACTIVATIONS[s.feedforward],
        "encoder_layers": s.layers,
        "decoder_layers": depth,
        "encoder_attention_heads": s.heads,
        "decoder_attention_heads": s.heads,
        "encoder_ffn_dim": s.inner_width,
        "decoder_ffn_dim": s.inner_width,
        "max_position_embeddings": n,
        "scale_embedding": True,
        "forced_eos_token_id": None,
        "tie_word_embeddings": s.shared != "none",
    }
    if not pre:
        config |= {"share_encoder_decoder_embeddings": s.shared == "all", "decoder_vocab_size": sizes[1]}
    return Written(config, stack.tensors)


def _decoder_layers(w: Weights) -> int:
    return 1 + max(int(name.split(".")[1]) for name in w if name.startswith("layers."))


# ---------------------------------------------------------------------------------------------------------------- T5


def _t5(s: TransformerSettings, w: Weights) -> Written:
    """T5 neither scales embedded words nor scores, and multiplies the last rows by d^-1/2 before it scores words with the same
    matrix: E sqrt(d) and Q / sqrt(k) make the two equal."""
    tensors = {"shared.weight": w["embed_source.weight"] * math.sqrt(s.d_model)}
    depth = _decoder_layers(w)
    for i in range(s.layers):
        _t5_layer(tensors, s, w, f"encoder.layers.{i}", f"encoder.block.{i}.layer", {"attention": "SelfAttention"})
    for i in range(depth):
        parts = {"own": "SelfAttention", "cross": "EncDecAttention"}
        _t5_layer(tensors, s, w, f"layers.{i}", f"decoder.block.{i}.layer", parts)
    for side, before in (("encoder", "encoder."), ("decoder", "")):
        tensors[f"{side}.final_layer_norm.weight"] = w[f"{before}last.weight"]
        learnt = w.get(f"{before}bias.learnt.weight")
        bias = torch.zeros(32, s.heads) if learnt is None else learnt
        tensors[f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = bias
    gate = f"gated-{_T5_GATES[s.feedforward]}" if s.feedforward in GATES else ACTIVATIONS[s.feedforward]
    config = {
        "model_type": "t5",
        "architectures": ["T5ForConditionalGeneration"],
        "d_kv": s.key_width,
        "d_ff": s.inner_width,
        "num_layers": s.layers,
        "num_decoder_layers": depth,
        "num_heads": s.heads,
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
        "layer_norm_epsilon": s.norm_epsilon or torch.finfo(torch.float32).eps,
        "feed_forward_proj": gate,
        "tie_word_embeddings": True,
    }
    return Written(config, tensors)


def _t5_layer(
    tensors: dict[str, Tensor], s: TransformerSettings, w: Weights, before: str, after: str, attentions: dict[str, str]
) -> None:
    for number, (mine, theirs) in enumerate(attentions.items()):
        parts = attention(w, f"{before}.{mine}")
        parts["query"] = scaled(parts["query"], s.key_width**-0.5)
        for part, short in (("query", "q"), ("key", "k"), ("value", "v"), ("out", "o")):
            tensors[f"{after}.{number}.{theirs}.{short}.weight"] = parts[part].weight
        tensors[f"{after}.{number}.layer_norm.weight"] = w[f"{before}.around_{mine}.norm.weight"]
    last = f"{after}.{len(attentions)}"
    inner = product(w, f"{before}.feedforward.inner")
    if s.feedforward in GATES:
        gate, hidden = gate_and_hidden(inner)
        tensors[f"{last}.DenseReluDense.wi_0.weight"], tensors[f"{last}.DenseReluDense.wi_1.weight"] = (
            gate[0],
            hidden[0],
        )
    else:
        tensors[f"{last}.DenseReluDense.wi.weight"] = inner.weight
    tensors[f"{last}.DenseReluDense.wo.weight"] = w[f"{before}.feedforward.outer.weight"]
    tensors[f"{last}.layer_norm.weight"] = w[f"{before}.around_feedforward.norm.weight"]
