"""What is done to rows one by one: norms, activations, softmax, turning by a place, and reading a memory."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from axw.networks.fused.products import LOOSE
from axw.networks.fused.tiles import as_float, mixed, scored

_HALF = np.float32(math.sqrt(0.5))
# exp(x) = 2^n exp(x - n ln 2), ln 2 in two parts, the last by a polynomial (Cephes' expf): 1 unit in the last place.
_LOWEST, _PER_POWER = np.float32(-87.0), np.float32(1 / math.log(2))
_LN2, _LN2_REST = np.float32(0.693359375), np.float32(-2.12194440e-4)
_C = tuple(map(np.float32, (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)))


class Norms(NamedTuple):
    """weight and bias (l d) of layer or RMS normalisation; bias is zeros of the latter."""

    weight: np.ndarray
    bias: np.ndarray


@njit(error_model="numpy", nogil=True, inline="always")
def exp(x: Any) -> Any:
    """e^x of a float32 that is at most 88; 0 below -87."""
    held = max(x, _LOWEST)
    n = np.rint(held * _PER_POWER)
    rest = (held - n * _LN2) - n * _LN2_REST
    p = ((((_C[0] * rest + _C[1]) * rest + _C[2]) * rest + _C[3]) * rest + _C[4]) * rest + _C[5]
    found = (p * rest * rest + rest + np.float32(1)) * as_float((np.int32(n) + np.int32(127)) << np.int32(23))
    return np.float32(0) if x < _LOWEST else found


@njit(error_model="numpy", nogil=True)
def largest(x: Any) -> Any:
    """The largest of a row (n,), by whole numbers in the order of the floats: their sums vectorise, those of floats do not."""
    bits, most = x.view(np.int32), np.int32(-0x80000000)
    for j in range(bits.shape[0]):
        most = max(most, bits[j] ^ ((bits[j] >> np.int32(31)) & np.int32(0x7FFFFFFF)))
    return as_float(most ^ ((most >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@njit(fastmath=LOOSE, error_model="numpy", nogil=True)
def _exps(x: Any, most: Any) -> Any:
    """exp(x - most) in place of x (n,), and their sum."""
    total = np.float32(0)
    for j in range(x.shape[0]):
        x[j] = exp(x[j] - most)
        total += x[j]
    return total


@njit(fastmath=LOOSE, error_model="numpy", nogil=True)
def softmax(x: Any) -> None:
    """In place of x (n,)."""
    by = np.float32(1) / _exps(x, largest(x))
    for j in range(x.shape[0]):
        x[j] *= by


@njit(fastmath=LOOSE, error_model="numpy", nogil=True)
def sum_of_exps(x: Any, most: Any) -> Any:
    """The sum of exp(x - most) of a row (n,)."""
    total = np.float32(0)
    for j in range(x.shape[0]):
        total += exp(x[j] - most)
    return total


@njit(fastmath=LOOSE, error_model="numpy", nogil=True)
def log_softmax(x: Any) -> None:
    """In place of x (n,)."""
    most = largest(x)
    less = most + np.float32(math.log(sum_of_exps(x, most)))
    for j in range(x.shape[0]):
        x[j] -= less


@njit(error_model="numpy", nogil=True)
def copied(x: Any, y: Any) -> None:
    """y <- the first of x. (An assignment of slices compiles what it would say of shapes that do not match: a second each.)"""
    for j in range(y.shape[0]):
        y[j] = x[j]


@njit(error_model="numpy", nogil=True)
def added(x: Any, y: Any) -> None:
    """y <- y + x."""
    for j in range(y.shape[0]):
        y[j] += x[j]


@njit(fastmath=LOOSE, error_model="numpy", nogil=True)
def normalised(X: Any, norms: Any, layer: int, rms: bool, epsilon: Any, Y: Any) -> None:
    """X (r d) -> Y (r d), which may be X."""
    weight, bias = norms.weight[layer], norms.bias[layer]
    r, d = X.shape
    for i in range(r):
        mean, spread = np.float32(0), np.float32(0)
        if not rms:
            for j in range(d):
                mean += X[i, j]
            mean /= np.float32(d)
        for j in range(d):
            spread += (X[i, j] - mean) * (X[i, j] - mean)
        by = np.float32(1) / np.sqrt(spread / np.float32(d) + epsilon)
        for j in range(d):
            Y[i, j] = (X[i, j] - mean) * by * weight[j] + bias[j]


RELU, GELU, SWISH, RELU2, SIGMOID, IDENTITY = range(6)


@njit(fastmath=LOOSE, error_model="numpy", nogil=True)
def activate(H: Any, f: int, kind: int) -> None:
    """act in place of the first f columns of the rows H: relu, x Phi(x), x sigmoid(x), relu squared, sigmoid, or nothing."""
    for i in range(H.shape[0]):
        x = H[i][:f]
        if kind == RELU or kind == RELU2:
            _relu(x, kind == RELU2)
        elif kind == GELU:
            for j in range(f):
                x[j] *= np.float32(0.5) * (np.float32(1) + np.float32(math.erf(x[j] * _HALF)))
        elif kind != IDENTITY:
            _gate(x, kind == SWISH)


@njit(fastmath=LOOSE, error_model="numpy", nogil=True)
def _relu(x: Any, squared: bool) -> None:
    zero = np.float32(0)
    for j in range(x.shape[0]):
        positive = zero if x[j] < zero else x[j]
        x[j] = positive * positive if squared else positive


@njit(fastmath=LOOSE, error_model="numpy", nogil=True)
def _gate(x: Any, swish: bool) -> None:
    """x sigmoid(x), or sigmoid(x)."""
    for j in range(x.shape[0]):
        x[j] = _sigmoid(x[j]) * (x[j] if swish else np.float32(1))


@njit(error_model="numpy", nogil=True, inline="always")
def _sigmoid(x: Any) -> Any:
    e = exp(-abs(x))
    by = np.float32(1) / (np.float32(1) + e)
    return e * by if x < np.float32(0) else by


@njit(error_model="numpy", nogil=True)
def turn(x: Any, heads: int, by: Any) -> None:
    """[a cos - b sin, b cos + a sin] in place of each head's x = [a, b], x (h*k,); by (2 k): [cos, cos], [-sin, sin]."""
    k = by.shape[1]
    half = k // 2
    for h in range(heads):
        left, right = x[h * k : h * k + half], x[h * k + half : (h + 1) * k]
        for j in range(half):
            a, b = left[j], right[j]
            left[j], right[j] = a * by[0, j] + b * by[1, j], b * by[0, j + half] + a * by[1, j + half]


@njit(fastmath=LOOSE, error_model="numpy", nogil=True)
def read(q: Any, keys: Any, values: Any, at: Any, rows: Any, A: Any, out: Any) -> None:
    """softmax(q K') V of one asking row: q (h*k,) -> out (h*k,), A (h n).

    K and V are in the columns of `keys` and `values` from at[0] and at[1] on; `rows` (n,) of them may be read.
    """
    heads, n = A.shape
    k = q.shape[0] // heads
    place, share, result = rows.ctypes.data, A.ctypes.data, out.ctypes.data
    key, value = keys.ctypes.data + 4 * at[0], values.ctypes.data + 4 * at[1]
    for h in range(heads):
        head, own = 4 * h * k, share + 4 * h * n
        scored(q.ctypes.data + head, key + head, keys.strides[0], place, n, k, own)
        softmax(A[h])
        mixed(own, value + head, values.strides[0], place, n, k, result + head)
