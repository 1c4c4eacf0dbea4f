"""The numbers that are learnt, laid out for the optimizer: one flat buffer, or as they are where a model is sharded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from axw.errors import UsageError

_ALIGN = 16  # numbers: 64 bytes of float32, a cache line, so that every view starts where a tensor of its own would


class Parameters(Protocol):
    """What the trainer asks of either layout."""

    values: list[Tensor]
    """The full-precision numbers; the moving average and the best weights are kept in the same layout."""

    def leaves(self, shaped: bool) -> tuple[list[Tensor], list[Tensor]]:
        """What the optimizer updates: those with weight decay (two dimensions or more), and those without."""
        ...

    def zero(self) -> None: ...
    def collect(self) -> None:
        """After each micro-batch: add its gradient to the sum."""
        ...

    def gradients(self) -> list[Tensor]: ...
    def publish(self) -> None:
        """Give the model the values as they are now."""
        ...

    def named(self, values: Sequence[Tensor]) -> Iterator[tuple[str, Tensor]]:
        """The values by the names of the parameters, each in its shape."""
        ...

    def release(self) -> None:
        """Give the model parameters of its own again, in their first precision."""
        ...


class FlatParameters:
    """All parameters as views of one buffer, their gradients as views of another (p numbers each).

    One fused update, one norm and one all-reduce then serve the whole model. With `dtype=torch.bfloat16` the model computes in
    bfloat16, while updates go to a master copy in the model's own precision, and micro-batches are added up in it.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype | None = None) -> None:
        self._model = model
        # matrices first, so that weight decay is one segment
        found = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self._items = sorted(found, key=lambda item: item[1].ndim < 2)
        full, device = _one_kind(self._items)
        mixed = dtype is not None and dtype != full
        self._buffers = {name: b.clone() for name, b in model.named_buffers()} if mixed else {}
        self._places: list[int] = []
        size = self._decayed = 0
        for _, p in self._items:
            self._places.append(size)
            size += -(-p.numel() // _ALIGN) * _ALIGN
            self._decayed = size if p.ndim >= 2 else self._decayed
        master = torch.zeros(size, dtype=full, device=device)
        for (_, p), view in zip(self._items, self._views(master), strict=True):
            view.copy_(p.detach())
        self.values, self._total = [master], torch.zeros_like(master)
        self._computed, self._gradient = master, self._total
        if mixed:
            model.to(dtype)
            self._computed, self._gradient = master.to(dtype), torch.zeros_like(master, dtype=dtype)
        self._bind()

    def leaves(self, shaped: bool) -> tuple[list[Tensor], list[Tensor]]:
        master, total = self.values[0], self._total
        if shaped:
            pairs = list(zip(self._views(master), self._views(total), strict=True))
            cut = sum(p.ndim >= 2 for _, p in self._items)
        else:
            pairs = [
                (master[: self._decayed], total[: self._decayed]),
                (master[self._decayed :], total[self._decayed :]),
            ]
            cut = 1
        with_decay, without = ([_leaf(v, g) for v, g in half if v.numel()] for half in (pairs[:cut], pairs[cut:]))
        return with_decay, without

    def zero(self) -> None:
        self._gradient.zero_()
        self._total.zero_()
        if any(p.grad is not g for (_, p), g in zip(self._items, self._grads, strict=True)):
            self._bind()

    def collect(self) -> None:
        if self._gradient is not self._total:
            self._total.add_(self._gradient)
            self._gradient.zero_()

    def gradients(self) -> list[Tensor]:
        return [self._total]

    def publish(self) -> None:
        if self._computed is not self.values[0]:
            self._computed.copy_(self.values[0])

    def named(self, values: Sequence[Tensor]) -> Iterator[tuple[str, Tensor]]:
        for (name, _), view in zip(self._items, self._views(values[0]), strict=True):
            yield name, view

    def release(self) -> None:
        """Where a buffer is what rounding made of the first one, the first one comes back."""
        now = {name: b.clone() for name, b in self._model.named_buffers()}
        self._model.to(self.values[0].dtype)
        for name, buffer in self._model.named_buffers():
            if name in self._buffers and torch.equal(self._buffers[name].to(now[name].dtype), now[name]):
                buffer.data = self._buffers[name]
        for (_, p), view in zip(self._items, self._views(self.values[0]), strict=True):
            p.grad = None
            p.data = view.clone()

    def _views(self, flat: Tensor) -> list[Tensor]:
        return [
            flat[start : start + p.numel()].view(p.shape)
            for start, (_, p) in zip(self._places, self._items, strict=True)
        ]

    def _bind(self) -> None:
        self._grads = self._views(self._gradient)
        for (_, p), view, grad in zip(self._items, self._views(self._computed), self._grads, strict=True):
            p.grad = None
            p.data = view
            p.grad = grad


class ShardedParameters:
    """The parameters as they are, each perhaps spread over processes (FSDP2 `fully_shard`)."""

    def __init__(self, model: nn.Module) -> None:
        self._items = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.values: list[Tensor] = [p.detach() for _, p in self._items]

    def leaves(self, shaped: bool) -> tuple[list[Tensor], list[Tensor]]:
        return [p for _, p in self._items if p.ndim >= 2], [p for _, p in self._items if p.ndim < 2]

    def zero(self) -> None:
        for _, p in self._items:
            p.grad = None

    def collect(self) -> None: ...

    def gradients(self) -> list[Tensor]:
        return [p.grad for _, p in self._items if p.grad is not None]

    def publish(self) -> None: ...

    def named(self, values: Sequence[Tensor]) -> Iterator[tuple[str, Tensor]]:
        for (name, _), value in zip(self._items, values, strict=True):
            yield name, value

    def release(self) -> None: ...


def _leaf(values: Tensor, gradient: Tensor) -> Tensor:
    """A tensor that an optimizer takes for a parameter: its numbers and its gradient are views of the buffers."""
    leaf = values.detach().requires_grad_()
    leaf.grad = gradient
    return leaf


def _one_kind(items: Sequence[tuple[str, Tensor]]) -> tuple[torch.dtype, torch.device]:
    kinds = {(p.dtype, p.device) for _, p in items}
    if len(kinds) != 1:
        got = (
            ", ".join(f"{p.dtype} on {p.device} ({name})" for name, p in items[:3]) or "no parameter that can be learnt"
        )
        raise UsageError(
            f"The model has {got}; allowed: parameters of one dtype on one device.",
            todo="Use model.to(dtype) and model.to(device) before it is trained.",
        )
    return next(iter(kinds))
