"""Randomness as a function of counters: nothing random is remembered, so nothing random can be lost when a run is resumed.

Every draw starts from `hash64(run seed, purpose, epoch, step, ...)` (Salmon et al. 2011, "Parallel random numbers: as easy as
1, 2, 3"). The same counters give the same numbers in any process, in any order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def hash64(*parts: int | str) -> int:
    """A number in [0, 2^63) of the parts, equal on every machine: BLAKE2b of their types, lengths and text.

    >>> hash64(7, "dropout", 1, 2) == hash64(7, "dropout", 1, 2), hash64(1, 23) == hash64(12, 3)
    (True, False)
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        text = f"{'s' if isinstance(part, str) else 'i'}{part}".encode()
        digest.update(len(text).to_bytes(8, "little") + text)
    return int.from_bytes(digest.digest(), "little") >> 1


def generator(seed: int, purpose: str, *counters: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A new generator that starts at `hash64(seed, purpose, *counters)`."""
    return torch.Generator(device=device).manual_seed(hash64(seed, purpose, *counters))


def permutation(n: int, seed: int, epoch: int, purpose: str = "shuffle") -> Tensor:
    """0 .. n-1 in an order (n,) that is a function of (seed, purpose, epoch): position in the data is then one integer."""
    return torch.randperm(n, generator=generator(seed, purpose, epoch))


def reseed(seed: int, purpose: str, *counters: int) -> None:
    """Start PyTorch's own generators, which `nn.Dropout` draws from, at these counters. Use inside `kept_generators`."""
    torch.manual_seed(hash64(seed, purpose, *counters))


@contextmanager
def kept_generators() -> Iterator[None]:
    """Leave PyTorch's own generators, on every device in use, as they were found."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        yield
