"""What every `axw fit` that trains has in common: its budget, its run folder, what is said while it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from axw.cli.output import result, say, writable_folder
from axw.errors import UsageError

if TYPE_CHECKING:
    from axw.learning import TrainSettings
    from axw.models.text_model import Place
    from axw.show.evaluation import HeldOut

RunFolder = Annotated[
    Path,
    typer.Option("--save", help="The run: settings, history, checkpoints, and the model at the end.", metavar="RUN"),
]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Budget: updates of the weights.")]
Tokens = Annotated[int | None, typer.Option("--tokens", min=1, help="Budget: pieces of words that were learned from.")]
Minutes = Annotated[float | None, typer.Option("--minutes", min=0.01, help="Budget: time spent training.")]
CheckpointEvery = Annotated[
    int | None,
    typer.Option("--checkpoint-every", min=1, help="Steps from one checkpoint to the next.", metavar="STEPS"),
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads to compute with.")]
RunSeed = Annotated[int | None, typer.Option("--seed", min=0, help="Every random choice follows from it.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any other setting, repeatable, such as network.d_model=128.", metavar="NAME=VALUE"),
]


class OnNan(StrEnum):
    """What a loss that is not a finite number does."""

    stop = "stop"
    rewind = "rewind"


OnNanOption = Annotated[
    OnNan | None, typer.Option("--on-nan", help="A loss that is not finite: stop, or go back and halve the rate.")
]


class Budget(NamedTuple):
    """What the command line says of the training; None is what the recipe says."""

    steps: int | None = None
    tokens: int | None = None
    minutes: float | None = None
    checkpoint_every: int | None = None
    seed: int | None = None
    threads: int | None = None
    on_nan: OnNan | None = None

    def change(self, train: TrainSettings) -> TrainSettings:
        """The recipe's training with these. A budget takes the place of all of the recipe's."""
        from dataclasses import replace

        budget = {name: getattr(self, name) for name in ("steps", "tokens", "minutes")}
        if any(value is not None for value in budget.values()):
            train = replace(train, **budget, epochs=None)
        others: dict[str, Any] = {name: getattr(self, name) for name in ("checkpoint_every", "seed", "threads")}
        others["on_nan"] = self.on_nan and self.on_nan.value
        return replace(train, **{name: value for name, value in others.items() if value is not None})


def settings_of(settings: Any, changes: Sequence[str] | None, budget: Budget) -> Any:
    """A door's settings, changed by `--set`, then by the options that have a name of their own."""
    from axw.learning import with_settings
    from axw.models.text_model import with_train

    return with_train(with_settings(settings, changes or []), budget.change)


def longer(settings: Mapping[str, Any], budget: Budget) -> dict[str, Any]:
    """The settings of a run, as JSON values, with another budget in the place of all that it had."""
    from axw.learning import TrainSettings, from_dict, to_dict

    return {**settings, "train": to_dict(budget.change(from_dict(TrainSettings, settings["train"])))}


def told() -> Any:
    """A hook that says on stderr what the trainer tells."""
    from axw.learning.hooks import Hook, Record

    class Telling(Hook):
        def on_records(self, records: Sequence[Record]) -> None:
            numbers = "  ".join(f"{r.name} {'nothing' if r.value is None else format(r.value, '.5g')}" for r in records)
            say(f"step {records[0].step:,}  {records[0].split}  {numbers}  {records[0].seconds:.0f} s")

        def on_note(self, text: str) -> None:
            say(text)

        def on_end(self, reason: str) -> None:
            say(f"training ended: {reason}")

    return Telling()


def leads() -> bool:
    """Whether this process is the one that writes and speaks: the first of those that `torchrun` started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def prepare(save: Path) -> None:
    """Make this process one that trains: a folder that can be written, and freed memory kept, since every step asks for it."""
    from axw.learning.allocator import ready_to_train

    if leads():
        writable_folder(save)
    ready_to_train()


def write_report(model: Any, place: Place, findings: Sequence[str], held_out: HeldOut | None = None) -> None:
    """RUN/report.html and RUN/report.json: how it went, how good it is, examples; findings: what was met in the data.

    `held_out` spares reading the files once more, which is minutes of a text of ten million lines.
    """
    if place.folder is None or not leads():
        return
    from axw.show.run_report import run_report

    run_report(place.folder, model, held_out, findings=findings)
    say(f"report: {Path(place.folder) / 'report.html'}")


def refuse_stdin(what: str, *paths: Path | None) -> None:
    """Whatever is stopped and goes on reads its data again: `UsageError` where one of the files is stdin."""
    if any(str(path) == "-" for path in paths):
        raise UsageError(f"{what}, so stdin will not do.", "-", "Name a file.")


def saved_line(place: Place, facts: Mapping[str, Any]) -> str:
    """What came of a training run, in a line."""
    measures = "  ".join(f"{name} {value:.4f}" for name, value in facts["validation"].items())
    return f"saved {place.folder}: {facts['training']['steps']} steps, {facts['training']['took']}  {measures}".rstrip()


def finish(text: str, save: Path, verbs: Sequence[str]) -> None:
    """What came of it, and what to do next."""
    if leads():
        result(text)
        say("next: " + "   ".join(verbs))
        say(f"the run is in {save}; stopped runs go on with: axw resume {save}")
