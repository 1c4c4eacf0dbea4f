"""Where training is: a handful of numbers, from which everything that is random or in order can be made again."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from axw.errors import DataError, ModelError
from axw.learning.settings import TrainSettings

Batch = TypeVar("Batch")
Batches = Callable[[int], Iterable[Batch]]
"""epoch, from 1 -> its batches, in an order that is a function of the epoch (and a seed): see `randomness.permutation`."""


@dataclass
class Progress:
    """What is done so far.

    step            steps done
    epoch, index    the batch that comes next: its epoch (from 1) and how many of that epoch were read
    tokens          what the losses have counted
    seconds         time spent, over all resumes; the only number here that differs from run to run
    window_sum, window_count   the training loss since the last line of history
    best, best_step, waited    the best evaluation, its step, and the evaluations since
    rewinds         how often training went back; each time the rate was halved
    history         bytes of the history that belong to this step
    finished        why training ended: steps, epochs, tokens, minutes or patience; empty before
    """

    step: int = 0
    epoch: int = 1
    index: int = 0
    tokens: int = 0
    seconds: float = 0.0
    window_sum: float = 0.0
    window_count: int = 0
    best: float | None = None
    best_step: int = 0
    waited: int = 0
    rewinds: int = 0
    history: int = 0
    finished: str = ""

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Progress:
        names = {f.name for f in dataclasses.fields(cls)}
        if set(values) != names:
            raise ModelError(
                f"The checkpoint's state has the entries {', '.join(sorted(values))}; allowed: {', '.join(sorted(names))}.",
                todo="Resume with the version of axw that wrote it.",
            )
        return cls(**values)

    def better(self, value: float, settings: TrainSettings) -> bool:
        return self.best is None or (value < self.best if settings.better == "lower" else value > self.best)

    def spent(self, settings: TrainSettings) -> str:
        """The name of the first budget that is used up, or nothing."""
        s = settings
        used = {
            "steps": self.step,
            "epochs": self.epoch - 1,
            "tokens": self.tokens,
            "minutes": self.seconds / 60,
        }
        for name, value in used.items():
            most = getattr(s, name)
            if most is not None and value >= most:
                return name
        return "patience" if s.patience is not None and self.waited >= s.patience else ""


class Group(NamedTuple, Generic[Batch]):
    """The batches of one step, and where the next step starts.

    batches_per_epoch   of this epoch, where that is known without reading it through
    """

    parts: list[Batch]
    next_epoch: int
    next_index: int
    ends_epoch: bool
    batches_per_epoch: int | None


def groups(batches: Batches[Batch], epoch: int, index: int, size: int) -> Iterator[Group[Batch]]:
    """Steps of `size` batches from a position on, epoch after epoch, without end. The last step of an epoch may be smaller.

    `DataError` for an epoch without a batch.
    """
    while True:
        whole = batches(epoch)
        left, count = _from(whole, index), len(whole) if isinstance(whole, Sequence) else None
        parts = list(itertools.islice(left, size))
        if not parts and index == 0:
            raise DataError(
                f"Epoch {epoch} has no batches; allowed: 1 or more.",
                todo="Give more data, or smaller batches.",
            )
        while parts:
            following = list(itertools.islice(left, size))
            index += len(parts)
            yield Group(parts, epoch if following else epoch + 1, index if following else 0, not following, count)
            parts = following
        epoch, index = epoch + 1, 0


def _from(batches: Iterable[Batch], index: int) -> Iterator[Batch]:
    """The batches from `index` on; a sequence is entered there, anything else is read up to there."""
    if isinstance(batches, Sequence):
        return (batches[i] for i in range(index, len(batches)))
    return itertools.islice(iter(batches), index, None)


def duration(seconds: float) -> str:
    """A length of time for a reader: 8 s, 12 min, 3 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
