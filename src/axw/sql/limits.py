"""How much memory an embedded engine may take, so that the whole process stays below what was asked for."""

from __future__ import annotations

import re
from pathlib import Path

from axw.errors import UsageError

_UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 2.0**10, "MIB": 2.0**20, "GIB": 2.0**30, "TIB": 2.0**40}
# An engine's limit is for its tables; what it takes besides (pages that the allocator keeps, answers) came to a fifth of it at
# most, from 1e6 to 1e8 edges.
_SHARE = 0.7
_LEAST = 32_000_000


def bytes_of(memory: str) -> int:
    """ "4GB" is 4e9 bytes, "4GiB" is 4 * 2^30. Raises `UsageError` for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]i?B)\s*", memory, re.IGNORECASE)
    if not found:
        raise UsageError(
            f"memory is {memory!r}; allowed: a number with KB, MB, GB, TB, KiB, MiB, GiB or TiB.",
            "memory",
            "Write memory='4GB', for example.",
        )
    return int(float(found[1]) * _UNITS[found[2].upper()])


def engine_limit(memory: str, held: int | None = None) -> str:
    """What the engine may take of `memory`, as DuckDB reads it: seven tenths of what the process does not hold already.

    held   bytes that the process holds before it begins; None = asked of the system
    Raises `UsageError` where too little is left to work with.
    """
    asked, held = bytes_of(memory), resident() if held is None else held
    left = int(_SHARE * (asked - held))
    if left < _LEAST:
        raise UsageError(
            f"memory is {memory!r}, and this process holds {held / 1e6:,.0f} MB of it before it begins; the engine needs "
            f"{_LEAST / 1e6:,.0f} MB at least.",
            "memory",
            f"Give {(held + _LEAST / _SHARE) / 1e6:,.0f} MB or more.",
        )
    return f"{left // 1_000_000}MB"


def resident() -> int:
    """Bytes of memory that this process holds now; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * 4096
