"""Muon: the update of a matrix is its momentum with all singular values made equal. Everything else is updated by Adam."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim.adam import adam

from axw.learning.distributed import spread, whole

# Five rounds of X <- a X + (b X X' + c (X X')^2) X bring every singular value from (0, 1] to about 1 (0.7 to 1.2).
COEFFICIENTS, ROUNDS = (3.4445, -4.7750, 2.0315), 5


class Muon(torch.optim.Optimizer):
    """W <- W - rate 0.2 sqrt(max(rows, columns)) U V', where U S V' is the momentum (Jordan et al. 2024).

    The factor gives an update of the size that Adam's usually has (Liu et al. 2025, eq. 4), so that one rate serves both.
    Matrices of one shape are orthogonalised together.

    groups     parameters, with `weight_decay` (decoupled: W <- W - rate decay W), and `orthogonal`: whether they are matrices
               for Muon; the others are Adam's (Kingma and Ba 2015), and decay in the same way
    momentum   of the matrices, with Nesterov's step ahead;  betas, eps: Adam's
    dtype      in which directions are computed: bfloat16 is enough, and takes half the time where the processor has it
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-9,
        dtype: torch.dtype = torch.float32,
        fused: bool = False,
    ) -> None:
        defaults = {
            "lr": 1.0,
            "weight_decay": 0.0,
            "orthogonal": False,
            "momentum": momentum,
            "betas": betas,
            "eps": eps,
        }
        self.dtype = dtype
        super().__init__(groups, defaults | {"fused": fused})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update from the gradients that the parameters have."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            (self._orthogonal if group["orthogonal"] else self._adam)(group)
        return loss

    def _orthogonal(self, group: dict[str, Any]) -> None:
        shapes: dict[torch.Size, list[Tensor]] = {}
        for p in group["params"]:
            if p.grad is not None:
                shapes.setdefault(p.shape, []).append(p)
        for shape, matrices in shapes.items():
            # A matrix that is spread over processes is gathered: its singular values are those of the whole.
            ahead = torch.stack([whole(self._ahead(p, group["momentum"])) for p in matrices])
            updates = orthogonal(ahead, self.dtype).mul_(-group["lr"] * 0.2 * max(shape) ** 0.5)
            for p, update in zip(matrices, updates, strict=True):
                p.mul_(1 - group["lr"] * group["weight_decay"]).add_(spread(update, p))

    def _ahead(self, p: Tensor, momentum: float) -> Tensor:
        """The momentum as it will be after this gradient, a step ahead (Nesterov)."""
        gradient, state = cast(Tensor, p.grad), self.state[p]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(p)
        return gradient.lerp(state["momentum"].lerp_(gradient, 1 - momentum), momentum)

    def _adam(self, group: dict[str, Any]) -> None:
        parameters = [p for p in group["params"] if p.grad is not None]
        for p in parameters:
            if not self.state[p]:
                device = p.device if group["fused"] else torch.device("cpu")
                self.state[p] = {
                    "step": torch.zeros((), dtype=torch.float32, device=device),
                    "exp_avg": torch.zeros_like(p),
                    "exp_avg_sq": torch.zeros_like(p),
                }
        states = [self.state[p] for p in parameters]
        beta1, beta2 = group["betas"]
        adam(
            parameters,
            [cast(Tensor, p.grad) for p in parameters],
            [s["exp_avg"] for s in states],
            [s["exp_avg_sq"] for s in states],
            [],
            [s["step"] for s in states],
            fused=group["fused"],
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
            decoupled_weight_decay=True,
        )


def orthogonal(M: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """U V' of M = U S V', about: matrices (s rows columns) -> the same shape, by Newton and Schulz's iteration in `dtype`.

    0 stays 0. Singular values come out between 0.7 and 1.2, which as an update is as good as 1 (Jordan et al. 2024).
    """
    wide = M.shape[-2] > M.shape[-1]
    X = M.mT if wide else M
    X = (X / (torch.linalg.matrix_norm(X, keepdim=True) + 1e-7)).to(dtype)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        S = X @ X.mT
        X = torch.baddbmm(X, torch.baddbmm(S, S, S, beta=b, alpha=c), X, beta=a)
    return (X.mT if wide else X).to(M.dtype)
