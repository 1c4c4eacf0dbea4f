"""What a Transformer's steps are made of: norms, feed-forward, attention and embedding with their weights laid out."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axw.equation import Attention, QueryKey, sinusoids
from axw.equation.feedforward import Kind
from axw.errors import UsageError
from axw.networks.products import Product
from axw.networks.transformer import Embedding

_PLACES = 1024  # sinusoids that are kept


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
        return X.add_(self.known(place + 1 if isinstance(place, int) else place.stop)[place].to(X))

    def known(self, end: int) -> Tensor:
        """What is added at the places before `end`, and maybe at later ones, (n d); (0 d) where nothing is."""
        if self.places is None or end <= self.places.shape[0]:
            return self.words[:0] if self.places is None else self.places
        if self.kind == "learned":
            raise UsageError(
                f"A sentence has {end} pieces; learned positions know {self.places.shape[0]}.",
                "In the network.",
                "Cut the sentence, or set longest before training.",
            )
        return sinusoids(end, self.words.shape[1])


def norm_laid_out(norm: nn.Module, kind: torch.dtype) -> Norm | None:
    """The norm's weights in this kind; None where there is none."""
    if isinstance(norm, nn.LayerNorm):
        return Norm(norm.weight.detach().to(kind), norm.bias.detach().to(kind), norm.eps)
    return Norm(norm.weight.detach().to(kind), None, norm.eps) if isinstance(norm, nn.RMSNorm) else None


def embedded(embedding: Embedding, d: int, kind: torch.dtype) -> Embedded:
    """The embedding's weights in this kind, the words already times sqrt(d)."""
    words = embedding.weight.detach() * math.sqrt(d)
    places = None if embedding.places is None else embedding.places.detach().to(kind)
    if embedding.kind == "sinusoidal":
        places = sinusoids(_PLACES, d).to(kind)
    return Embedded(words.to(kind), places, embedding.kind, norm_laid_out(embedding.norm, kind))


def parts_of(attention: Attention) -> tuple[QueryKey, nn.Linear, nn.Linear]:
    """The scores, and the products that make values and what is made of them."""
    return cast(QueryKey, attention.score), cast(nn.Linear, attention.value), cast(nn.Linear, attention.out)


def asks(score: QueryKey) -> nn.Linear:
    """The product that makes queries, divided by sqrt(k) once and for all."""
    asks = deepcopy(score.query)
    with torch.no_grad():
        for parameter in asks.parameters():
            parameter.div_(math.sqrt(score.k))
    return asks
