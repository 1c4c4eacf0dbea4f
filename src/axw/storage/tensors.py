"""Tensors as safetensors bytes and back. What a file says about itself is checked before anything is allocated for it.

A safetensors file is 8 bytes (the header's length), the header (JSON: name -> dtype, shape, data_offsets), and the data.
Nothing in it is ever run. Files of other kinds, a renamed pickle among them, are refused by their first bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, NoReturn

import safetensors.torch
import torch
from torch import Tensor

from axw.errors import ModelError, NotFiniteError, UsageError

MOST_HEADER_BYTES = 8 << 20
MOST_TENSORS = 20_000
MOST_DIMENSIONS = 16
DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
Expected = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]
_COPY_AGAIN = "Copy the file again from where it came from, or fit the model again."


class Entry(NamedTuple):
    """One tensor as the header describes it: its bytes are `data[begin:end]` of the file's body."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


# ------------------------------------------------------------------------------------------------------------- writing


def tensors_to_bytes(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None, *, finite: bool = True
) -> bytes:
    """The tensors as a safetensors file; the same tensors give the same bytes. Tied tensors are written once for each name.

    Raises `NotFiniteError` for NaN or infinity (unless `finite=False`), `UsageError` for a dtype that is not in `DTYPES`.
    """
    if finite:
        refuse_not_finite(tensors)
    for name, tensor in tensors.items():
        if tensor.dtype not in DTYPES.values() or tensor.layout is not torch.strided or name == "__metadata__":
            raise UsageError(
                f"The tensor {name!r} is {tensor.layout}, {tensor.dtype}; allowed: strided and"
                f" {', '.join(str(dtype).removeprefix('torch.') for dtype in DTYPES.values())}.",
                todo="Convert it before it is saved.",
            )
    data = safetensors.torch.save(_apart(tensors))
    return data if metadata is None else _with_metadata(data, metadata)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor on the CPU, contiguous, and sharing memory with no other."""
    result: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
        storage = plain.untyped_storage()
        if storage.data_ptr() in seen or storage.nbytes() != plain.nbytes:
            plain = plain.clone()
        seen.add(plain.untyped_storage().data_ptr())
        result[name] = plain
    return result


def _with_metadata(data: bytes, metadata: Mapping[str, str]) -> bytes:
    """Add the metadata in sorted order; the library's own order differs from call to call."""
    length = int.from_bytes(data[:8], "little")
    header = {"__metadata__": dict(sorted(metadata.items())), **json.loads(data[8 : 8 + length])}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, memoryview(data)[8 + length :]))


def refuse_not_finite(tensors: Mapping[str, Tensor], where: str = "") -> None:
    """`NotFiniteError` that names the tensors that hold NaN or infinity, and counts the numbers."""
    bad = _not_finite(tensors)
    if bad:
        raise NotFiniteError(
            f"Not finite: {_listed(f'{name!r} ({count} of {size} numbers)' for name, count, size in bad)}.",
            where,
            "Nothing was written. Go back to the last checkpoint, lower the learning rate, or look for such numbers in the data.",
        )


def _not_finite(tensors: Mapping[str, Tensor]) -> list[tuple[str, int, int]]:
    result = []
    for name, tensor in tensors.items():
        if not (tensor.is_floating_point() or tensor.is_complex()) or not tensor.numel():
            continue
        values = tensor.detach()
        # A finite sum has only finite terms, and needs no memory; a sum that overflowed is counted one by one.
        if not bool(torch.isfinite(values.sum())):
            count = int(values.numel() - torch.isfinite(values).sum())
            if count:
                result.append((name, count, values.numel()))
    return result


# ------------------------------------------------------------------------------------------------------------- reading


def tensors_from_bytes(data: bytes, expected: Expected | None = None, *, finite: bool = True) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU.

    expected   name -> (dtype, shape), built from the configuration: a file that says otherwise is refused
    finite     refuse NaN and infinity; pass False to study a broken file

    Raises `ModelError`. Until the header was found to fit the file and `expected`, nothing is allocated.
    """
    entries = check_header(data)
    if expected is not None:
        _check_expected(entries, expected)
    start = 8 + int.from_bytes(data[:8], "little")
    for name, entry in entries.items():
        if entry.dtype is torch.bool and data[start + entry.begin : start + entry.end].strip(b"\0\1"):
            _refuse(f"the tensor {name!r} is BOOL, but holds bytes other than 0 and 1")
    tensors = safetensors.torch.load(data)
    if finite and (bad := _not_finite(tensors)):
        _refuse(f"not finite: {_listed(f'{name!r} ({count} of {size} numbers)' for name, count, size in bad)}")
    return {name: tensors[name] for name in entries}


def check_header(data: bytes) -> dict[str, Entry]:
    """The header's entries in the order of the file, once they were found to describe exactly these bytes."""
    header = _parse_header(data)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        _refuse("its metadata is not text by name")
    if len(header) > MOST_TENSORS:
        _refuse(f"it names {len(header)} tensors; allowed: {MOST_TENSORS}")
    entries = {name: _entry(name, fields) for name, fields in header.items()}
    ordered = sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end))
    at = 0
    for name, entry in ordered:
        if entry.begin != at:
            gap = "overlaps the one before it" if entry.begin < at else "leaves a hole before it"
            _refuse(f"the tensor {name!r} {gap}")
        at = entry.end
    body = len(data) - 8 - int.from_bytes(data[:8], "little")
    if at != body:
        _refuse(f"its tensors need {at} bytes, but it holds {body}")
    return dict(ordered)


def _parse_header(data: bytes) -> dict[str, Any]:
    if len(data) < 10:
        _refuse_kind(data, f"it ends after {len(data)} bytes")
    length = int.from_bytes(data[:8], "little")
    if data[8:9] != b"{" or length > len(data) - 8:
        _refuse_kind(data, f"its header of {length} bytes is not in the {len(data)} bytes of the file")
    if length > MOST_HEADER_BYTES:
        _refuse(f"its header has {length} bytes; allowed: {MOST_HEADER_BYTES}")
    text = data[8 : 8 + length]
    # What could grow in memory when it is parsed is counted first.
    commas = (MOST_DIMENSIONS + 4) * MOST_TENSORS
    if text.count(b'"dtype"') > MOST_TENSORS or text.count(b"{") > 2 * MOST_TENSORS or text.count(b",") > commas:
        _refuse(f"its header describes more than {MOST_TENSORS} tensors of at most {MOST_DIMENSIONS} dimensions")
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        _refuse(f"its header is not JSON: {reason}")
    if not isinstance(header, dict):
        _refuse("its header is not a JSON object")
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name stands twice")
    return result


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _entry(name: str, fields: Any) -> Entry:
    if not isinstance(fields, dict) or set(fields) != {"dtype", "shape", "data_offsets"}:
        _refuse(f"the tensor {name!r} is not described by dtype, shape and data_offsets")
    kind, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(kind, str) or kind not in DTYPES:
        _refuse(f"the tensor {name!r} has the dtype {str(kind)[:40]!r}; allowed: {', '.join(DTYPES)}")
    if not isinstance(shape, list) or len(shape) > MOST_DIMENSIONS or not all(map(_is_count, shape)):
        _refuse(f"the tensor {name!r} has the shape {str(shape)[:80]}; allowed: up to {MOST_DIMENSIONS} whole numbers")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_count, offsets)):
        _refuse(f"the tensor {name!r} has the data_offsets {str(offsets)[:80]}; allowed: begin and end")
    size = DTYPES[kind].itemsize
    for dimension in shape:
        size *= dimension
    if size >= 1 << 62 or offsets[1] - offsets[0] != size:
        _refuse(f"the tensor {name!r} of shape {shape} has {offsets[1] - offsets[0]} bytes")
    return Entry(DTYPES[kind], tuple(shape), offsets[0], offsets[1])


def _check_expected(entries: Mapping[str, Entry], expected: Expected) -> None:
    missing = [repr(name) for name in expected if name not in entries]
    unknown = [repr(name) for name in entries if name not in expected]
    differ = [
        f"{name!r} is {entry.dtype} {entry.shape}, expected {expected[name][0]} {tuple(expected[name][1])}"
        for name, entry in entries.items()
        if name in expected and (entry.dtype, entry.shape) != (expected[name][0], tuple(expected[name][1]))
    ]
    found = (("missing", missing), ("not expected", unknown), ("another dtype or shape", differ))
    parts = [f"{label}: {_listed(names)}" for label, names in found if names]
    if parts:
        raise ModelError(
            f"The tensors do not fit the configuration: {'; '.join(parts)}.",
            todo="Keep the configuration and the weights of one model together. " + _COPY_AGAIN,
        )


def _listed(texts: Iterable[str]) -> str:
    names = list(texts)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _refuse(why: str) -> NoReturn:
    raise ModelError(f"The tensor file is damaged: {why}.", todo=_COPY_AGAIN)


# First bytes of other kinds of file. They are looked at only where the safetensors frame does not fit, for a safetensors
# file may begin with any byte: it is the low byte of the header's length.
_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive, as torch.save, TorchScript and NumPy's .npz write it"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x78\x9c", "zlib data, as joblib writes it"),
    (b"\x89HDF", "an HDF5 file, as Keras writes it"),
    (b"GGUF", "a GGUF file"),
    (b"version https://git-lfs", "a Git LFS pointer; the file itself was not downloaded"),
    (b"<", "a web page"),
    (b"\x80", "a pickle, as Python, joblib and old torch.save write it"),
)


def _refuse_kind(data: bytes, why: str) -> NoReturn:
    kind = next((name for start, name in _KINDS if data.startswith(start)), None)
    if kind is None:
        _refuse(why)
    raise ModelError(
        f"Not a safetensors file: it begins like {kind}. Only safetensors files are opened, for they cannot run code.",
        todo="Ask for the weights as .safetensors; convert them only on a machine where you trust the file.",
    )
