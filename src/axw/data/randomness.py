"""Random numbers as a function of what they are for: nothing random is remembered between two batches or two epochs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from axw.errors import UsageError

Seed = int | Sequence[int]  # one integer, or several: (seed, epoch, batch)


def generator(purpose: str, seed: Seed) -> np.random.Generator:
    """A new generator that starts at BLAKE2b(purpose, seed): equal on every machine, and unlike that of any other purpose.

    Raises `UsageError` where the seed is not made of integers.
    """
    numbers = (seed,) if isinstance(seed, int | np.integer) else tuple(seed)
    if any(isinstance(number, bool) or not isinstance(number, int | np.integer) for number in numbers):
        raise UsageError(f"seed={seed!r}", f"In {purpose}.", "Give an integer, or several: (seed, epoch, batch).")
    text = " ".join([purpose, *(str(int(number)) for number in numbers)])
    start = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.PCG64(start))
