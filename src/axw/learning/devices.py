"""Where and how exactly numbers are computed: the device of a batch, the number of threads, deterministic kernels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


@contextmanager
def exact(threads: int | None) -> Iterator[None]:
    """Inside: so many threads (None: as they are), and only kernels that give the same numbers again. Restored at the end.

    The order in which threads add numbers up changes the last bits, so a result belongs to a number of threads.
    """
    before, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    debugging: Any = torch.utils.deterministic
    fill = debugging.fill_uninitialized_memory
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS asks for, to be deterministic
    if threads is not None and threads != before:
        torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    debugging.fill_uninitialized_memory = False  # a debugging aid that costs a pass over memory
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        debugging.fill_uninitialized_memory = fill


def moved(value: Any, device: torch.device) -> Any:
    """The batch with every tensor on the device; what holds no tensor stays as it is."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(moved(item, device) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(moved(item, device) for item in value)
    if isinstance(value, dict):
        return {key: moved(item, device) for key, item in value.items()}
    return value


def settled(device: torch.device) -> None:
    """Wait until a GPU has done what it was told: before that, the clock does not say how long it took."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
