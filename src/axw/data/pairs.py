"""Parallel text: two files whose lines of one number belong together, a sentence and its translation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, get_args, overload

import numpy as np

from axw.data.line_file import Indices, LineFile, chosen, kept_lines
from axw.data.lines import Count, LinePolicy, LineReport
from axw.data.sources import Source
from axw.errors import DataError, UsageError, did_you_mean

OnEmpty = Literal["keep", "drop"]


class Pair(NamedTuple):
    source: str
    target: str


class PairReport(NamedTuple):
    """What was met in the two files, and the pairs that are left."""

    source: LineReport
    target: LineReport
    pairs: int
    empty: Count  # pairs with an empty side; dropped where that was asked for
    skipped: Count  # pairs dropped because a side is too long

    def to_text(self) -> str:
        said = [f"{self.pairs} pair{'s' * (self.pairs != 1)}"]
        for (times, first_line), what in [(self.empty, "with an empty side"), (self.skipped, "dropped as too long")]:
            if times:
                said.append(f"{times} {what} (first: line {first_line})")
        return "\n".join(["; ".join(said), self.source.to_text(), self.target.to_text()])


class PairFile:
    """Pairs of lines by number, of files that may be larger than memory: `pairs[i]`, `pairs[i:j]`, `pairs[[5, 2]]`, iteration.

    source, target    what `LineFile` takes; the same number of lines each
    policy            for the lines of both; a line that is skipped drops its pair
    on_empty          "keep", or "drop" the pairs with a side of nothing but blanks, as training wants it
    scratch           as in `LineFile`

    report   a `PairReport`
    sha256   fingerprint of both files

    Raises `DataError` where the counts of lines differ, with both counts and the line where the lengths stop matching; where
    no pair is left; and whatever `LineFile` raises.
    """

    def __init__(
        self,
        source: Source,
        target: Source,
        policy: LinePolicy | None = None,
        on_empty: OnEmpty = "keep",
        scratch: Path | None = None,
    ) -> None:
        if on_empty not in get_args(OnEmpty):
            raise UsageError(f"on_empty={on_empty!r}", "PairFile", did_you_mean(str(on_empty), get_args(OnEmpty)))
        self.source = LineFile(source, policy, scratch)
        try:
            self.target = LineFile(target, policy, scratch)
            try:
                self._kept, self.report = _pair(self.source, self.target, on_empty)
            except BaseException:
                self.target.close()
                raise
        except BaseException:
            self.source.close()
            raise

    @property
    def sha256(self) -> str:
        return hashlib.sha256(f"{self.source.sha256} {self.target.sha256}".encode()).hexdigest()

    def close(self) -> None:
        self.source.close()
        self.target.close()

    def __enter__(self) -> PairFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, at: int) -> Pair: ...
    @overload
    def __getitem__(self, at: slice | Indices) -> list[Pair]: ...
    def __getitem__(self, at: int | slice | Indices) -> Pair | list[Pair]:
        lines = chosen(self._kept, at)
        if isinstance(lines, int):
            return self._pairs([lines])[0]
        return self._pairs(lines)

    def __iter__(self) -> Iterator[Pair]:
        kept = iter(self._kept)
        wanted = next(kept, None)
        for line, (source, target) in enumerate(zip(self.source.all_texts(), self.target.all_texts(), strict=True)):
            if line == wanted and source is not None and target is not None:
                yield Pair(source, target)
                wanted = next(kept, None)

    def _pairs(self, lines: Indices) -> list[Pair]:
        return [Pair(*sides) for sides in zip(self.source.texts(lines), self.target.texts(lines), strict=True)]


def _pair(source: LineFile, target: LineFile, on_empty: OnEmpty) -> tuple[np.ndarray | range, PairReport]:
    lines = source.report.lines
    if lines != target.report.lines:
        raise _unequal(source, target)
    skipped = np.union1d(source.index.skipped, target.index.skipped)
    empty = np.setdiff1d(np.union1d(source.index.empty, target.index.empty), skipped)
    kept = kept_lines(lines, np.union1d(skipped, empty) if on_empty == "drop" else skipped)
    if not len(kept):
        raise DataError(
            f"No pair is left of {lines}: {len(empty)} have an empty side, {len(skipped)} are too long.",
            f"{source.name}, {target.name}",
            'Look at the files; or keep empty sides with on_empty="keep", long ones with LinePolicy(longest=...).',
        )
    report = PairReport(source.report, target.report, len(kept), _count(empty), _count(skipped))
    return kept, report


def _count(lines: np.ndarray) -> Count:
    return Count(len(lines), int(lines[0]) + 1) if len(lines) else Count()


def _unequal(source: LineFile, target: LineFile) -> DataError:
    at = first_break(np.diff(source.index.starts), np.diff(target.index.starts))
    sides = []
    for side in (source, target):
        shown = side.texts([at])[0][:40] if at < side.report.lines and at not in side.index.skipped else None
        sides.append(f"{side.name}: " + ("(no such line)" if shown is None else repr(shown)))
    return DataError(
        f"Line {at + 1} of one file seems to have no partner: the files have {source.report.lines} and "
        f"{target.report.lines} lines, and must have the same number.",
        f"{source.name}, {target.name}, near line {at + 1}",
        f"Compare the files from there on, where the lengths of the lines stop matching ({'; '.join(sides)}).",
    )


def first_break(source: np.ndarray, target: np.ndarray) -> int:
    """Where lines were lost or added, from 0: the line k after which the lengths match shifted, and before which they do not.

    With r(i, j) = |log(source[i] / target[j]) - log(mean source / mean target)|, n and m the numbers of lines and d = m - n,
    the k that minimises  sum_{i < k} r(i, i) + sum_{i >= k} r(i, i + d).  Linear in the number of lines: two cumulative sums.

    source, target   (n,) and (m,) bytes of each line, its end included, so never 0; n != m
    """
    short, long = (source, target) if len(source) < len(target) else (target, source)
    shift = len(long) - len(short)
    ratio = np.log(long.mean() / short.mean())
    log_short, log_long = np.log(short), np.log(long)
    in_place = np.abs(log_long[: len(short)] - log_short - ratio)
    shifted = np.abs(log_long[shift:] - log_short - ratio)
    gain = np.concatenate([[0.0], np.cumsum(in_place - shifted)])
    return int(np.argmin(gain))
