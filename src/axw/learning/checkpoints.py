"""Checkpoints of a run: a step that was reported as saved survives a kill, a full disk and a power loss.

A checkpoint is a folder `step_XXXXXXXX` with one safetensors file for each group, `state.json` and `MANIFEST.json`. It is
filled under a temporary name, put on the disk, renamed, read back; only then may an older one go. A damaged checkpoint is
always noticed, never used in part, and the next older good one is taken.
"""

from __future__ import annotations

import errno
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from axw.errors import DataWarning, ModelError, ResourceError, UsageError
from axw.storage.disk import REAL, Disk, as_resource_error, make_folders, remove_tree
from axw.storage.files import is_left_over, json_from_bytes, json_to_bytes, refuse_not_finite_json, temporary_name
from axw.storage.folder import Folder, check_names, fill_folder, read_folder, read_meta
from axw.storage.tensors import refuse_not_finite, tensors_from_bytes, tensors_to_bytes

_NAME = re.compile(r"step_(\d{8,18})(?:\.(\d{1,9}))?")
_ENDING = ".safetensors"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_TRY_AGAIN = _FULL | {errno.EIO}


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose every byte was verified."""

    step: int
    state: Mapping[str, Any]
    path: Path
    meta: Mapping[str, Any]
    _folder: Folder

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(name.removesuffix(_ENDING) for name in self._folder.names if name.endswith(_ENDING))

    def tensors(self, group: str) -> dict[str, Tensor]:
        """The tensors of one group, on the CPU. `ModelError` where there is no such group or it was damaged since."""
        if group not in self.groups:
            raise ModelError(
                f"The checkpoint has no tensors {group!r}; it has {', '.join(self.groups) or 'none'}.",
                f"In {str(self.path)!r}.",
                "Resume with the settings that the run was started with.",
            )
        return tensors_from_bytes(self._folder.read(group + _ENDING))


class _Saved(NamedTuple):
    """A `step_*` folder by name. The same step saved again gets a number behind a dot, so nothing is ever overwritten."""

    step: int
    again: int
    name: str


class Checkpoints:
    """The checkpoints in a run folder: the newest `keep` and the best one.

    One process writes at a time: hold a `RunLock` on the folder.
    """

    def __init__(self, run_folder: str | os.PathLike[str], disk: Disk = REAL, keep: int = 2) -> None:
        if keep < 1:
            raise UsageError(f"keep is {keep}; allowed: 1 or more.", todo="Keep at least the newest checkpoint.")
        self.run_folder, self._disk, self.keep = Path(run_folder), disk, keep

    # -------------------------------------------------------------------------------------------------------- save

    def save(
        self,
        step: int,
        tensors: Mapping[str, Mapping[str, Tensor]],
        state: Mapping[str, Any],
        best: bool = False,
    ) -> Path:
        """Save a step; once this returns, it survives a power loss. Returns the folder.

        tensors   group -> name -> tensor; each group is one file, such as weights, optimizer, average
        state     what else the run needs to go on, as JSON with finite numbers; a tuple comes back as a list
        best      keep this one until a better one is saved

        Raises `NotFiniteError` before anything is written, `ResourceError` (the older checkpoints are still there), and
        `UsageError` for a step before the newest one saved.
        """
        if not 0 <= step < 10**18:
            raise UsageError(f"step is {step}; allowed: 0 or more.", todo="Count the steps from 0.")
        check_names([group + _ENDING for group in tensors] + ["state.json"])
        for group, named in tensors.items():
            refuse_not_finite(named, f"In {group!r} at step {step}.")
        refuse_not_finite_json(state, "state")
        try:
            path = self._save_once_or_twice(step, tensors, json_to_bytes(state), best)
        except OSError as error:
            raise as_resource_error(error, f"save step {step}", self.run_folder) from error
        self._remove_older()
        return path

    def _save_once_or_twice(
        self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: bytes, best: bool
    ) -> Path:
        """One attempt, and one more in a fresh folder where the disk was full or a write failed."""
        make_folders(self.run_folder, self._disk)
        self._remove_left_overs()
        name = self._next_name(step)
        size = len(state) + sum(t.nbytes for named in tensors.values() for t in named.values())
        try:
            self._require_space(size)
            return self._attempt(name, step, tensors, state, best)
        except OSError as error:
            if error.errno not in _TRY_AGAIN:
                raise
            if error.errno in _FULL:
                with suppress(OSError):
                    self._remove_surplus(keep=1)
        # After a failed fsync the system may have dropped the bytes and forgotten it: only new files can be trusted.
        return self._attempt(name, step, tensors, state, best)

    def _attempt(
        self, name: str, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: bytes, best: bool
    ) -> Path:
        disk, path = self._disk, self.run_folder / name
        temporary = self.run_folder / temporary_name(str(step))
        meta = {
            "kind": "checkpoint",
            "step": step,
            "best": best,
            "previous": self._previous(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }
        if os.path.lexists(temporary):  # an attempt of this process that could not even be cleaned up
            remove_tree(temporary, disk)
        try:
            fill_folder(temporary, _files(tensors, state), meta, disk)
            disk.rename(temporary, path)
        except BaseException:
            with suppress(OSError):
                remove_tree(temporary, disk)
            raise
        try:
            disk.fsync_folder(self.run_folder)
            self._open(name)
        except (OSError, ModelError, ResourceError) as error:
            with suppress(OSError):
                self._remove(name)
            raise OSError(errno.EIO, f"the checkpoint could not be read back: {error}") from error
        return path

    def _previous(self) -> dict[str, str] | None:
        """The name and manifest of the checkpoint before this one: the chain shows which files belong to one run."""
        for saved in self._list():
            with suppress(ModelError, ResourceError):
                return {"name": saved.name, "manifest": read_meta(self.run_folder / saved.name, self._disk)[1]}
        return None

    def _next_name(self, step: int) -> str:
        """A name that is not taken. `UsageError` where a later step is there and good; a damaged one does not count."""
        present = self._list()
        for saved in present:
            if saved.step <= step:
                break
            if self._good(saved) is not None:
                raise UsageError(
                    f"Step {step} comes before step {saved.step}, which is saved already.",
                    f"In {str(self.run_folder)!r}.",
                    "Resume the run from its newest checkpoint, or use another run folder.",
                )
        again = max((saved.again + 1 for saved in present if saved.step == step), default=0)
        return f"step_{step:08d}" + (f".{again}" if again else "")

    def _require_space(self, size: int) -> None:
        """ENOSPC before anything is written where the disk has no room, a fifth to spare included."""
        try:
            free = self._disk.free_bytes(self.run_folder)
        except OSError:  # not every file system tells; a write will
            return
        need = size + size // 5 + 65_536
        if free < need:
            raise OSError(errno.ENOSPC, f"{need} bytes are needed, {free} are free")

    # ------------------------------------------------------------------------------------------------------ newest

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that verifies, or None where none was saved yet.

        Each one that is skipped is a `DataWarning` with the reason. What dead processes left half-written is removed.
        Raises `ModelError` where there are checkpoints but not one is good, `ResourceError` (no permission).
        """
        if not os.path.lexists(self.run_folder):
            return None
        try:
            self._remove_left_overs(own=True)
            present = self._list()
        except OSError as error:
            raise as_resource_error(error, "read the run", self.run_folder) from error
        for saved in present:
            try:
                return self._open(saved.name)
            except ModelError as error:
                warnings.warn(
                    f"The checkpoint {saved.name!r} is skipped: {' '.join(str(error).splitlines()[:2])}",
                    DataWarning,
                    stacklevel=2,
                )
        if present:
            raise ModelError(
                f"None of the {len(present)} checkpoints can be used.",
                f"In {str(self.run_folder)!r}.",
                "Copy the run again from a backup, or start a new run in another folder.",
            )
        return None

    def _open(self, name: str) -> Checkpoint:
        """The checkpoint, verified whole. `ModelError`, `ResourceError`."""
        path = self.run_folder / name
        folder = read_folder(path, self._disk)
        step = folder.meta.get("step")
        found = _NAME.fullmatch(name)
        if folder.meta.get("kind") != "checkpoint" or found is None or step != int(found[1]):
            raise ModelError(
                f"The folder holds {folder.meta.get('kind')!r}, step {step}, and not what its name says.",
                f"In {str(path)!r}.",
                "Give the folder its old name again, or remove it.",
            )
        state = json_from_bytes(folder.read("state.json"), repr(str(path / "state.json")))
        return Checkpoint(int(found[1]), state, path, folder.meta, folder)

    def _good(self, saved: _Saved) -> Checkpoint | None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            try:
                return self._open(saved.name)
            except (ModelError, ResourceError):
                return None

    def _list(self) -> list[_Saved]:
        """All `step_*` folders, newest first, by number and not by date."""
        result = []
        for name, is_folder in self._disk.list_folder(self.run_folder).items():
            found = _NAME.fullmatch(name)
            if found and is_folder:
                result.append(_Saved(int(found[1]), int(found[2] or 0), name))
        return sorted(result, reverse=True)

    # --------------------------------------------------------------------------------------------------- retention

    def _remove_older(self) -> None:
        """A failure here loses only space, for the new checkpoint is safe already: `DataWarning`."""
        try:
            self._remove_surplus(self.keep)
        except OSError as error:
            warnings.warn(
                f"Older checkpoints in {str(self.run_folder)!r} could not be removed: {error.strerror}.",
                DataWarning,
                stacklevel=3,
            )

    def _remove_surplus(self, keep: int) -> None:
        """Remove what is older than the newest `keep` good ones, but the best."""
        kept_steps: set[int] = set()
        best_found = False
        surplus: list[str] = []
        for saved in self._list():
            if len(kept_steps) >= keep and best_found:
                surplus.append(saved.name)
                continue
            good = self._good(saved)
            if good is None:
                # A damaged one never counts; it goes once enough good ones are newer.
                if len(kept_steps) >= keep:
                    surplus.append(saved.name)
                continue
            is_best = bool(good.meta.get("best")) and not best_found
            best_found = best_found or is_best
            if len(kept_steps) < keep and saved.step not in kept_steps:
                kept_steps.add(saved.step)
            elif not is_best:
                surplus.append(saved.name)
        for name in surplus:
            self._remove(name)

    def _remove(self, name: str) -> None:
        """Take the name away first, and for good: a power loss then never leaves a `step_*` folder half-emptied."""
        away = self.run_folder / f".del-{name}-{os.getpid()}"
        self._disk.rename(self.run_folder / name, away)
        self._disk.fsync_folder(self.run_folder)
        remove_tree(away, self._disk)

    def _remove_left_overs(self, own: bool = False) -> None:
        """Remove the temporary files and folders of processes that no longer live, as far as this one may."""
        for name, is_folder in self._disk.list_folder(self.run_folder).items():
            if not is_left_over(name, own):
                continue
            with suppress(OSError):
                if is_folder:
                    remove_tree(self.run_folder / name, self._disk)
                else:
                    self._disk.unlink(self.run_folder / name)


def _files(tensors: Mapping[str, Mapping[str, Tensor]], state: bytes) -> Iterator[tuple[str, bytes]]:
    for group, named in tensors.items():
        yield group + _ENDING, tensors_to_bytes(named)
    yield "state.json", state
