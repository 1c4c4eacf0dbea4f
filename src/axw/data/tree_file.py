"""Trees that may be larger than memory: read anew from their file each time that they are gone through."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from axw.data.lines import LinePolicy, LineReport
from axw.data.trees import Tree, read_trees
from axw.errors import DataError

MOST_HELD = 50_000  # trees that are held in memory, some 500 MB: so many are read once


class TreeFile:
    """The trees of a file (also .gz), again and again: `len(file)`, `for tree in file`.

    Opening reads the text once and checks all of it, so every error of `read_trees` comes here.

    report   of its lines
    held     the trees, where there are not more than `most_held`; None for more
    """

    def __init__(self, path: str | Path, policy: LinePolicy | None = None, most_held: int = MOST_HELD) -> None:
        self.path, self.policy = path, policy
        stream = read_trees(path, policy)
        some = list(islice(stream, most_held + 1))
        self._count = len(some)
        self.held: list[Tree] | None = some
        if len(some) > most_held:
            self.held = None
            del some
            self._count += sum(1 for _ in stream)
        self.report: LineReport = stream.report
        self._state = _state(path)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Tree]:
        if self.held is not None:
            yield from self.held
            return
        if _state(self.path) != self._state:
            raise DataError(
                "The file was changed while it was in use.",
                str(self.path),
                "Open it again; work on a copy that nothing writes to.",
            )
        yield from read_trees(self.path, self.policy)


def _state(path: str | Path) -> tuple[int, int]:
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns
