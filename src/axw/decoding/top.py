"""The k largest, exactly and always in one order; over a vocabulary in two stages, which reads it once."""

from __future__ import annotations

import torch
from torch import Tensor

# Blocks of 64 numbers have their maximum taken at the speed of memory; `topk` over a vocabulary of 8,000 takes ten times as long.
BLOCK = 64
_FEW = 4  # sentences up to which one pass of `max` takes less time than the blocks do


def top(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row of values (r n) and where they are, (r k) each: largest first; of equals, the first.

    `topk` alone may choose any of equal numbers. Equals matter only at the border between k and k + 1, which one more shows;
    the chosen are then put in order, which is cheap.
    """
    if k < values.shape[1]:
        found, index = values.topk(k + 1, dim=1)
        tied = (found[:, k - 1] == found[:, k]) & (found[:, k] > -torch.inf)
        if not bool(tied.any()):
            index = index[:, :k].sort(dim=1).values
            found, order = values.gather(1, index).sort(dim=1, descending=True, stable=True)
            return found, index.gather(1, order)
    found, index = values.sort(dim=1, descending=True, stable=True)
    return found[:, :k], index[:, :k]


def best(log_p: Tensor, total: Tensor, k: int, never: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """The k likeliest continuations of each sentence: totals float64, hypotheses and tokens, (b k) each.

    log_p (b w V); total (b w) float64, what the hypotheses have so far; `never`: tokens that are left out. Largest first; of
    equals, the lowest hypothesis, then the lowest token. -inf fills up where fewer than k are left.

    Each row is cut into blocks. The k blocks with the largest maxima hold the k largest numbers: an element of any other block
    has k elements before it, one in each of these. Rounding keeps order, so that max(x) + total is max(x + total), and blocks
    in order of their first index keep the order of equals.
    """
    b, w, V = log_p.shape
    if k == w == 1 and b <= _FEW:
        return _greatest(log_p, total, never)
    blocks = -(-V // BLOCK)
    most = _block_maxima(log_p, never)
    _, chosen = top((most + total[..., None]).flatten(1), min(k, w * blocks))
    # Blocks in order of place, so that of equal numbers the first stays first.
    chosen = chosen.sort(dim=1).values[..., None]
    token = (chosen % blocks) * BLOCK + torch.arange(BLOCK, device=log_p.device)
    hypothesis = (chosen // blocks).expand_as(token)
    inside = token < V
    where = (hypothesis * V + token.clamp(max=V - 1)).flatten(1)
    token, hypothesis = token.flatten(1), hypothesis.flatten(1)
    values = log_p.flatten(1).gather(1, where) + total.gather(1, hypothesis)
    for unwanted in never:
        inside = inside & (token != unwanted).view_as(inside)
    found, index = top(values.masked_fill(~inside.flatten(1), -torch.inf), min(k, w * V))
    return found, hypothesis.gather(1, index), token.gather(1, index).clamp(max=V - 1)


def _greatest(log_p: Tensor, total: Tensor, never: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """`best` of one hypothesis and one continuation: of equals, `max` gives the first."""
    values = log_p[:, 0] + total
    for unwanted in never:
        if unwanted < values.shape[1]:
            values[:, unwanted] = -torch.inf
    found, token = values.max(1, keepdim=True)
    return found, torch.zeros_like(token), token


def _block_maxima(log_p: Tensor, never: list[int]) -> Tensor:
    """(b w V) -> (b w blocks), the largest of each block without `never`; the last block may be short."""
    V = log_p.shape[-1]
    never = [unwanted for unwanted in never if unwanted < V]
    whole = V // BLOCK
    most = log_p[..., : whole * BLOCK].unflatten(-1, (whole, BLOCK)).amax(-1) if whole else log_p[..., :0]
    if V % BLOCK:
        most = torch.cat([most, log_p[..., whole * BLOCK :].amax(-1, keepdim=True)], -1)
    for block in {unwanted // BLOCK for unwanted in never}:
        part = log_p[..., block * BLOCK : (block + 1) * BLOCK].clone()
        part[..., [unwanted % BLOCK for unwanted in never if unwanted // BLOCK == block]] = -torch.inf
        most[..., block] = part.amax(-1)
    return most
