"""The network of Luong et al. 2015 as ONNX graphs: every score, every window, input feeding and reversal."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from axw.export.onnx.graph import Graph, Value, concat, counted, stack
from axw.export.onnx.layers import LOWEST
from axw.export.weights import Weights, weights_of
from axw.networks.luong import LuongNetwork
from axw.networks.luong_settings import LuongSettings


def encoder_graph(network: LuongNetwork) -> bytes:
    """encoder.onnx: source (b m) -> source_keys (b m k), source_values (b m d), source_mask (b m); said_hidden, said_cells
    (b 1 L d), said_feed (b 1 d), said_count (b 1)."""
    graph, s, w = Graph(), network.settings, weights_of(network)
    source = graph.input("source", np.int64, ["b", "m"])
    real = graph.op("Not", graph.op("Equal", source, graph.constant(0, np.int64)))
    lengths = real.cast(np.int32).sum().squeeze(1)
    X = graph.weight("embed_source", w["embed_source"]).take(source.transpose(1, 0))
    hidden, cells = [], []
    for i in range(s.layers):
        X, h, c = _lstm(graph, X, lengths, w, f"encoder.{i}", s)
        hidden.append(h)
        cells.append(c)
    H = X.transpose(1, 0, 2)
    keys = H
    if s.score == "general":
        keys = H @ graph.weight("cross.score.U", w["cross.score.U"].T)
    elif s.score == "concat":
        keys = H @ graph.weight("cross.score.U", w["cross.score.U"])
    elif s.score in ("location", "none"):
        keys = H.part(0, 0, 2)
    k = 0 if s.score in ("location", "none") else s.d_model
    d, L = s.d_model, s.layers
    graph.output("source_keys", keys, np.float32, ["b", "m", k])
    values = H.part(0, 0, 2) if s.score == "none" else H
    graph.output("source_values", values, np.float32, ["b", "m", 0 if s.score == "none" else d])
    graph.output("source_mask", real, np.bool_, ["b", "m"])
    for name, states in (("said_hidden", hidden), ("said_cells", cells)):
        graph.output(name, stack(states, 1).unsqueeze(1), np.float32, ["b", 1, L, d])
    feed = hidden[0] * 0.0 if s.input_feeding else hidden[0].part(0, 0, 1)
    graph.output("said_feed", feed.unsqueeze(1), np.float32, ["b", 1, d if s.input_feeding else 0])
    nothing = lengths.cast(np.int64).unsqueeze(1) * graph.constant(0, np.int64)
    graph.output("said_count", nothing, np.int64, ["b", 1])
    return graph.to_bytes()


def step_graph(network: LuongNetwork) -> bytes:
    """step.onnx: tokens (b w), what the encoder gave, the states of w hypotheses -> log_p (b w V), states then (`next_...`)."""
    graph, s, w = Graph(), network.settings, weights_of(network)
    d, L, V = s.d_model, s.layers, network.projection.shape[0]
    attends = s.score != "none"
    tokens = graph.input("tokens", np.int64, ["b", "w"])
    keys = graph.input("source_keys", np.float32, ["b", "m", d if attends and s.score != "location" else 0])
    values = graph.input("source_values", np.float32, ["b", "m", d if attends else 0])
    mask = graph.input("source_mask", np.bool_, ["b", "m"])
    before = {name: graph.input(f"said_{name}", np.float32, ["b", "w", L, d]) for name in ("hidden", "cells")}
    feed = graph.input("said_feed", np.float32, ["b", "w", d if s.input_feeding else 0])
    count = graph.input("said_count", np.int64, ["b", "w"])
    words = w["embed_source"] if s.shared == "all" else w["embed_target"]
    x = concat([graph.weight("embed_target", words).take(tokens), feed], 2)
    hidden, cells = [], []
    for i in range(L):
        h, c = _cell(graph, concat([x, before["hidden"].at(i, 2)], 2), before["cells"].at(i, 2), w, f"decoder.{i}", d)
        hidden.append(h)
        cells.append(c)
        x = h
    if attends:
        A = _weights(graph, x, keys, mask, count, s, w)
        x = (concat([A @ values, x], 2) @ graph.weight("cross.combine", w["cross.combine"])).apply("Tanh")
    logits = x @ graph.weight("projection", network.projection.detach().float().T)
    graph.output("log_p", logits.log_softmax(), np.float32, ["b", "w", V])
    for name, states in (("next_hidden", hidden), ("next_cells", cells)):
        graph.output(name, stack(states, 2), np.float32, ["b", "w", L, d])
    graph.output("next_feed", x if s.input_feeding else feed, np.float32, ["b", "w", d if s.input_feeding else 0])
    graph.output("next_count", count + graph.constant(1, np.int64), np.int64, ["b", "w"])
    return graph.to_bytes()


def _lstm(
    graph: Graph, X: Value, lengths: Value, w: Weights, name: str, s: LuongSettings
) -> tuple[Value, Value, Value]:
    """X (m b e) -> H (m b d), and h and c (b d) after the last word that is read. Gates go from i f o g to ONNX's i o f g."""
    weight, bias, d = w[f"{name}.weight"], w[f"{name}.bias"], s.d_model
    order = torch.tensor([0, 2, 1, 3])

    def gates(M: Tensor) -> Tensor:
        """(4d ...) with its four parts in ONNX's order."""
        return M.unflatten(0, (4, d))[order].flatten(0, 1)

    e = weight.shape[0] - d
    W = graph.weight(f"{name}.W", gates(weight[:e].T)[None])
    R = graph.weight(f"{name}.R", gates(weight[e:].T)[None])
    B = graph.weight(f"{name}.B", torch.cat([gates(bias), torch.zeros(4 * d)])[None])
    # One node with three outputs, which `Graph.op` does not have.
    names = [f"{name}.{part}" for part in ("H", "h", "c")]
    direction = "reverse" if s.reverse else "forward"
    given = [X.name, W.name, R.name, B.name, lengths.name]
    graph.nodes.append(graph.onnx.helper.make_node("LSTM", given, names, hidden_size=d, direction=direction))
    H, h, c = (Value(graph, each) for each in names)
    return H.squeeze(1), h.squeeze(0), c.squeeze(0)


def _cell(graph: Graph, x: Value, c: Value, w: Weights, name: str, d: int) -> tuple[Value, Value]:
    """One step: [i f o g] = x W + b, x with the hidden state behind it; h and c (b w d) then."""
    gates = x @ graph.weight(f"{name}.weight", w[f"{name}.weight"]) + graph.weight(f"{name}.bias", w[f"{name}.bias"])
    i, f, o = (gates.part(n * d, (n + 1) * d, 2).apply("Sigmoid") for n in range(3))
    c = f * c + i * gates.part(3 * d, 4 * d, 2).apply("Tanh")
    return o * c.apply("Tanh"), c


def _weights(graph: Graph, h: Value, keys: Value, mask: Value, count: Value, s: LuongSettings, w: Weights) -> Value:
    """A (b w m): the softmax of the scores over the words that may be read, times the Gaussian of local-p."""
    m, real = mask.length(1), mask.unsqueeze(1)
    scores = _scores(graph, h, keys, m, s, w)
    if s.score == "location":
        known = graph.op("Less", counted(m), graph.constant(w["cross.score.W"].shape[1], np.int64))
        real = real & known
    gaussian: Value | None = None
    if s.window != "global":
        place = counted(m).cast(np.float32)
        if s.window == "local-p":
            lengths = mask.cast(np.float32).sum()
            share = (h @ graph.weight("cross.place.W", w["cross.place.W"])).apply("Tanh")
            center = lengths * (share @ graph.weight("cross.place.v", w["cross.place.v"])).apply("Sigmoid")
        else:
            center = count.cast(np.float32)
        distance = place - center.unsqueeze(2)
        real = real & distance.apply("Abs").at_most(float(s.window_width))
        if s.window == "local-p":
            near = distance / float(s.window_width)
            gaussian = (near * near * -2.0).apply("Exp")
    A = scores.where(LOWEST, real).softmax().where(0.0, real)
    return A if gaussian is None else A * gaussian


def _scores(graph: Graph, h: Value, keys: Value, m: Value, s: LuongSettings, w: Weights) -> Value:
    """S (b w m)."""
    if s.score in ("dot", "general"):
        return h @ keys.transpose(0, 2, 1)
    queries = h @ graph.weight("cross.score.W", w["cross.score.W"])
    if s.score != "location":
        both = (queries.unsqueeze(2) + keys.unsqueeze(1)).apply("Tanh")
        return both @ graph.weight("cross.score.v", w["cross.score.v"])
    # The first m scores; places beyond the last that is known are not read, whatever stands there.
    missing = graph.op("Max", m - graph.constant(w["cross.score.W"].shape[1], np.int64), graph.constant(0, np.int64))
    pads = concat([graph.constant([0] * 5, np.int64), missing.reshape(1)], 0)
    return graph.op("Pad", queries, pads, graph.constant(0.0)).part(0, m, 2)
