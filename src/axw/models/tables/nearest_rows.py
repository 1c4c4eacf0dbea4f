"""The rows that score highest, exactly, where n x m scores would not fit: attention over more rows than a matrix can hold.

    for each row that asks, the k rows j of greatest  q_i . k_j

Keys of few numbers (a head's rank is 2 unless said otherwise) are searched with SciPy's k-d tree, which is exact: one more
number puts all keys at one distance from the middle, and the nearest of them is then the one of greatest product (Bachrach et al.
2014). Wider keys are compared with all others, block by block, and what does not exceed the k best so far is dropped at once.
Either way the answer is exact, and no more than a block of scores is ever in memory.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree

from axw.learning.row_sums import threads_for
from axw.relations.given import refuse_above

# In more dimensions a k-d tree looks at most of the rows, and the comparison with all is faster.
MOST_DIMENSIONS = 3
# Scores that are in memory at once, for so many queries together: a core's cache holds them.
_CELLS, _TOGETHER = 150_000, 256


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
    found = np.empty((len(queries), k), np.int64)

    def answer(start: int) -> None:
        part = slice(start, start + _TOGETHER)
        found[part] = _greatest(queries[part], keys, k)

    with threads_for(len(queries) * len(keys)) as threads:
        for _ in (threads.map if threads else map)(answer, range(0, len(queries), _TOGETHER)):
            pass
    return found


def _greatest(Q: np.ndarray, K: np.ndarray, k: int) -> np.ndarray:
    """Places (q k) of the k rows of K (m d) of greatest product with each row of Q (q d), best first.

    The k best so far say what a further score must exceed. By chance k do each time that twice as many keys were seen, so nearly
    all scores are looked at once, while they are in a core's cache, and no more is done with them.
    """
    width = max(1, _CELLS // len(Q))
    seen = min(len(K), max(width, 4 * k))
    S = Q @ K[:seen].T
    scores, places = _first(S, np.broadcast_to(np.arange(seen), S.shape), k)
    while seen < len(K):
        stop, more, count = min(len(K), 2 * seen), list[tuple[np.ndarray, np.ndarray, np.ndarray]](), 0
        # Keys in rising order would all be better than those before them: then there are more floors, not more memory.
        while seen < stop and count <= S.size:
            S = Q @ K[seen : min(seen + width, stop)].T
            row, column = np.divmod(np.flatnonzero(S > scores[:, -1:]), S.shape[1])
            more.append((row, column + seen, S[row, column]))
            seen, count = seen + S.shape[1], count + len(row)
        scores, places = _first(*_beside(scores, places, *map(np.concatenate, zip(*more, strict=True))), k)
    return places


def _first(scores: np.ndarray, places: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k greatest scores of each row with their places, best first."""
    at = np.argpartition(scores, -k, axis=1)[:, -k:]
    best = np.take_along_axis(scores, at, 1)
    order = np.argsort(-best, axis=1)
    return np.take_along_axis(best, order, 1), np.take_along_axis(np.take_along_axis(places, at, 1), order, 1)


def _beside(
    scores: np.ndarray, places: np.ndarray, row: np.ndarray, place: np.ndarray, score: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """scores and places (q k) with further ones beside them, each in the row that it is of; the rest is minus infinity."""
    (q, k), order = scores.shape, np.argsort(row, kind="stable")
    row, count = row[order], np.bincount(row, minlength=q)
    slot = k + np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    wide = ((0, 0), (0, int(count.max(initial=0))))
    scores, places = np.pad(scores, wide, constant_values=-np.inf), np.pad(places, wide)
    scores[row, slot], places[row, slot] = score[order], place[order]
    return scores, places
