"""What a Transformer's steps are made of: norms, feed-forward, attention and embedding with their weights laid out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from axw.equation import sinusoids
from axw.equation.feedforward import Kind
from axw.errors import UsageError
from axw.networks.products import Product


class Norm(NamedTuple):
    """Layer or RMS normalisation: weight and bias (d,), bias None of RMS."""

    weight: Tensor
    bias: Tensor | None
    epsilon: float | None

    def __call__(self, X: Tensor) -> Tensor:
        if self.bias is None:
            return F.rms_norm(X, X.shape[-1:], self.weight, self.epsilon)
        return torch.layer_norm(X, X.shape[-1:], self.weight, self.bias, self.epsilon or 0.0)


class Change(NamedTuple):
    """The feed-forward layer: act(X W) W2, or act(X W) * X V between."""

    norm: Norm
    inner: Product
    outer: Product
    kind: Kind

    def of(self, X: Tensor, onto: Tensor) -> Tensor:
        """The layer of X, added to `onto`."""
        hidden = self.inner(X)
        if self.kind.gated:
            gate, hidden = hidden.chunk(2, -1)
            return self.outer(self.kind.activation(gate) * hidden, onto)
        return self.outer(self.kind.activation(hidden), onto)


class Own(NamedTuple):
    """Rows that read each other: queries, keys and values beside each other, and what is made of what was read."""

    norm: Norm
    asks_keys_values: Product
    out: Product


class Cross(NamedTuple):
    """Rows that read the source: their queries, the source's keys and values, and what is made of what was read."""

    norm: Norm
    asks: Product
    source: Product
    out: Product


class Embedded(NamedTuple):
    """words: E sqrt(d), (V d);  places (n d), or None, of `kind`;  norm of their sum, or None."""

    words: Tensor
    places: Tensor | None
    kind: str
    norm: Norm | None

    def __call__(self, ids: Tensor, place: int | slice) -> Tensor:
        """ids (... n) -> (... n d); `place` of them all, or of one after the other."""
        X = self._placed(F.embedding(ids, self.words), place)
        return X if self.norm is None else self.norm(X)

    def _placed(self, X: Tensor, place: int | slice) -> Tensor:
        if self.places is None:
            return X
        end = place + 1 if isinstance(place, int) else place.stop
        if end <= self.places.shape[0]:
            return X.add_(self.places[place])
        if self.kind == "learned":
            raise UsageError(
                f"A sentence has {end} pieces; learned positions know {self.places.shape[0]}.",
                "In the network.",
                "Cut the sentence, or set longest before training.",
            )
        return X.add_(sinusoids(end, X.shape[-1]).to(X)[place])
