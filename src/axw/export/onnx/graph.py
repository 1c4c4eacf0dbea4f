"""A graph of ONNX operators, written as one writes a formula: `(Q @ K.mT + bias).softmax() @ V`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from axw.export.installed import installed

OPSET, IR = 18, 10
Attribute = int | float | str | list[int]
Axis = int | str  # a length, or the name of one that may vary


class Graph:
    """The nodes of a graph, in the order in which they were made, and its weights."""

    def __init__(self) -> None:
        self.onnx = installed("onnx")
        self.nodes: list[Any] = []
        self.weights: dict[str, np.ndarray] = {}
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def input(self, name: str, dtype: type, axes: Sequence[Axis]) -> Value:
        """What the graph is given. dtype: np.int64, np.float32 or np.bool_."""
        self.inputs.append(self._described(name, dtype, axes))
        return Value(self, name)

    def output(self, name: str, value: Value, dtype: type, axes: Sequence[Axis]) -> None:
        """What the graph gives."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [value.name], [name]))
        self.outputs.append(self._described(name, dtype, axes))

    def constant(self, value: Any, dtype: type = np.float32) -> Value:
        """A number or an array; equal ones are kept once."""
        array: np.ndarray = np.asarray(value, dtype)
        for name, kept in self.weights.items():
            if kept.size <= 16 and kept.dtype == array.dtype and kept.shape == array.shape and (kept == array).all():
                return Value(self, name)
        name = f"constant_{len(self.weights)}"
        self.weights[name] = array
        return Value(self, name)

    def weight(self, name: str, tensor: Tensor) -> Value:
        """Weights of the network under their name."""
        self.weights[name] = np.ascontiguousarray(tensor.numpy())
        return Value(self, name)

    def op(self, kind: str, *inputs: Value, attributes: Mapping[str, Attribute] | None = None) -> Value:
        """One operator with one output."""
        name = f"value_{len(self.nodes)}"
        given = [value.name for value in inputs]
        self.nodes.append(self.onnx.helper.make_node(kind, given, [name], **(attributes or {})))
        return Value(self, name)

    def to_bytes(self) -> bytes:
        """The file, checked by the library."""
        helper, numpy_helper = self.onnx.helper, self.onnx.numpy_helper
        weights = [numpy_helper.from_array(array, name) for name, array in self.weights.items()]
        graph = helper.make_graph(self.nodes, "axw", self.inputs, self.outputs, weights)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="axw"
        )
        self.onnx.checker.check_model(model)
        return bytes(model.SerializeToString())

    def _described(self, name: str, dtype: type, axes: Sequence[Axis]) -> Any:
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.onnx.helper.make_tensor_value_info(name, kind, list(axes))


class Value:
    """What a node gives, or an input, or a weight. Numbers may stand beside it in a formula."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name

    def _with(self, kind: str, other: Value | float, first: bool = True) -> Value:
        value = other if isinstance(other, Value) else self.graph.constant(other)
        return self.graph.op(kind, self, value) if first else self.graph.op(kind, value, self)

    def __add__(self, other: Value | float) -> Value:
        return self._with("Add", other)

    def __sub__(self, other: Value | float) -> Value:
        return self._with("Sub", other)

    def __rsub__(self, other: float) -> Value:
        return self._with("Sub", other, first=False)

    def __mul__(self, other: Value | float) -> Value:
        return self._with("Mul", other)

    def __truediv__(self, other: Value | float) -> Value:
        return self._with("Div", other)

    def __matmul__(self, other: Value) -> Value:
        return self.graph.op("MatMul", self, other)

    def __and__(self, other: Value) -> Value:
        return self.graph.op("And", self, other)

    def apply(self, kind: str) -> Value:
        """An operator of one input, such as Tanh, Sigmoid, Relu, Erf, Abs, Exp, Sqrt."""
        return self.graph.op(kind, self)

    def softmax(self) -> Value:
        return self.graph.op("Softmax", self, attributes={"axis": -1})

    def log_softmax(self) -> Value:
        return self.graph.op("LogSoftmax", self, attributes={"axis": -1})

    def transpose(self, *order: int) -> Value:
        return self.graph.op("Transpose", self, attributes={"perm": list(order)})

    def reshape(self, *shape: int) -> Value:
        """0 keeps the axis, -1 is what is left."""
        return self.graph.op("Reshape", self, self.graph.constant(shape, np.int64))

    def unsqueeze(self, *axes: int) -> Value:
        return self.graph.op("Unsqueeze", self, self.graph.constant(axes, np.int64))

    def squeeze(self, *axes: int) -> Value:
        return self.graph.op("Squeeze", self, self.graph.constant(axes, np.int64))

    def take(self, index: Value, axis: int = 0) -> Value:
        return self.graph.op("Gather", self, index, attributes={"axis": axis})

    def at(self, number: int, axis: int) -> Value:
        """The part at one place of an axis, without that axis."""
        return self.take(self.graph.constant(number, np.int64), axis)

    def part(self, start: int, end: int | Value, axis: int) -> Value:
        """start .. end - 1 of an axis."""
        last = self.graph.constant([end], np.int64) if isinstance(end, int) else end.reshape(1)
        one = self.graph.constant
        return self.graph.op("Slice", self, one([start], np.int64), last, one([axis], np.int64))

    def length(self, axis: int) -> Value:
        """The length of an axis, a number of type int64."""
        return self.graph.op("Shape", self, attributes={"start": axis, "end": axis + 1}).squeeze(0)

    def mean(self, axis: int = -1) -> Value:
        return self.graph.op("ReduceMean", self, self.graph.constant([axis], np.int64), attributes={"keepdims": 1})

    def sum(self, axis: int = -1) -> Value:
        return self.graph.op("ReduceSum", self, self.graph.constant([axis], np.int64), attributes={"keepdims": 1})

    def cast(self, dtype: type) -> Value:
        kind = self.graph.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.graph.op("Cast", self, attributes={"to": int(kind)})

    def where(self, other: Value | float, condition: Value) -> Value:
        """This where the condition holds, else the other."""
        value = other if isinstance(other, Value) else self.graph.constant(other)
        return self.graph.op("Where", condition, self, value)

    def at_most(self, limit: float) -> Value:
        return self._with("LessOrEqual", limit)


def concat(values: Sequence[Value], axis: int) -> Value:
    return values[0].graph.op("Concat", *values, attributes={"axis": axis})


def stack(values: Sequence[Value], axis: int) -> Value:
    return concat([value.unsqueeze(axis) for value in values], axis)


def counted(n: Value, start: Value | None = None) -> Value:
    """start, start + 1, .. start + n - 1, of type int64; start is 0 where it is not given."""
    constant = n.graph.constant
    first = constant(0, np.int64) if start is None else start
    end = n if start is None else start + n
    return n.graph.op("Range", first, end, constant(1, np.int64))
