"""From scores to A: who reads whom, and how much."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from axw.errors import UsageError, did_you_mean

NORMALIZE = ("softmax", "softmax-or-nothing", "mean", "none")


def normalize(
    scores: Float[Tensor, "b h n m"], mask: Bool[Tensor, "#b #h #n #m"] | None = None, how: str = "softmax"
) -> Float[Tensor, "b h n m"]:
    """A from scores S; a row that may read nothing gets 0 and a finite gradient, never NaN.

    softmax             A[i, j] = exp S[i, j] / sum_l exp S[i, l]           (Vaswani et al. 2017, eq. 1)
    softmax-or-nothing  A[i, j] = exp S[i, j] / (1 + sum_l exp S[i, l])     one more place to look, worth nothing, score 0:
                        a row may look away from all it could read
    mean                A[i, j] = S[i, j] / (number of rows that i may read), so that long sentences weigh no more than short ones
    none                A = S

    `mask` broadcasts to (b h n m); True = may read.
    Raises UsageError for an unknown `how`.
    """
    if how == "none":
        return scores if mask is None else scores.masked_fill(~mask, 0.0)
    if how == "mean":
        if mask is None:
            return scores / scores.shape[-1]
        count = mask.expand(*mask.shape[:-1], scores.shape[-1]).sum(-1, keepdim=True)
        return scores.masked_fill(~mask, 0.0) / count.clamp_min(1)
    if how not in NORMALIZE:
        raise UsageError(f"Unknown normalize {how!r}.", todo=did_you_mean(how, NORMALIZE))
    lowest = torch.finfo(scores.dtype).min
    if mask is not None:
        scores = scores.masked_fill(~mask, lowest)
    if how == "softmax-or-nothing":
        return _softmax_or_nothing(scores)
    A = torch.softmax(scores, -1)
    return A if mask is None or _all_may_read(mask) else A.masked_fill(~mask, 0.0)


def _all_may_read(mask: Bool[Tensor, "#b #h #n #m"]) -> bool:
    """Whether every row may read something: the softmax is then 0 where it should be, and one pass over A is saved. A mask is
    small, but on a GPU looking at it would make the CPU wait."""
    return mask.device.type == "cpu" and bool(mask.any(-1).all())


def _softmax_or_nothing(scores: Float[Tensor, "b h n m"]) -> Float[Tensor, "b h n m"]:
    """exp S / (1 + sum exp S), shifted by the greatest of 0 and the scores so that nothing overflows."""
    shift = scores.detach().amax(-1, keepdim=True).clamp_min(0.0)
    weight = torch.exp(scores - shift)
    return weight / (torch.exp(-shift) + weight.sum(-1, keepdim=True))
