"""Single files, whole or not at all; JSON; and a history of JSON lines that can be cut back to where a checkpoint was."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from axw.errors import DataWarning, ModelError, NotFiniteError, UsageError
from axw.storage.disk import REAL, Disk, make_folders, read_bounded, resource_errors, write_all, write_new

_TEMPORARY = re.compile(r"\.(?:tmp|del)-.*-(\d+)")


def temporary_name(label: str) -> str:
    """`.tmp-<label>-<pid>`: what a later process may remove once this one is dead."""
    return f".tmp-{label}-{os.getpid()}"


def scratch_path(label: str) -> Path:
    """A path that nobody else has, among the system's temporary folders (TMPDIR says where): whoever makes it removes it."""
    return Path(tempfile.gettempdir()) / f"axw-{label}-{os.getpid()}-{secrets.token_hex(8)}"


def is_left_over(name: str, own: bool = False) -> bool:
    """Whether the name is a temporary one of a process that no longer lives.

    own   count this process's number too: in a container a restarted process often has the number of the dead one. Only
          for a process that writes nothing at the moment.
    """
    found = _TEMPORARY.fullmatch(name)
    if found is None:
        return False
    return own if int(found[1]) == os.getpid() else not _lives(int(found[1]))


def _lives(pid: int) -> bool:
    """Whether a process has this number; in doubt, yes."""
    if os.name == "nt":  # there os.kill would end it
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def write_bytes(path: str | os.PathLike[str], data: bytes, disk: Disk = REAL) -> None:
    """Replace or make the file `path`, in one step: a reader finds the old bytes or the new ones, never a part.

    Raises `ResourceError`; what was there before is then still there.
    """
    path = Path(path)
    with resource_errors("write the file", path):
        make_folders(path.parent, disk)
        temporary = path.parent / temporary_name(secrets.token_hex(4))
        try:
            write_new(temporary, data, disk)
            disk.rename(temporary, path)
        except BaseException:
            with suppress(OSError):
                disk.unlink(temporary)
            raise
        disk.fsync_folder(path.parent)


def write_text(path: str | os.PathLike[str], text: str, disk: Disk = REAL) -> None:
    """`write_bytes` of the text in UTF-8, its line ends as they are."""
    write_bytes(path, text.encode("utf-8"), disk)


def write_json(path: str | os.PathLike[str], value: Any, disk: Disk = REAL) -> None:
    """`write_bytes` of the value as JSON: keys sorted, NaN and infinity as null, NumPy numbers as plain ones."""
    write_bytes(path, json_to_bytes(value), disk)


def json_to_bytes(value: Any, indent: int | None = 2) -> bytes:
    """The value as JSON text: keys sorted, NaN and infinity as null, a line end last. `UsageError` where JSON cannot hold it."""
    try:
        plain = _plain(value, "value")
        text = _dumps(plain, indent, ascii_only=False)
    except RecursionError as error:
        raise UsageError("The value is nested too deeply for JSON.", todo="Store it flat.") from error
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, as a broken file name has: written as \\udXXX
        return _dumps(plain, indent, ascii_only=True).encode("ascii")


def _dumps(plain: Any, indent: int | None, ascii_only: bool) -> str:
    separators = (",", ":") if indent is None else None
    text = json.dumps(
        plain, sort_keys=True, allow_nan=False, ensure_ascii=ascii_only, indent=indent, separators=separators
    )
    return text + "\n"


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise UsageError(
                    f"JSON has only text as keys, got {key!r} ({type(key).__name__}).",
                    f"In {where}.",
                    "Turn the keys into text, or store a list of pairs.",
                )
        return {str(key): _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return _plain(value.tolist(), where)
    raise UsageError(
        f"JSON cannot hold a {type(value).__name__}.",
        f"In {where}.",
        "Use text, numbers, true, false, null, lists and mappings.",
    )


def refuse_not_finite_json(value: Any, where: str) -> None:
    """`NotFiniteError` for NaN or infinity anywhere in the value: for what must come back as it was, and not as null."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            refuse_not_finite_json(item, f"{where}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            refuse_not_finite_json(item, f"{where}[{i}]")
    elif type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        if type(plain := value.tolist()) is not type(value):
            refuse_not_finite_json(plain, where)
    elif isinstance(value, float) and not math.isfinite(value):
        raise NotFiniteError(
            f"{where} is {value}, and only finite numbers can be stored.",
            todo="Store None where there is no number yet.",
        )


def json_from_bytes(data: bytes, where: str) -> Any:
    """The value of a JSON text that somebody else may have written; `ModelError` where it is not strict JSON."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueError("a key stands twice in one object")
        return result

    def no_such_number(text: str) -> NoReturn:
        raise ValueError(f"JSON has no number {text[:40]}")

    def finite(text: str) -> float:
        return number if math.isfinite(number := float(text)) else no_such_number(text)

    try:
        return json.loads(
            data.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_such_number, parse_float=finite
        )
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise ModelError(
            f"Not a JSON text: {reason}.", f"In {where}.", "Copy the file again from where it came from."
        ) from error


class JsonLines:
    """A file to which records are added, one JSON object a line: the history of a training run.

    A last line that a crash left torn is cut off when the file is opened. `offset` is the size in bytes: a checkpoint stores
    it after `sync()`, and a resumed run calls `truncate_to(offset)`, so no line is missing, torn or there twice.
    """

    def __init__(self, path: str | os.PathLike[str], disk: Disk = REAL) -> None:
        self.path, self._disk = Path(path), disk
        with resource_errors("open the file", self.path):
            make_folders(self.path.parent, disk)
            self._number = disk.open_append(self.path)
            try:
                disk.fsync_folder(self.path.parent)
                self.offset = disk.size(self._number)
                self._cut_torn_line()
            except BaseException:
                disk.close(self._number)
                raise

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one line, whole or not at all. `ResourceError` where the disk refuses."""
        line = json_to_bytes(record, indent=None)
        with resource_errors("add a line to the file", self.path):
            try:
                write_all(self._number, line, self._disk)
            except BaseException:
                with suppress(OSError):
                    self._disk.truncate(self._number, self.offset)
                raise
        self.offset += len(line)

    def sync(self) -> None:
        """Return once every line is on the disk."""
        with resource_errors("save the file", self.path):
            self._disk.fsync(self._number)

    def truncate_to(self, offset: int) -> None:
        """Forget all lines behind byte `offset`. A file that is shorter than that keeps what it has: `DataWarning`."""
        if offset < 0:
            raise UsageError(f"offset is {offset}; allowed: 0 or more.", f"In {str(self.path)!r}.")
        if offset > self.offset:
            warnings.warn(
                f"{str(self.path)!r} holds {self.offset} bytes where {offset} were saved: some of its lines are lost.",
                DataWarning,
                stacklevel=2,
            )
            return
        with resource_errors("cut the file", self.path):
            self._disk.truncate(self._number, offset)
            self.offset = offset
            self._cut_torn_line()
            self._disk.fsync(self._number)

    def close(self) -> None:
        if self._number >= 0:
            number, self._number = self._number, -1
            with resource_errors("close the file", self.path):
                self._disk.close(number)

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _cut_torn_line(self) -> None:
        """Cut what stands behind the last line end."""
        end = self.offset
        while end > 0:
            start = max(0, end - 4096)
            os.lseek(self._number, start, os.SEEK_SET)  # only reads heed it: O_APPEND writes at the end
            found = self._disk.read(self._number, end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end != self.offset:
            self._disk.truncate(self._number, end)
            self.offset = end


def read_json_lines(path: str | os.PathLike[str], disk: Disk = REAL, most: int = 1 << 30) -> list[Any]:
    """The records of a file that `JsonLines` wrote; a torn last line is left out. `ResourceError`, `ModelError`."""
    path = Path(path)
    with resource_errors("read the file", path):
        data = read_bounded(path, most, disk)
    lines = data.split(b"\n")[:-1]
    return [json_from_bytes(line, f"{str(path)!r}, line {i}") for i, line in enumerate(lines, 1)]
