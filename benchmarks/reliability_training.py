"""Kill training runs at random times, resume them until they finish, and compare with runs that nobody disturbed.

    python -m benchmarks.reliability_training --kills 1000                      SIGKILL; 200 took 222 s on 2 busy cores
    python -m benchmarks.reliability_training --kills 100 --signals TERM,INT    what Ctrl-C and `kill` do
    python -m benchmarks.reliability_training --kills 20 --exec                 each process with a Python of its own

Exact means: SHA-256 of the final weights, and the history without its time field, equal those of the undisturbed run. It exits
with code 1 where one run was not exact, or lost more than the steps since its last checkpoint.

PyTorch is imported once; each process is a fork of that, made before any tensor exists (a fork after PyTorch has started threads
may hang). So a kill costs a fraction of a second, and a thousand of them are affordable.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import random
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import torch._dynamo  # noqa: F401  the optimizers import it when they are first made: once is enough
from tests.learning.tiny import Net, batches, digest, evaluate, history, loss, settings, start_or_resume

from axw.learning import OptimizerSettings, ScheduleSettings, Stopped, Trainer, TrainSettings

TASKS: dict[str, TrainSettings] = {
    "adam, dropout, moving average": settings(steps=60, ema=0.9, log_every=1, checkpoint_every=2),
    "bf16, accumulation, mean of evaluations": settings(
        steps=40, precision="bf16", accumulate=2, average=3, checkpoint_every=2
    ),
    "muon in bf16, mean of evaluations": settings(
        steps=40,
        precision="bf16",
        average=4,
        checkpoint_every=2,
        optimizer=OptimizerSettings(name="muon", beta2=0.98, clip=1.0, weight_decay=0.01),
        schedule=ScheduleSettings(name="inverse-square-root", rate=8e-3, warmup=5),
    ),
    "sgd, Luong's halving, epochs": settings(
        steps=None,
        epochs=8,
        evaluate_every=0,
        checkpoint_every=2,
        optimizer=OptimizerSettings(name="sgd", momentum=0.5, clip=5.0),
        schedule=ScheduleSettings(name="luong", rate=1.0, halve_after=4),
    ),
}


@dataclass
class Figures:
    kills: int = 0
    inside_a_save: int = 0
    runs: int = 0
    exact: int = 0
    lost_too_much: int = 0
    seconds_to_stop: list[float] = field(default_factory=list)


class Counter:
    """A number that a process and its forks share: how many steps the killed one had done, its saves included."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    def set(self, value: int) -> None:
        self._memory[:] = struct.pack("q", value)

    def get(self) -> int:
        return int(struct.unpack("q", self._memory[:])[0])


def train_to_the_end(folder: Path, task: str, counter: Counter | None) -> None:
    """What each process does: start the run or go on with it, and write what came out."""
    chosen, model = TASKS[task], Net()

    def counted(model: Net, batch: object) -> object:
        if counter is not None:
            counter.set(trainer.progress.step)
        return loss(model, batch)

    with start_or_resume(folder, chosen) as run:
        trainer = Trainer(model, counted, chosen)
        trainer.fit(batches, evaluate, run=run)
    (folder.parent / "result.json").write_text(json.dumps([digest(model.state_dict()), history(folder)]))


def start_process(folder: Path, task: str, counter: Counter, own_python: bool) -> int:
    """The process number of a child that trains."""
    if own_python:
        command = [
            sys.executable,
            "-m",
            "benchmarks.reliability_training",
            "--child",
            str(folder),
            "--task",
            task,
        ]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL).pid
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        train_to_the_end(folder, task, counter)
        code = 0
    except Stopped as stopped:
        code = stopped.exit_code
    except KeyboardInterrupt:
        code = 130  # before the handlers of `fit` were there
    finally:
        os._exit(code)


def finish_one(
    folder: Path,
    task: str,
    kinds: list[int],
    seconds: float,
    dice: random.Random,
    most: int,
    own_python: bool,
) -> tuple[object, Figures]:
    """One run, killed again and again at times between 0 and `seconds`, until it has ended or `most` kills are used up."""
    found, counter = Figures(runs=1), Counter()
    every = TASKS[task].checkpoint_every
    while True:
        counter.set(-1)
        pid = start_process(folder, task, counter, own_python)
        if found.kills < most:
            time.sleep(dice.uniform(0, seconds))
            began = time.perf_counter()
            os.kill(pid, dice.choice(kinds))
        status = os.waitpid(pid, 0)[1]
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            return json.loads((folder.parent / "result.json").read_text()), found
        if found.kills >= most or (os.WIFEXITED(status) and os.WEXITSTATUS(status) not in (130, 143)):
            raise SystemExit(f"a run failed by itself with status {status} in {folder}")
        found.kills += 1
        found.seconds_to_stop.append(time.perf_counter() - began)
        found.inside_a_save += any((folder / "checkpoints").glob(".tmp-*"))
        found.lost_too_much += newest_step(folder) < counter.get() // every * every


def newest_step(folder: Path) -> int:
    """The newest complete checkpoint by name; -1 where there is none."""
    return max((int(p.name[5:13]) for p in (folder / "checkpoints").glob("step_*")), default=-1)


def measure(kills: int, kinds: list[int], seed: int, own_python: bool) -> Figures:
    dice, total = random.Random(seed), Figures()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as place:
        undisturbed = {}
        for number, task in enumerate(TASKS):
            began = time.perf_counter()
            result, _ = finish_one(Path(place, f"undisturbed{number}", "run"), task, kinds, 0.0, dice, 0, own_python)
            undisturbed[task] = (result, time.perf_counter() - began)
        while total.kills < kills:
            task = list(TASKS)[total.runs % len(TASKS)]
            want, seconds = undisturbed[task]
            folder = Path(place, f"run{total.runs}", "run")
            result, found = finish_one(folder, task, kinds, seconds, dice, kills - total.kills, own_python)
            total.runs += 1
            total.exact += result == want
            total.kills += found.kills
            total.inside_a_save += found.inside_a_save
            total.lost_too_much += found.lost_too_much
            total.seconds_to_stop += found.seconds_to_stop
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--signals", default="KILL", help="of KILL, TERM, INT, HUP; one is drawn each time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--exec", action="store_true", help="a new Python for each process instead of a fork")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        try:
            train_to_the_end(asked.child, asked.task, None)
        except Stopped as stopped:
            return stopped.exit_code
        return 0
    kinds = [signal.Signals[f"SIG{name}"] for name in asked.signals.split(",")]
    began = time.perf_counter()
    found = measure(asked.kills, [int(kind) for kind in kinds], asked.seed, asked.exec)
    seconds = time.perf_counter() - began
    result = {
        "kills": found.kills,
        "inside_a_save": found.inside_a_save,
        "runs": found.runs,
        "exact": found.exact,
        "lost_more_than_one_interval": found.lost_too_much,
        "seconds_to_stop_95th_percent": round(statistics.quantiles([*found.seconds_to_stop, 0.0], n=20)[-1], 3),
        "signals": asked.signals,
        "seconds": round(seconds, 1),
    }
    print(json.dumps(result))
    return 0 if found.exact == found.runs and not found.lost_too_much else 1


if __name__ == "__main__":
    raise SystemExit(main())
