"""Several processes train one model: PyTorch's own engine, started by `torchrun`.

A step is a fixed number of batches (`accumulate`); the processes share them. Each adds up the gradient of the *sum* of its
losses; one all-reduce adds the processes' sums and counts, and the division happens once. So the result is that of one process,
up to the order in which numbers are added, however many there are. A model that outgrows one device is sharded (`shard`, FSDP2).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from axw.errors import UsageError

Batch = TypeVar("Batch")


class Share(NamedTuple):
    """One batch of a step for this process: its number in the step; `own` is False for one that only keeps processes in time."""

    number: int
    batch: Any
    own: bool


class Processes:
    """Who trains together: this process is `rank` of `size`. With size 1 every method gives back what it was given."""

    def __init__(self, rank: int = 0, size: int = 1, device: torch.device | str = "cpu") -> None:
        self.rank, self.size, self.device = rank, size, torch.device(device)

    def share(self, parts: Sequence[Batch]) -> list[Share]:
        """Batch i of a step goes to process i mod size. All get equally many, so that collective calls meet."""
        each = -(-len(parts) // self.size)
        numbers = [turn * self.size + self.rank for turn in range(each)]
        return [Share(n, parts[min(n, len(parts) - 1)], n < len(parts)) for n in numbers]

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Each tensor becomes its sum over the processes, in place."""
        if self.size > 1:
            for tensor in tensors:
                dist.all_reduce(tensor)

    def any(self, flag: bool) -> bool:
        """Whether any process says so: all go on, or all stop."""
        if self.size == 1:
            return flag
        votes = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(votes, dist.ReduceOp.MAX)
        return bool(votes)

    def first(self, value: Any) -> Any:
        """The JSON value that process 0 has."""
        if self.size == 1:
            return value
        data = json.dumps(value).encode() if self.rank == 0 else b""
        length = torch.tensor(len(data), device=self.device)
        dist.broadcast(length, 0)
        text = torch.zeros(int(length), dtype=torch.uint8, device=self.device)
        if self.rank == 0:
            text = torch.frombuffer(bytearray(data), dtype=torch.uint8).to(self.device)
        dist.broadcast(text, 0)
        return json.loads(bytes(text.cpu().numpy()).decode())

    def first_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors that process 0 has, on the CPU; the other processes may give none."""
        if self.size == 1:
            return dict(tensors)
        kinds = self.first({name: [str(t.dtype).removeprefix("torch."), list(t.shape)] for name, t in tensors.items()})
        result = {}
        for name, (dtype, shape) in kinds.items():
            here = torch.empty(shape, dtype=getattr(torch, dtype), device=self.device)
            if self.rank == 0:
                here.copy_(tensors[name])
            dist.broadcast(here, 0)
            result[name] = here.cpu()
        return result


@contextmanager
def processes(backend: str | None = None) -> Iterator[Processes]:
    """Join the processes that `torchrun` started, or be alone where it did not; leave them at the end.

    Each process gets the device `cuda:LOCAL_RANK` where there is one (NCCL), the CPU otherwise (Gloo).
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield Processes(device="cuda" if torch.cuda.is_available() else "cpu")
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.is_available() and backend != "gloo"
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group(backend or ("nccl" if cuda else "gloo"))
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), device)
        # Gloo's threads may hold the last tensors for a moment longer, and must not do so while Python is taken down.
        dist.barrier()
    finally:
        dist.destroy_process_group()


def shard(model: nn.Module, blocks: Sequence[nn.Module], *, precision: str = "fp32") -> nn.Module:
    """Spread the parameters of each block, and of the rest, over the processes (FSDP2, Zhao et al. 2023); the model itself.

    A process then holds 1 / size of the weights, gradients and optimizer, and gathers a block only while it computes it.
    `UsageError` outside `processes()`.
    """
    from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

    if not dist.is_initialized():
        raise UsageError(
            "A model can be sharded only among processes, and this one is alone.",
            "In shard.",
            "Start with torchrun, and call it inside `with processes():`.",
        )
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if precision == "bf16" else None, reduce_dtype=torch.float32
    )
    for module in [*blocks, model]:
        fully_shard(module, mp_policy=policy)
    assert isinstance(model, FSDPModule)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            # Sums, not means: the trainer divides by the count over all processes.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
    return model


def is_sharded(model: nn.Module) -> bool:
    return any(hasattr(p, "full_tensor") for p in model.parameters())


def whole(tensor: Tensor) -> Tensor:
    """The tensor itself, gathered from the processes where it is spread. Every process must call it."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def spread(full: Tensor, like: Tensor) -> Tensor:
    """`full` spread over the processes as `like` is, where it is and they have one shape."""
    if not hasattr(like, "full_tensor") or full.shape != like.shape:
        return full
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    return distribute_tensor(full.to(like.device), like.device_mesh, like.placements)
