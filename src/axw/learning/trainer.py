"""One loop for everything that is trained rather than solved: tables, masked words, translation, parsing.

What it holds to: a step's gradient is (sum of the losses) / (sum of their counts) however the step is cut into micro-batches and
shared among processes; nothing that is not finite reaches the weights; a run that was stopped, or killed, goes on to the same
numbers, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from axw.errors import DataError, NotFiniteError, ResourceError, UsageError
from axw.learning.devices import exact, moved, settled
from axw.learning.diagnosis import first_not_finite
from axw.learning.distributed import Processes, Share, is_sharded
from axw.learning.forecast import Trial
from axw.learning.growing_dropout import GrowingDropout
from axw.learning.hooks import Hook
from axw.learning.loop import Evaluate, Loop
from axw.learning.losses import Measured
from axw.learning.optimizers import gradient_norm, set_rate
from axw.learning.progress import Batches, Progress
from axw.learning.randomness import kept_generators, reseed
from axw.learning.runs import Run
from axw.learning.schedules import make_schedule
from axw.learning.settings import TrainSettings
from axw.learning.signals import Signals
from axw.learning.state import TrainState

Batch = TypeVar("Batch")
Loss = Callable[[nn.Module, Batch], Measured]


class Trainer(Generic[Batch]):
    """Trains `model` to a low `loss(model, batch)`; `fit` is the whole loop, `step` one update.

    The batches are moved to the model's device. Dropout and other draws of PyTorch's own generators are seeded by (seed, step,
    number of the batch in the step), so they do not depend on which process computes a batch, or on what ran before.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss[Batch],
        settings: TrainSettings,
        *,
        hooks: Sequence[Hook] = (),
        processes: Processes | None = None,
    ) -> None:
        self.model, self.loss, self.settings = model, loss, settings
        device = next(model.parameters()).device
        self.processes = processes or Processes(device=device)
        if settings.accumulate % self.processes.size:
            raise UsageError(
                f"accumulate is {settings.accumulate} with {self.processes.size} processes, which share the batches of a step; "
                f"allowed: a multiple of {self.processes.size}.",
                "In the training settings.",
                f"Set accumulate={-(-settings.accumulate // self.processes.size) * self.processes.size}.",
            )
        self.progress = Progress()
        self.state = TrainState(model, settings)
        self.dropout = GrowingDropout(model, settings.dropout_epochs)
        self.gradient_norm = 0.0
        self._schedule = make_schedule(settings.schedule, settings.steps)
        self._hooks = list(hooks)
        self._fitted = False

    def rate(self) -> float:
        """The learning rate of the next step: the schedule's, halved once for each rewind."""
        return self._schedule(self.progress.step + 1, self.progress.epoch) * 0.5**self.progress.rewinds

    def step(self, parts: Sequence[Batch]) -> Measured:
        """One update from the micro-batches of a step, given to every process: W <- W - rate * f(gradient of sum / count).

        Raises `NotFiniteError`, which leaves weights and optimizer as they were, `DataError` where nothing is counted, and
        `ResourceError` where the memory is too small.
        """
        p, shares = self.progress, self.processes.share(parts)
        total = self._add_up(shares)
        gradients = self.state.parameters.gradients()
        # A sharded model has added its gradients up among the processes on the way back.
        self.processes.add([total] if is_sharded(self.model) else [total, *gradients])
        loss, count = total.tolist()
        if not count:
            raise DataError(f"Step {p.step + 1} has nothing to learn from: its losses counted 0.", "In the batches.")
        for gradient in gradients:
            gradient.div_(count)
        self.gradient_norm = float(gradient_norm(gradients))
        self._require_finite(loss / count, shares)
        self._update(gradients)
        p.tokens += int(count)
        return Measured(torch.tensor(loss, dtype=torch.float64), int(count))

    def _add_up(self, shares: Sequence[Share]) -> Tensor:
        """Add up the gradients of this process's batches; (sum, count) of their losses."""
        parameters = self.state.parameters
        self.model.train()
        parameters.zero()
        total = torch.zeros(2, dtype=torch.float64, device=self.processes.device)
        for share in shares:
            measured = self._measure(share)
            (measured.sum if share.own else measured.sum * 0.0).backward()
            parameters.collect()
            if share.own:
                total += torch.stack([measured.sum.detach().to(total), torch.tensor(measured.count).to(total)])
        return total

    def trial(self, parts: Sequence[Batch]) -> Trial:
        """How long the gradient of a step takes; weights, optimizer, buffers and randomness stay as they are.

        The first of two warms up, the second is timed. Every process must call it. Raises `ResourceError`.
        """
        shares, seconds = self.processes.share(parts), 0.0
        buffers = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        total = torch.zeros(2, dtype=torch.float64)
        for _ in range(2):
            begun = time.perf_counter()
            total = self._add_up(shares)
            settled(self.processes.device)
            seconds = time.perf_counter() - begun
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        self.processes.add([total])
        return Trial(seconds, int(total[1]))

    def _update(self, gradients: Sequence[Tensor]) -> None:
        """Clip the gradient by its norm, update the weights, and the moving average."""
        clip, parameters, p = self.settings.optimizer.clip, self.state.parameters, self.progress
        if clip is not None and self.gradient_norm > clip:
            for gradient in gradients:
                gradient.mul_(clip / self.gradient_norm)
        set_rate(self.state.optimizer, self.rate())
        self.state.optimizer.step()
        parameters.publish()
        p.step += 1
        if self.state.ema is not None:
            self.state.ema.update(parameters.values, p.step)

    def _measure(self, share: Share) -> Measured:
        reseed(self.settings.seed, "step", self.progress.step, share.number)
        try:
            return self.loss(self.model, moved(share.batch, self.processes.device))
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and "allocate memory" not in str(error):
                raise
            raise ResourceError(
                f"The memory is too small for batch {share.number + 1} of step {self.progress.step + 1}.",
                str(error).partition("\n")[0][:200],
                "Use smaller batches, and accumulate more of them in a step.",
            ) from error

    def _require_finite(self, loss: float, shares: Sequence[Share]) -> None:
        norm = torch.tensor([loss, self.gradient_norm])
        if bool(torch.isfinite(norm).all()):
            return
        found = self._first_not_finite(shares)
        p = self.progress
        raise NotFiniteError(
            f"The loss is {loss:g} and the gradient's norm {self.gradient_norm:g} at step {p.step + 1}; only finite numbers are "
            "allowed. The weights were not changed.",
            f"In epoch {p.epoch}, batches {p.index + 1} to {p.index + len(shares) * self.processes.size}; first: {found}.",
            "Lower schedule.rate, lengthen schedule.warmup, check the data; on_nan=rewind goes back and halves the rate.",
        )

    def _first_not_finite(self, shares: Sequence[Share]) -> str:
        """The batch, layer or gradient where it began. A sharded model cannot be asked: its layers need all processes."""
        for share in () if is_sharded(self.model) else shares:
            batch = moved(share.batch, self.processes.device)
            found = first_not_finite(self.model, batch, lambda share=share: self._measure(share))  # type: ignore[misc]
            if found:
                return f"{found}, batch {share.number + 1} of the step"
        parameters = self.state.parameters
        for name, gradient in reversed(list(parameters.named(parameters.gradients()))):
            if not bool(torch.isfinite(gradient).all()):
                return f"the gradient of {name!r}"
        return "the loss itself"

    def fit(self, batches: Batches[Batch], evaluate: Evaluate | None = None, *, run: Run | None = None) -> Progress:
        """Train until a budget is used up or `patience` runs out; the model then has its final weights, in `eval` mode.

        batches    epoch (from 1) -> its batches, a function of the epoch and a seed alone
        evaluate   model -> measures, such as {"loss": 2.9, "bleu": 31.4}; called in `eval` mode without gradients
        run        where history and checkpoints go; one with a checkpoint goes on from it, one that has ended stays as it is

        Raises what `step` raises, and `Stopped` (exit code 130 or 143) after a signal, once the step is done and saved.
        """
        if self._fitted:
            raise UsageError("This trainer has fitted its model already.", todo="Make a new Trainer.")
        self._fitted = True
        threads = run.threads if run is not None else self.settings.threads
        with ExitStack() as stack:
            stack.enter_context(kept_generators())
            stack.enter_context(exact(self.processes.first(threads)))
            signals = stack.enter_context(Signals())
            stack.callback(self.dropout.whole)
            Loop(self, batches, evaluate, run, signals, self._hooks).until_finished()
            self.state.finish()
            self.model.eval()
        return self.progress
