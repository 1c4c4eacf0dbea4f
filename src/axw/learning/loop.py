"""What happens around the steps of a `Trainer`: budgets, history, evaluation, checkpoints, signals, and going back."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch
from torch import nn

from axw.errors import DataWarning, NotFiniteError, UsageError, did_you_mean
from axw.learning.distributed import is_sharded
from axw.learning.forecast import Trial, forecast
from axw.learning.hooks import Hook, Record
from axw.learning.memory import peak_memory, told
from axw.learning.progress import Batches, Group, Progress, groups
from axw.learning.randomness import reseed
from axw.learning.runs import Run
from axw.learning.signals import Signals, Stopped
from axw.learning.state import Snapshot

if TYPE_CHECKING:
    from axw.learning.trainer import Trainer

Batch = TypeVar("Batch")
Evaluate = Callable[[nn.Module], Mapping[str, float]]
MOST_REWINDS = 3


class Loop(Generic[Batch]):
    """One `fit`: `Trainer.fit` says what it does."""

    def __init__(
        self,
        trainer: Trainer[Batch],
        batches: Batches[Batch],
        evaluate: Evaluate | None,
        run: Run | None,
        signals: Signals,
        hooks: Sequence[Hook],
    ) -> None:
        self.trainer, self.batches, self.evaluate, self.run, self.signals = (
            trainer,
            batches,
            evaluate,
            run,
            signals,
        )
        self.hooks, self.settings = list(hooks), trainer.settings
        self.processes, self.state, self.model = trainer.processes, trainer.state, trainer.model
        self._on_disk = bool(self.processes.first(run is not None))
        self._good: Snapshot | None = None
        self._clock = time.perf_counter()
        self._estimate_from = 0.0
        self._batches_per_epoch: int | None = None
        self._trial: Trial | None = None
        self._begins = True

    @property
    def progress(self) -> Progress:
        return self.trainer.progress

    def until_finished(self) -> None:
        self._begin()
        before = peak_memory(self.processes.device)
        while not self.progress.finished:
            self._go_on()
        if self._trial is not None and (text := told(before, peak_memory(self.processes.device))):
            self._tell("on_note", text)
        self._tell("on_end", self.progress.finished)

    def _begin(self) -> None:
        """Go on from the newest checkpoint; where there is none, save the start: if that fails, it fails before the work."""
        snapshot = self._newest()
        if snapshot is not None:
            self._restore(snapshot)
            self.progress.finished = self._spent()  # not what it was, where the run goes on to a longer budget
            if not self.progress.finished:
                if self.run is not None:
                    self.run.note_event("resumed", step=self.progress.step, accepted=self.run.accepted)
                self._tell("on_note", f"goes on from step {self.progress.step:,}")
            return
        if self.processes.size > 1:
            # All start from the weights of the first process.
            self.state.restore(self._from_first(self.state.snapshot(self.progress)))
        if self.run is not None:
            self.run.history.truncate_to(0)
        self.progress.finished = self._spent()
        self._save()

    def _go_on(self) -> None:
        """Steps from where the progress is, until training ends or has to go back to a checkpoint."""
        p, s = self.progress, self.settings
        started = p.step
        for group in groups(self.batches, p.epoch, p.index, s.accumulate):
            self._forecast(group)
            try:
                self._advance(group)
            except NotFiniteError as error:
                self._rewind(error)
                return
            if p.step - started in (1, 3):
                self._estimate(first=p.step - started == 1)
            stop = self.processes.any(self.signals.exit_code is not None)
            if p.finished or stop or p.step % s.checkpoint_every == 0:
                self._save()
            if p.finished:
                return
            if stop:
                self._stop()

    def _advance(self, group: Group[Batch]) -> None:
        """One step, its lines of history, and the evaluation where one is due."""
        p, s = self.progress, self.settings
        rate = self.trainer.rate()
        self.trainer.dropout.at(p.epoch)
        measured = self.trainer.step(group.parts)
        p.epoch, p.index = group.next_epoch, group.next_index
        p.window_sum += float(measured.sum)
        p.window_count += measured.count
        self._lap()
        p.finished = self._spent()
        if p.finished or p.step % s.log_every == 0:
            mean = p.window_sum / p.window_count
            p.window_sum, p.window_count = 0.0, 0
            self._record("train", {"loss": mean, "rate": rate, "gradient_norm": self.trainer.gradient_norm})
        due = p.step % s.evaluate_every == 0 if s.evaluate_every else group.ends_epoch
        if self.evaluate is not None and (due or p.finished):
            self._evaluate(self.evaluate)
            p.finished = p.finished or self._spent()

    def _evaluate(self, evaluate: Evaluate) -> None:
        p, s = self.progress, self.settings
        if self.state.mean is not None:
            self.state.mean.add(self.state.parameters.values)
        with self.state.averaged():
            self.model.eval()
            reseed(s.seed, "evaluate", p.step)
            with torch.no_grad():
                found = {name: float(value) for name, value in evaluate(self.model).items()}
            found = self.processes.first(found)
            p.waited += 1
            value = self._watched(found)
            if p.better(value, s):
                p.best, p.best_step, p.waited = value, p.step, 0
                if s.keep == "best":
                    self.state.best = self.state.weights()
        self._lap()
        self._record("evaluation", found)

    def _watched(self, found: Mapping[str, float]) -> float:
        name = self.settings.watch
        if name not in found:
            raise UsageError(
                f"The measure to watch is {name!r}. {did_you_mean(name, found)}",
                "In the training settings: watch.",
            )
        if not bool(torch.isfinite(torch.tensor(found[name]))):
            raise NotFiniteError(
                f"The measure {name!r} is {found[name]:g} at step {self.progress.step}; only finite numbers are allowed.",
                "In the evaluation.",
                "Lower schedule.rate, or check the evaluation data.",
            )
        return found[name]

    # --------------------------------------------------------------------------------------------- saving, going back

    def _save(self) -> None:
        if not self._on_disk and self.settings.on_nan == "stop":
            return
        if self._on_disk and self.run is None and not is_sharded(self.model):
            return  # the first process saves; where the model is sharded, all have to give it their parts
        if self.run is not None:
            self.progress.history = self.run.history.offset
        snapshot = self.state.snapshot(self.progress)
        if not self._on_disk:
            self._good = snapshot
            return
        if self.run is not None:
            self.run.save(snapshot)
        self._tell("on_save", self.progress.step)

    def _newest(self) -> Snapshot | None:
        """The newest checkpoint, as process 0 reads it; without a run, the copy in memory."""
        if not self._on_disk:
            return self._good
        found = self.run.newest() if self.run is not None else None
        return self._from_first(found) if self.processes.first(found is not None) else None

    def _from_first(self, snapshot: Snapshot | None) -> Snapshot:
        if self.processes.size == 1 and snapshot is not None:
            return snapshot
        tensors = snapshot.tensors if snapshot is not None else {}
        names = self.processes.first(list(tensors))
        state = self.processes.first(dict(snapshot.state) if snapshot is not None else None)
        return Snapshot({name: self.processes.first_tensors(tensors.get(name, {})) for name in names}, state)

    def _restore(self, snapshot: Snapshot) -> None:
        self.trainer.progress = self.state.restore(snapshot)
        if self.run is not None and self.run.history.offset != self.progress.history:
            self.run.history.truncate_to(self.progress.history)

    def _rewind(self, error: NotFiniteError) -> None:
        """Back to the newest checkpoint with half the rate; the error goes on where that is not asked for, or done too often."""
        before, rewinds, seconds = self.progress.step, self.progress.rewinds + 1, self.progress.seconds
        if self.run is not None:
            self.run.note_event("not finite", step=before, text=str(error))
        if self.settings.on_nan != "rewind":
            raise error
        if rewinds > MOST_REWINDS:
            todo = f"It went back {MOST_REWINDS} times, with half the rate each time: lower schedule.rate, or check the data."
            raise NotFiniteError(error.what, error.where, todo) from error
        snapshot = self._newest()
        if snapshot is None:
            raise error
        self._restore(snapshot)
        self.progress.rewinds, self.progress.seconds = rewinds, seconds
        self._record("train", {"rewinds": float(rewinds)})
        self._tell("on_note", f"not finite after step {before:,}: back to step {self.progress.step:,}, half the rate")

    def _stop(self) -> None:
        step, code, run = self.progress.step, self.signals.exit_code or 143, self.run
        if run is not None:
            run.note_event("stopped", step=step, exit_code=code)
        if self._on_disk:
            what, todo = (
                f"Stopped after step {step}, which is saved.",
                "Resume the run: it goes on exactly as it was.",
            )
        else:
            what, todo = (
                f"Stopped after step {step}; nothing is saved.",
                "Give a run folder to be able to resume.",
            )
        raise Stopped(what, f"In {str(run.folder)!r}." if run is not None else "", todo, exit_code=code)

    # -------------------------------------------------------------------------------------------------------- telling

    def _spent(self) -> str:
        # Processes have their own clocks: the first one's decision holds.
        return str(self.processes.first(self.progress.spent(self.settings)))

    def _lap(self) -> None:
        now = time.perf_counter()
        self.progress.seconds += now - self._clock
        self._clock = now

    def _forecast(self, group: Group[Batch]) -> None:
        """Before the first step: time its gradient, which changes nothing, and say what the budget comes to."""
        begins, self._batches_per_epoch, self._begins = self._begins, group.batches_per_epoch, False
        if not begins or not self.processes.first(bool(self.hooks)):
            return
        self._trial = self.trainer.trial(group.parts)
        self._clock = time.perf_counter()  # the trial is not time spent training
        self._tell("on_note", forecast(self.progress, self.settings, group.batches_per_epoch, self._trial))

    def _estimate(self, *, first: bool) -> None:
        """After the first step, which also warms up, time two; then say again how long the rest will take."""
        if first:
            self._estimate_from = self.progress.seconds
            return
        if self._trial is None or self.progress.finished:
            return
        timed = self._trial._replace(seconds=(self.progress.seconds - self._estimate_from) / 2)
        self._tell("on_note", "now " + forecast(self.progress, self.settings, self._batches_per_epoch, timed))

    def _record(self, split: str, values: Mapping[str, float]) -> None:
        p = self.progress
        records = [Record(p.step, split, name, value, round(p.seconds, 3)) for name, value in values.items()]
        if self.run is not None:
            self.run.write(records)
        self._tell("on_records", records)

    def _tell(self, event: str, *what: Any) -> None:
        """Every hook hears it, in the first process only; one that fails is left out from then on."""
        for hook in list(self.hooks) if self.processes.rank == 0 else []:
            try:
                getattr(hook, event)(*what)
            except Exception as error:
                self.hooks.remove(hook)
                warnings.warn(
                    f"The hook {type(hook).__name__} failed and is left out: {type(error).__name__}: {error}",
                    DataWarning,
                    stacklevel=2,
                )
