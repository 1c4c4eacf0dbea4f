"""How much memory a process has needed at most so far."""

from __future__ import annotations

import sys
from typing import NamedTuple

import torch


class Peak(NamedTuple):
    """Bytes: of the process, 0 where the system does not say; of its GPU, 0 where there is none."""

    process: int
    device: int = 0


def peak_memory(device: torch.device) -> Peak:
    """The greatest memory so far. It never falls, so what a step needs shows in how little it grows from step to step."""
    on_device = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    try:
        import resource
    except ImportError:  # Windows
        return Peak(0, on_device)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Peak(most if sys.platform == "darwin" else most * 1024, on_device)


def told(before: Peak, after: Peak) -> str:
    """`peak memory 1.21 GB, 0.34 GB of it for the steps`; nothing where the system does not say."""
    said = []
    if after.process:
        grown = (after.process - before.process) / 1e9
        said.append(f"{after.process / 1e9:.2f} GB, {grown:.2f} GB more than before the first step")
    if after.device:
        said.append(f"{after.device / 1e9:.2f} GB on the GPU")
    return f"peak memory {'; '.join(said)}" if said else ""
