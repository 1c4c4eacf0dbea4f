"""A folder of files that is whole or not there at all, with a MANIFEST.json that names each file, its size and its SHA-256.

MANIFEST.json = {axw, files: {name: {bytes, sha256}}, format, meta, sha256}; its own `sha256` is that of the same text without
that key, so no bit of the folder can change unnoticed. It guards against damage, not against somebody who rewrites it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axw.errors import AxwError, DataWarning, ModelError, ResourceError, UsageError
from axw.storage.beside import is_report, is_report_name
from axw.storage.disk import (
    REAL,
    Disk,
    as_resource_error,
    make_folders,
    read_bounded,
    read_chunks,
    remove_tree,
    resource_errors,
    write_new,
)
from axw.storage.files import json_from_bytes, json_to_bytes, temporary_name
from axw.version import __version__

FORMAT = 1
MANIFEST = "MANIFEST.json"
MOST_MANIFEST_BYTES = 1 << 20
MOST_BYTES = 1 << 36  # 64 GiB in one folder: more than that is a lie or another program's job
MOST_FILES = 1_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COPY_AGAIN = "Copy the folder again from where it came from, or fit the model again."


@dataclass(frozen=True)
class Folder:
    """A folder whose every byte was verified. `read` verifies again what it hands out, so nothing changes in between."""

    path: Path
    meta: Mapping[str, Any]
    sizes: Mapping[str, int]
    manifest_sha256: str
    _sha256: Mapping[str, str]
    _disk: Disk = REAL

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.sizes)

    def read(self, name: str) -> bytes:
        """All bytes of one file. `ModelError` where the manifest does not name it, or it is no longer what was written."""
        if name not in self.sizes:
            raise ModelError(
                f"There is no file {name!r}; the manifest names {', '.join(self.names) or 'none'}.",
                f"In {str(self.path)!r}.",
                _COPY_AGAIN,
            )
        pieces: list[bytes] = []
        digest = hashlib.sha256()
        with _read_errors(self.path / name):
            for piece in read_chunks(self.path / name, self.sizes[name], self._disk):
                digest.update(piece)
                pieces.append(piece)
        if digest.hexdigest() != self._sha256[name]:
            raise _damaged(self.path / name)
        return b"".join(pieces)


# ------------------------------------------------------------------------------------------------------------- writing


def write_folder(
    path: str | os.PathLike[str],
    files: Mapping[str, bytes],
    *,
    meta: Mapping[str, Any],
    replace: bool = False,
    disk: Disk = REAL,
) -> None:
    """Write all files and a manifest, or nothing: the folder appears under its name once it is on the disk and was read back.

    A folder that is there already is refused, or with `replace=True` stepped aside to `.old-<name>` until the new one is in
    its place; only a folder that holds nothing but what axw wrote is replaced.

    Raises `UsageError` (a name that is not allowed, a folder that is there), `ResourceError` (disk, permission).
    """
    path = Path(path)
    check_names(files)
    with resource_errors("write the folder", path):
        _refuse_existing(path, replace, disk)
        make_folders(path.parent, disk)
        temporary = path.parent / temporary_name(secrets.token_hex(4))
        try:
            fill_folder(temporary, files.items(), meta, disk)
            verify_written(temporary, disk)
            put_in_place(temporary, path, disk)
        except BaseException:
            with suppress(OSError):
                remove_tree(temporary, disk)
            raise


def check_names(names: Iterable[str]) -> None:
    """`UsageError` for a file name that is not plain, or that another disk would take for the same."""
    seen: set[str] = {MANIFEST.casefold()}
    for name in names:
        if not _NAME.fullmatch(name) or name.casefold() in seen:
            raise UsageError(
                f"{name!r} cannot be a file of a folder: a name is made of letters, digits, '.', '_' and '-', begins with"
                f" a letter or digit, and differs from the others and from {MANIFEST} in more than capitals.",
                todo="Use another name.",
            )
        seen.add(name.casefold())


def fill_folder(path: Path, files: Iterable[tuple[str, bytes]], meta: Mapping[str, Any], disk: Disk = REAL) -> None:
    """Make the folder `path` with these files, one in memory at a time, the manifest last; all on the disk on return."""
    disk.make_folder(path)
    table: dict[str, dict[str, Any]] = {}
    for name, data in files:
        write_new(path / name, data, disk)
        table[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    write_manifest(path, table, meta, disk)


def write_manifest(path: Path, table: Mapping[str, Any], meta: Mapping[str, Any], disk: Disk = REAL) -> None:
    """The manifest of files that are on the disk already; the folder is safe on return."""
    body = {"format": FORMAT, "axw": __version__, "files": dict(table), "meta": dict(meta)}
    write_new(path / MANIFEST, _manifest_bytes(body), disk)
    disk.fsync_folder(path)


def _manifest_bytes(body: Mapping[str, Any]) -> bytes:
    digest = hashlib.sha256(json_to_bytes(body)).hexdigest()
    return json_to_bytes({**body, "sha256": digest})


def verify_written(path: Path, disk: Disk) -> None:
    """`ResourceError` where the disk does not give back what was written."""
    try:
        read_folder(path, disk)
    except ModelError as error:
        raise ResourceError(
            f"The disk did not give back what was written: {error.what}",
            f"In {str(path)!r}.",
            "Check the disk (dmesg, smartctl), or use another one.",
        ) from error


def _old(path: Path) -> Path:
    return path.parent / f".old-{path.name}"


def _refuse_existing(path: Path, replace: bool, disk: Disk) -> None:
    if not os.path.lexists(path):
        return
    where = f"In {str(path)!r}."
    if not replace:
        raise UsageError("Something is there already.", where, "Write to another path, or pass replace=True.")
    if path.is_symlink() or not path.is_dir():
        raise UsageError("What is to be replaced is not a folder.", where, "Write to another path, or remove it first.")
    present = disk.list_folder(path)
    if not present:
        return
    try:
        named = {MANIFEST, *_read_manifest(path, disk)[0]["files"]}
    except AxwError:
        named = set()
    others = sorted(
        name for name in set(present) - named if not (named and is_report_name(name) and is_report(path / name, disk))
    )
    if others:
        raise UsageError(
            f"The folder holds {len(others)} files that axw did not write, such as {others[0]!r}.",
            where,
            "Write to another path, or move them away first.",
        )


def put_in_place(temporary: Path, path: Path, disk: Disk) -> None:
    """Rename to `path`. Between the two renames of a replacement, `read_folder` finds the old one under `.old-<name>`."""
    old = _old(path)
    if os.path.lexists(path):
        if old.is_dir():
            remove_tree(old, disk)
        disk.rename(path, old)
        disk.fsync_folder(path.parent)
    try:
        disk.rename(temporary, path)
    except OSError:
        if old.is_dir():
            disk.rename(old, path)
        raise
    disk.fsync_folder(path.parent)
    if old.is_dir():  # the new one is safe: a failure from here on loses nothing
        with suppress(OSError):
            remove_tree(old, disk)


# ------------------------------------------------------------------------------------------------------------- reading


def read_folder(path: str | os.PathLike[str], disk: Disk = REAL) -> Folder:
    """Open a folder that `write_folder` wrote, once the size and SHA-256 of every file were verified.

    Only regular files that the manifest names are opened, never through a link. Other files only make a `DataWarning`.
    Raises `ModelError` (missing, damaged, made by a newer axw), `ResourceError` (no permission).
    """
    path = Path(path)
    if not os.path.lexists(path) and _old(path).is_dir():
        warnings.warn(
            f"{str(path)!r} is missing because replacing it was interrupted; the version before is used.",
            DataWarning,
            stacklevel=2,
        )
        path = _old(path)
    body, manifest_sha256 = _read_manifest(path, disk)
    sizes = {name: entry["bytes"] for name, entry in body["files"].items()}
    with _read_errors(path):
        present = disk.list_folder(path)
    others = [name for name in present if name not in sizes and name != MANIFEST and not is_report_name(name)]
    for name, size in sizes.items():
        _verify_file(path / name, size, body["files"][name]["sha256"], disk)
    if others:
        warnings.warn(
            f"{str(path)!r} holds {len(others)} files that its manifest does not name, such as {others[0]!r}:"
            " they are not read.",
            DataWarning,
            stacklevel=2,
        )
    digests = {name: entry["sha256"] for name, entry in body["files"].items()}
    return Folder(path, body["meta"], sizes, manifest_sha256, digests, disk)


def read_meta(path: Path, disk: Disk = REAL) -> tuple[Mapping[str, Any], str]:
    """The manifest's meta and the SHA-256 of the manifest, without a look at the other files."""
    body, digest = _read_manifest(path, disk)
    return body["meta"], digest


def _verify_file(path: Path, size: int, sha256: str, disk: Disk) -> None:
    digest = hashlib.sha256()
    with _read_errors(path):
        for piece in read_chunks(path, size, disk):
            digest.update(piece)
    if digest.hexdigest() != sha256:
        raise _damaged(path)


def _read_manifest(path: Path, disk: Disk) -> tuple[dict[str, Any], str]:
    """The checked manifest, and the SHA-256 of its bytes."""
    where = str(path / MANIFEST)
    if not os.path.lexists(path):
        raise ModelError("There is no such folder.", f"In {str(path)!r}.", "Check the path.")
    if not os.path.lexists(path / MANIFEST):
        raise ModelError(
            f"Not a folder that axw saved: it holds no {MANIFEST}.",
            f"In {str(path)!r}.",
            "Check the path. " + _COPY_AGAIN,
        )
    with _read_errors(path / MANIFEST):
        data = read_bounded(path / MANIFEST, MOST_MANIFEST_BYTES, disk)
    if data.count(b"{") > 2 * MOST_FILES + 10_000:  # nothing that could grow in memory is parsed
        raise _damaged(path / MANIFEST)
    body = json_from_bytes(data, repr(where))
    if not isinstance(body, dict) or type(body.get("format")) is not int or body["format"] < 1:
        raise ModelError("Not a manifest of axw: it names no format.", f"In {where!r}.", _COPY_AGAIN)
    if body["format"] > FORMAT:
        maker = str(body.get("axw", "a later version"))[:40]
        raise ModelError(
            f"Format {body['format']} was made by axw >= {maker}; this is axw {__version__}, which reads up to {FORMAT}.",
            f"In {where!r}.",
            f"Install axw >= {maker}.",
        )
    digest = body.pop("sha256", None)
    try:
        whole = _manifest_bytes(body) == data
    except (UsageError, RecursionError):
        whole = False
    if not isinstance(digest, str) or not whole:
        raise _damaged(path / MANIFEST)
    if set(body) != {"format", "axw", "files", "meta"} or not _is_table(body["files"], body["meta"]):
        raise ModelError("Not a manifest of axw: its fields are not those of format 1.", f"In {where!r}.", _COPY_AGAIN)
    return body, hashlib.sha256(data).hexdigest()


def _is_table(files: Any, meta: Any) -> bool:
    """Whether the manifest lists plain names with possible sizes and digests."""
    if not isinstance(files, dict) or not isinstance(meta, dict) or len(files) > MOST_FILES:
        return False
    for name, entry in files.items():
        if not _NAME.fullmatch(name) or name == MANIFEST:
            return False
        if not isinstance(entry, dict) or set(entry) != {"bytes", "sha256"}:
            return False
        if type(entry["bytes"]) is not int or not 0 <= entry["bytes"] <= MOST_BYTES:
            return False
        if not isinstance(entry["sha256"], str) or not _SHA256.fullmatch(entry["sha256"]):
            return False
    total: int = sum(entry["bytes"] for entry in files.values())
    return total <= MOST_BYTES


def _damaged(path: Path) -> ModelError:
    return ModelError(
        "The file is damaged: its bytes are not those that were written.", f"In {str(path)!r}.", _COPY_AGAIN
    )


class _read_errors:
    """Turn what is wrong with the file into `ModelError`, what is wrong with this machine into `ResourceError`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, OSError):
            return
        why = {
            errno.ENOENT: "The file is missing.",
            errno.ENOTDIR: "The folder is missing: there is a file in its place.",
            errno.ELOOP: "Not a regular file: links, pipes, devices and folders are never opened.",
            errno.EISDIR: "Not a regular file: links, pipes, devices and folders are never opened.",
            errno.EFBIG: f"The file is damaged: it {error.strerror}.",
            errno.EIO: "The disk could not read the file: input/output error.",
        }.get(error.errno or 0)
        if why is None:
            raise as_resource_error(error, "read the file", self.path) from error
        raise ModelError(why, f"In {str(self.path)!r}.", _COPY_AGAIN) from error
