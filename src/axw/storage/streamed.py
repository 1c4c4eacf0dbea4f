"""A folder whose files outgrow memory: written piece by piece, whole or not there at all; read as arrays that are mapped."""

from __future__ import annotations

import hashlib
import mmap
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from axw.errors import ModelError
from axw.storage.disk import REAL, Disk, make_folders, remove_tree, resource_errors, write_all
from axw.storage.files import is_left_over, temporary_name
from axw.storage.folder import Folder, check_names, put_in_place, verify_written, write_manifest


class StreamedFolder:
    """`write_folder` for bytes that come in pieces:  with StreamedFolder(path, meta) as new: new.append("ids", piece).

    The folder appears under its name when the block ends without an error, once it is on the disk and was read back; it takes
    the place of one that axw wrote. An error leaves what was there before. Raises `ResourceError`, `UsageError`.
    """

    def __init__(self, path: Path, meta: Mapping[str, Any], disk: Disk = REAL) -> None:
        self.path, self.meta, self._disk = path, dict(meta), disk
        self._temporary = path.parent / temporary_name(secrets.token_hex(4))
        self._open: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._digests: dict[str, Any] = {}

    def __enter__(self) -> StreamedFolder:
        with resource_errors("write the folder", self.path):
            make_folders(self.path.parent, self._disk)
            for name, folder in self._disk.list_folder(self.path.parent).items():
                if folder and is_left_over(name):
                    remove_tree(self.path.parent / name, self._disk)
            self._disk.make_folder(self._temporary)
        return self

    def append(self, name: str, data: bytes | memoryview) -> None:
        """Lengthen the file `name`, which begins empty."""
        with resource_errors("write the folder", self.path):
            if name not in self._open:
                check_names([*self._open, name])
                self._open[name] = self._disk.open_new(self._temporary / name)
                self._sizes[name], self._digests[name] = 0, hashlib.sha256()
            write_all(self._open[name], data, self._disk)
        self._sizes[name] += len(data)
        self._digests[name].update(data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with resource_errors("write the folder", self.path):
                self._close(safe=error is None)
                if error is None:
                    table = {n: {"bytes": self._sizes[n], "sha256": self._digests[n].hexdigest()} for n in self._sizes}
                    write_manifest(self._temporary, table, self.meta, self._disk)
                    verify_written(self._temporary, self._disk)
                    put_in_place(self._temporary, self.path, self._disk)
        finally:
            with suppress(OSError):
                remove_tree(self._temporary, self._disk)

    def _close(self, safe: bool) -> None:
        """Close all files, their bytes on the disk where they are to be kept."""
        failed: OSError | None = None
        for number in self._open.values():
            for act in (*((self._disk.fsync,) if safe else ()), self._disk.close):
                failed = _error_of(act, number) or failed
        self._open = {}
        if failed is not None:
            raise failed


def _error_of(act: Callable[[int], None], number: int) -> OSError | None:
    try:
        act(number)
    except OSError as error:
        return error
    return None


def mapped(folder: Folder, name: str, dtype: str) -> np.ndarray:
    """A file of a verified folder as an array (n,) that lies on the disk, and in memory only where it is looked at.

    `ModelError` where its size is not one of such an array.
    """
    size, item = folder.sizes.get(name, -1), np.dtype(dtype).itemsize
    if size < 0 or size % item:
        raise ModelError(
            f"The file {name!r} holds no array of {dtype}.", f"In {str(folder.path)!r}.", "Write it again."
        )
    if not size:
        return np.empty(0, dtype)
    with open(folder.path / name, "rb") as file:
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype)
