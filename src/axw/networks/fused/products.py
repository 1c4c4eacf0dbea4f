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
    W, bias = product.W[layer], product.bias[layer]
    (r, k), n, stride = X.shape, Y.shape[1], X.strides[0]
    found, most = np.empty((ROWS, BLOCK), np.float32), _height(r)
    x, w, out = X.ctypes.data, W.ctypes.data, found.ctypes.data
    for block in range(W.shape[0]):
        first = block * BLOCK
        columns = min(BLOCK, n - first)
        b = bias[first : first + columns]
        for top in range(0, r, most):
            rows = min(most, r - top)
            float_tile(x + top * stride, stride, w + 4 * first * k, k, rows, out)
            for i in range(rows):
                line, sums = Y[top + i, first : first + columns], found[i]
                if add:
                    for j in range(columns):
                        line[j] += sums[j] + b[j]
                else:
                    for j in range(columns):
                        line[j] = sums[j] + b[j]


def _wholes(X: Any, product: Any, layer: Any, Y: Any, add: Any) -> Any:
    W, bias, scale, low = product.W[layer], product.bias[layer], product.scale[layer], product.low[layer]
    r, n, quartets = X.shape[0], Y.shape[1], W.shape[1]
    X8, z = _whole(X, 4 * quartets)
    found, most = np.empty((ROWS, BLOCK), np.int32), _height(r)
    x, w, out = X8.ctypes.data, W.ctypes.data, found.ctypes.data
    for block in range(W.shape[0]):
        first = block * BLOCK
        columns = min(BLOCK, n - first)
        b, s, less = bias[first : first + columns], scale[first : first + columns], low[first : first + columns]
        for top in range(0, r, most):
            rows = min(most, r - top)
            whole_tile(x + 4 * top * quartets, 4 * quartets, w + 4 * first * quartets, quartets, rows, out)
            for i in range(rows):
                line, sums, by = Y[top + i, first : first + columns], found[i], z[top + i]
                if add:
                    for j in range(columns):
                        line[j] += np.float32(sums[j] - less[j]) * s[j] * by + b[j]
                else:
                    for j in range(columns):
                        line[j] = np.float32(sums[j] - less[j]) * s[j] * by + b[j]


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
