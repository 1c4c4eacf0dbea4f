"""Files that another program writes, such as a database: a place for them, published whole or not at all, and taken away."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from axw.storage.disk import REAL, Disk


def scratch_folder(parent: str | os.PathLike[str] | None = None, disk: Disk = REAL) -> Path:
    """A new, empty folder in `parent`, or where the system keeps temporary files. `OSError` where none can be made."""
    folder = Path(tempfile.gettempdir() if parent is None else parent) / f"axw-{os.urandom(8).hex()}"
    disk.make_folder(folder)
    return folder


def remove_tree(path: Path, disk: Disk = REAL) -> None:
    """Take a file or a folder away, with all that is in it; what cannot be removed stays, without an error."""
    if path.is_symlink() or not path.is_dir():
        with suppress(OSError):
            disk.unlink(path)
        return
    with suppress(OSError):
        for name in disk.list_folder(path):
            remove_tree(path / name, disk)
        disk.remove_folder(path)


@contextmanager
def published(target: Path, disk: Disk = REAL) -> Iterator[Path]:
    """A path beside `target` for another program to write a file or a folder to; renamed to `target` when the block ends.

    If the block raises, or the rename does (`OSError`), nothing is left of it and `target` is as it was.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        yield partial
        if partial.is_file():
            number = disk.open_read(partial)
            try:
                disk.fsync(number)
            finally:
                disk.close(number)
        disk.rename(partial, target)
        disk.fsync_folder(target.parent)
    finally:
        if partial.exists():
            remove_tree(partial, disk)
