"""A run: one folder that holds what was asked for, the history, and the checkpoints, so that it can go on where it was.

RUN/run.json         settings, data fingerprint, threads, versions: what a resumed run must have in common with the first
RUN/history.jsonl    one object a line: step, split, name, value, seconds
RUN/events.jsonl     resumes, stops, rewinds
RUN/checkpoints/     the newest two
RUN/.lock            held by the process that writes
"""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from axw.errors import ModelError, UsageError, did_you_mean
from axw.learning.checkpoints import Checkpoints
from axw.learning.hooks import Record
from axw.learning.progress import Progress
from axw.learning.settings import BUDGET, TrainSettings, to_dict
from axw.learning.state import Snapshot
from axw.storage import REAL, Disk, JsonLines, RunLock, json_from_bytes, json_to_bytes, write_json
from axw.storage.disk import read_bounded, read_chunks, resource_errors
from axw.version import __version__

FORMAT = 1
_MOST_BYTES = 64 << 20
DIFFERENCES = ("data", "settings", "budget", "threads", "version", "machine")
# Where an identity says how long to train: the trainer's settings, and the same among those of the model's door.
_BUDGETS = [f"{place}.{name}" for place in ("settings", "config.settings.train") for name in BUDGET]


class Run:
    """A run folder, locked by this process until `close()`. Made by `Run.start` or `Run.resume`."""

    def __init__(self, folder: str | os.PathLike[str], identity: Mapping[str, Any], lock: RunLock, disk: Disk) -> None:
        self.folder, self.identity, self._lock, self._disk = Path(folder), dict(identity), lock, disk
        self.accepted: list[str] = []
        self.checkpoints = Checkpoints(self.folder / "checkpoints", disk)
        self.history = JsonLines(self.folder / "history.jsonl", disk)
        self.events = JsonLines(self.folder / "events.jsonl", disk)

    @classmethod
    def start(
        cls,
        folder: str | os.PathLike[str],
        settings: TrainSettings,
        *,
        data: str,
        config: Mapping[str, Any] | None = None,
        disk: Disk = REAL,
    ) -> Run:
        """A new run.

        data     its fingerprint: `fingerprint_of_files`, `fingerprint_of_bytes`
        config   whatever else makes the run what it is (the model's sizes, paths of the data), as JSON; `read_run` gives it back

        Raises `UsageError` where the folder holds a run or anything else, `BusyError`, `ResourceError`.
        """
        folder = Path(folder)
        lock = RunLock(folder, disk)
        try:
            if (folder / "run.json").exists():
                raise UsageError(
                    "The folder holds a run already.",
                    f"In {str(folder)!r}.",
                    "Resume it, or give another folder.",
                )
            others = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
            if others:
                raise UsageError(
                    f"The folder is not empty: it holds {', '.join(others[:3])}.",
                    f"In {str(folder)!r}.",
                    "Give a folder that is new or empty.",
                )
            identity = _identity(settings, data, config or {})
            write_json(folder / "run.json", identity, disk)
            return cls(folder, identity, lock, disk)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def resume(
        cls,
        folder: str | os.PathLike[str],
        settings: TrainSettings,
        *,
        data: str,
        config: Mapping[str, Any] | None = None,
        accept: Collection[str] = (),
        disk: Disk = REAL,
    ) -> Run:
        """The run of a folder, to go on to the very numbers that it would have had without a stop.

        Raises `ModelError` where there is no run, or where data, settings, threads, version or machine differ from the first
        start, saying which; those named in `accept` may differ, and the numbers with them. With "budget" among them a run that
        has ended goes on to a longer budget, which run.json then says, and comes to the weights of a run that had it from the
        start; the evaluation at its first end stays, as one more that a mean of weights, or the best, is of. A run that was
        stopped ends where it is with a budget that is used up; `UsageError` where one that has ended is given such a budget.
        `BusyError` where it is being written.
        """
        folder = Path(folder)
        for name in accept:
            if name not in DIFFERENCES:
                raise UsageError(f"Unknown difference {name!r}. {did_you_mean(name, DIFFERENCES)}", "In accept.")
        first = read_run(folder, disk)
        lock = RunLock(folder, disk)
        try:
            # Threads that nobody asked for are those of the first start.
            now = _identity(settings, data, config or {}, threads=first.get("threads"))
            differences = _differences(first, now)
            allowed = {*accept, *(["budget"] if "settings" in accept else [])}
            refused = [text for name, texts in differences.items() if name not in allowed for text in texts]
            if refused:
                raise ModelError(
                    f"The run cannot go on exactly as it was: {'; '.join(refused)}.",
                    f"In {str(folder)!r}.",
                    "Resume with what it was started with, accept the difference, or start a new run.",
                )
            kept = _with_budget(first, now)
            run = cls(folder, {**now, "config": kept.get("config", {})}, lock, disk)
            run.accepted = [text for texts in differences.values() for text in texts]
            if "budget" in differences:
                run._refuse_used_up(settings)
                write_json(run.folder / "run.json", kept, disk)
            return run
        except BaseException:
            lock.release()
            raise

    @property
    def threads(self) -> int:
        return int(self.identity["threads"])

    def leaves(self, settings: TrainSettings) -> bool:
        """Whether a checkpoint is there from which this budget goes on."""
        done = self._done()
        return done is not None and not done.spent(settings)

    def _done(self) -> Progress | None:
        """Where the newest whole checkpoint is; None without one."""
        found = self.checkpoints.newest()
        return None if found is None else Progress.from_dict(found.state)

    def _refuse_used_up(self, settings: TrainSettings) -> None:
        """`UsageError` where the run has ended, and its new budget is used up too. One that was stopped ends where it is."""
        done = self._done()
        if done is not None and done.finished and (reason := done.spent(settings)):
            raise UsageError(
                f"The run has done {done.step:,} steps and {done.tokens:,} tokens in {done.seconds / 60:.1f} minutes, so "
                f"{reason} would end it at once; a budget is that of the whole run, from its first step.",
                f"In {str(self.folder)!r}.",
                "Give a larger budget."
                if reason != "patience"
                else "Nothing better was found for so long: start a new run from it.",
            )

    def newest(self) -> Snapshot | None:
        """The newest checkpoint that is whole."""
        found = self.checkpoints.newest()
        if found is None:
            return None
        return Snapshot({group: found.tensors(group) for group in found.groups}, found.state)

    def save(self, snapshot: Snapshot) -> None:
        """Make the history, then the snapshot, safe on the disk. `ResourceError`, `NotFiniteError`."""
        self.history.sync()
        self.checkpoints.save(int(snapshot.state["step"]), snapshot.tensors, snapshot.state)

    def write(self, records: Iterable[Record]) -> None:
        for record in records:
            self.history.append(record._asdict())

    def note_event(self, event: str, **details: Any) -> None:
        self.events.append({"event": event, **details})

    def close(self) -> None:
        self.history.close()
        self.events.close()
        self._lock.release()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_run(folder: str | os.PathLike[str], disk: Disk = REAL) -> dict[str, Any]:
    """What `RUN/run.json` says: settings, config, data, threads, versions. `ModelError` where there is no run."""
    path = Path(folder) / "run.json"
    if not path.is_file():
        raise ModelError("There is no run here.", f"In {str(folder)!r}.", "Give the folder that a training run wrote.")
    with resource_errors("read the run", path):
        found = json_from_bytes(read_bounded(path, _MOST_BYTES, disk), repr(str(path)))
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        got = found.get("format") if isinstance(found, dict) else type(found).__name__
        raise ModelError(
            f"The run has format {got!r}; allowed: {FORMAT}.",
            f"In {str(path)!r}.",
            "Resume it with the axw that wrote it.",
        )
    return found


def fingerprint_of_bytes(pieces: Iterable[bytes]) -> str:
    """SHA-256 of the pieces, each with its length, so that moving a border between two changes it."""
    digest, left = hashlib.sha256(), iter(pieces)
    while some := list(islice(left, 1000)):
        digest.update(b"".join(part for piece in some for part in (len(piece).to_bytes(8, "little"), piece)))
    return digest.hexdigest()


def fingerprint_of_files(paths: Iterable[str | os.PathLike[str]], disk: Disk = REAL) -> str:
    """SHA-256 of the contents of files, in this order; their names do not matter. `ResourceError`."""
    whole = hashlib.sha256()
    for name in paths:
        digest, path = hashlib.sha256(), Path(name)
        with resource_errors("read the data", path):
            path = path.resolve(strict=True)
            for chunk in read_chunks(path, path.stat().st_size, disk):
                digest.update(chunk)
        whole.update(digest.digest())
    return whole.hexdigest()


def _identity(
    settings: TrainSettings, data: str, config: Mapping[str, Any], threads: int | None = None
) -> dict[str, Any]:
    plain = to_dict(settings)
    asked = plain.pop("threads")
    identity = {
        "format": FORMAT,
        "settings": plain,
        "config": dict(config),
        "data": data,
        "threads": asked or threads or torch.get_num_threads(),
        "version": {"axw": __version__, "torch": torch.__version__, "numpy": version("numpy")},
        "machine": {
            "cpu": torch.backends.cpu.get_cpu_capability(),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "processes": int(os.environ.get("WORLD_SIZE", "1")),
        },
    }
    # As it will be read back, so that a tuple is not taken for a difference.
    return dict(json_from_bytes(json_to_bytes(identity), "the identity of the run"))


def _with_budget(first: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """The first identity with the budget of another."""
    changed: dict[str, Any] = copy.deepcopy(dict(first))
    for path in _BUDGETS:
        *parts, name = path.split(".")
        place, source = changed, now
        for part in parts:
            place, source = place.get(part, {}), source.get(part, {})
        if name in place:
            place[name] = source.get(name)
    return changed


def _differences(first: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list[str]]:
    """Which of data, settings, budget, threads, version and machine differ, each difference in words: `name was a, is b`."""

    def between(before: Any, after: Any, name: str) -> list[str]:
        if isinstance(before, dict) and isinstance(after, dict):
            return [
                text
                for key in sorted({*before, *after})
                for text in between(before.get(key), after.get(key), f"{name}.{key}" if name else key)
            ]
        return [] if before == after else [f"{name} was {before!r}, is {after!r}"]

    settings = between(first.get("settings"), now["settings"], "settings")
    settings += between(first.get("config"), now["config"], "config")
    budget = [text for text in settings if text.partition(" was ")[0] in _BUDGETS]
    found = {
        "data": between(str(first.get("data"))[:12], str(now["data"])[:12], "data")
        if first.get("data") != now["data"]
        else [],
        "settings": [text for text in settings if text not in budget],
        "budget": budget,
        "threads": between(first.get("threads"), now["threads"], "threads"),
        "version": between(first.get("version"), now["version"], "version"),
        "machine": between(first.get("machine"), now["machine"], "machine"),
    }
    return {name: texts for name, texts in found.items() if texts}
