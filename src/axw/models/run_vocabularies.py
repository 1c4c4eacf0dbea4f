"""The vocabularies of a training run: which lines they are learned from, and where they are kept, so that all of a run speaks of
the same ids."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from axw.data.some_lines import Lines, evenly
from axw.data.vocabulary import Vocabulary
from axw.errors import DataWarning, ModelError
from axw.storage import json_from_bytes, json_to_bytes, write_bytes
from axw.storage.disk import read_bounded

LEARNED_FROM = 1_000_000  # lines that a vocabulary is learned from, of a text that has more
_LIST = "vocabularies.json"
_MOST_BYTES = 256 << 20


def kept_vocabularies(folder: Path, learn: Callable[[], Mapping[str, Vocabulary]]) -> dict[str, Vocabulary]:
    """Those that a run's folder has kept since it began; where it begins, those that `learn` gives, which it keeps from now on.

    A file that is missing or damaged is made again. `ModelError` where what is learned now is not what was learned then.
    """
    # The list is written last: without it, learning them was cut short, and is done again.
    listed = _listed(folder / _LIST)
    kept = {name: _read(_place(folder, name), digest) for name, digest in listed.items()}
    whole = {name: vocabulary for name, vocabulary in kept.items() if vocabulary is not None}
    if listed and whole.keys() == listed.keys():
        return whole
    found = dict(learn())
    written = {name: vocabulary.to_bytes() for name, vocabulary in found.items()}
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in written.items()}
    if listed and sums != listed:
        lost = ", ".join(sorted(listed.keys() - whole.keys()))
        raise ModelError(
            f"The run's vocabulary ({lost}) is damaged, and what is learned now is another one.",
            f"In {str(folder)!r}.",
            "Put the file back from a copy, or start a new run.",
        )
    for name, data in written.items():
        write_bytes(_place(folder, name), data)
    write_bytes(folder / _LIST, json_to_bytes(sums))
    return found


def _place(folder: Path, name: str) -> Path:
    return folder / f"vocabulary-{name}.json"


def _listed(path: Path) -> dict[str, str]:
    """SHA-256 of each vocabulary, by name; none where the run has none yet."""
    if not path.is_file():
        return {}
    found = json_from_bytes(read_bounded(path, _MOST_BYTES), f"In {str(path)!r}.")
    if not isinstance(found, dict) or not found or not all(isinstance(digest, str) for digest in found.values()):
        raise ModelError(
            "The list of the run's vocabularies is not one that axw writes.", f"In {str(path)!r}.", "Start a new run."
        )
    return found


def _read(path: Path, digest: str) -> Vocabulary | None:
    """The vocabulary of a file; None where the file is not as it was written."""
    if not path.is_file():
        return None
    written = read_bounded(path, _MOST_BYTES)
    return (
        Vocabulary.from_bytes(written, f"In {str(path)!r}.") if hashlib.sha256(written).hexdigest() == digest else None
    )


def vocabulary_lines(*texts: Lines) -> Iterator[str]:
    """The lines that a vocabulary is learned from: all, or `LEARNED_FROM` that are evenly spread, and a `DataWarning` says so."""
    lines, most = sum(map(len, texts)), LEARNED_FROM // len(texts)
    if any(len(text) > most for text in texts):
        warnings.warn(
            f"The vocabulary is learned from {LEARNED_FROM:,} of {lines:,} lines at most, which are evenly spread.",
            DataWarning,
            stacklevel=3,
        )
    for text in texts:
        yield from evenly(text, most)
