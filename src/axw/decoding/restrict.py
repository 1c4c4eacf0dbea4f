"""What may not follow: repeated n-grams, what a constraint forbids, and all but the forced prefix."""

from __future__ import annotations

import torch
from torch import Tensor

from axw.errors import UsageError


def without_repeats(log_p: Tensor, said: Tensor, n: int) -> Tensor:
    """-inf for each id that would make the last n ids occur a second time. log_p (b w V), said (b w t) -> (b w V)."""
    if said.shape[2] < n:
        return log_p
    windows = said.unfold(2, n, 1)  # (b w t-n+1 n)
    last = said[..., said.shape[2] - (n - 1) :]
    same = (windows[..., :-1] == last[:, :, None]).all(-1)
    forbid = torch.where(same, -torch.inf, 0.0).to(log_p.dtype)
    return log_p.scatter_add(2, windows[..., -1], forbid)


def only_allowed(log_p: Tensor, allowed: Tensor) -> Tensor:
    """-inf where `allowed` (b w V) is False."""
    if allowed.shape != log_p.shape or allowed.dtype != torch.bool:
        raise UsageError(
            f"The constraint gave a mask of {tuple(allowed.shape)}, {allowed.dtype}; allowed: {tuple(log_p.shape)}, torch.bool.",
            "In the constraint's `allowed`: sentences, hypotheses, vocabulary.",
            "Give one True or False for each next id of each hypothesis.",
        )
    return log_p.masked_fill(~allowed.to(log_p.device), -torch.inf)


def only_forced(restricted: Tensor, log_p: Tensor, forced: Tensor) -> Tensor:
    """Where forced (b,) is an id, only this id, at what the decoder says of it; where it is -1, `restricted` as it is."""
    index = forced.clamp(min=0)[:, None, None].expand(-1, log_p.shape[1], 1)
    alone = torch.full_like(log_p, -torch.inf).scatter(2, index, log_p.gather(2, index))
    return torch.where((forced >= 0)[:, None, None], alone, restricted)
