"""A Marian's source.spm and target.spm, which are SentencePiece models, as tokenizers of the library `tokenizers`.

The file is a protocol buffer. Only what a unigram model needs is read: pieces with their scores (field 1), and the table by which
text is normalised (field 3, field 2 in it).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from axw.errors import ModelError
from axw.storage import json_from_bytes
from axw.storage.disk import read_bounded

_MOST = 64 << 20


def read_marian_tokenizers(path: Path) -> tuple[Tokenizer, Tokenizer, dict[str, int]]:
    """The tokenizers of source and target, and the id of each piece. `ModelError` where a file is missing or damaged."""
    missing = [name for name in ("source.spm", "target.spm", "vocab.json") if not (path / name).is_file()]
    if missing:
        raise ModelError(
            f"The folder holds neither tokenizer.json nor {missing[0]}.",
            f"In {str(path)!r}.",
            "Check that it is whole.",
        )
    pieces = json_from_bytes(read_bounded(path / "vocab.json", _MOST), repr(str(path / "vocab.json")))
    if not isinstance(pieces, dict) or any(type(number) is not int for number in pieces.values()):
        raise ModelError("vocab.json is no table of ids.", f"In {str(path)!r}.", "Check that the folder is whole.")
    source, target = (
        tokenizer_of(read_bounded(path / f"{side}.spm", _MOST), str(path / f"{side}.spm"))
        for side in ("source", "target")
    )
    return source, target, pieces


def tokenizer_of(data: bytes, where: str) -> Tokenizer:
    """A unigram model of SentencePiece."""
    pieces: list[tuple[str, float]] = []
    unknown, table = 0, b""
    try:
        for field, value in _fields(data):
            if field == 1 and isinstance(value, bytes):
                piece = dict(_fields(value))
                if piece.get(3) == 2:
                    unknown = len(pieces)
                (score,) = struct.unpack("<f", piece.get(2, b"\0\0\0\0"))  # type: ignore[arg-type]
                pieces.append((bytes(piece[1]).decode(), score))
            elif field == 3 and isinstance(value, bytes):
                table = dict(_fields(value)).get(2, b"")  # type: ignore[assignment]
        tokenizer = Tokenizer(models.Unigram(pieces, unknown, False))
    except (KeyError, IndexError, ValueError, TypeError, struct.error) as error:
        raise ModelError(
            f"This is no SentencePiece model: {error}.", f"In {where!r}.", "Check that the folder is whole."
        ) from error
    blanks = [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    tokenizer.normalizer = normalizers.Sequence([*([normalizers.Precompiled(table)] if table else []), *blanks])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    return tokenizer


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message, in their order: number and value. `ValueError` for what is none."""
    at = 0
    while at < len(data):
        key, at = _number(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _number(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _number(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if at + size > len(data):
            raise ValueError("it ends in the middle of a field")
        yield key >> 3, data[at : at + size]
        at += size


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
