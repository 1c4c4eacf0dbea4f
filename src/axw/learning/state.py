"""All numbers of a training run that are not in `Progress`: weights, optimizer, averages, the best weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from axw.errors import ModelError
from axw.learning.averaging import Ema, LastMean
from axw.learning.distributed import is_sharded, spread, whole
from axw.learning.optimizers import load_optimizer, make_optimizer, optimizer_tensors
from axw.learning.parameters import FlatParameters, Parameters, Shaped, ShardedParameters
from axw.learning.progress import Progress
from axw.learning.settings import TrainSettings

Tensors = dict[str, Tensor]
SHAPED: dict[str, Shaped] = {
    "adafactor": "all",
    "muon": "products",
}  # which optimizers look at more than single numbers


class Snapshot(NamedTuple):
    """Everything from which training goes on: tensors by group and name, and the progress as JSON values."""

    tensors: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]


class TrainState:
    """The numbers, and how to copy them out and in again, to the bit."""

    def __init__(self, model: nn.Module, settings: TrainSettings) -> None:
        self.model, s = model, settings
        sharded = is_sharded(model)
        dtype = torch.bfloat16 if s.precision == "bf16" else None
        self.parameters: Parameters = ShardedParameters(model) if sharded else FlatParameters(model, dtype)
        shaped = SHAPED.get(s.optimizer.name, "none")
        self.optimizer = make_optimizer(
            s.optimizer,
            self.parameters.leaves(shaped),
            dtype=dtype or torch.float32,
            fused=not sharded and shaped != "all",
        )
        self.ema = Ema(self.parameters.values, s.ema) if s.ema is not None else None
        self.mean = LastMean(s.average) if s.average else None
        self.best: Tensors | None = None

    def weights(self) -> Tensors:
        """A copy of the weights by name, in full precision, and of the buffers that the model saves."""
        return self._named(self.parameters.values) | {n: b.detach().clone() for n, b in self._buffers()}

    def snapshot(self, progress: Progress) -> Snapshot:
        """A copy of everything. Every process must call it where the model is sharded."""
        optimizer = {name: t.clone() for name, t in optimizer_tensors(self.optimizer).items()}
        groups: dict[str, Tensors] = {"weights": self.weights(), "optimizer": optimizer}
        if self.ema is not None:
            groups["ema"] = self._named(self.ema.values)
        for i, values in enumerate(self.mean.added if self.mean is not None else ()):
            groups[f"mean_{i}"] = self._named(values)
        if self.best is not None:
            groups["best"] = self.best
        return Snapshot({group: named for group, named in groups.items() if named}, progress.to_dict())

    def restore(self, snapshot: Snapshot) -> Progress:
        """Take everything back from a snapshot of the same model and settings. `ModelError` where names or shapes differ."""
        groups = snapshot.tensors
        self._load_weights(groups.get("weights", {}))
        load_optimizer(self.optimizer, groups.get("optimizer", {}))
        if self.ema is not None:
            self._fill(self.ema.values, groups.get("ema", {}))
        if self.mean is not None:
            self.mean.added = []
            for i in range(sum(name.startswith("mean_") for name in groups)):
                values = [torch.zeros_like(v) for v in self.parameters.values]
                self._fill(values, groups[f"mean_{i}"])
                self.mean.added.append(values)
        best = groups.get("best")
        self.best = None if best is None else {n: t.clone() for n, t in best.items()}
        return Progress.from_dict(snapshot.state)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the model has its averaged weights, where an average is kept."""
        average = self._average()
        if average is None:
            yield
            return
        kept = [v.clone() for v in self.parameters.values]
        self._copy(average)
        try:
            yield
        finally:
            self._copy(kept)

    def finish(self) -> None:
        """Give the model the weights that were asked for: the best, the averaged, or the last."""
        average = self._average()
        if self.best is not None:
            self._load_weights(self.best)
        elif average is not None:
            self._copy(average)
        self.parameters.release()

    def _average(self) -> Sequence[Tensor] | None:
        if self.ema is not None:
            return self.ema.values
        return self.mean.values if self.mean is not None and self.mean.added else None

    def _copy(self, values: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for place, value in zip(self.parameters.values, values, strict=True):
                place.copy_(value)
        self.parameters.publish()

    def _load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        buffers = dict(self._buffers())
        self._fill(self.parameters.values, {n: t for n, t in tensors.items() if n not in buffers})
        for name, buffer in buffers.items():
            if name not in tensors or tensors[name].shape != buffer.shape:
                raise _differs([name])
            buffer.copy_(tensors[name])
        self.parameters.publish()

    def _fill(self, values: Sequence[Tensor], tensors: Mapping[str, Tensor]) -> None:
        places = dict(self.parameters.named(values))
        odd = sorted(
            n for n in {*places, *tensors} if n not in places or n not in tensors or places[n].shape != tensors[n].shape
        )
        if odd:
            raise _differs(odd)
        with torch.no_grad():
            for name, place in places.items():
                place.copy_(spread(tensors[name], place))

    def _named(self, values: Sequence[Tensor]) -> Tensors:
        return {name: whole(value).detach().clone() for name, value in self.parameters.named(values)}

    def _buffers(self) -> list[tuple[str, Tensor]]:
        saved = self.model.state_dict(keep_vars=True)
        return [(name, buffer) for name, buffer in self.model.named_buffers() if name in saved]


def _differs(names: Sequence[str]) -> ModelError:
    return ModelError(
        f"The checkpoint and the model have different tensors: {', '.join(names[:5])}.",
        todo="Resume with the model that the run was started with.",
    )
