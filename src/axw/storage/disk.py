"""The operations that touch a disk. Everything that `axw` writes goes through a `Disk`, so a test can pass one that fails.

A file is safe only after `fsync` of the file *and* of the folder that names it: without the first its bytes, without the
second its name may be gone after a power loss.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axw.errors import ResourceError

# Windows has no O_NOFOLLOW and O_NONBLOCK, and needs O_BINARY; elsewhere it is the other way round.
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_CHUNK = 1 << 24


class Disk:
    """A real disk: each method is one operation, and raises the `OSError` of the system."""

    def make_folder(self, path: Path) -> None:
        os.mkdir(path)

    def open_new(self, path: Path) -> int:
        """A descriptor to write a file that must not exist yet."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _BINARY, 0o666)

    def open_append(self, path: Path) -> int:
        """A descriptor to read, lengthen and cut a file, which is made if it is not there."""
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _NO_FOLLOW | _BINARY, 0o666)
        return _regular(number, path)

    def open_read(self, path: Path) -> int:
        """A descriptor to read a regular file; a link, pipe or device is refused with ELOOP before it is opened."""
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise OSError(errno.ELOOP, "not a regular file", str(path))
        return _regular(os.open(path, os.O_RDONLY | _NO_FOLLOW | _BINARY), path)

    def size(self, number: int) -> int:
        return os.fstat(number).st_size

    def read(self, number: int, most: int) -> bytes:
        return os.read(number, most)

    def write(self, number: int, data: memoryview) -> int:
        """How many bytes of `data` were written: at least one, perhaps not all."""
        return os.write(number, data)

    def truncate(self, number: int, size: int) -> None:
        os.ftruncate(number, size)

    def fsync(self, number: int) -> None:
        full = _full_fsync()
        if full is None:
            os.fsync(number)
        else:  # macOS: plain fsync leaves the bytes in the drive's own cache
            import fcntl

            fcntl.fcntl(number, full)

    def close(self, number: int) -> None:
        os.close(number)

    def fsync_folder(self, path: Path) -> None:
        if os.name == "nt":  # Windows cannot open a folder; NTFS journals its names itself
            return
        number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _BINARY)
        try:
            os.fsync(number)
        finally:
            os.close(number)

    def rename(self, old: Path, new: Path) -> None:
        """`new` is `old` from now on: a file that was there is replaced in one step, a folder must be empty."""
        os.replace(old, new)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def remove_folder(self, path: Path) -> None:
        os.rmdir(path)

    def list_folder(self, path: Path) -> dict[str, bool]:
        """Name to whether it is a folder (a link to a folder is not one), sorted by name."""
        with os.scandir(path) as entries:
            return dict(sorted((e.name, e.is_dir(follow_symlinks=False)) for e in entries))

    def free_bytes(self, path: Path) -> int:
        return shutil.disk_usage(path).free


REAL = Disk()


def _regular(number: int, path: Path) -> int:
    """The descriptor itself, closed and refused where it is a folder, pipe or device."""
    if stat.S_ISREG(os.fstat(number).st_mode):
        return number
    os.close(number)
    raise OSError(errno.ELOOP, "not a regular file", str(path))


def _full_fsync() -> int | None:
    try:
        import fcntl
    except ImportError:
        return None
    return getattr(fcntl, "F_FULLFSYNC", None)


def write_new(path: Path, data: bytes | memoryview, disk: Disk = REAL) -> None:
    """A new file with these bytes, on the disk when this returns; its name is safe after `disk.fsync_folder`."""
    number = disk.open_new(path)
    try:
        write_all(number, data, disk)
        disk.fsync(number)
    finally:
        disk.close(number)


def write_all(number: int, data: bytes | memoryview, disk: Disk = REAL) -> None:
    view = memoryview(data).cast("B") if len(data) else memoryview(b"")
    while len(view):
        view = view[disk.write(number, view[:_CHUNK]) :]


def read_chunks(path: Path, size: int, disk: Disk = REAL) -> Iterator[bytes]:
    """The `size` bytes of a regular file, a piece at a time; EFBIG before the first read where the file has another size."""
    number = disk.open_read(path)
    try:
        if disk.size(number) != size:
            raise OSError(errno.EFBIG, f"holds {disk.size(number)} bytes where {size} are expected", str(path))
        left = size
        while left:
            piece = disk.read(number, min(left, _CHUNK))
            if not piece:
                raise OSError(errno.EFBIG, f"ended {left} bytes too early", str(path))
            left -= len(piece)
            yield piece
    finally:
        disk.close(number)


def read_bounded(path: Path, most: int, disk: Disk = REAL) -> bytes:
    """All bytes of a regular file of at most `most` bytes; EFBIG, before anything is read, for a larger one."""
    number = disk.open_read(path)
    try:
        size = disk.size(number)
        if size > most:
            raise OSError(errno.EFBIG, f"holds {size} bytes where at most {most} are allowed", str(path))
        pieces: list[bytes] = []
        while size > 0 and (piece := disk.read(number, min(size, _CHUNK))):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)
    finally:
        disk.close(number)


def make_folders(path: Path, disk: Disk = REAL) -> None:
    """The folder and the ones above it, each made safe in the folder that names it."""
    if path.is_dir():
        return
    make_folders(path.parent, disk)
    try:
        disk.make_folder(path)
    except FileExistsError:
        if not path.is_dir():
            raise
    disk.fsync_folder(path.parent)


def remove_tree(path: Path, disk: Disk = REAL) -> None:
    """Remove a folder and all in it; links are removed, never followed."""
    for name, is_folder in disk.list_folder(path).items():
        if is_folder:
            remove_tree(path / name, disk)
        else:
            disk.unlink(path / name)
    disk.remove_folder(path)


_KINDS = {
    errno.ENOSPC: ("the disk is full", "Free some space, or use another disk"),
    errno.EDQUOT: ("your quota on this disk is used up", "Remove files that you no longer need, or use another disk"),
    errno.EACCES: ("permission denied", "Give this user the right to use it, or use another folder"),
    errno.EPERM: ("permission denied", "Give this user the right to use it, or use another folder"),
    errno.EROFS: ("the disk is read-only", "Mount it for writing, or use another folder"),
    errno.EIO: ("the disk reported an input/output error", "Check the disk (dmesg, smartctl), or use another one"),
    errno.EFBIG: ("the file is larger than the disk or `ulimit -f` allows", "Raise the limit, or use another disk"),
    errno.ENAMETOOLONG: ("the name is too long for this disk", "Use a shorter name or path"),
    errno.ENOENT: ("a folder on this path is gone", "Make the folder again, or use another one"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "Use a path whose parents are folders"),
    errno.EISDIR: ("a folder is in the way", "Use another path, or remove the folder"),
    errno.EEXIST: ("something is in the way", "Remove what is there, or use another path"),
    errno.ENOTEMPTY: ("a folder that is not empty is in the way", "Remove what is there, or use another path"),
    errno.EMFILE: ("too many files are open", "Raise `ulimit -n`"),
}


def as_resource_error(error: OSError, doing: str, path: Path) -> ResourceError:
    """`ResourceError` (exit 6) that says what could not be done, to which path, why, and what to do."""
    why, todo = _KINDS.get(error.errno or 0, (os.strerror(error.errno or 0), "Check the path, or use another one"))
    return ResourceError(f"Could not {doing}: {why}.", f"In {str(path)!r}.", f"{todo}.")


@contextmanager
def resource_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn any `OSError` of the block into a `ResourceError`."""
    try:
        yield
    except OSError as error:
        raise as_resource_error(error, doing, path) from error
