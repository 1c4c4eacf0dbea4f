"""X W' with weights in blocks, as tiles read them: in float32, or in whole numbers of 8 bits.

    Y[i, j] = X[i] . W[j] + b[j],    or    z_i s_j (X8 W8')[i, j] + b[j]  as in `axw.networks.products`

Weights are stacked layer by layer, (l ...), and a block of outputs is followed from the first k to the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit, types
from numba.extending import overload
from torch import nn

from axw.networks.fused.tiles import SHAPE, as_float, float_tile, whole_tile
from axw.networks.products import Precision, whole

BLOCK, ROWS = SHAPE.block, SHAPE.rows
_QUARTET = 4  # products of bytes that are one instruction
_SHIFT = 128  # bytes of X are unsigned: X8 + 128
# Sums in any order, and a b + c in one rounding; what is not a number stays so.
LOOSE = {"reassoc", "contract", "nsz", "arcp"}


class Floats(NamedTuple):
    """W (l n/block k block), bias (l n)."""

    W: np.ndarray
    bias: np.ndarray


class Wholes(NamedTuple):
    """W8 (l n/block k/4 block 4);  scale (l n') and low (l n'), 128 times the sum of W8 over k, of whole blocks;  bias (l n)."""

    W: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    bias: np.ndarray


Product = Floats | Wholes


def stacked(precision: Precision, layers: Sequence[tuple[nn.Linear, ...]]) -> Product:
    """The products of each layer, made at once: their results stand beside each other."""
    return in_blocks(
        precision,
        [torch.cat([one.weight.detach().float() for one in layer]) for layer in layers],
        [torch.cat([_bias(one) for one in layer]) for layer in layers],
    )


def in_blocks(precision: Precision, weights: Sequence[torch.Tensor], biases: Sequence[torch.Tensor]) -> Product:
    """The product with W (n k) and its bias (n,), of each layer."""
    n, k = weights[0].shape if weights else (0, 0)
    bias = np.zeros((len(weights), n), np.float32)
    for place, given in zip(bias, biases, strict=True):
        place[:] = given.numpy()
    outputs = -(-n // BLOCK) * BLOCK
    if precision == "fp32":
        W = np.zeros((len(weights), outputs, k), np.float32)
        for place, given in zip(W, weights, strict=True):
            place[:n] = given.numpy()
        return Floats(np.ascontiguousarray(W.reshape(len(W), outputs // BLOCK, BLOCK, k).swapaxes(2, 3)), bias)
    inputs = -(-k // _QUARTET) * _QUARTET
    W8, scale = np.zeros((len(weights), outputs, inputs), np.int8), np.zeros((len(weights), outputs), np.float32)
    for room, by, given in zip(W8, scale, weights, strict=True):
        numbers, z = whole(given)
        room[:n, :k], by[:n] = numbers.numpy(), z[:, 0].numpy()
    low = _SHIFT * W8.sum(2, dtype=np.int32)
    blocks = W8.reshape(len(W8), outputs // BLOCK, BLOCK, inputs // _QUARTET, _QUARTET)
    return Wholes(np.ascontiguousarray(blocks.swapaxes(2, 3)), scale, low, bias)


def _bias(layer: nn.Linear) -> torch.Tensor:
    return torch.zeros(layer.out_features) if layer.bias is None else layer.bias.detach().float()


def multiply(X: Any, product: Any, layer: int, Y: Any, add: bool) -> None:
    """X (r k) -> Y (r n) = X W' + b of the layer; added to what is in Y where `add`."""
    raise NotImplementedError("Compiled code only.")


@overload(multiply, jit_options={"fastmath": LOOSE, "error_model": "numpy", "nogil": True})
def _multiply(X: Any, product: Any, layer: Any, Y: Any, add: Any) -> Any:
    return _floats if isinstance(product, types.NamedTuple) and product.instance_class is Floats else _wholes


@njit(error_model="numpy", nogil=True)
def _height(r: int) -> int:
    """Rows of each tile, so that all have about as many: 20 are 4 times 5, not 6, 6, 6 and 2."""
    tiles = -(-r // ROWS)
    return -(-r // max(1, tiles))


def _floats(X: Any, product: Any, layer: Any, Y: Any, add: Any) -> Any:
    edge, edge_bias = np.empty((ROWS, BLOCK), np.float32), np.zeros(BLOCK, np.float32)
    _float_tiles(X, product.W[layer], product.bias[layer], Y, int(add), edge, edge_bias)


def _wholes(X: Any, product: Any, layer: Any, Y: Any, add: Any) -> Any:
    W, scale, low = product.W[layer], product.scale[layer], product.low[layer]
    X8, z = _whole(X, 4 * W.shape[1])
    edge, edge_bias = np.empty((ROWS, BLOCK), np.float32), np.zeros(BLOCK, np.float32)
    _whole_tiles(X8, z, W, scale, low, product.bias[layer], Y, int(add), edge, edge_bias)


# What tiles are given are addresses, which hold nothing: whoever calls these two holds the arrays until they are done.


@njit(error_model="numpy", nogil=True)
def _float_tiles(X: Any, W: Any, bias: Any, Y: Any, add: int, edge: Any, edge_bias: Any) -> None:
    (r, k), stride, pitch, most = X.shape, X.strides[0], Y.strides[0], _height(X.shape[0])
    x, w, y, b = X.ctypes.data, W.ctypes.data, Y.ctypes.data, bias.ctypes.data
    for block in range(W.shape[0]):
        first = block * BLOCK
        weights = w + 4 * first * k
        for top in range(0, r, most):
            rows, given = min(most, r - top), x + top * stride
            if first + BLOCK <= Y.shape[1]:
                out = y + top * pitch + 4 * first
                float_tile(given, stride, weights, k, rows, out, pitch, (b + 4 * first, add, 0, 0, 0))
            else:
                _take(Y, bias, first, top, rows, edge, edge_bias)
                others = (edge_bias.ctypes.data, add, 0, 0, 0)
                float_tile(given, stride, weights, k, rows, edge.ctypes.data, 4 * BLOCK, others)
                _put(edge, Y, first, top, rows)


@njit(error_model="numpy", nogil=True)
def _whole_tiles(
    X8: Any, z: Any, W: Any, scale: Any, low: Any, bias: Any, Y: Any, add: int, edge: Any, edge_bias: Any
) -> None:
    r, stride, quartets, pitch, most = X8.shape[0], X8.shape[1], W.shape[1], Y.strides[0], _height(X8.shape[0])
    x, w, y, b, by = X8.ctypes.data, W.ctypes.data, Y.ctypes.data, bias.ctypes.data, z.ctypes.data
    for block in range(W.shape[0]):
        first = block * BLOCK
        weights, s, less = w + first * stride, scale.ctypes.data + 4 * first, low.ctypes.data + 4 * first
        for top in range(0, r, most):
            rows, given, own = min(most, r - top), x + top * stride, by + 4 * top
            if first + BLOCK <= Y.shape[1]:
                out = y + top * pitch + 4 * first
                whole_tile(given, stride, weights, quartets, rows, out, pitch, (b + 4 * first, add, own, s, less))
            else:
                _take(Y, bias, first, top, rows, edge, edge_bias)
                others = (edge_bias.ctypes.data, add, own, s, less)
                whole_tile(given, stride, weights, quartets, rows, edge.ctypes.data, 4 * BLOCK, others)
                _put(edge, Y, first, top, rows)


@njit(error_model="numpy", nogil=True)
def _take(Y: Any, bias: Any, first: int, top: int, rows: int, edge: Any, edge_bias: Any) -> None:
    """The last columns, fewer than a block, as if they were one."""
    for j in range(first, Y.shape[1]):
        edge_bias[j - first] = bias[j]
        for i in range(rows):
            edge[i, j - first] = Y[top + i, j]


@njit(error_model="numpy", nogil=True)
def _put(edge: Any, Y: Any, first: int, top: int, rows: int) -> None:
    for i in range(rows):
        for j in range(first, Y.shape[1]):
            Y[top + i, j] = edge[i, j - first]


@njit(error_model="numpy", nogil=True)
def _whole(X: Any, inputs: int) -> Any:
    """X (r k) -> X8 + 128 (r inputs) unsigned, and z (r,): `axw.networks.products.whole`."""
    r, k = X.shape
    X8, z = np.zeros((r, inputs), np.uint8), np.empty(r, np.float32)
    for i in range(r):
        bits, most = X[i].view(np.int32), np.int32(0)
        for j in range(k):
            most = max(most, bits[j] & np.int32(0x7FFFFFFF))  # |x| in the order of its bits
        z[i] = np.float32(1e-30) + as_float(most) * np.float32(1 / 127)
        for j in range(k):
            X8[i, j] = np.uint8(np.int32(np.rint(X[i, j] / z[i])) + 128)
    return X8, z
