"""The logistic loss and its gradient, summed in one pass over the rows: X is read once for both, by as many threads as there are.

A product of X with few columns is bound by how X is read, not by arithmetic. So rows are copied a block at a time, which is the
fastest way to read memory and the place to go to single precision; the block stays in a core's cache between X W and R X; threads
take blocks of their own, each with a product of one thread; and logits lie class by class (c n), where an exponential or a sum
over the classes is a pass over whole vectors. The products are NumPy's: on an AMD processor its OpenBLAS takes a quarter of the
time of PyTorch's MKL for so few columns, and half of that again where a product is small, which it does without copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array, issparse
from threadpoolctl import threadpool_limits

# Numbers of X in a block, multiplications of a product with it that OpenBLAS calls small, and the least rows in one.
BLOCK, SMALL, FEWEST_ROWS = 160_000, 1_000_000, 128
# The rows are cut into so many shares whatever the number of threads is, so that sums come out the same with any.
SHARES = 8
# Below so many numbers a second thread costs more than it saves.
_FEW = 200_000


class Sums(NamedTuple):
    """sum_i s_i loss_i, and its gradients by W (d c) and b (c)."""

    loss: float
    by_W: np.ndarray
    by_b: np.ndarray


class Lesson(NamedTuple):
    """X (n d), dense or sparse; Y (c n), a class a row, c = 1 for two classes; weight s (n), or None where every row weighs 1.

    The precision is that of Y.
    """

    X: np.ndarray | csr_array
    Y: np.ndarray
    s: np.ndarray | None

    def single(self) -> Lesson:
        """The same in single precision. A dense X stays as it is, and goes there block by block."""
        s = None if self.s is None else self.s.astype(np.float32)
        with np.errstate(over="ignore"):  # what it does not hold is seen in the sums
            X = self.X.astype(np.float32) if issparse(self.X) else self.X
            return Lesson(X, self.Y.astype(np.float32), s)

    def every(self, k: int) -> Lesson:
        """Each kth row alone."""
        s = None if self.s is None else self.s[::k]
        X = self.X[::k] if issparse(self.X) else np.ascontiguousarray(self.X[::k])
        return Lesson(X, np.ascontiguousarray(self.Y[:, ::k]), s)

    def total(self) -> float:
        """The sum of the weights."""
        return float(self.X.shape[0]) if self.s is None else float(self.s.sum())

    def sums(self, W: np.ndarray, b: np.ndarray, threads: ThreadPoolExecutor | None = None) -> Sums:
        """Summed over all rows, W (d c) and b (c); loss and sums of shares in double precision."""
        n, d = self.X.shape
        small = n if issparse(self.X) else SMALL // max(W.size, 1)
        step = max(FEWEST_ROWS, min(BLOCK * n // max(self.X.size, 1), small))
        blocks = -(-n // step)
        bounds = sorted({step * (blocks * share // SHARES) for share in range(SHARES)} | {n})
        W, b = np.ascontiguousarray(W, dtype=self.Y.dtype), b.astype(self.Y.dtype)

        def share(start: int, stop: int) -> Sums:
            return self._share(W, b, start, stop, step)

        parts = list((threads.map if threads else map)(share, bounds[:-1], bounds[1:]))
        by_W = np.asarray(np.sum([part.by_W for part in parts], axis=0, dtype=np.float64))
        by_b = np.asarray(np.sum([part.by_b for part in parts], axis=0, dtype=np.float64))
        return Sums(sum(part.loss for part in parts), by_W.T, by_b)

    def _share(self, W: np.ndarray, b: np.ndarray, start: int, stop: int, step: int) -> Sums:
        loss, by_W, by_b = 0.0, np.zeros(W.shape[::-1]), np.zeros(b.shape)
        block = None if issparse(self.X) else np.empty((min(step, stop - start), len(W)), W.dtype)
        with np.errstate(all="ignore"):  # what is not finite is seen in the sums
            for first in range(start, stop, step):
                part = slice(first, min(first + step, stop))
                if block is None:
                    rows = self.X[part]
                    logits = np.ascontiguousarray((rows @ W).T)
                else:
                    rows = block[: part.stop - first]
                    np.copyto(rows, self.X[part], casting="same_kind")
                    logits = W.T @ rows.T
                logits += b[:, None]
                each, residual = loss_and_residual(logits, self.Y[:, part])
                if self.s is not None:
                    each *= self.s[part]
                    residual *= self.s[part]
                loss += float(each.sum(dtype=np.float64))
                by_W += residual @ rows
                by_b += residual.sum(1)
        return Sums(loss, by_W, by_b)


def loss_and_residual(logits: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Loss (n) and its gradient by the logits (c n), given Y (c n): p - y for either kind of logits."""
    if len(logits) == 1:
        return _of_one(logits, Y)
    shifted = logits - logits.max(0)
    of_Y = np.einsum("cn,cn->n", Y, shifted)
    p = np.exp(shifted, out=shifted)
    total, share = p.sum(0), Y.sum(0)
    p *= share / total
    p -= Y
    np.log(total, out=total)
    total *= share
    total -= of_Y
    return total, p


def _of_one(z: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of two classes: log(1 + exp z) - y z, and p - y."""
    small = np.abs(z)
    np.negative(small, out=small)
    np.exp(small, out=small)  # at most 1, so nothing overflows: log(1 + exp z) = max(z, 0) + log(1 + small)
    loss = np.log1p(small)
    loss += np.maximum(z, 0)
    loss -= Y * z
    p = small + 1
    np.divide(small, p, out=p)  # P of the less likely class
    np.subtract(z >= 0, p, out=p)
    np.abs(p, out=p)
    p -= Y
    return loss[0], p


@contextmanager
def threads_for(numbers: int) -> Iterator[ThreadPoolExecutor | None]:
    """PyTorch's number of threads, each with products of one thread; None where there are too few numbers to go through."""
    workers = torch.get_num_threads()
    if numbers < _FEW or workers < 2:
        yield None
        return
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(min(workers, SHARES)) as pool:
        yield pool
