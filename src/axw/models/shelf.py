"""Where the ids of a training text lie: in memory where they are few, else in files that are mapped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import numpy as np

from axw.data.sentences import Sentences, starts_of
from axw.errors import ModelError
from axw.storage import read_folder
from axw.storage.disk import REAL, remove_tree
from axw.storage.streamed import StreamedFolder, mapped


class Shelf:
    """Keeps the ids of a text that may outgrow memory.

    most     ids of a text that are held in memory, 64 MiB
    folder   for more than that: RUN/cache in a run, else a temporary one. Nothing is made before it is needed
    of       what the ids follow from, such as fingerprints of the text and the vocabulary; None: nothing is used again
    note     is told how many ids went to the disk, and how fast
    """

    most: ClassVar[int] = 1 << 24

    def __init__(self, folder: Path, of: str | None = None, note: Callable[[str], None] | None = None) -> None:
        self.folder, self.of, self.note = folder, of, note

    def keep(self, name: str, parts: Callable[[], Iterable[Sentences]]) -> Sentences:
        """The sentences of all parts, one behind the other; of a run that goes on, those that it has kept already.

        Raises what the parts raise, and `ResourceError` where the disk is too small.
        """
        return self._found(name) or self.keep_anew(name, parts())

    def keep_anew(self, name: str, parts: Iterable[Sentences]) -> Sentences:
        """`keep` of sentences that are not looked for: they are new each time."""
        held: list[Sentences] = []
        size, left, begun = 0, iter(parts), time.perf_counter()
        for part in left:
            held.append(part)
            size += len(part.ids)
            if size > self.most:
                self._write(name, held, left, begun)
                return self._mapped(name)
        return Sentences.join(held)

    def clear(self) -> None:
        """Remove what was kept on the disk."""
        with suppress(OSError):
            remove_tree(self.folder, REAL)

    def _write(self, name: str, held: list[Sentences], left: Iterable[Sentences], begun: float) -> None:
        lengths: list[np.ndarray] = []
        with StreamedFolder(self.folder / name, {"of": self.of}) as new:
            while held:
                part = held.pop(0)
                new.append("ids", _bytes(part.ids))
                lengths.append(part.lengths.astype(np.int32))
            for part in left:
                new.append("ids", _bytes(part.ids))
                lengths.append(part.lengths.astype(np.int32))
            starts = starts_of(np.concatenate(lengths))
            new.append("starts", _bytes(starts))
        if self.note is not None:
            count, seconds = len(starts) - 1, time.perf_counter() - begun
            speed = f"{count / max(seconds, 1e-9):,.0f} lines/s"
            self.note(f"{name}: {count:,} lines are {starts[-1]:,} ids, kept in {self.folder / name} ({speed})")

    def _found(self, name: str) -> Sentences | None:
        """What was kept for the same text; None for anything else, and for what is damaged."""
        if self.of is None or not (self.folder / name).is_dir():
            return None
        with suppress(ModelError):
            if read_folder(self.folder / name).meta == {"of": self.of}:
                return self._mapped(name)
        return None

    def _mapped(self, name: str) -> Sentences:
        folder = read_folder(self.folder / name)
        return Sentences(mapped(folder, "ids", "<i4"), mapped(folder, "starts", "<i8"))


def _bytes(values: np.ndarray) -> memoryview:
    """The numbers as they lie in a file: the lowest byte first."""
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).data.cast("B")
