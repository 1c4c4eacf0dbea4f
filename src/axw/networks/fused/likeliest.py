"""The k likeliest continuations of a sentence, without a log-probability of every word being written down."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from axw.networks.fused.rows import largest, sum_of_exps

_BLOCK = 128  # logits of which first the largest alone is looked at


@njit(error_model="numpy", nogil=True)
def likeliest(logits: Any, total: Any, never: Any, totals: Any, parents: Any, tokens: Any) -> None:
    """The k largest of total[j] + log p_j[v], j of w hypotheses and v of V ids: as `axw.decoding.top.best` finds them.

    logits (w V);  total (w,) float64;  never: ids that are left out;  totals (k,) float64, parents (k,), tokens (k,): largest
    first, of equals the lowest hypothesis, then the lowest id. -inf fills up; NaN where a logit is not a number.
    """
    w, (k,), V = total.shape[0], totals.shape, logits.shape[1]
    for i in range(k):
        totals[i], parents[i], tokens[i] = -np.inf, 0, 0
    blocks = -(-V // _BLOCK)
    most = np.empty(blocks, np.float32)
    for j in range(w):
        if total[j] == -np.inf:
            continue
        row = logits[j]
        for block in range(blocks):
            most[block] = largest(row[block * _BLOCK : min(V, (block + 1) * _BLOCK)])
        greatest = largest(most)
        less = greatest + np.float32(math.log(sum_of_exps(row, greatest)))
        if np.isnan(less):
            for i in range(k):
                totals[i] = np.nan
            return
        for block in range(blocks):
            if total[j] + np.float64(most[block] - less) > totals[k - 1]:
                begin = block * _BLOCK
                _look(row[begin : min(V, begin + _BLOCK)], begin, j, total[j], less, never, totals, parents, tokens)


@njit(error_model="numpy", nogil=True)
def _look(
    x: Any, begin: int, j: int, before: Any, less: Any, never: Any, totals: Any, parents: Any, tokens: Any
) -> None:
    """Those of a block's logits x that are among the k largest so far are put in their places."""
    k = totals.shape[0]
    for v in range(x.shape[0]):
        found = before + np.float64(x[v] - less)
        if not found > totals[k - 1] or _among(begin + v, never):
            continue
        place = k - 1
        while place > 0 and found > totals[place - 1]:
            totals[place], parents[place], tokens[place] = totals[place - 1], parents[place - 1], tokens[place - 1]
            place -= 1
        totals[place], parents[place], tokens[place] = found, j, begin + v


@njit(error_model="numpy", nogil=True)
def _among(token: int, never: Any) -> bool:
    for unwanted in never:
        if token == unwanted:
            return True
    return False
