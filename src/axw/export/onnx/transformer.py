"""The Transformer, and the masked-word model, as ONNX graphs."""

from __future__ import annotations

from typing import Any

import numpy as np

from axw.export.onnx.graph import Graph, Value, concat, counted, stack
from axw.export.onnx.layers import Layers, gelu
from axw.export.weights import places_of, weights_of
from axw.networks.masked_words import MaskedWords
from axw.networks.transformer import Transformer


def words_graph(network: MaskedWords, longest: int) -> bytes:
    """model.onnx: ids (b n), 0 for padding -> log_p (b n V)."""
    graph = Graph()
    layers = Layers(graph, network.settings, weights_of(network), places_of(longest))
    ids = graph.input("ids", np.int64, ["b", "n"])
    X = _encoded(layers, layers.embedded(ids, "embed"), _real(ids))
    if network.settings.output_transform:
        X = layers.norm(gelu(layers.product(X, "transform.inner")), "transform.norm")
    logits = X @ graph.weight("output", layers.w["embed.weight"].T) + graph.weight("frequency", layers.w["frequency"])
    graph.output("log_p", logits.log_softmax(), np.float32, ["b", "n", network.projection.shape[0]])
    return graph.to_bytes()


def encoder_graph(network: Transformer, longest: int) -> bytes:
    """encoder.onnx: source (b m) -> source_keys (b L h m k), source_values, source_mask (b m);
    said_keys (b 1 L h 0 k), said_values."""
    graph, s = Graph(), network.settings
    layers = Layers(graph, s, weights_of(network), places_of(longest))
    source = graph.input("source", np.int64, ["b", "m"])
    real = _real(source)
    X = _encoded(layers, layers.embedded(source, "embed_source"), real)
    depth = range(len(network.layers))
    keys = stack([layers.keys(X, f"layers.{i}.cross", None) for i in depth], 1)
    values = stack([layers.values(X, f"layers.{i}.cross") for i in depth], 1)
    L, h, k, v = _widths(network)
    graph.output("source_keys", keys, np.float32, ["b", L, h, "m", k])
    graph.output("source_values", values, np.float32, ["b", L, h, "m", v])
    graph.output("source_mask", real, np.bool_, ["b", "m"])
    for name, of, width in (("said_keys", keys, k), ("said_values", values, v)):
        graph.output(name, of.part(0, 0, 3).unsqueeze(1), np.float32, ["b", 1, L, h, 0, width])
    return graph.to_bytes()


def step_graph(network: Transformer, longest: int) -> bytes:
    """step.onnx: tokens (b w), what the encoder gave, said_keys (b w L h t k) -> log_p (b w V), next_keys (b w L h t+1 k)."""
    graph, s = Graph(), network.settings
    layers = Layers(graph, s, weights_of(network), places_of(longest))
    L, h, k, v = _widths(network)
    tokens = graph.input("tokens", np.int64, ["b", "w"])
    source_keys = graph.input("source_keys", np.float32, ["b", L, h, "m", k])
    source_values = graph.input("source_values", np.float32, ["b", L, h, "m", v])
    mask = graph.input("source_mask", np.bool_, ["b", "m"]).unsqueeze(1, 2)
    said = {
        "keys": graph.input("said_keys", np.float32, ["b", "w", L, h, "t", k]),
        "values": graph.input("said_values", np.float32, ["b", "w", L, h, "t", v]),
    }
    t = said["keys"].length(4)
    places = t.reshape(1)
    bias = layers.bias(places, t + graph.constant(1, np.int64), "bias", both=False)
    X = layers.embedded(tokens, "embed_source" if s.shared == "all" else "embed_target", t)
    kept: dict[str, list[Value]] = {"keys": [], "values": []}
    for i in range(L):
        X = _own(layers, X, i, said, places, bias, kept)
        keys, values = source_keys.at(i, 1), source_values.at(i, 1)
        X = layers.around(X, f"layers.{i}.around_cross.norm", _Cross(layers, keys, values, mask, f"layers.{i}.cross"))
        X = layers.change(X, f"layers.{i}")
    w = layers.w
    projection = (
        w["output"] if "output" in w else w["embed_source.weight" if s.shared == "all" else "embed_target.weight"]
    )
    logits = layers.last(X, "last") @ graph.weight("projection", projection.T)
    if "output_bias" in w:
        logits = logits + graph.weight("output_bias", w["output_bias"])
    graph.output("log_p", logits.log_softmax(), np.float32, ["b", "w", network.projection.shape[0]])
    for name, width in (("keys", k), ("values", v)):
        graph.output(f"next_{name}", stack(kept[name], 2), np.float32, ["b", "w", L, h, "t1", width])
    return graph.to_bytes()


def _widths(network: Transformer) -> tuple[int, int, int, int]:
    """Layers of the decoder, heads, and the widths of a key and a value as they are kept."""
    s: Any = network.settings
    widths = {"query-key": s.key_width, "bilinear": s.key_width, "dot": s.d_model, "even": 1}
    return len(network.layers), s.heads, widths[s.score], s.value_width


def _real(ids: Value) -> Value:
    """(b n): all but padding."""
    return ids.graph.op("Not", ids.graph.op("Equal", ids, ids.graph.constant(0, np.int64)))


def _encoded(layers: Layers, X: Value, real: Value) -> Value:
    """Rows that read each other, layer by layer: (b n d) -> (b n d)."""
    s, n = layers.s, X.length(1)
    places = counted(n)
    mask = real.unsqueeze(1, 2)
    if s.window is not None:
        apart = (places.unsqueeze(0) - places.unsqueeze(1)).apply("Abs").cast(np.float32)
        mask = mask & apart.at_most(float(s.window))
    bias = layers.bias(places, n, "encoder.bias", both=True)
    for i in range(s.layers):
        name = f"encoder.layers.{i}"

        def read(R: Value, name: str = name) -> Value:
            keys = layers.keys(R, f"{name}.attention", places)
            scores = layers.queries(R, f"{name}.attention", places) @ keys.transpose(0, 1, 3, 2)
            scores = scores if bias is None else scores + bias
            return layers.read(scores, layers.values(R, f"{name}.attention"), mask, f"{name}.attention")

        X = layers.change(layers.around(X, f"{name}.around_attention.norm", read), name)
    return layers.last(X, "encoder.last")


def _own(
    layers: Layers,
    X: Value,
    i: int,
    said: dict[str, Value],
    places: Value,
    bias: Value | None,
    kept: dict[str, list[Value]],
) -> Value:
    """Each hypothesis reads what it said, this word among it; `kept` gets what is remembered of it, (b w h t+1 k)."""
    name = f"layers.{i}.own"

    def read(R: Value) -> Value:
        # (b h w k) -> (b w h 1 k): a hypothesis is a sentence of its own, of one row that asks.
        parts = {"keys": layers.keys(R, name, places), "values": layers.values(R, name)}
        for kind, new in parts.items():
            kept[kind].append(concat([said[kind].at(i, 2), new.transpose(0, 2, 1, 3).unsqueeze(3)], 3))
        queries = layers.queries(R, name, places).transpose(0, 2, 1, 3).unsqueeze(3)
        scores = queries @ kept["keys"][-1].transpose(0, 1, 2, 4, 3)
        scores = scores if bias is None else scores + bias
        if layers.s.normalize == "mean":
            A = scores / scores.length(4).cast(np.float32)
        else:
            A = scores.softmax()
        return layers.product((A @ kept["values"][-1]).reshape(0, 0, -1), f"{name}.out")

    return layers.around(X, f"layers.{i}.around_own.norm", read)


class _Cross:
    """Each hypothesis reads the source: keys (b h m k), values (b h m v), mask (b 1 1 m)."""

    def __init__(self, layers: Layers, keys: Value, values: Value, mask: Value, name: str) -> None:
        self.layers, self.keys, self.values, self.mask, self.name = layers, keys, values, mask, name

    def __call__(self, R: Value) -> Value:
        scores = self.layers.queries(R, self.name, None) @ self.keys.transpose(0, 1, 3, 2)
        return self.layers.read(scores, self.values, self.mask, self.name)
