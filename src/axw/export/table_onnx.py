"""An attention rung as an ONNX graph: the remembered rows are in it, as the keys and values that a row which asks reads.

    Y = X W + sum over parts and heads of A Z V + FeedForward([X, A Z V])

By a relation a row reads the rows that are told it, `places` and `may`, since a graph cannot look up keys; without one, all rows.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from axw.equation import Attention
from axw.export.installed import installed
from axw.export.onnx.graph import Graph, Value, concat
from axw.export.table_proof import TableProof, proved
from axw.models.tables.attending import AttendingStep
from axw.models.tables.problem import TableRows
from axw.networks import Reachable, RowNetwork, RowsToRead
from axw.networks.rows import FAR
from axw.relations import Rows
from axw.storage import json_to_bytes

PROVED = 1e-5
_ROWS = 500  # rows that the proof asks at once


def faults(model: Any) -> list[str]:
    """Why the model is no such graph."""
    step = model.step_
    if not isinstance(step, AttendingStep):
        return [f"attention={model.attention!r} is no rung whose A is learned."]
    wrong = []
    if step.many(model.memory_):
        wrong.append(f"{len(model.memory_.X):,} remembered rows are searched for those that score highest.")
    if step.settings.normalize == "mean":
        wrong.append("normalize='mean' is not written.")
    return wrong


def files(model: Any, X: pd.DataFrame) -> dict[str, bytes]:
    """model.onnx, and how its input is made of a table: columns.json"""
    columns = model._reader.columns
    told = {"schema": "axw.columns/1", "names": columns.names, "columns": columns.to_config()}
    return {"model.onnx": _graph(model).to_bytes(), "columns.json": json_to_bytes(told)}


def _graph(model: Any) -> Graph:
    network: RowNetwork = model.fitted_
    graph, d, c = Graph(), len(model._reader.columns.names), len(model.targets_)
    X = graph.input("x", np.float32, ["rows", d])
    question = _question(model, _strangers(model, 1))
    Y = graph.weight("bias", _single(network.bias))
    if network.own is not None:
        Y = X @ graph.weight("own", _single(network.own.weight.T)) + Y
    near = _clipped(graph, X)
    reads = []
    for number, (part, reach) in enumerate(zip(network.parts, question.parts, strict=True)):
        asks = X if part.normalize == "none" else near
        read = _read(graph, cast(Attention, part), number, asks, question, reach)
        reads.append(read.reshape(0, -1))
        Y = Y + read.sum(1).reshape(0, -1)
    if network.feedforward is not None:
        Y = Y + _feedforward(graph, network.feedforward, concat([near, *reads], 1))
    classes = model.target_.kind == "classes"
    if classes:
        Y = Y / float(model.temperature_)
    else:
        Y = Y * graph.constant(model.target_.scale) + graph.constant(model.target_.prior)
    graph.output("output", Y, np.float32, ["rows", c])
    if classes:
        positive = Y.apply("Sigmoid") if c == 1 else Y.softmax()
        P = concat([1.0 - positive, positive], 1) if c == 1 else positive
        graph.output("probabilities", P, np.float32, ["rows", max(c, 2)])
    return graph


def _read(graph: Graph, part: Attention, number: int, X: Value, question: RowsToRead, reach: Reachable) -> Value:
    """What each row reads by each head (n h c)."""
    heads = part.score.heads
    with torch.no_grad():
        keys = part.score.keys(question.M[None])[0]
        values = cast(nn.Linear, part.value)(question.Z[None])[0].unflatten(-1, (heads, -1)).movedim(1, 0)
    queries = _queries(graph, part.score, number, X)
    if reach.places is None:
        K, V = (graph.weight(f"{name}{number}", _single(each)) for name, each in (("keys", keys), ("values", values)))
        scores = queries @ K.transpose(0, 2, 1)  # (h n k) (h k m)
        if reach.bias is not None:
            scores = scores + graph.weight(f"log_weight{number}", _single(reach.bias[:1]))
        return (_normalised(graph, scores, part.normalize, None) @ V).transpose(1, 0, 2)
    # By a relation: row i reads the rows places[i], where may[i].
    places = graph.input(f"places{number}", np.int64, ["rows", f"read{number}"])
    weight = graph.input(f"weight{number}", np.float32, ["rows", f"read{number}"])
    K, V = (
        graph.weight(f"{name}{number}", _single(each.movedim(1, 0))).take(places)  # (n r h k)
        for name, each in (("keys", keys), ("values", values))
    )
    scores = (queries.transpose(1, 0, 2).unsqueeze(1) * K).sum(-1).squeeze(3).transpose(0, 2, 1)  # (n h r)
    may = weight.apply("Sign").cast(np.bool_).unsqueeze(1)
    if part.normalize.startswith("softmax"):
        safe = weight.where(1.0, weight.apply("Sign").cast(np.bool_))
        scores = scores + safe.apply("Log").unsqueeze(1)
        A = _normalised(graph, scores, part.normalize, may)
    else:
        A = scores * weight.unsqueeze(1)
    return (A.unsqueeze(2) @ V.transpose(0, 2, 1, 3)).squeeze(2)  # (n h 1 r) (n h r c)


def _queries(graph: Graph, score: Any, number: int, X: Value) -> Value:
    """(h n k), as the score makes them."""
    kind = type(score).__name__
    if kind == "General":
        return (X @ graph.weight(f"U{number}", _single(score.U))).unsqueeze(0)
    layer = score.query if kind == "QueryKey" else score.metric
    Q = X @ graph.weight(f"query{number}", _single(layer.weight.T))
    if layer.bias is not None:
        Q = Q + graph.weight(f"query_bias{number}", _single(layer.bias))
    Q = Q.reshape(0, score.heads, -1).transpose(1, 0, 2)
    if kind == "QueryKey":
        return Q / float(score.k) ** 0.5
    square = (Q * Q).sum(-1)
    return concat([Q * 2.0, square * 0.0 + 1.0, square * -1.0], 2)


def _normalised(graph: Graph, scores: Value, how: str, may: Value | None) -> Value:
    """A, as `equation.normalize` has it."""
    if how == "none":
        return scores
    if may is not None:
        scores = scores.where(float(np.finfo(np.float32).min), may)
    if how == "softmax":
        A = scores.softmax()
        return A if may is None else A.where(0.0, may)
    most = graph.op("ReduceMax", scores, graph.constant([-1], np.int64), attributes={"keepdims": 1}).apply("Relu")
    weight = (scores - most).apply("Exp")
    return weight / ((most * -1.0).apply("Exp") + weight.sum(-1))


def _feedforward(graph: Graph, layer: Any, X: Value) -> Value:
    hidden = X @ graph.weight("inner", _single(layer.inner.weight.T))
    kind, half = layer.kind, layer.inner.out_features // 2
    gated = layer.inner.out_features != layer.outer.in_features
    gate = hidden.part(0, half, 1) if gated else hidden
    acted = _activation(kind, gate)
    if gated:
        acted = acted * hidden.part(half, 2 * half, 1)
    return acted @ graph.weight("outer", _single(layer.outer.weight.T))


def _activation(kind: str, x: Value) -> Value:
    if kind in ("relu", "reglu"):
        return x.apply("Relu")
    if kind == "relu2":
        return x.apply("Relu") * x.apply("Relu")
    if kind in ("gelu", "geglu"):
        return x * 0.5 * ((x * 0.5**0.5).apply("Erf") + 1.0)
    if kind in ("swish", "swiglu"):
        return x * x.apply("Sigmoid")
    return x.apply("Sigmoid") if kind == "glu" else x


def _clipped(graph: Graph, X: Value) -> Value:
    return graph.op("Clip", X, graph.constant(-FAR), graph.constant(FAR))


def _single(tensor: Tensor) -> Tensor:
    return tensor.detach().float()


def _strangers(model: Any, n: int) -> TableRows:
    """Rows that nobody remembers, to ask who may be read."""
    rows = model.memory_.take(np.arange(min(n, len(model.memory_.X))))
    return _unknown(model, rows)


def _unknown(model: Any, rows: TableRows) -> TableRows:
    """The rows without their names, where all rows are read: the graph does not know who asks."""
    if model.step_.relations:
        return rows
    ids = np.array([object() for _ in range(len(rows.X))], dtype=object)
    return rows._replace(rows=Rows(ids, rows.rows.columns))


def _question(model: Any, asking: TableRows) -> RowsToRead:
    network = model.fitted_
    dtype = next(network.parameters()).dtype
    found: RowsToRead = model.step_.question(asking, model.memory_, model.target_, dtype, network)
    return found


def feeds(model: Any, asking: TableRows) -> dict[str, np.ndarray]:
    """What the graph is given for rows that ask: x, and for each relation places and weight (0: not read)."""
    given: dict[str, np.ndarray] = {"x": asking.X.astype(np.float32)}
    for number, relation in enumerate(model.step_.relations):
        read = relation.given(asking.rows, model.memory_.rows).neighbours(model.step_.most)
        given[f"places{number}"] = read.index
        given[f"weight{number}"] = np.where(read.mask, read.weight, 0.0).astype(np.float32)
    return given


def prove(model: Any, made: dict[str, bytes], X: pd.DataFrame) -> TableProof:
    """onnxruntime gives what the model gives for these rows, as new ones."""
    runtime = installed("onnxruntime")
    session = runtime.InferenceSession(made["model.onnx"], providers=["CPUExecutionProvider"])
    asking, ours, theirs = _unknown(model, model._asking(X)), [], []
    for start in range(0, len(asking.X), _ROWS):
        part = asking.take(np.arange(start, min(start + _ROWS, len(asking.X))))
        output = model._answer(part)
        ours.append(output if model.target_.kind == "classes" else output * model.target_.scale + model.target_.prior)
        theirs.append(session.run(["output"], feeds(model, part))[0].astype(np.float64))
    none = np.zeros((0, len(model.targets_)))
    return proved("onnx", np.concatenate([none, *ours]), np.concatenate([none, *theirs]), PROVED, "the output")


_USE = """\
model.onnx runs in any ONNX runtime. Its input `x` (float32, rows x {d}) are the columns of the table as numbers: columns.json
says how each is made (`axw.data.Columns.from_config` makes them). Outputs: `output`{classes}.
{relations}
```python
import json, onnxruntime
from axw.data import Columns

told = json.load(open("columns.json"))
x = Columns.from_config(told["columns"]).transform(frame).astype("float32")
session = onnxruntime.InferenceSession("model.onnx")
output = session.run(["output"], {{"x": x}})[0]
```
"""


def use(model: Any) -> str:
    """How it is run."""
    listed = [one.name for one in model.step_.relations]
    told = [
        f"`places{k}`, `weight{k}` (rows x r): the remembered rows that a row reads by {name!r}, at most "
        f"{model.step_.most}, and how much; 0 for none. `axw.export.table_onnx.feeds` makes them."
        for k, name in enumerate(listed)
    ]
    if not listed:
        told = ["Rows are asked as new ones: a row that is remembered reads itself too, which axw leaves out."]
    classes = ", log-odds or class scores, and `probabilities`" if model.target_.kind == "classes" else ""
    return _USE.format(d=len(model._reader.columns.names), classes=classes, relations="\n".join(told) + "\n")
