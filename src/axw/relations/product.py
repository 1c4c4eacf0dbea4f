"""A X for a sparse A, by the fastest way that there is in the precision of X.

float32  `embedding_bag`, which reads each row of X once and writes each sum once
float64  the product of MKL where PyTorch has it, and SciPy's elsewhere: `embedding_bag` has no fast path for it

`equation.kernels.sparse_product` is the same for tensors that learn; relations know nothing of attention, and need no gradient.
PyTorch is imported where it is used, so that relations can be read and checked without it.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.sparse import csr_array

# Below this many products a call of PyTorch costs more than it saves.
_FEW = 20_000
# From this many numbers on, their sum is worth a second thread.
_MANY = 1_000_000
# Weights between these are kept by single precision, and so are a million of them times what they weigh.
_SMALLEST, _LARGEST = 1e-30, 1e30


def product(A: csr_array, X: np.ndarray, *, even: bool = False) -> np.ndarray:
    """A X (n d) in the precision of X (m d), float32 or float64. A row is summed in the order of A's columns.

    even  every weight in A is 1, so that they need not be read
    """
    n, d = A.shape[0], X.shape[1]
    if not A.nnz or A.nnz * d <= _FEW or d == 1 and X.dtype == np.float64:
        return np.asarray(A @ X, dtype=X.dtype).reshape(n, d)
    if X.dtype == np.float64:
        return _csr(A, X)
    if even or _SMALLEST < A.data.min() <= A.data.max() < _LARGEST:
        return _bags(A, X, None if even else A.data.astype(np.float32))
    return _csr(A, X.astype(np.float64)).astype(np.float32)


def _bags(A: csr_array, X: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    import torch
    from torch.nn.functional import embedding_bag

    index, offsets, rows = (torch.from_numpy(np.ascontiguousarray(values)) for values in (A.indices, A.indptr, X))
    scale = None if weight is None else torch.from_numpy(weight)
    found = embedding_bag(index, rows, offsets, mode="sum", per_sample_weights=scale, include_last_offset=True)
    return np.asarray(found.numpy())


def _csr(A: csr_array, X: np.ndarray) -> np.ndarray:
    import torch

    if not torch.backends.mkl.is_available():
        return np.asarray(A @ X)
    start, index, weight = (torch.from_numpy(np.ascontiguousarray(values)) for values in (A.indptr, A.indices, A.data))
    with (
        warnings.catch_warnings()
    ):  # PyTorch says once that its sparse tensors are a beta; tests hold them against SciPy's
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        sparse = torch.sparse_csr_tensor(start, index, weight, size=A.shape, check_invariants=False)
    # NumPy asks the system for large pages and PyTorch does not: to be given so many small ones takes longer than the product.
    Y = np.empty((A.shape[0], X.shape[1]))
    torch.from_numpy(Y).addmm_(sparse, torch.from_numpy(np.ascontiguousarray(X)), beta=0)  # 0: what Y held is not read
    return Y


def all_finite(X: np.ndarray) -> bool:
    """No NaN or infinity in X. The sum tells, in one pass and without a mask; where it overflows, each number is looked at."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(_sum(X)) or np.isfinite(X).all())


def _sum(X: np.ndarray) -> float:
    if X.size < _MANY:
        return float(X.sum())
    import torch

    return float(torch.from_numpy(X).sum()) if X.flags.c_contiguous and X.flags.writeable else float(X.sum())
