"""A tiny run whose every number follows from its step, so a checkpoint can be checked against what was saved."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from axw.learning.checkpoints import Checkpoint, Checkpoints
from axw.storage.disk import REAL, Disk
from tests.storage.faults import QUICK


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder in memory where the system has one: hundreds of small folders are made and removed in these tests."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


def tensors_of(step: int) -> dict[str, dict[str, Tensor]]:
    draw = torch.Generator().manual_seed(step)
    return {
        "weights": {
            "W": torch.randn(3, 5, generator=draw),
            "half": torch.randn(7, generator=draw).to(torch.bfloat16),
            "nothing": torch.empty(0, 2),
        },
        "optimizer": {"W.average": torch.randn(3, 5, generator=draw), "W.step": torch.tensor(float(step))},
    }


def state_of(step: int) -> dict[str, Any]:
    return {"epoch": step // 7, "position": step, "best": 0.1 * step, "history": 100 + step, "words": ["é", None]}


def save(run: Path, step: int, disk: Disk = QUICK, best: bool = False) -> Path:
    return Checkpoints(run, disk).save(step, tensors_of(step), state_of(step), best)


def newest(run: Path, disk: Disk = REAL) -> Checkpoint | None:
    """The newest checkpoint; that some were skipped is looked at elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Checkpoints(run, disk).newest()


def is_exact(checkpoint: Checkpoint | None) -> bool:
    """Whether all that the checkpoint holds is what was saved at its step, bit for bit."""
    if checkpoint is None or checkpoint.state != state_of(checkpoint.step):
        return False
    expected = tensors_of(checkpoint.step)
    if set(checkpoint.groups) != set(expected):
        return False
    for group, named in expected.items():
        got = checkpoint.tensors(group)
        if set(got) != set(named) or not all(torch.equal(got[name], named[name]) for name in named):
            return False
        if any(got[name].dtype != named[name].dtype for name in named):
            return False
    return True


def copied(run: Path, target: Path) -> Path:
    shutil.copytree(run, target)
    return target
