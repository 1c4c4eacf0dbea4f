"""The one place that writes files: atomic files and folders, manifests, safe tensors, the lock of a run.

Only the tensors need torch; their two functions load it when they are first asked for, so that the rest stays quick to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axw.storage.disk import REAL, Disk
from axw.storage.files import (
    JsonLines,
    json_from_bytes,
    json_to_bytes,
    read_json_lines,
    write_bytes,
    write_json,
    write_text,
)
from axw.storage.folder import Folder, read_folder, write_folder
from axw.storage.lock import RunLock

if TYPE_CHECKING:
    from axw.storage.tensors import tensors_from_bytes, tensors_to_bytes

__all__ = [
    "REAL",
    "Disk",
    "Folder",
    "JsonLines",
    "RunLock",
    "json_from_bytes",
    "json_to_bytes",
    "read_folder",
    "read_json_lines",
    "tensors_from_bytes",
    "tensors_to_bytes",
    "write_bytes",
    "write_folder",
    "write_json",
    "write_text",
]


def __getattr__(name: str) -> Any:
    if name in ("tensors_from_bytes", "tensors_to_bytes"):
        from axw.storage import tensors

        return getattr(tensors, name)
    raise AttributeError(f"module 'axw.storage' has no attribute {name!r}")
