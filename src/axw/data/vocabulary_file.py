"""A vocabulary as a JSON text. It may come from somebody else, so everything in it is checked before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from axw.data.byte_pairs import BYTE_OF_CHARACTER
from axw.data.words import BLANKS
from axw.errors import ModelError
from axw.storage import json_from_bytes, json_to_bytes

FORMAT = 1
COPY_AGAIN = "Copy the file again from where it came from, or learn the vocabulary again."


def to_bytes(
    kind: str, entries: Sequence[str], merges: Sequence[tuple[str, str]], first: int, names: Sequence[str]
) -> bytes:
    """{format, kind, names, extra, pieces, merges: ["left right", ...]}"""
    value = {
        "format": FORMAT,
        "kind": kind,
        "names": list(names),
        "extra": list(entries[len(names) : first]),
        "pieces": list(entries[first:]),
        "merges": [f"{left} {right}" for left, right in merges],
    }
    return json_to_bytes(value)


def from_bytes(
    data: bytes, where: str, names: Sequence[str]
) -> tuple[Any, tuple[str, ...], tuple[tuple[str, str], ...], int]:
    """(kind, entries, merges, first), each of the right type; `fault` says whether they fit together. `ModelError`."""
    value = json_from_bytes(data, where)
    if not isinstance(value, dict) or set(value) != {"format", "kind", "names", "extra", "pieces", "merges"}:
        raise ModelError("This is not a vocabulary.", f"In {where}.", COPY_AGAIN)
    if value["format"] != FORMAT:
        raise ModelError(
            f"The vocabulary has format {value['format']!r}; allowed: {FORMAT}.",
            f"In {where}.",
            "Use the version of axw that wrote it, or a newer one.",
        )
    texts = {}
    for key in ("names", "extra", "pieces", "merges"):
        found = value[key]
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            raise ModelError(f"{key!r} is not a list of texts.", f"In {where}.", COPY_AGAIN)
        texts[key] = tuple(found)
    if texts["names"] != tuple(names):
        raise ModelError(f"The names are {texts['names']!r}; allowed: {tuple(names)!r}.", f"In {where}.", COPY_AGAIN)
    merges = tuple(tuple(text.split(" ")) for text in texts["merges"])
    if any(len(pair) != 2 for pair in merges):
        raise ModelError("A merge is not two pieces with a blank between.", f"In {where}.", COPY_AGAIN)
    entries = (*names, *texts["extra"], *texts["pieces"])
    return value["kind"], entries, merges, len(names) + len(texts["extra"])


def fault(
    kind: str, entries: Sequence[str], merges: Sequence[tuple[str, str]], first: int, names: Sequence[str]
) -> str:
    """What is wrong with the parts of a vocabulary; "" where nothing is."""
    if kind not in ("bpe", "words"):
        return f"The kind is {kind!r}; allowed: 'bpe', 'words'."
    if tuple(entries[: len(names)]) != tuple(names) or not len(names) <= first <= len(entries):
        return f"The entries do not begin with {', '.join(names)}."
    if len(set(entries)) != len(entries):
        return "An entry is there twice."
    if any(not entry or any(blank in entry for blank in BLANKS) for entry in entries):
        return "An entry is empty or holds a blank."
    pieces = set(entries[first:])
    if kind == "words":
        return "Whole words are not joined from pieces, but there are merges." if merges else ""
    if not pieces >= BYTE_OF_CHARACTER.keys() or any(not BYTE_OF_CHARACTER.keys() >= set(piece) for piece in pieces):
        return "The pieces do not hold the 256 bytes, or hold something that is not made of bytes."
    if len(set(merges)) != len(merges) or any(
        left not in pieces or right not in pieces or left + right not in pieces for left, right in merges
    ):
        return "A merge is there twice, or joins what is not a piece."
    return ""
