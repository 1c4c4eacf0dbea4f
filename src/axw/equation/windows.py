"""Where a row looks when it reads only a part of the memory: local attention (Luong et al. 2015, section 3.2).

    A[i, j] = softmax over the window of S[i, j]  *  exp(-(j - p_i)^2 / (2 sigma^2)),   sigma = D / 2

The window |j - p_i| <= D is `masks.window`. local-m sets p_i = i and leaves the Gaussian out; local-p predicts p_i. The Gaussian
multiplies after the softmax, and A is not made to add up to 1 again (their footnote 10).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor, nn


class PredictedPlace(nn.Module):
    """p_i = S sigmoid(v_p' tanh(X_i W_p)): a real place between 0 and the memory's length S (Luong et al. 2015, section 3.2)."""

    def __init__(self, d: int, k: int | None = None) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.empty(d, d if k is None else k))
        self.v = nn.Parameter(torch.empty(self.W.shape[1]))
        nn.init.xavier_uniform_(self.W)
        nn.init.uniform_(self.v, -(self.W.shape[1] ** -0.5), self.W.shape[1] ** -0.5)

    def forward(self, X: Float[Tensor, "b n d"], lengths: Int[Tensor, " b"]) -> Float[Tensor, "b n"]:
        return self.place(X @ self.W, lengths)

    def place(self, projected: Float[Tensor, "b n k"], lengths: Int[Tensor, " b"]) -> Float[Tensor, "b n"]:
        """p from X W_p. At least float32, since bfloat16 has no numbers between 64 and 64.5."""
        share = torch.sigmoid(_exact(torch.tanh(projected) @ self.v))
        return lengths[:, None] * share


def gaussian(center: Real[Tensor, "b n"], m: int, width: int) -> Float[Tensor, "b 1 n m"]:
    """exp(-(j - p)^2 / (2 sigma^2)), sigma = width / 2: 1 at the center, e^-2 at the edge of the window (eq. 10)."""
    center = _exact(center)
    distance = torch.arange(m, device=center.device) - center[..., None]
    return torch.exp(-2.0 * (distance / width).square())[:, None]


def _exact(X: Tensor) -> Tensor:
    return X if X.dtype == torch.float64 else X.float()
