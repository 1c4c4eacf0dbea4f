"""What a process that trains keeps, since the next step asks for it again: memory that is freed, and compiled products."""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Tell the C library to hold on to freed memory instead of giving it back and asking the system for it anew.

    Each tensor of more than 128 KiB is otherwise mapped and unmapped, and each of its pages cleared at the first touch. For a
    process whose job is training, and which ends with it: the memory comes back at its end. True where it took effect (glibc).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        tune = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    wanted = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 256 << 20))
    return all(tune(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in wanted)


def keep_compiled_products() -> None:
    """Ask oneDNN to keep the kernels of 2,048 products, twice as many as it does by itself; in effect before its first product.

    In bfloat16 it compiles one for every size that is new to it, and batches of sentences have many sizes: with 1,024 each is
    forgotten before it is met again. Whoever has set a number in the environment has chosen.
    """
    if not {f"{name}_PRIMITIVE_CACHE_CAPACITY" for name in ("ONEDNN", "DNNL")} & os.environ.keys():
        os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] = "2048"


def ready_to_train() -> None:
    """Make this process one that trains."""
    keep_freed_memory()
    keep_compiled_products()
