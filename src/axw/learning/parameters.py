"""The numbers that are learnt, laid out for the optimizer: one flat buffer, or as they are where a model is sharded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from axw.errors import UsageError

_ALIGN = 16  # numbers: 64 bytes of float32, a cache line, so that every view starts where a tensor of its own would


Shaped = Literal["none", "products", "all"]
"""Which matrices an optimizer wants each in its shape; the others may come as one long vector."""


class Leaves(NamedTuple):
    """What an optimizer updates: matrices of products, other matrices (a row for each word), and vectors, which never decay."""

    products: list[Tensor]
    tables: list[Tensor]
    vectors: list[Tensor]


class Parameters(Protocol):
    """What the trainer asks of either layout."""

    values: list[Tensor]
    """The full-precision numbers; the moving average and the best weights are kept in the same layout."""

    def leaves(self, shaped: Shaped) -> Leaves: ...

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
        # each kind is one segment
        self._items = sorted(_learnt(model), key=lambda item: item.kind)
        full, device = _one_kind(self._items)
        mixed = dtype is not None and dtype != full
        self._buffers = {name: b.clone() for name, b in model.named_buffers()} if mixed else {}
        self._frozen = [(p, p.detach().clone()) for p in model.parameters() if mixed and not p.requires_grad]
        self._places: list[int] = []
        self._ends = [0, 0, 0]
        size = 0
        for _, p, kind in self._items:
            self._places.append(size)
            size += -(-p.numel() // _ALIGN) * _ALIGN
            self._ends[kind:] = [size] * (3 - kind)
        master = torch.zeros(size, dtype=full, device=device)
        for (_, p, _), view in zip(self._items, self._views(master), strict=True):
            view.copy_(p.detach())
        self.values, self._total = [master], torch.zeros_like(master)
        self._computed, self._gradient = master, self._total
        if mixed:
            model.to(dtype)
            self._computed, self._gradient = master.to(dtype), torch.zeros_like(master, dtype=dtype)
        self._bind()

    def leaves(self, shaped: Shaped) -> Leaves:
        master, total = self.values[0], self._total
        views, gradients = self._views(master), self._views(total)
        found: list[list[Tensor]] = []
        for kind, (start, end) in enumerate(zip([0, *self._ends], self._ends, strict=False)):
            if shaped == "all" or (shaped == "products" and kind == 0):
                one_by_one = zip(views, gradients, self._items, strict=True)
                found.append([_leaf(v, g) for v, g, item in one_by_one if item.kind == kind])
            else:
                found.append([_leaf(master[start:end], total[start:end])] if end > start else [])
        return Leaves(*found)

    def zero(self) -> None:
        self._gradient.zero_()
        self._total.zero_()
        if any(item.parameter.grad is not g for item, g in zip(self._items, self._grads, strict=True)):
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
        for item, view in zip(self._items, self._views(values[0]), strict=True):
            yield item.name, view

    def release(self) -> None:
        """Where a buffer is what rounding made of the first one, the first one comes back; so does what is not learnt."""
        now = {name: b.clone() for name, b in self._model.named_buffers()}
        self._model.to(self.values[0].dtype)
        for name, buffer in self._model.named_buffers():
            if name in self._buffers and torch.equal(self._buffers[name].to(now[name].dtype), now[name]):
                buffer.data = self._buffers[name]
        for p, first in self._frozen:
            p.data = first
        for (_, p, _), view in zip(self._items, self._views(self.values[0]), strict=True):
            p.grad = None
            p.data = view.clone()

    def _views(self, flat: Tensor) -> list[Tensor]:
        return [
            flat[start : start + p.numel()].view(p.shape)
            for start, (_, p, _) in zip(self._places, self._items, strict=True)
        ]

    def _bind(self) -> None:
        self._grads = self._views(self._gradient)
        for (_, p, _), view, grad in zip(self._items, self._views(self._computed), self._grads, strict=True):
            p.grad = None
            p.data = view
            p.grad = grad


class ShardedParameters:
    """The parameters as they are, each perhaps spread over processes (FSDP2 `fully_shard`)."""

    def __init__(self, model: nn.Module) -> None:
        self._items = _learnt(model)
        self.values: list[Tensor] = [item.parameter.detach() for item in self._items]

    def leaves(self, shaped: Shaped) -> Leaves:
        kinds: list[list[Tensor]] = [[item.parameter for item in self._items if item.kind == kind] for kind in range(3)]
        return Leaves(*kinds)

    def zero(self) -> None:
        for item in self._items:
            item.parameter.grad = None

    def collect(self) -> None: ...

    def gradients(self) -> list[Tensor]:
        return [item.parameter.grad for item in self._items if item.parameter.grad is not None]

    def publish(self) -> None: ...

    def named(self, values: Sequence[Tensor]) -> Iterator[tuple[str, Tensor]]:
        for item, value in zip(self._items, values, strict=True):
            yield item.name, value

    def release(self) -> None: ...


class _Item(NamedTuple):
    name: str
    parameter: nn.Parameter
    kind: int  # its place in `Leaves`


def _learnt(model: nn.Module) -> list[_Item]:
    """The parameters that are learnt. A module's `products` names its matrices that rows are multiplied by; Linear has one."""
    products = {
        id(getattr(module, name))
        for module in model.modules()
        for name in getattr(module, "products", ("weight",) if isinstance(module, nn.Linear) else ())
    }
    return [
        _Item(name, p, 2 if p.ndim < 2 else 0 if id(p) in products and p.ndim == 2 else 1)
        for name, p in model.named_parameters()
        if p.requires_grad
    ]


def _leaf(values: Tensor, gradient: Tensor) -> Tensor:
    """A tensor that an optimizer takes for a parameter: its numbers and its gradient are views of the buffers."""
    leaf = values.detach().requires_grad_()
    leaf.grad = gradient
    return leaf


def _one_kind(items: Sequence[_Item]) -> tuple[torch.dtype, torch.device]:
    kinds = {(p.dtype, p.device) for _, p, _ in items}
    if len(kinds) != 1:
        got = (
            ", ".join(f"{p.dtype} on {p.device} ({name})" for name, p, _ in items[:3])
            or "no parameter that can be learnt"
        )
        raise UsageError(
            f"The model has {got}; allowed: parameters of one dtype on one device.",
            todo="Use model.to(dtype) and model.to(device) before it is trained.",
        )
    return next(iter(kinds))
