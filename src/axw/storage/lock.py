"""The lock of a run: two processes never write to one folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import TracebackType

from axw.errors import BusyError
from axw.storage.disk import REAL, Disk, make_folders, resource_errors, write_all

NAME = ".lock"
_HELD = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}


class RunLock:
    """Hold the folder `folder` for as long as this process lives, or until `release()`.

        with RunLock(run_folder): train()

    The kernel frees the lock when the process ends, however it ends, so a lock never has to be removed by hand.
    Raises `BusyError`, which names the process that holds it, and `ResourceError`.
    """

    def __init__(self, folder: str | os.PathLike[str], disk: Disk = REAL) -> None:
        self.path, self._disk, self._number = Path(folder) / NAME, disk, -1
        with resource_errors("lock the folder", self.path.parent):
            make_folders(self.path.parent, disk)
            number = disk.open_append(self.path)
            try:
                if not _take(number):
                    raise self._busy(number)
                disk.truncate(number, 0)
                write_all(number, f"{os.getpid()}\n".encode(), disk)
            except BaseException:
                disk.close(number)
                raise
        self._number = number

    def release(self) -> None:
        """Let another process have the folder. The file stays: removing it would let two processes hold two files."""
        if self._number >= 0:
            number, self._number = self._number, -1
            with resource_errors("unlock the folder", self.path.parent):
                self._disk.close(number)

    def __enter__(self) -> RunLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _busy(self, number: int) -> BusyError:
        os.lseek(number, 0, os.SEEK_SET)
        text = self._disk.read(number, 20).strip()
        who = f"process {int(text)}" if text.isdigit() else "another process"
        stop = f"stop it with `kill {int(text)}`" if text.isdigit() else "stop it"
        return BusyError(
            f"The run is being written by {who}; one process at a time is allowed.",
            f"In {str(self.path.parent)!r}.",
            f"Wait until it ends, {stop}, or use another folder.",
        )


def _take(number: int) -> bool:
    """Whether this process holds the lock now; never waits."""
    try:
        try:
            import fcntl
        except ImportError:  # Windows
            import msvcrt

            os.lseek(number, 1 << 30, os.SEEK_SET)  # far behind the text, which stays readable
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True
