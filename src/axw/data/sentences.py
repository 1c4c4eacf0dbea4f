"""Many sentences of token ids as two flat arrays: nothing is stored per sentence, so ten million of them are two arrays still."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import overload

import numpy as np

from axw.errors import UsageError

_LARGEST = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Sentences:
    """Sentence i is `ids[starts[i] : starts[i + 1]]`.

    ids      (total,) int32; may be memory-mapped
    starts   (n + 1,) int64, never falling, from 0 to total

    `sentences[i]` and `sentences[i:j]` look into the same memory; `take` copies. Raises `UsageError`.
    """

    ids: np.ndarray
    starts: np.ndarray

    def __post_init__(self) -> None:
        ids, starts = self.ids, self.starts
        if ids.dtype != np.int32 or ids.ndim != 1 or starts.dtype != np.int64 or starts.ndim != 1:
            raise UsageError(
                f"ids are {ids.dtype} {ids.shape}, starts {starts.dtype} {starts.shape}.",
                "In Sentences.",
                "Give ids int32 (total,) and starts int64 (n + 1,), or call Sentences.of with a list of lists.",
            )
        if not len(starts) or starts[0] != 0 or starts[-1] != len(ids) or (np.diff(starts) < 0).any():
            raise UsageError(
                f"starts do not go up from 0 to the {len(ids)} ids.",
                "In Sentences.",
                "Give where each sentence starts, and at last the number of all ids.",
            )

    @classmethod
    def of(cls, sentences: Iterable[Sequence[int] | np.ndarray]) -> Sentences:
        """From a list of lists of ids. Raises `UsageError` for an id below 0 or above 2^31 - 1."""
        parts = list(sentences)
        lengths = np.fromiter((len(part) for part in parts), np.int64, len(parts))
        ids = np.fromiter(chain.from_iterable(parts), np.int64, int(lengths.sum()))
        if len(ids) and not 0 <= ids.min() <= ids.max() <= _LARGEST:
            wrong = ids[(ids < 0) | (ids > _LARGEST)][0]
            raise UsageError(f"A token id is {wrong}; allowed: 0 to {_LARGEST}.", "In Sentences.of.")
        return cls(ids.astype(np.int32), starts_of(lengths))

    @classmethod
    def join(cls, parts: Iterable[Sentences]) -> Sentences:
        """The sentences of all parts, one behind the other."""
        parts = list(parts)
        if not parts:
            return cls.of([])
        lengths = np.concatenate([part.lengths for part in parts])
        return cls(np.concatenate([part.ids for part in parts]), starts_of(lengths))

    @property
    def lengths(self) -> np.ndarray:
        """(n,) int64: the number of ids of each sentence."""
        return np.diff(self.starts)

    def take(self, index: Sequence[int] | np.ndarray) -> Sentences:
        """Sentences `index[0], index[1], ...`, in that order, as often as each is named. Raises `UsageError`."""
        index = np.asarray(index, dtype=np.int64).reshape(-1)
        if len(index) and not 0 <= index.min() <= index.max() < len(self):
            wrong = index[(index < 0) | (index >= len(self))][0]
            raise UsageError(f"There is no sentence {wrong}; allowed: 0 to {len(self) - 1}.", "In Sentences.take.")
        lengths = self.starts[index + 1] - self.starts[index]
        starts = starts_of(lengths)
        at = np.arange(starts[-1]) + np.repeat(self.starts[index] - starts[:-1], lengths)
        taken = Sentences(np.asarray(self.ids[at]), starts)
        _let_go(self.ids)
        return taken

    def spelled(self, table: Sentences) -> Sentences:
        """Each id replaced by the sentence of that number in `table`: words by their pieces."""
        pieces = table.take(self.ids)
        return Sentences(pieces.ids, pieces.starts[self.starts])

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, at: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, at: slice) -> Sentences: ...
    def __getitem__(self, at: int | slice) -> np.ndarray | Sentences:
        if isinstance(at, slice):
            first, last, step = at.indices(len(self))
            if step != 1:
                return self.take(range(first, last, step))
            starts = self.starts[first : max(first, last) + 1]
            return Sentences(self.ids[starts[0] : starts[-1]], starts - starts[0])
        if not -len(self) <= at < len(self):
            raise IndexError(f"There is no sentence {at}; there are {len(self)}.")
        at %= len(self)
        return self.ids[self.starts[at] : self.starts[at + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sentences):
            return NotImplemented
        return np.array_equal(self.starts, other.starts) and np.array_equal(self.ids, other.ids)

    __hash__ = None  # type: ignore[assignment]  # equal by content, and the content is arrays


def _let_go(ids: np.ndarray) -> None:
    """Pages of a mapped file that were read stay in the system's cache, and need not be memory of this process."""
    file = ids.base.obj if isinstance(ids.base, memoryview) else None
    if isinstance(file, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        file.madvise(mmap.MADV_DONTNEED)


def starts_of(lengths: np.ndarray) -> np.ndarray:
    """(n + 1,) int64: 0, l_0, l_0 + l_1, ..."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts
