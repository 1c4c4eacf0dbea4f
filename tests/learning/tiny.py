"""A tiny net on made data, with everything that a run can differ by: dropout, a buffer, a shuffle, batches of unlike size."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from axw.learning import (
    Measured,
    OptimizerSettings,
    Run,
    ScheduleSettings,
    Trainer,
    TrainSettings,
    cross_entropy,
)
from axw.learning.randomness import generator, permutation

ROWS, WIDTH, HIDDEN, CLASSES = 61, 5, 7, 3
DATA = "made data 1"


class Batch(NamedTuple):
    X: Tensor
    y: Tensor


class Net(nn.Module):
    """Dropout, and batch normalisation for a buffer that training changes."""

    def __init__(self, seed: int = 1, dropout: float = 0.2) -> None:
        super().__init__()
        random = generator(seed, "start")
        self.first, self.norm = nn.Linear(WIDTH, HIDDEN), nn.BatchNorm1d(HIDDEN)
        self.dropout, self.last = nn.Dropout(dropout), nn.Linear(HIDDEN, CLASSES)
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(torch.randn(p.shape, generator=random) * 0.4 + (p.ndim == 1))

    def forward(self, X: Tensor) -> Tensor:
        X = X.to(self.first.weight.dtype)
        return self.last(self.dropout(torch.tanh(self.norm(self.first(X)))))


class Plain(nn.Module):
    """No draws, no buffers: the sum over rows does not depend on how they are cut into batches."""

    def __init__(self, seed: int = 1, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        random = generator(seed, "start")
        self.first, self.last = nn.Linear(WIDTH, HIDDEN, dtype=dtype), nn.Linear(HIDDEN, CLASSES, dtype=dtype)
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(torch.randn(p.shape, generator=random) * 0.4)

    def forward(self, X: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(X.to(self.first.weight.dtype))))


def made_rows() -> Batch:
    random = generator(3, "rows")
    X = torch.randn(ROWS, WIDTH, generator=random)
    y = (X @ torch.randn(WIDTH, CLASSES, generator=random)).argmax(1)
    return Batch(X, y)


def batches(epoch: int, size: int = 8, seed: int = 11) -> Sequence[Batch]:
    """Every row once, in an order of the epoch's own; the last batch is smaller."""
    rows = made_rows()
    return [Batch(rows.X[i], rows.y[i]) for i in permutation(ROWS, seed, epoch).split(size)]


def loss(model: nn.Module, batch: Batch) -> Measured:
    return cross_entropy(model(batch.X), batch.y, smoothing=0.1)


def evaluate(model: nn.Module) -> dict[str, float]:
    rows = made_rows()
    return {
        "loss": loss(model, rows).mean,
        "accuracy": float((model(rows.X).argmax(1) == rows.y).double().mean()),
    }


def settings(**changes: Any) -> TrainSettings:
    """30 steps of Adam with everything switched on that a run usually has."""
    start: dict[str, Any] = {
        "optimizer": OptimizerSettings(weight_decay=0.01),
        "schedule": ScheduleSettings(rate=0.02, warmup=5),
        "steps": 30,
        "evaluate_every": 7,
        "checkpoint_every": 4,
        "log_every": 3,
        "threads": 1,
        "seed": 5,
    }
    return TrainSettings(**(start | changes))


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, dtypes, shapes and bytes."""
    whole = hashlib.sha256()
    for name in sorted(tensors):
        t = tensors[name].detach().cpu().contiguous()
        whole.update(f"{name} {t.dtype} {tuple(t.shape)}".encode())
        whole.update(t.reshape(-1).view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()


def history(folder: Path) -> list[dict[str, Any]]:
    """The history without the time, which is the one thing that may differ."""
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def start_or_resume(folder: Path, train: TrainSettings) -> Run:
    if (folder / "run.json").exists():
        return Run.resume(folder, train, data=DATA)
    return Run.start(folder, train, data=DATA)


def train(folder: Path, train: TrainSettings, **more: Any) -> tuple[str, list[dict[str, Any]]]:
    """Start the run, or go on with it, to its end: the digest of the final weights, and the history."""
    model = Net()
    with start_or_resume(folder, train) as run:
        Trainer(model, loss, train, **more).fit(batches, evaluate, run=run)
    return digest(model.state_dict()), history(folder)
