"""Where the first number that is not finite came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor in a batch or an output: tensors, sequences, mappings, named tuples and dataclasses of them."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from tensors_in([getattr(value, f.name) for f in fields(value)])


def first_not_finite(model: nn.Module, batch: Any, again: Callable[[], object]) -> str | None:
    """What was the first to be not finite when the loss of the batch is computed again: the batch, or a layer's output.

    `again` computes the loss; None where all was finite.
    """
    if any(_bad(t) for t in tensors_in(batch)):
        return "a number in the batch itself"
    found: list[str] = []

    def look(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not found and any(_bad(t) for t in tensors_in(output)):
                found.append(f"the output of layer {name!r} ({type(module).__name__})")

        return hook

    handles = [module.register_forward_hook(look(name)) for name, module in model.named_modules() if name]
    try:
        with torch.no_grad():
            again()
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def _bad(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())
