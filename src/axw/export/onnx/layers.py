"""The layers of a Transformer as operators: norms, attention Y = A X W, feed-forward."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from axw.equation import DistanceBias
from axw.export.onnx.graph import Graph, Value, concat, counted
from axw.export.weights import Weights, table_of_places
from axw.networks.blocks import TransformerSettings

LOWEST = float(np.finfo(np.float32).min)
_FAR = 128  # distances from here on share a bucket


class Layers(NamedTuple):
    """What every layer needs: the graph, the settings, the weights, and the rows of a table of places."""

    graph: Graph
    s: TransformerSettings
    w: Weights
    places: int

    def product(self, X: Value, name: str) -> Value:
        """X W' + b."""
        Y = X @ self.graph.weight(f"{name}.weight", self.w[f"{name}.weight"].T)
        bias = self.w.get(f"{name}.bias")
        return Y if bias is None else Y + self.graph.weight(f"{name}.bias", bias)

    def norm(self, X: Value, name: str) -> Value:
        gamma, s = self.graph.weight(f"{name}.weight", self.w[f"{name}.weight"]), self.s
        if s.norm == "rms":
            epsilon = s.norm_epsilon or float(torch.finfo(torch.float32).eps)
            return X / ((X * X).mean() + epsilon).apply("Sqrt") * gamma
        beta = self.graph.weight(f"{name}.bias", self.w[f"{name}.bias"])
        attributes: dict[str, int | float | str | list[int]] = {"axis": -1, "epsilon": s.norm_epsilon or 1e-5}
        return self.graph.op("LayerNormalization", X, gamma, beta, attributes=attributes)

    def around(self, X: Value, name: str, f: Callable[[Value], Value]) -> Value:
        """X + f(norm(X)), or norm(X + f(X))."""
        if self.s.norm_place == "pre":
            return X + f(self.norm(X, name))
        return self.norm(X + f(X), name)

    def last(self, X: Value, name: str) -> Value:
        return self.norm(X, name) if self.s.norm_place == "pre" else X

    def embedded(self, ids: Value, name: str, start: Value | None = None) -> Value:
        """ids (b n) -> (b n d); `start` is the place of the first, 0 where it is not given."""
        s = self.s
        X = self.graph.weight(f"{name}.weight", self.w[f"{name}.weight"]).take(ids) * math.sqrt(s.d_model)
        if s.positions in ("sinusoidal", "learned"):
            places = counted(ids.length(1), start) if start is None else start.reshape(1)
            X = X + self.graph.weight(f"{name}.places", self._places(name)).take(places)
        return self.norm(X, f"{name}.norm") if s.embedding_norm else X

    def _places(self, name: str) -> Tensor:
        return table_of_places(self.w, name, self.s.positions, self.places, self.s.d_model)

    # ---------------------------------------------------------------------------------------------------- attention

    def queries(self, X: Value, name: str, places: Value | None) -> Value:
        """X (b n d) -> (b h n k). places (n,): where rotary queries stand."""
        s = self.s
        if s.score == "query-key":
            return self._rotated(self._heads(self.product(X, f"{name}.score.query")) / math.sqrt(s.key_width), places)
        return self._alone(X, f"{name}.score.U").unsqueeze(1)

    def keys(self, X: Value, name: str, places: Value | None) -> Value:
        """X (b m d) -> (b h m k)."""
        if self.s.score == "query-key":
            return self._rotated(self._heads(self.product(X, f"{name}.score.key")), places)
        return self._alone(X, f"{name}.score.V").unsqueeze(1)

    def values(self, X: Value, name: str) -> Value:
        return self._heads(self.product(X, f"{name}.value"))

    def read(self, scores: Value, values: Value, mask: Value | None, name: str) -> Value:
        """scores (b h n m), values (b h m v), mask True = may read -> Y (b n d)."""
        Y = normalized(scores, mask, self.s.normalize) @ values
        return self.product(Y.transpose(0, 2, 1, 3).reshape(0, 0, -1), f"{name}.out")

    def _heads(self, X: Value) -> Value:
        return X.reshape(0, 0, self.s.heads, -1).transpose(0, 2, 1, 3)

    def _alone(self, X: Value, name: str) -> Value:
        """Queries or keys of a score with one head: X U of bilinear, X of dot, 0 of even."""
        if self.s.score == "dot":
            return X
        if self.s.score == "even":
            return X.part(0, 1, 2) * 0.0
        return X @ self.graph.weight(name, self.w[name])

    def _rotated(self, X: Value, places: Value | None) -> Value:
        if self.s.positions != "rotary" or places is None:
            return X
        k = self.s.key_width
        angle = torch.arange(self.places, dtype=torch.float32)[:, None] * torch.exp(
            torch.arange(0, k, 2, dtype=torch.float32) * (-math.log(10000.0) / k)
        )
        cos, sin = (self.graph.weight(f"places.{f}", getattr(angle, f)()).take(places) for f in ("cos", "sin"))
        left, right = X.part(0, k // 2, 3), X.part(k // 2, k, 3)
        return concat([left * cos - right * sin, left * sin + right * cos], 3)

    def bias(self, asking: Value, m: Value, name: str, *, both: bool) -> Value | None:
        """What places add to the scores (h n m): asking (n,) are the places of the rows that ask, m how many may be read."""
        if self.s.positions not in ("alibi", "relative"):
            return None
        distance = counted(m).unsqueeze(0) - asking.unsqueeze(1)
        if self.s.positions == "alibi":
            slopes = 2.0 ** (-8.0 * torch.arange(1, self.s.heads + 1) / self.s.heads)
            return distance.apply("Abs").cast(np.float32).unsqueeze(0) * self.graph.constant(-slopes[:, None, None])
        table = DistanceBias(self.s.heads, both=both)
        bucket = table.bucket(torch.arange(-_FAR, _FAR + 1)[None])[0]
        by_distance = self.graph.weight(f"{name}.by_distance", self.w[f"{name}.learnt.weight"][bucket])
        near = self.graph.op(
            "Clip", distance, self.graph.constant(-_FAR, np.int64), self.graph.constant(_FAR, np.int64)
        )
        return by_distance.take(near + self.graph.constant(_FAR, np.int64)).transpose(2, 0, 1)

    # -------------------------------------------------------------------------------------------------- feed-forward

    def change(self, X: Value, name: str) -> Value:
        """Each row by itself."""
        if self.s.feedforward == "none":
            return X
        return self.around(X, f"{name}.around_feedforward.norm", lambda R: self._feedforward(R, f"{name}.feedforward"))

    def _feedforward(self, X: Value, name: str) -> Value:
        hidden, kind, f = self.product(X, f"{name}.inner"), self.s.feedforward, self.s.inner_width
        if kind in ACTIVATIONS:
            return self.product(ACTIVATIONS[kind](hidden), f"{name}.outer")
        gate, hidden = hidden.part(0, f, 2), hidden.part(f, 2 * f, 2)
        return self.product(GATES[kind](gate) * hidden, f"{name}.outer")


def normalized(scores: Value, mask: Value | None, how: str) -> Value:
    """A from scores (b h n m): see `axw.equation.normalize`."""
    if how == "mean":
        if mask is None:
            return scores / scores.length(3).cast(np.float32)
        count = mask.cast(np.float32).sum()
        return scores.where(0.0, mask) / scores.graph.op("Max", count, scores.graph.constant(1.0))
    if mask is None:
        return scores.softmax()
    return scores.where(LOWEST, mask).softmax().where(0.0, mask)


def gelu(X: Value) -> Value:
    return X * ((X / math.sqrt(2.0)).apply("Erf") + 1.0) * 0.5


def _swish(X: Value) -> Value:
    return X * X.apply("Sigmoid")


def _relu(X: Value) -> Value:
    return X.apply("Relu")


def _sigmoid(X: Value) -> Value:
    return X.apply("Sigmoid")


ACTIVATIONS: dict[str, Callable[[Value], Value]] = {
    "relu": _relu,
    "gelu": gelu,
    "swish": _swish,
    "relu2": lambda X: _relu(X) * _relu(X),
}
GATES: dict[str, Callable[[Value], Value]] = {
    "glu": _sigmoid,
    "bilinear": lambda X: X,
    "reglu": _relu,
    "geglu": gelu,
    "swiglu": _swish,
}
