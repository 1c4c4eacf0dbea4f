"""Files that somebody made to do harm, or that are simply not what their name says. `FLAG` in each payload is a file that
appears if the payload is ever run."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from axw.storage.files import json_to_bytes
from axw.storage.folder import fill_folder


class _Payload:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


def payloads(flag: Path) -> dict[str, bytes]:
    """Formats that can run code, or hold what can; each would make the file `flag`."""
    payload = _Payload(f"touch '{flag}'")
    result = {f"pickle, protocol {p}": pickle.dumps(payload, protocol=p) for p in range(6)}
    saved, old, array, many, tar = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"W": payload}, saved)
    torch.save({"W": payload}, old, _use_new_zipfile_serialization=False)
    np.save(array, np.array([payload], dtype=object), allow_pickle=True)
    np.savez(many, W=np.array([payload], dtype=object))
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../pickle"), io.BytesIO())
    script = io.BytesIO()
    with zipfile.ZipFile(script, "w") as archive:
        archive.writestr("model/code/__torch__.py", f"import os; os.system('touch {flag}')")
        archive.writestr("model/data.pkl", result["pickle, protocol 2"])
    plain = result["pickle, protocol 4"]
    return result | {
        "torch.save": saved.getvalue(),
        "torch.save, old": old.getvalue(),
        "TorchScript": script.getvalue(),
        "npy of objects": array.getvalue(),
        "npz of objects": many.getvalue(),
        "gzip": gzip.compress(plain, mtime=0),
        "joblib, zlib": zlib.compress(plain),
        "tar": tar.getvalue(),
        "zip, empty": b"PK\x05\x06" + bytes(18),
        "pickle with a safetensors frame": _framed(plain),
        "pickle that begins like a length": b"\x80\x02\0\0\0\0\0\0{" + plain,
        "YAML": f"!!python/object/apply:os.system ['touch {flag}']".encode(),
        "Python": f"__import__('os').system('touch {flag}')".encode(),
        "JSON that names code": json.dumps({"__class__": "os.system", "auto_map": {"AutoModel": "evil.py"}}).encode(),
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(64),
        "GGUF": b"GGUF\x03\0\0\0" + b"\xff" * 16,
        "LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "web page": b"<!doctype html><script>alert(1)</script>",
        "ELF": b"\x7fELF\x02\x01\x01" + bytes(64),
        "empty": b"",
        "one byte": b"\x80",
        "zeros": bytes(64),
    }


def _framed(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def _tensor(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def _of(header: Any, body: int = 8) -> bytes:
    return _framed(json.dumps(header).encode(), bytes(body))


def headers() -> dict[str, bytes]:
    """Safetensors files whose header lies; none of them may be opened, nor make anything be allocated."""
    many = {f"w{i}": _tensor("U8", [1], [i, i + 1]) for i in range(20_001)}
    result = {
        "length 2**63": struct.pack("<Q", 1 << 63) + b"{}",
        "length 2**64 - 1": struct.pack("<Q", (1 << 64) - 1) + b"{}",
        "length 0": bytes(8) + b"{}",
        "length behind the end": struct.pack("<Q", 1000) + b"{}",
        "header of 9 MB": _framed(b'{"__metadata__":{"a":"' + b"x" * (9 << 20) + b'"}}'),
        "header of 8 MB of lists": _framed(b"{" + b"[" * ((8 << 20) - 2) + b"}"),
        "header of 8 MB of objects": _framed(b'{"a":' * (1 << 20) + b"1" + b"}" * (1 << 20)),
        "header of many numbers": _framed(b'{"a":[' + b"0," * (1 << 21) + b"0]}"),
        "header of a long number": _framed(
            b'{"a":{"dtype":"F32","shape":[' + b"9" * 1_000_000 + b'],"data_offsets":[0,8]}}'
        ),
        "20 001 tensors": _of(many, 20_001),
        "a name twice": _framed(
            b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
            bytes(8),
        ),
        "overlap": _of({"a": _tensor(), "b": _tensor(offsets=[4, 12])}, 12),
        "the same bytes twice": _of({"a": _tensor(), "b": _tensor()}),
        "a hole": _of({"a": _tensor(), "b": _tensor(offsets=[12, 20])}, 20),
        "a hole at the start": _of({"a": _tensor(offsets=[8, 16])}, 16),
        "bytes left over": _of({"a": _tensor()}, 9),
        "bytes missing": _of({"a": _tensor()}, 7),
        "product overflows": _of({"a": _tensor(shape=[1 << 33, 1 << 33])}),
        "product overflows to 8": _of({"a": _tensor(shape=[(1 << 62) + 1, 2])}),
        "huge": _of({"a": _tensor(shape=[1 << 40], offsets=[0, 1 << 42])}),
        "zero times huge": _of({"a": _tensor(shape=[0, 1 << 63], offsets=[0, 0])}, 0),
        "negative": _of({"a": _tensor(shape=[-2])}),
        "negative twice": _of({"a": _tensor(shape=[-1, -2])}),
        "a fraction": _of({"a": _tensor(shape=[2.0])}),
        "true": _of({"a": _tensor(shape=[True, 2])}),
        "text as a dimension": _of({"a": _tensor(shape=["2"])}),
        "no list": _of({"a": _tensor(shape=2)}),
        "1000 dimensions": _of({"a": _tensor(shape=[1] * 1000 + [2])}),
        "offsets reversed": _of({"a": _tensor(offsets=[8, 0])}),
        "offsets negative": _of({"a": _tensor(offsets=[-8, 0])}),
        "three offsets": _of({"a": _tensor(offsets=[0, 8, 8])}),
        "unknown dtype": _of({"a": _tensor("F128")}),
        "dtype of code": _of({"a": _tensor("__import__('os')")}),
        "dtype a list": _of({"a": _tensor(["F32"])}),
        "shape of another size": _of({"a": _tensor(shape=[3])}),
        "a field more": _of({"a": _tensor() | {"code": "x"}}),
        "a field less": _of({"a": {"dtype": "F32", "shape": [2]}}),
        "a tensor that is a list": _of({"a": [1]}),
        "a list": _of([1]),
        "metadata not text": _of({"__metadata__": {"a": 1}, "a": _tensor()}),
        "metadata a list": _of({"__metadata__": [], "a": _tensor()}),
        "not UTF-8": _framed(b'{"\xff":1}'),
        "not JSON": _framed(b"{'a': 1}"),
        "a BOOL of 2": _framed(json.dumps({"a": _tensor("BOOL", [2], [0, 2])}).encode(), b"\1\2"),
        "NaN": _framed(json.dumps({"a": _tensor("F32", [1], [0, 4])}).encode(), struct.pack("<f", float("nan"))),
        "infinity": _framed(json.dumps({"a": _tensor("F64", [1], [0, 8])}).encode(), struct.pack("<d", float("inf"))),
        "NaN as bfloat16": _framed(json.dumps({"a": _tensor("BF16", [1], [0, 2])}).encode(), b"\xc0\x7f"),
    }
    return result


def manifest(files: Mapping[str, Any], /, **other: Any) -> bytes:
    """A manifest whose own digest is right: what somebody who knows the format can write."""
    body: dict[str, Any] = {"format": 1, "axw": "0.1.0", "files": dict(files), "meta": {}} | other
    return json_to_bytes({**body, "sha256": hashlib.sha256(json_to_bytes(body)).hexdigest()})


def _named(data: bytes, size: int | None = None) -> dict[str, Any]:
    return {"bytes": len(data) if size is None else size, "sha256": hashlib.sha256(data).hexdigest()}


def folders(work: Path, secret: Path) -> dict[str, Path]:
    """Folders that reach outside, wait for ever, are endless, or lie; `secret` is a file outside of them."""
    data = secret.read_bytes()
    result: dict[str, Path] = {}

    def folder(label: str, text: bytes | None) -> Path:
        result[label] = path = work / f"folder-{len(result)}"
        path.mkdir(parents=True)
        if text is not None:
            (path / "MANIFEST.json").write_bytes(text)
        return path

    (folder("a link to a file", manifest({"w": _named(data)})) / "w").symlink_to(secret)
    (folder("a link to nothing", manifest({"w": _named(data)})) / "w").symlink_to(work / "nothing")
    (folder("a link to itself", manifest({"w": _named(data)})) / "w").symlink_to("w")
    (folder("a link to a device", manifest({"w": _named(b"")})) / "w").symlink_to("/dev/zero")
    (folder("a link as manifest", None) / "MANIFEST.json").symlink_to(secret)
    os.mkfifo(folder("a pipe", manifest({"w": _named(b"")})) / "w")
    os.mkfifo(folder("a pipe as manifest", None) / "MANIFEST.json")
    (folder("a folder as file", manifest({"w": _named(b"")})) / "w").mkdir()
    (folder("a folder as manifest", None) / "MANIFEST.json").mkdir()
    up = os.path.relpath(secret, work / "folder-0")
    for name in (
        up,
        str(secret),
        "..",
        ".",
        "",
        "a/b",
        "a\\b",
        "a\0b",
        "C:x",
        "w\n",
        ".hidden",
        "~",
        "w" * 300,
        "MANIFEST.json",
    ):
        folder(f"the name {name[:40]!r}", manifest({name: _named(data)}))
    for size in (-1, 1 << 62, 1 << 80, 2.0, True, "1", None):
        (folder(f"the size {size!r}", manifest({"w": _named(data) | {"bytes": size}})) / "w").write_bytes(data)
    endless = folder("a sparse file of 1 TB", manifest({"w": _named(data)})) / "w"
    with open(endless, "wb") as file:
        file.truncate(1 << 40)
    honest = folder("a sparse file of 1 TB, as the manifest says", manifest({"w": _named(data, 1 << 40)})) / "w"
    with open(honest, "wb") as file:
        file.truncate(1 << 40)
    with open(folder("a manifest of 1 TB", None) / "MANIFEST.json", "wb") as file:
        file.truncate(1 << 40)
    folder("a manifest of 100 000 files", manifest({f"f{i}": _named(b"") for i in range(2_000)}))
    folder("a manifest nested deeply", b'{"format":1,"meta":' + b"[" * 500_000 + b"]" * 500_000 + b"}")
    folder("a manifest nested 800 deep", b'{"format":1,"meta":' + b"[" * 800 + b"]" * 800 + b',"sha256":"x"}')
    folder("a manifest of many objects", b'{"format":1,"meta":[' + b"{}," * 300_000 + b"{}]}")
    folder("a manifest of a long number", b'{"format":' + b"9" * 900_000 + b"}")
    for value in (2, 0, -1, 1.0, "1", True, None, [1]):
        folder(f"the format {value!r}", manifest({}, format=value))
    folder("a field more", manifest({}, code="import os"))
    folder("files a list", manifest({}, files=[]))
    folder("meta a list", manifest({}, meta=[]))
    folder("a manifest without its digest", json_to_bytes({"format": 1, "axw": "0", "files": {}, "meta": {}}))
    folder("a manifest with NaN", b'{"format":1,"meta":{"a":NaN}}')
    folder("a key twice", b'{"format":1,"format":1}')
    folder("no manifest", None)
    folder("a manifest that is empty", b"")
    folder("a manifest that is a list", b"[]")
    return result


def folder_with(path: Path, name: str, data: bytes) -> Path:
    """A folder whose manifest and digests are right, but whose file `name` holds these bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fill_folder(path, [(name, data)], {})
    return path
