"""The weights of a trained network under their names, and what every format needs to do with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

Weights = Mapping[str, Tensor]


class Product(NamedTuple):
    """X W' + b: weight (out, in), bias (out,) or None."""

    weight: Tensor
    bias: Tensor | None = None

    def bias_or_zero(self) -> Tensor:
        return self.weight.new_zeros(self.weight.shape[0]) if self.bias is None else self.bias


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Every parameter in float32, each once: a matrix that is used twice goes under its first name.

    They are copies: a library that makes 8 bits of them may write into what it is given.
    """
    return {name: parameter.detach().float().clone() for name, parameter in network.named_parameters()}


def product(weights: Weights, name: str) -> Product:
    """`NAME.weight` and, where there is one, `NAME.bias`."""
    return Product(weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def attention(weights: Weights, name: str) -> dict[str, Product]:
    """query, key, value and out of one attention, its heads side by side."""
    inside = {"query": "score.query", "key": "score.key", "value": "value", "out": "out"}
    return {part: product(weights, f"{name}.{place}") for part, place in inside.items()}


def gate_and_hidden(inner: Product) -> tuple[Product, Product]:
    """A gated feed-forward's first product in its two halves: what goes through the activation, and what it multiplies."""
    weight, bias = inner.weight.chunk(2), (None, None) if inner.bias is None else inner.bias.chunk(2)
    return Product(weight[0], bias[0]), Product(weight[1], bias[1])


def contiguous(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same, each with a memory of its own, as a file of tensors needs it."""
    return {name: tensor.contiguous().clone() for name, tensor in weights.items()}


def scaled(part: Product, by: float) -> Product:
    return Product(part.weight * by, None if part.bias is None else part.bias * by)


def places_of(longest: int) -> int:
    """Rows of a table of places, for a model that learned from lines of `longest` pieces: enough for lines twice as long."""
    return max(512, 2 * longest)


def table_of_places(weights: Weights, name: str, positions: str, n: int, d: int) -> Tensor:
    """(n d): what is added to an embedded word for its place."""
    from axw.equation import sinusoids

    if positions == "learned":
        return weights[f"{name}.places"]
    return sinusoids(n, d) if positions == "sinusoidal" else torch.zeros(n, d)
