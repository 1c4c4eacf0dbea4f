"""What each process of `test_distributed` runs: `python -m tests.learning.distributed_worker WHAT FOLDER`.

Started by torchrun it is one process; started by itself it forks into two, which imports PyTorch once instead of three times.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from axw.errors import NotFiniteError, UsageError
from axw.learning import Hook, Stopped, Trainer
from axw.learning.distributed import Processes, processes, shard
from axw.learning.hooks import Record
from axw.networks.blocks import TransformerSettings
from axw.networks.masked_words import MaskedWords
from axw.storage import tensors_to_bytes, write_bytes, write_json
from tests.learning import tiny
from tests.learning.tiny import Batch, Plain, evaluate, loss, settings, start_or_resume

STEPS = 50
CHOSEN = settings(steps=STEPS, accumulate=2, ema=0.9, checkpoint_every=20, evaluate_every=11)


def batches(epoch: int) -> Sequence[Batch]:
    """Seven batches, so that the last step of an epoch has one batch for two processes."""
    return tiny.batches(epoch, size=9)


class Log(Hook):
    def __init__(self) -> None:
        self.records: list[Record] = []

    def on_records(self, records) -> None:
        self.records += records


def plain(group: Processes, folder: Path) -> None:
    """Seeds differ by process, and so would the start: all must begin with the weights of the first."""
    model = Plain(seed=1 + group.rank)
    log = Log()
    run = start_or_resume(folder / "run", CHOSEN) if group.rank == 0 else None
    progress = Trainer(model, loss, CHOSEN, hooks=[log], processes=group).fit(batches, evaluate, run=run)
    mine = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
    first = mine.clone()
    dist.broadcast(first, 0)
    assert torch.equal(mine, first), "processes hold different weights"
    assert (len(log.records) > 0) == (group.rank == 0)
    if group.rank == 0:
        write_bytes(folder / "weights", tensors_to_bytes(dict(model.named_parameters())))
        write_json(folder / "progress.json", progress.to_dict())
        run.close()


def stopped_and_resumed(group: Processes, folder: Path) -> None:
    """A signal that only the second process gets stops both; then the run goes on."""

    def disturbed(model, batch):
        if group.rank == 1 and trainer.progress.step == 24:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(model, batch)

    run = start_or_resume(folder / "run", CHOSEN) if group.rank == 0 else None
    trainer = Trainer(Plain(seed=1 + group.rank), disturbed, CHOSEN, processes=group)
    try:
        trainer.fit(batches, evaluate, run=run)
    except Stopped as error:
        assert error.exit_code == 143 and trainer.progress.step == 25
    else:
        raise AssertionError("it was not stopped")
    if run is not None:
        run.close()
    plain(group, folder)


def not_finite(group: Processes, folder: Path) -> None:
    """What one process meets, all report; and a step that cannot be shared evenly is refused."""

    def broken(model, batch):
        X = batch.X * float("nan") if group.rank == 1 and trainer.progress.step == 3 else batch.X
        return loss(model, Batch(X, batch.y))

    trainer = Trainer(Plain(), broken, CHOSEN, processes=group)
    try:
        trainer.fit(batches)
    except NotFiniteError as error:
        assert "at step 4" in str(error)
        assert ("the output of layer 'first'" in str(error)) == (group.rank == 1), str(error)
    else:
        raise AssertionError("not noticed")
    try:
        Trainer(Plain(), loss, settings(accumulate=3), processes=group)
    except UsageError as error:
        assert "accumulate is 3 with 2 processes" in str(error) and "Set accumulate=4." in str(error)
    else:
        raise AssertionError("not refused")


def words_are_hidden_in_a_sharded_encoder() -> None:
    """A masked-word model asks its last layer for some rows only, which must gather its weights too."""
    form = TransformerSettings(d_model=8, layers=2, heads=2, d_ff=16, dropout=0.0, attention_dropout=0.0)
    network, ids, places = MaskedWords(form, 17).eval(), torch.arange(1, 15).view(2, 7), torch.tensor([1, 9])
    expected = network(ids, places).detach()
    torch.testing.assert_close(shard(network, list(network.encoder.layers))(ids, places), expected)


def sharded(group: Processes, folder: Path) -> None:
    """FSDP2: the same numbers, resumed in the middle from a checkpoint that a plain process could read."""

    def to_the_end_or(stop: int) -> nn.Module:
        model = nn.Sequential()
        model.add_module("net", Plain(seed=1))
        shard(model, [model.net.first])
        run = start_or_resume(folder / "run", CHOSEN) if group.rank == 0 else None

        def measure(model, batch):
            if trainer.progress.step == stop:
                raise KeyboardInterrupt
            return loss(model, batch)

        trainer = Trainer(model, measure, CHOSEN, processes=group)
        try:
            trainer.fit(batches, evaluate, run=run)
        except KeyboardInterrupt:
            assert trainer.progress.step == 33
        if run is not None:
            run.close()
        return model

    words_are_hidden_in_a_sharded_encoder()
    to_the_end_or(33)
    model = to_the_end_or(-1)
    weights = {name.removeprefix("net."): p.full_tensor() for name, p in model.named_parameters()}
    if group.rank == 0:
        write_bytes(folder / "weights", tensors_to_bytes(weights))


def two_processes() -> None:
    """Go on as process 0 and process 1; the parent ends with their exit codes. No tensor exists yet, so a fork is safe."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        os.environ.update(WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free.getsockname()[1]))
    children = []
    for rank in range(2):
        child = os.fork()
        if child == 0:
            os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
            return
        children.append(child)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children))


if __name__ == "__main__":
    if "RANK" not in os.environ:
        two_processes()
    torch.set_num_threads(1)
    with processes("gloo") as group:
        {"plain": plain, "stopped": stopped_and_resumed, "not_finite": not_finite, "sharded": sharded}[sys.argv[1]](
            group, Path(sys.argv[2])
        )
