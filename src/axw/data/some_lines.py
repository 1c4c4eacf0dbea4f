"""A part of a text that may be larger than memory, such as all lines but those that are held out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress
from typing import Protocol, cast

import numpy as np

from axw.data.line_file import LineFile


class Lines(Protocol):
    """Lines that can be gone through again and again: a list, a `LineFile`, `SomeLines`."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[str]: ...


class SomeLines:
    """The lines of a file that `chosen` (lines,) marks, in their order, read anew each time. Memory: one byte a line."""

    def __init__(self, file: LineFile, chosen: np.ndarray) -> None:
        self.file, self.chosen = file, chosen
        self._count = int(np.count_nonzero(chosen))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        for first, texts in self.file.blocks():
            yield from cast("Iterator[str]", compress(texts, self.chosen[first : first + len(texts)].tolist()))

    def held(self) -> list[str]:
        """The lines as a list: for a few of many."""
        return self.file.texts(np.flatnonzero(self.chosen))


def with_text(*files: LineFile) -> np.ndarray:
    """(lines,) which lines are neither skipped nor blank in any of the files, which have as many lines each."""
    found = np.ones(files[0].report.lines, bool)
    for file in files:
        found[file.index.skipped] = False
        found[file.index.empty] = False
    return found


def held_out(lines: int | np.ndarray, every: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Which lines (n,) are learned from and which held out: every `every`-th of the marked ones, of many about `most`.

    lines   marks (n,), or how many there are, all of them marked
    """
    marked = np.ones(lines, bool) if isinstance(lines, int) else lines
    places = np.flatnonzero(marked)
    step = max(every, len(places) // most)
    out = np.zeros(len(marked), bool)
    out[places[step - 1 :: step]] = True
    return marked & ~out, out


def evenly(lines: Lines, most: int) -> Iterator[str]:
    """At most `most` of the lines: the first and then every k-th, for the smallest k that will do."""
    step = max(1, -(-len(lines) // most))
    return (line for i, line in enumerate(lines) if i % step == 0)
