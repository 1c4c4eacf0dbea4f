"""A learned metric as a score: a row reads the rows that are near it, and what "near" means is learned."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from axw.equation.scores import split_heads


class Metric(nn.Module):
    """S[i, j] = -|X_i L - X_j L|², for each head: with a softmax, A is kernel regression under a learned Mahalanobis metric.

    L (d k) of each head makes queries and keys alike, so this is query-key attention with K = Q and one number more, the length
    of the key: S = 2 q.k - |k|² - |q|². The metric is learned as in neighbourhood components analysis (Goldberger et al. 2004,
    "Neighbourhood components analysis", eq. 1): through the softmax, by the loss of what is read.

    d  width of the rows that ask and are read;  k  rank of the metric of a head
    """

    def __init__(self, d: int, k: int, heads: int = 1) -> None:
        super().__init__()
        self.heads, self.k = heads, k
        self.metric = nn.Linear(d, heads * k, bias=False)
        nn.init.xavier_uniform_(self.metric.weight)

    def keys(self, X: Float[Tensor, "b m d"]) -> Float[Tensor, "b h m k2"]:
        """[k, -|k|², 1]: the two numbers more that make a distance an inner product."""
        K = split_heads(self.metric(X), self.heads)
        square = K.square().sum(-1, keepdim=True)
        return torch.cat([K, -square, torch.ones_like(square)], -1)

    def queries(self, X: Float[Tensor, "b n d"]) -> Float[Tensor, "b h n k2"]:
        """[2 q, 1, -|q|²]."""
        Q = split_heads(self.metric(X), self.heads)
        square = Q.square().sum(-1, keepdim=True)
        return torch.cat([2 * Q, torch.ones_like(square), -square], -1)

    def forward(self, X: Float[Tensor, "b n d"], keys: Float[Tensor, "b h m k2"]) -> Float[Tensor, "b h n m"]:
        return self.queries(X) @ keys.mT
