"""The functions that Python calls, compiled once for a processor and kept beside this file, or in numba's folder."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import event
from numba.typed import List

from axw.errors import BusyError, ResourceError
from axw.networks.fused.layers import answered as inner
from axw.storage.lock import RunLock

_PATIENCE = 0.05  # seconds between two looks at whether another process is done


def _sources() -> str:
    """A number that changes with any file here: what is kept was compiled from all of them, and numba looks at one."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def _entries(sources: str, cache: bool) -> tuple[Any, Any]:
    """`layers.answered` of layers that are held; `sources` is part of the name under which it is kept."""

    @njit(error_model="numpy", nogil=True, cache=cache)
    def held(layers: Any) -> Any:
        """A list of one: it is handed over as one address, where handing over fifty arrays takes a tenth of a step."""
        found = List()
        found.append(layers)
        return found

    @njit(error_model="numpy", nogil=True, cache=cache)
    def answered(ids: Any, layers: Any, said: Any, heard: Any, turns: Any, wanted: Any) -> int:
        inner(ids, layers[0], said, heard, turns, wanted)
        return len(sources)

    return held, answered


def _kept() -> tuple[Any, Any]:
    try:
        return _entries(_sources(), cache=True)
    except RuntimeError:  # no folder to keep them in: they are compiled anew by every process
        return _entries(_sources(), cache=False)


held, answered = _kept()


@contextmanager
def alone() -> Iterator[None]:
    """Inside, no other process loads or keeps what is compiled: two at once could mix up numba's files."""
    lock, folder = None, answered.stats.cache_path
    while lock is None and folder is not None:
        try:
            lock = RunLock(folder)
        except BusyError:
            time.sleep(_PATIENCE)
        except ResourceError:  # nothing can be kept there either
            break
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def kept_or_not(work: Callable[[], None]) -> None:
    """`work`, again where a function that it compiled could not be kept, as on a full disk: compiled it is all the same."""
    for _ in (held, answered):
        try:
            return work()
        except OSError:
            pass
    work()


@contextmanager
def compiling(tell: Callable[[], None]) -> Iterator[None]:
    """Inside, `tell` is called once when something must be compiled."""
    told: list[bool] = []

    class Listener(event.Listener):
        def on_start(self, event: Any) -> None:
            if not told:
                told.append(True)
                tell()

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Listener()):
        yield
