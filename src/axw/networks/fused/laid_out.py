"""A Transformer's weights as compiled steps read them: stacked layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import nn

from axw.equation import KINDS, Attention
from axw.networks.blocks import DecoderLayer, EncoderLayer, Residual
from axw.networks.fused import rows, values
from axw.networks.fused.products import in_blocks, stacked
from axw.networks.fused.rows import Norms
from axw.networks.fused.values import Changing, Form, Layers, Reading, Stack
from axw.networks.products import Precision
from axw.networks.step_parts import Embedded, asks, parts_of
from axw.networks.transformer import Transformer

_ACTIVATIONS = {
    "relu": rows.RELU,
    "gelu": rows.GELU,
    "swish": rows.SWISH,
    "relu2": rows.RELU2,
    "glu": rows.SIGMOID,
    "bilinear": rows.IDENTITY,
    "reglu": rows.RELU,
    "geglu": rows.GELU,
    "swiglu": rows.SWISH,
    "none": rows.IDENTITY,
}


def _form(network: Transformer) -> Form:
    """What all layers are alike in."""
    settings, norm = network.settings, network.decoder_layers()[0].around_own.norm
    kind, rms = settings.feedforward, isinstance(norm, nn.RMSNorm)
    epsilon = cast(nn.LayerNorm, norm).eps
    return Form(
        settings.heads,
        settings.norm_place == "pre",
        rms,
        np.float32(torch.finfo(torch.float32).eps if epsilon is None else epsilon),
        _ACTIVATIONS[kind],
        kind in KINDS and KINDS[kind].gated,
        kind != "none",
        settings.positions == "rotary",
    )


def encoder(network: Transformer, embed: Embedded, precision: Precision) -> Layers:
    """The encoder's layers, which have no source to read, and what makes keys and values of the source for the decoder's."""
    layers = [cast(EncoderLayer, layer) for layer in network.encoder.layers]
    own = _own(precision, [layer.attention for layer in layers], [layer.around_attention for layer in layers])
    stack = Stack(own, _cross(precision, [], []), _change(precision, layers), norms([network.encoder.last]))
    parts = [parts_of(layer.cross) for layer in network.decoder_layers()]
    end = stacked(precision, [(score.key, values) for score, values, _ in parts])
    return Layers(_embedded(embed, network.embed_source.norm), stack, _form(network), end)


def decoder(network: Transformer, embed: Embedded, precision: Precision) -> Layers:
    """The decoder's layers, and the product over the vocabulary."""
    layers = network.decoder_layers()
    own = _own(precision, [layer.own for layer in layers], [layer.around_own for layer in layers])
    cross = _cross(precision, [layer.cross for layer in layers], [layer.around_cross for layer in layers])
    W, bias = network.projection.detach().float(), network.output_bias
    end = in_blocks(precision, [W], [torch.zeros(len(W)) if bias is None else bias.detach().float()])
    stack = Stack(own, cross, _change(precision, layers), norms([network.last]))
    return Layers(_embedded(embed, network.embed_target.norm), stack, _form(network), end)


def _embedded(embed: Embedded, norm: nn.Module) -> values.Embedded:
    return values.Embedded(embed.words.numpy(), embed.known(0).numpy(), norms([norm]))


def norms(layers: Sequence[nn.Module]) -> Norms:
    """Of those that are norms: an encoder or decoder that normalises after each layer has none at its end."""
    made = [layer for layer in layers if isinstance(layer, (nn.LayerNorm, nn.RMSNorm))]
    if not made:
        return Norms(np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32))
    weights = np.stack([layer.weight.detach().float().numpy() for layer in made])
    biases = [_bias(layer) for layer in made]
    return Norms(weights, np.stack(biases))


def _bias(norm: nn.LayerNorm | nn.RMSNorm) -> np.ndarray:
    bias = norm.bias if isinstance(norm, nn.LayerNorm) else torch.zeros_like(norm.weight)
    return np.asarray(bias.detach().float().numpy())


def _own(precision: Precision, attentions: Sequence[Attention], around: Sequence[Residual]) -> Reading:
    """Asking rows are read themselves: their keys and values are made beside their queries."""
    asking = [(asks(score), score.key, values) for score, values, _ in map(parts_of, attentions)]
    return _reading(precision, attentions, around, asking)


def _cross(precision: Precision, attentions: Sequence[Attention], around: Sequence[Residual]) -> Reading:
    return _reading(precision, attentions, around, [(asks(score),) for score, *_ in map(parts_of, attentions)])


def _reading(
    precision: Precision,
    attentions: Sequence[Attention],
    around: Sequence[Residual],
    asking: Sequence[tuple[nn.Linear, ...]],
) -> Reading:
    out = [(out,) for *_, out in map(parts_of, attentions)]
    return Reading(norms([each.norm for each in around]), stacked(precision, asking), stacked(precision, out))


def _change(precision: Precision, layers: Sequence[EncoderLayer] | Sequence[DecoderLayer]) -> Changing:
    around = [layer.around_feedforward for layer in layers if layer.around_feedforward is not None]
    parts = [layer.feedforward for layer in layers if layer.feedforward is not None]
    inner, outer = stacked(precision, [(p.inner,) for p in parts]), stacked(precision, [(p.outer,) for p in parts])
    return Changing(norms([each.norm for each in around]), inner, outer)
