"""A text that is written part by part, and gone on with after an interruption.

While FILE is being written there is a folder FILE.part beside it: the text so far, a log of its parts with their SHA-256, and
what was asked for. When the last part is in, the text becomes FILE in one step and the folder goes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from axw.errors import UsageError
from axw.storage.disk import REAL, Disk, read_bounded, remove_tree, resource_errors, write_all
from axw.storage.files import JsonLines, json_from_bytes, json_to_bytes, read_json_lines, write_bytes
from axw.storage.lock import RunLock

_ASKED, _LOG, _TEXT = "asked.json", "parts.jsonl", "text"
_MOST = 1 << 24


class KeptText:
    """The file `path` on its way; one process at a time.

    asked   what the text is an answer to: one that was begun is gone on with only where it was asked the same
    parts   the notes of the parts that are kept: whole, and with the bytes that were written

    A part is kept once `add` returns, whatever happens then. Raises `UsageError` where the file is there already, or was begun
    for something else; `BusyError` where another process writes it; `ResourceError`.
    """

    def __init__(self, path: str | os.PathLike[str], asked: Mapping[str, Any], disk: Disk = REAL) -> None:
        self.path, self._disk = Path(path), disk
        self.folder = self.path.with_name(f"{self.path.name}.part")
        if self.path.exists() or self.path.is_symlink():
            raise UsageError(
                f"{self.path} is there already.", f"In {str(self.path)!r}.", "Name another file, or move this one away."
            )
        self._lock = RunLock(self.folder, disk)
        try:
            self._same(json_from_bytes(json_to_bytes(asked), "what was asked"))
            self._log = JsonLines(self.folder / _LOG, disk)
            with resource_errors("open the file", self.folder / _TEXT):
                self._number = disk.open_append(self.folder / _TEXT)
            self.parts, self._end = self._verified()
        except BaseException:
            self._lock.release()
            raise

    def _same(self, asked: Mapping[str, Any]) -> None:
        path = self.folder / _ASKED
        if not path.exists():
            write_bytes(path, json_to_bytes(asked), self._disk)
            return
        before = json_from_bytes(read_bounded(path, _MOST, self._disk), str(path))
        names = [n for n in {**asked, **before} if before.get(n) != asked.get(n)]
        if names:
            raise UsageError(
                f"{self.path} was begun with another {', '.join(sorted(names))}.",
                f"In {str(self.folder)!r}.",
                f"Ask the same again to go on, or begin anew: rm -r {self.folder}",
            )

    def _verified(self) -> tuple[list[dict[str, Any]], int]:
        """The parts whose bytes are those that were written, up to the first that are not; what follows is cut off."""
        kept: list[dict[str, Any]] = []
        end = offset = 0
        for record in read_json_lines(self.folder / _LOG, self._disk):
            size = int(record["end"]) - end
            os.lseek(self._number, end, os.SEEK_SET)
            if not 0 <= size <= _MOST * 64 or hashlib.sha256(self._bytes(size)).hexdigest() != record["sha256"]:
                break
            kept.append(dict(record["note"]))
            end, offset = int(record["end"]), offset + len(json_to_bytes(record, indent=None))
        with resource_errors("cut the file", self.folder / _TEXT):
            self._disk.truncate(self._number, end)
        self._log.truncate_to(offset)
        return kept, end

    def _bytes(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size and (more := self._disk.read(self._number, size - len(found))):
            found += more
        return bytes(found)

    def add(self, text: bytes, note: Mapping[str, Any]) -> None:
        """One more part: on the disk when this returns. Part of a part is cut off by whoever goes on."""
        with resource_errors("write the file", self.folder / _TEXT):
            write_all(self._number, text, self._disk)
            self._disk.fsync(self._number)
        self._end += len(text)
        self._log.append({"end": self._end, "sha256": hashlib.sha256(text).hexdigest(), "note": dict(note)})
        self._log.sync()

    def finish(self) -> None:
        """The text becomes the file, and the folder goes."""
        self._close()
        with resource_errors("name the file", self.path):
            self._disk.rename(self.folder / _TEXT, self.path)
            self._disk.fsync_folder(self.path.parent)
        self._lock.release()
        with resource_errors("remove the folder", self.folder):
            remove_tree(self.folder, self._disk)

    def _close(self) -> None:
        if self._number >= 0:
            number, self._number = self._number, -1
            self._log.close()
            with resource_errors("close the file", self.folder / _TEXT):
                self._disk.close(number)

    def __enter__(self) -> KeptText:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        self._lock.release()
