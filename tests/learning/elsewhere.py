"""A second device that is none: its tensors lie on the CPU, but say that they are on `meta`, and may not meet those of the CPU.

Whatever trains, evaluates and resumes here is right on a GPU as far as devices go: nothing is made on the CPU by mistake, read
without being brought back, or mixed. The numbers must be those of the CPU, bit for bit.

    with Elsewhere():
        model.to(ELSEWHERE)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

ELSEWHERE = torch.device("meta")


class There(Tensor):
    """A tensor of the second device: `here` holds its numbers."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> There:
        there = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            here.size(),
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=ELSEWHERE,
        )
        there.here = here
        return there

    def __repr__(self) -> str:
        return f"There({self.here})"

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function == Tensor.data.__set__ and isinstance(args[1], There):  # type: ignore[attr-defined]
            args[0].here = args[1].here
        if function in (
            Tensor.tolist,
            Tensor.item,
            Tensor.__bool__,
            Tensor.__float__,
            Tensor.__int__,
            Tensor.__index__,
        ):
            return function(args[0].here)
        if function in (Tensor.numpy, Tensor.__array__):
            raise TypeError("A tensor of another device must be brought back with .cpu() before NumPy can read it.")
        with torch._C.DisableTorchFunctionSubclass():
            return function(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatched(op, args, kwargs or {})


class _Made(TorchFunctionMode):
    """`torch.tensor(..., device="meta")` never asks the dispatcher."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is torch.tensor and torch.device(kwargs.get("device") or "cpu") == ELSEWHERE:
            return torch.tensor(*args, **{**kwargs, "device": "cpu"}).to(ELSEWHERE)
        return function(*args, **kwargs)


class Elsewhere(TorchDispatchMode):
    """Inside, the second device can be asked for by its name."""

    def __enter__(self) -> Elsewhere:
        self._made = _Made()
        self._made.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._made.__exit__(*error)

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatched(op, args, kwargs or {})


def dispatched(op: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run the operation on the CPU; its answer is there where its tensors are there, or where that is asked for."""
    flat = tree_flatten((args, kwargs))[0]
    tensors = [x for x in flat if isinstance(x, Tensor)]
    there = any(isinstance(x, There) for x in tensors)
    copies = op in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
    indices = op in (torch.ops.aten.index.Tensor, torch.ops.aten.index_put.default, torch.ops.aten.index_put_.default)
    mixed = [x for x in tensors if not isinstance(x, There) and x.ndim] if there else []
    if mixed and not copies and not indices:
        raise RuntimeError(f"{op}: tensors on two devices, {[(type(x).__name__, tuple(x.shape)) for x in tensors]}")
    wanted = kwargs.get("device")
    goes = there if wanted is None else torch.device(wanted) == ELSEWHERE
    if op is torch.ops.aten.copy_.default:
        goes = isinstance(args[0], There)
    here = {**kwargs, **({"device": torch.device("cpu")} if goes and wanted is not None else {})}
    found = op(*tree_map(_here, args), **tree_map(_here, here))
    if not goes:
        return found
    return return_and_correct_aliasing(
        op, args, kwargs, tree_map(lambda x: There(x) if isinstance(x, Tensor) else x, found)
    )


def _here(value: Any) -> Any:
    return value.here if isinstance(value, There) else value
