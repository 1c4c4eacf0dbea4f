"""The same A X by faster ways, chosen in one place.

explicit      matmul, softmax, matmul: forms A; fastest for short memories on a CPU, and the one that can show A
fused         PyTorch's scaled_dot_product_attention: never forms A
associative   X (W (X' V)): without a softmax or a mask the order of the products is free, and n x m is never formed
sparse        A given as a sparse matrix (`sparse_product`)
"""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from axw.equation.memory import Memory
from axw.equation.scores import BilinearScore, Score

# Below this many cells of A (h n m of one sentence or table) forming A is faster than the fused kernel on the CPUs that were
# measured, and what it needs is small. `benchmarks/kernels.py` prints the two.
EXPLICIT_CELLS = 4_000_000


def choose(score: Score, memory: Memory, *, n: int, normalize: str, masked: bool) -> str:
    """Name of the kernel for this case: "explicit" wherever no faster one gives the same Y."""
    if not isinstance(score, BilinearScore):
        return "explicit"
    heads, m = memory.keys.shape[1], memory.keys.shape[2]
    if normalize == "none" and not masked:
        k, v = memory.keys.shape[3], memory.values.shape[3]
        return "associative" if k * v * (n + m) < n * m * (k + v) else "explicit"
    return "fused" if normalize == "softmax" and heads * n * m > EXPLICIT_CELLS else "explicit"


def associative(
    queries: Float[Tensor, "b h n k"], memory: Memory, mask: Bool[Tensor, "#b #h #n #m"] | None = None
) -> Float[Tensor, "b h n v"]:
    """Q (K' V): A V for A = Q K', without the n x m matrix. k v (n + m) products instead of n m (k + v)."""
    return queries @ (memory.keys.mT @ memory.values)


def fused(
    queries: Float[Tensor, "b h n k"], memory: Memory, mask: Bool[Tensor, "#b #h #n #m"] | None = None
) -> Float[Tensor, "b h n v"]:
    """softmax(Q K') V by PyTorch's kernel. Values are padded to the key width or keys to the value width, since unequal
    widths send it down a path that is many times slower."""
    k, v = memory.keys.shape[-1], memory.values.shape[-1]
    wide = max(k, v)
    Q, K, V = (F.pad(X, (0, wide - X.shape[-1])) for X in (queries, memory.keys, memory.values))
    read = F.scaled_dot_product_attention(Q, K, V, attn_mask=mask, scale=1.0)[..., :v]
    if mask is None:
        return read
    return read.masked_fill(~mask.any(-1, keepdim=True), 0.0)


def sparse_product(
    index: Int[Tensor, " e"],
    offsets: Int[Tensor, " n"],
    weight: Float[Tensor, " e"] | None,
    X: Float[Tensor, "m d"],
) -> Float[Tensor, "n d"]:
    """A X for a given sparse A in rows: row i reads rows index[offsets[i]:offsets[i + 1]] with those weights.

    `F.embedding_bag` reads each row of X once and writes each sum once: on the CPUs measured it is faster than a CSR product.
    """
    return F.embedding_bag(index, X, offsets, mode="sum", per_sample_weights=weight)


KERNELS: dict[str, Callable[[Tensor, Memory, Tensor | None], Tensor]] = {
    "associative": associative,
    "fused": fused,
}

__all__ = ["KERNELS", "associative", "choose", "fused", "sparse_product"]
