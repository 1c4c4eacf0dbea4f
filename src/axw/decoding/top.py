"""The k largest, exactly and always in one order; over a vocabulary in two stages, which reads it once."""

from __future__ import annotations

import torch
from torch import Tensor

# Blocks of 64 numbers have their maximum taken at the speed of memory; `topk` over a vocabulary of 8,000 takes ten times as long.
BLOCK = 64
_FEW = 4  # sentences up to which a copy without `never` takes less time than what leaves these out of a few blocks


def top(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row of values (r n) and where they are, (r k) each: largest first; of equals, the first."""
    index = _places(values, k)
    found, order = values.gather(1, index).sort(dim=1, descending=True, stable=True)
    return found, index.gather(1, order)


def _places(values: Tensor, k: int) -> Tensor:
    """Where the k largest of each row are, (r k), in order of place; of equals, the first.

    `topk` alone may choose any of equal numbers. Equals matter only at the border between k and k + 1, which one more shows.
    """
    if k < values.shape[1]:
        found, index = values.topk(k + 1, dim=1)
        if not any(least == next_one > -torch.inf for least, next_one in found[:, k - 1 :].tolist()):
            return index[:, :k].sort(dim=1).values
    return values.sort(dim=1, descending=True, stable=True).indices[:, :k].sort(dim=1).values


def best(log_p: Tensor, total: Tensor, k: int, never: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """The k likeliest continuations of each sentence: totals float64, hypotheses and tokens, (b k) each.

    log_p (b w V); total (b w) float64, what the hypotheses have so far; `never`: tokens that are left out. Largest first; of
    equals, the lowest hypothesis, then the lowest token. -inf fills up where fewer than k are left.

    Each row is cut into blocks. The k blocks with the largest maxima hold the k largest numbers: an element of any other block
    has k elements before it, one in each of these. Rounding keeps order, so that max(x) + total is max(x + total), and blocks
    in order of their first index keep the order of equals.
    """
    b, w, V = log_p.shape
    never = [unwanted for unwanted in never if unwanted < V]
    if never and b <= _FEW:
        log_p, never = log_p.index_fill(2, torch.tensor(never, device=log_p.device), -torch.inf), []
    if k == w == 1 and b <= _FEW:
        found, token = log_p[:, 0].max(1, keepdim=True)  # of equals, `max` gives the first
        return found + total, torch.zeros_like(token), token
    blocks = -(-V // BLOCK)
    most = _block_maxima(log_p, never)
    chosen = _places((most + total[..., None]).flatten(1), min(k, w * blocks))
    hypothesis, over = chosen // blocks, blocks * BLOCK - V
    # Where the numbers of a block are among all of a sentence; behind a short last block come those of the next hypothesis.
    begin = chosen * BLOCK - hypothesis * over if over else chosen * BLOCK
    where = begin[..., None] + torch.arange(BLOCK, device=log_p.device)
    held = where.clamp(max=w * V - 1) if over else where
    values = log_p.flatten(1).gather(1, held.flatten(1)).view(held.shape) + total.gather(1, hypothesis)[..., None]
    if over or never:
        token = where - (hypothesis * V)[..., None]
        out = token >= V
        for unwanted in never:
            out |= token == unwanted
        values = values.masked_fill(out, -torch.inf)
    found, index = top(values.flatten(1), min(k, w * V))
    place = held.flatten(1).gather(1, index)
    return found, place // V, place % V


def _block_maxima(log_p: Tensor, never: list[int]) -> Tensor:
    """(b w V) -> (b w blocks), the largest of each block without `never`; the last block may be short."""
    V = log_p.shape[-1]
    whole = V // BLOCK
    most = log_p[..., : whole * BLOCK].unflatten(-1, (whole, BLOCK)).amax(-1) if whole else log_p[..., :0]
    if V % BLOCK:
        most = torch.cat([most, log_p[..., whole * BLOCK :].amax(-1, keepdim=True)], -1)
    for block in {unwanted // BLOCK for unwanted in never}:
        part = log_p[..., block * BLOCK : (block + 1) * BLOCK].clone()
        part[..., [unwanted % BLOCK for unwanted in never if unwanted // BLOCK == block]] = -torch.inf
        most[..., block] = part.amax(-1)
    return most
