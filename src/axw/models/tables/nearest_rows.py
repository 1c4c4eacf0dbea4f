"""The rows that score highest, exactly, where n x m scores would not fit: attention over more rows than a matrix can hold.

    for each row that asks, the k rows j of greatest  q_i . k_j

Keys of few numbers (a head's rank is 2 unless said otherwise) are searched with SciPy's k-d tree, which is exact: one more
number puts all keys at one distance from the middle, and the nearest of them is then the one of greatest product (Bachrach et al.
2014). Wider keys are compared with all others, block by block. Either way the answer is exact, and no more than a block of
scores is ever in memory.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree

from axw.relations.given import refuse_above

# In more dimensions a k-d tree looks at most of the rows, and the comparison with all is faster.
MOST_DIMENSIONS = 3
_CELLS = 16_000_000


def nearest(queries: np.ndarray, keys: np.ndarray, k: int, itself: np.ndarray) -> np.ndarray:
    """Places (n k), int64, of the k keys (m d) of greatest product with each query (n d), best first, but key itself[i].

    itself (n,)  -1 where the asking row is not among the keys; of fewer than k keys besides it, all are found
    Raises `ResourceError` where the answer itself would not fit.
    """
    refuse_above(len(queries) * (k + 1) * 16, f"{len(queries):,} rows x {k:,} rows read", "Ask fewer rows at once.")
    k = min(k, len(keys) - bool((itself >= 0).any()))
    found = (_tree if keys.shape[1] <= MOST_DIMENSIONS else _blocks)(queries, keys, min(k + 1, len(keys)))
    # Itself goes to the end where it was found, and the last one goes where it was not.
    own = found == itself[:, None]
    order = np.argsort(own, axis=1, kind="stable")
    return np.take_along_axis(found, order, 1)[:, :k]


def _tree(queries: np.ndarray, keys: np.ndarray, k: int) -> np.ndarray:
    Q, K = queries.astype(np.float64), keys.astype(np.float64)
    middle = K.mean(0)  # q . (k - middle) has the same order, and a smaller sphere
    K = K - middle
    square = (K**2).sum(1)
    radius = float(np.sqrt(square.max(initial=0.0))) or 1.0
    lifted = np.concatenate([K, np.sqrt(np.maximum(radius**2 - square, 0.0))[:, None]], axis=1)
    length = np.sqrt((Q**2).sum(1, keepdims=True))
    # The length of a query changes no order: on the sphere itself the search has least to look at.
    asks = np.concatenate([Q * (radius / np.where(length > 0, length, 1.0)), np.zeros((len(Q), 1))], axis=1)
    tree = cKDTree(lifted, balanced_tree=False)
    found = np.empty((len(Q), k), np.int64)
    order = np.lexsort(asks.T)  # rows that are near each other ask one after the other
    found[order] = tree.query(asks[order], k=np.arange(1, k + 1), workers=torch.get_num_threads())[1]
    return found


def _blocks(queries: np.ndarray, keys: np.ndarray, k: int) -> np.ndarray:
    K = torch.as_tensor(keys).T.contiguous()
    step = max(1, _CELLS // max(1, len(keys)))
    parts = [(torch.as_tensor(queries[at : at + step]) @ K).topk(k, 1).indices for at in range(0, len(queries), step)]
    return np.asarray(torch.cat(parts).numpy()) if parts else np.zeros((0, k), np.int64)
