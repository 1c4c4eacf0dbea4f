"""A network's steps by the fastest way that is known for it."""

from __future__ import annotations

from typing import Any

from torch import nn

from axw.errors import UsageError
from axw.networks.fused.processor import usable
from axw.networks.luong import LuongNetwork
from axw.networks.luong_steps import LuongSteps
from axw.networks.products import PRECISIONS, Precision
from axw.networks.transformer_steps import TransformerSteps, steps_fast


def steps_of(network: nn.Module, precision: Precision = "fp32") -> Any:
    """`encode`, `start`, `step`, `select` of the network, its products in `precision`; the weights are copied.

    Where no faster way is known, the network itself; `UsageError` where that cannot be had in the precision.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"precision is {precision!r}; allowed: {', '.join(PRECISIONS)}.", "In translating.")
    if isinstance(network, LuongNetwork):
        return LuongSteps(network, precision)
    if steps_fast(network):
        if usable(precision) and on_processor(network):
            from axw.networks.fused.steps import FusedSteps

            return FusedSteps(network, precision)  # type: ignore[arg-type]
        return TransformerSteps(network, precision)  # type: ignore[arg-type]
    if precision == "fp32":
        return network
    raise UsageError(
        f"precision is {precision} for a network whose scores or places are of another kind; allowed: fp32.",
        "In translating.",
        "Leave the precision away. Known to it: query-key with softmax, places added to the words or turning queries and "
        "keys, d_k equal to d_v.",
    )


def on_processor(network: nn.Module) -> bool:
    """Whether all weights are on the CPU."""
    return all(parameter.device.type == "cpu" for parameter in network.parameters())
