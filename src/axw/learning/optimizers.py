"""Optimizers, made from settings. All but Muon are PyTorch's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from axw.errors import ModelError, UsageError
from axw.learning.distributed import spread, whole
from axw.learning.muon import Muon
from axw.learning.parameters import Leaves


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """Which optimizer, and its numbers; the rate comes from the schedule.

    name           sgd, adam (Kingma and Ba 2015), adamw (Loshchilov and Hutter 2019), adafactor (Shazeer and Stern 2018), or
                   muon (Jordan et al. 2024) for the matrices of products, with adamw for everything else
    beta1, beta2   adam, adamw, muon: memory of the mean and of the square of the gradient
    epsilon        adam, adamw, muon: added below the fraction
    momentum       sgd, and muon's matrices (0.95 where it is 0)
    weight_decay   shrinks matrices, never vectors such as biases and gains; with adam and sgd it is part of the gradient
    clip           greatest norm of the whole gradient (Pascanu et al. 2013); None: as it is
    """

    name: Literal["sgd", "adam", "adamw", "adafactor", "muon"] = "adam"
    beta1: float = 0.9
    beta2: float = 0.98
    epsilon: float = 1e-9
    momentum: float = 0.0
    weight_decay: float = 0.0
    clip: float | None = 1.0

    def __post_init__(self) -> None:
        wrong = [
            f"optimizer.{name} is {getattr(self, name)}; allowed: 0 or more, below 1."
            for name in ("beta1", "beta2", "momentum")
            if not 0 <= getattr(self, name) < 1
        ]
        if self.weight_decay < 0 or self.epsilon <= 0:
            wrong.append(
                f"optimizer.weight_decay is {self.weight_decay}, optimizer.epsilon {self.epsilon}; "
                "allowed: 0 or more, and above 0."
            )
        if self.clip is not None and not self.clip > 0:
            wrong.append(f"optimizer.clip is {self.clip}; allowed: above 0, or none.")
        if wrong:
            raise UsageError(" ".join(wrong), "In the optimizer settings.", "Correct each of them.")


def make_optimizer(
    settings: OptimizerSettings, leaves: Leaves, *, dtype: torch.dtype = torch.float32, fused: bool = False
) -> torch.optim.Optimizer:
    """The optimizer of these parameters. `dtype`: of Muon's own products; `fused`: one pass over memory a step."""
    s = settings
    groups: list[dict[str, Any]] = [
        {"params": list(group), "weight_decay": decay}
        for group, decay in zip(leaves, (s.weight_decay, s.weight_decay, 0.0), strict=True)
        if group
    ]
    betas = (s.beta1, s.beta2)
    if s.name == "muon":
        if leaves.products:
            groups[0]["orthogonal"] = True
        return Muon(groups, momentum=s.momentum or 0.95, betas=betas, eps=s.epsilon, dtype=dtype, fused=fused)
    if s.name == "sgd":
        return torch.optim.SGD(groups, lr=1.0, momentum=s.momentum, fused=fused or None)
    if s.name == "adam":
        return torch.optim.Adam(groups, lr=1.0, betas=betas, eps=s.epsilon, fused=fused or None)
    if s.name == "adamw":
        return torch.optim.AdamW(groups, lr=1.0, betas=betas, eps=s.epsilon, fused=fused or None)
    return torch.optim.Adafactor(groups, lr=1.0)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def gradient_norm(gradients: Sequence[Tensor]) -> Tensor:
    """sqrt(sum g^2) over all of them, a scalar in float32 or finer."""
    norms = [whole(torch.linalg.vector_norm(g, dtype=torch.promote_types(g.dtype, torch.float32))) for g in gradients]
    return norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimizer remembers, by the place of the parameter and the name: `0.exp_avg`; nothing before its first step."""
    return {
        f"{place}.{name}": whole(value)
        for place, parameter in enumerate(_parameters(optimizer))
        for name, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Make the optimizer remember what `optimizer_tensors` gave; plain copies, so the next step is the same to the bit."""
    places = [(p, bool(group.get("fused"))) for group in optimizer.param_groups for p in group["params"]]
    optimizer.state.clear()
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        if not number.isdigit() or int(number) >= len(places):
            raise ModelError(
                f"The checkpoint's optimizer has an entry {key!r}; this one has {len(places)} parameters.",
                todo="Resume with the model and the settings that the run was started with.",
            )
        parameter, fused = places[int(number)]
        # PyTorch keeps the count of steps on the CPU unless the update is fused.
        device = parameter.device if fused or name != "step" else torch.device("cpu")
        optimizer.state[parameter][name] = spread(value.to(device, copy=True), parameter)


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
