"""A faster allocator under the commands that compute for long: the process starts itself again with it, before it loads anything.

A step asks for some thousand tensors of many sizes and gives them back. The C library of Linux keeps what is free in one list
by size and walks it each time: a tenth of a step of training, all of it while the other threads wait, and as much of a step of a
search for one sentence. mimalloc (Leijen, Zorn and de Moura 2019, "Mimalloc: Free List Sharding in Action") has lists of one
size. An allocator can only be chosen when a process starts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from axw.errors import UsageError

PACKAGE, CHOICE = "cmeel-mimalloc", "AXW_ALLOCATOR"
_LONG = ("fit", "ladder", "resume", "translate", "evaluate")
_ALLOCATORS = ("mimalloc", "jemalloc", "tcmalloc")  # whoever has preloaded one has chosen


def start_again(words: Sequence[str]) -> None:
    """Replace this process by itself with mimalloc where `axw WORDS` computes for long and mimalloc is there.

    AXW_ALLOCATOR=system leaves the C library's. `UsageError` for another word there.
    """
    wanted = os.environ.get(CHOICE, "mimalloc")
    if wanted not in ("mimalloc", "system"):
        raise UsageError(
            f"{CHOICE} is {wanted!r}; allowed: mimalloc, system.",
            "In the environment.",
            f"Unset {CHOICE}, or correct it.",
        )
    if wanted == "system" or not _computes(words):
        return
    changed = preloading(os.environ, library())
    if changed is not None:
        os.execve(sys.executable, sys.orig_argv, changed)


def allocator() -> str:
    """Whose memory the commands that compute for long take: "mimalloc", what is preloaded already, or "system"."""
    preloaded = _preloaded(os.environ)
    if preloaded is not None:
        return preloaded
    return "system" if os.environ.get(CHOICE) == "system" or library() is None else "mimalloc"


def _computes(words: Sequence[str]) -> bool:
    """Whether it is worth it: not for a help page, and not where another program (Java, of a table's engine) would inherit it."""
    options = {word.partition("=")[0] for word in words}
    if not words or words[0] not in _LONG or {"--help", "-h"} & options:
        return False
    return words[0] == "translate" or "--engine" not in options


def preloading(environment: Mapping[str, str], path: Path | None) -> dict[str, str] | None:
    """The environment with the library in front; None where it is not there, or an allocator is preloaded."""
    if path is None or _preloaded(environment) is not None:
        return None
    # Memory that is freed is kept, since the next step asks for as much again.
    kept = {"MIMALLOC_PURGE_DELAY": "-1"}
    return {**kept, **environment, "LD_PRELOAD": f"{path} {environment.get('LD_PRELOAD', '')}".strip()}


def _preloaded(environment: Mapping[str, str]) -> str | None:
    """The allocator that is preloaded already."""
    return next((name for name in _ALLOCATORS if name in environment.get("LD_PRELOAD", "")), None)


def library() -> Path | None:
    """Where mimalloc is; None where it is not installed, or cannot be loaded here."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes
    from importlib import metadata

    try:
        path = Path(str(metadata.distribution(PACKAGE).locate_file("cmeel.prefix/lib/libmimalloc.so")))
        ctypes.CDLL(str(path))
    except (metadata.PackageNotFoundError, OSError):
        return None
    return path
