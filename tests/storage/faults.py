"""Disks that fail, die or lose what was not on the disk yet. Used by the tests and by `benchmarks/reliability_storage.py`."""

from __future__ import annotations

import fcntl
import os
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from axw.storage.disk import Disk

WRITES = (
    "make_folder",
    "open_new",
    "open_append",
    "write",
    "truncate",
    "fsync",
    "close",
    "fsync_folder",
    "rename",
    "unlink",
    "remove_folder",
)
READS = ("open_read", "size", "read", "list_folder", "free_bytes")


class Died(BaseException):
    """Stands for the end of the process: nothing in axw may catch it and go on."""


class QuickDisk(Disk):
    """A real disk without the wait: what a test of this machine's files needs, for its power stays on."""

    def fsync(self, number: int) -> None:
        os.fstat(number)

    def fsync_folder(self, path: Path) -> None:
        os.stat(path)


QUICK = QuickDisk()


class WatchedDisk(QuickDisk):
    """A disk that asks `before` ahead of each operation."""

    def __init__(self) -> None:
        self.count = 0

    def before(self, name: str, arguments: tuple[Any, ...]) -> None:
        raise NotImplementedError


def _watched(name: str) -> Callable[..., Any]:
    real = getattr(QuickDisk, name)

    def method(self: WatchedDisk, *arguments: Any) -> Any:
        self.before(name, arguments)
        return real(self, *arguments)

    return method


for _name in WRITES + READS:
    setattr(WatchedDisk, _name, _watched(_name))


def _half(name: str, arguments: tuple[Any, ...]) -> None:
    """What a failing operation may have done already: half of a write; a close that fails has closed."""
    if name == "write":
        os.write(arguments[0], arguments[1][: len(arguments[1]) // 2])
    if name == "close":
        os.close(arguments[0])


def _only_reads(number: int) -> bool:
    return fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY


class FaultDisk(WatchedDisk):
    """The n-th operation (of those that `code` can come from) fails; with `lasting`, each one after it too."""

    def __init__(self, n: int, code: int, *, lasting: bool, reads: bool) -> None:
        super().__init__()
        self.n, self.code, self.lasting = n, code, lasting
        self.names = WRITES + READS if reads else WRITES

    def before(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name not in self.names or (name == "close" and "read" not in self.names and _only_reads(arguments[0])):
            return
        self.count += 1
        if self.count == self.n or (self.lasting and self.count > self.n):
            _half(name, arguments)
            raise OSError(self.code, os.strerror(self.code))


class DyingDisk(WatchedDisk):
    """The process dies at the n-th operation; what would run afterwards, such as a clean-up, dies too."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def before(self, name: str, arguments: tuple[Any, ...]) -> None:
        self.count += 1
        if self.count == self.n:
            _half(name, arguments)
        if self.count >= self.n:
            self.die()

    def die(self) -> NoReturn:
        raise Died


class KilledDisk(DyingDisk):
    """As `DyingDisk`, but for real: only for a forked child."""

    def die(self) -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise Died


# ---------------------------------------------------------------------------------------------------------- power loss


class RecordingDisk(QuickDisk):
    """A disk that writes down every operation; `mark` notes what was promised at that moment."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self._serial: dict[int, int] = {}
        self._next = 0

    def mark(self, label: Any) -> None:
        self.log.append(("mark", label))

    def _opened(self, kind: str, path: Path, number: int) -> int:
        self._serial[number], self._next = self._next, self._next + 1
        self.log.append((kind, path, self._serial[number]))
        return number

    def make_folder(self, path: Path) -> None:
        super().make_folder(path)
        self.log.append(("make_folder", path))

    def open_new(self, path: Path) -> int:
        return self._opened("open_new", path, super().open_new(path))

    def open_append(self, path: Path) -> int:
        return self._opened("open_append", path, super().open_append(path))

    def write(self, number: int, data: memoryview) -> int:
        written = super().write(number, data)
        self.log.append(("write", self._serial[number], bytes(data[:written])))
        return written

    def truncate(self, number: int, size: int) -> None:
        super().truncate(number, size)
        self.log.append(("truncate", self._serial[number], size))

    def fsync(self, number: int) -> None:
        super().fsync(number)
        self.log.append(("fsync", self._serial[number]))

    def fsync_folder(self, path: Path) -> None:
        super().fsync_folder(path)
        self.log.append(("fsync_folder", path))

    def rename(self, old: Path, new: Path) -> None:
        super().rename(old, new)
        self.log.append(("rename", old, new))

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self.log.append(("unlink", path))

    def remove_folder(self, path: Path) -> None:
        super().remove_folder(path)
        self.log.append(("unlink", path))


@dataclass
class _File:
    durable: bytes = b""
    now: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # (offset, data); None: cut at offset


@dataclass
class _Folder:
    durable: dict[str, Any] = field(default_factory=dict)
    now: dict[str, Any] = field(default_factory=dict)
    pending: list[dict[str, Any]] = field(default_factory=list)  # name -> node, or None where it goes

    def change(self, names: dict[str, Any]) -> None:
        self.pending.append(names)
        _apply(self.now, names)


def _apply(entries: dict[str, Any], names: dict[str, Any]) -> None:
    for name, node in names.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


def _splice(content: bytes, offset: int, data: bytes | None) -> bytes:
    if data is None:
        return content[:offset].ljust(offset, b"\0")
    return content[:offset].ljust(offset, b"\0") + data + content[offset + len(data) :]


class _Machine:
    """What is on the disk for certain, and what may or may not be, after a part of the log."""

    def __init__(self, root: Path) -> None:
        self.root, self.top, self.files = root, _Folder(), dict[int, _File]()

    def _folder(self, path: Path) -> _Folder:
        folder = self.top
        for part in path.relative_to(self.root).parts:
            folder = folder.now[part]
        return folder

    def do(self, kind: str, *arguments: Any) -> None:
        getattr(self, "_" + kind)(*arguments)

    def _mark(self, label: Any) -> None:
        pass

    def _make_folder(self, path: Path) -> None:
        self._folder(path.parent).change({path.name: _Folder()})

    def _open_new(self, path: Path, serial: int) -> None:
        self.files[serial] = _File()
        self._folder(path.parent).change({path.name: self.files[serial]})

    def _open_append(self, path: Path, serial: int) -> None:
        folder = self._folder(path.parent)
        if path.name not in folder.now:
            folder.change({path.name: _File()})
        self.files[serial] = folder.now[path.name]

    def _write(self, serial: int, data: bytes) -> None:  # every writer of axw writes at the end
        file = self.files[serial]
        file.pending.append((len(file.now), data))
        file.now += data

    def _truncate(self, serial: int, size: int) -> None:
        file = self.files[serial]
        file.pending.append((size, None))
        file.now = _splice(file.now, size, None)

    def _fsync(self, serial: int) -> None:
        file = self.files[serial]
        file.durable, file.pending = file.now, []

    def _fsync_folder(self, path: Path) -> None:
        folder = self._folder(path)
        folder.durable, folder.pending = dict(folder.now), []

    def _rename(self, old: Path, new: Path) -> None:
        assert old.parent == new.parent
        folder = self._folder(old.parent)
        folder.change({old.name: None, new.name: folder.now[old.name]})

    def _unlink(self, path: Path) -> None:
        self._folder(path.parent).change({path.name: None})

    def survive(self, target: Path, chance: float, draw: random.Random) -> None:
        """Make a folder as it may look after the power came back: each unsafe change stays with this chance."""
        self._survive(self.top, target, chance, draw)

    def _survive(self, folder: _Folder, target: Path, chance: float, draw: random.Random) -> None:
        target.mkdir()
        entries = dict(folder.durable)
        for names in folder.pending:
            if draw.random() < chance:
                _apply(entries, names)
        for name, node in entries.items():
            if isinstance(node, _Folder):
                self._survive(node, target / name, chance, draw)
            else:
                (target / name).write_bytes(_surviving_bytes(node, chance, draw))


def _surviving_bytes(file: _File, chance: float, draw: random.Random) -> bytes:
    content = file.durable
    for offset, data in file.pending:
        if draw.random() >= chance:
            continue
        if data and draw.random() < 0.5:  # torn, or the size without the bytes
            cut = draw.randrange(len(data))
            data = data[:cut] if draw.random() < 0.5 else data[:cut] + bytes(len(data) - cut)
        content = _splice(content, offset, data)
    return content


def crash_states(
    log: list[tuple[Any, ...]], root: Path, work: Path, states: int, seed: int
) -> Iterator[tuple[Path, list[Any]]]:
    """About `states` folders as they may look after a power loss, spread over every prefix of the log.

    Yields the folder and the marks set before the loss. The first visits of a prefix drop all, then keep all that was not
    safe; later ones keep random subsets.
    """
    draw = random.Random(seed)
    for visit in range(-(-states // (len(log) + 1))):
        chance = (0.0, 1.0)[visit] if visit < 2 else draw.uniform(0.1, 0.9)
        machine, marks = _Machine(root), list[Any]()
        for k in range(len(log) + 1):
            target = work / f"state-{visit}-{k}"
            machine.survive(target, chance, draw)
            yield target, list(marks)
            if k < len(log):
                machine.do(*log[k])
                if log[k][0] == "mark":
                    marks.append(log[k][1])
