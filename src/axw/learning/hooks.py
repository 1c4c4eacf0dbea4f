"""What is told while a model is trained: lines of history, notes, saves. A hook listens; it cannot change the training."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from axw.errors import UsageError


class Record(NamedTuple):
    """One number of the history. `seconds` is the time spent so far, the only field that differs from run to run."""

    step: int
    split: str
    name: str
    value: float | None
    seconds: float


class Hook:
    """A listener; override what you want to hear. One that fails is left out from then on, with a `DataWarning`."""

    def on_records(self, records: Sequence[Record]) -> None:
        """New numbers, all of one step and split."""

    def on_note(self, text: str) -> None:
        """A sentence for the reader: how long it will take, a rewind, why it ended."""

    def on_save(self, step: int) -> None:
        """A checkpoint of this step is safe on the disk."""

    def on_end(self, reason: str) -> None:
        """Training has ended: steps, epochs, tokens, minutes or patience."""


class Console(Hook):
    """One plain line for each step and split, on stderr unless another stream is given."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def on_records(self, records: Sequence[Record]) -> None:
        numbers = "  ".join(f"{r.name} {'nothing' if r.value is None else format(r.value, '.6g')}" for r in records)
        self._say(f"step {records[0].step:,}  {records[0].split}  {numbers}  {records[0].seconds:.0f} s")

    def on_note(self, text: str) -> None:
        self._say(text)

    def _say(self, line: str) -> None:
        print(line, file=self._stream or sys.stderr, flush=True)


class TensorBoard(Hook):
    """The history as TensorBoard's event files in `folder`. `UsageError` where TensorBoard is not installed."""

    def __init__(self, folder: str | Path) -> None:
        try:
            writer = import_module("torch.utils.tensorboard").SummaryWriter
        except ImportError as error:
            raise UsageError(
                "TensorBoard is not installed.",
                "In the hook TensorBoard.",
                "Install it: pip install 'axw[tensorboard]'",
            ) from error
        self._writer: Any = writer(str(folder))

    def on_records(self, records: Sequence[Record]) -> None:
        for r in records:
            if r.value is not None:
                self._writer.add_scalar(f"{r.split}/{r.name}", r.value, r.step)

    def on_save(self, step: int) -> None:
        self._writer.flush()

    def on_end(self, reason: str) -> None:
        self._writer.close()
