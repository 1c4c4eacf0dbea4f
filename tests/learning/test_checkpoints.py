"""A step that was reported as saved is never lost: not to a kill, a full disk, a power loss or a flipped bit."""

from __future__ import annotations

import errno
import os
import random
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from axw.errors import DataWarning, ModelError, NotFiniteError, ResourceError, UsageError
from axw.learning.checkpoints import Checkpoints
from axw.storage.disk import REAL, Disk
from axw.storage.tensors import tensors_from_bytes
from tests.storage.faults import Died, DyingDisk, FaultDisk, KilledDisk, RecordingDisk, crash_states
from tests.storage.runs import copied, is_exact, newest, save, state_of, tensors_of, tmp_path

__all__ = ["tmp_path"]  # the fixture: folders in memory


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with two good checkpoints, steps 10 and 20."""
    save(tmp_path / "run", 10)
    save(tmp_path / "run", 20)
    return tmp_path / "run"


def names(run: Path) -> list[str]:
    return sorted(os.listdir(run))


# ------------------------------------------------------------------------------------------------------ what is saved


def test_what_is_saved_comes_back_bit_for_bit(run: Path) -> None:
    found = Checkpoints(run).newest()
    assert found is not None and found.step == 20 and found.path.name == "step_00000020" and is_exact(found)
    assert found.meta["torch"] == torch.__version__ and found.meta["threads"] == torch.get_num_threads()


def test_the_files_are_plain_safetensors(run: Path) -> None:
    import safetensors.torch

    for group, named in tensors_of(20).items():
        ours = (run / "step_00000020" / f"{group}.safetensors").read_bytes()
        theirs = safetensors.torch.load(ours)
        assert all(torch.equal(theirs[name], named[name]) for name in named)
        assert tensors_from_bytes(ours).keys() == named.keys()


def test_the_same_step_gives_the_same_bytes(tmp_path: Path) -> None:
    save(tmp_path / "a", 3)
    save(tmp_path / "b", 3)
    for path in (tmp_path / "a" / "step_00000003").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / "step_00000003" / path.name).read_bytes()


def test_nothing_saved_is_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path).newest() is None
    assert Checkpoints(tmp_path / "not there").newest() is None


def test_the_newest_two_and_the_best_are_kept(tmp_path: Path) -> None:
    for step in range(1, 8):
        save(tmp_path, step, best=step in (2, 4))
    assert names(tmp_path) == ["step_00000004", "step_00000006", "step_00000007"]
    save(tmp_path, 8, best=True)
    assert names(tmp_path) == ["step_00000007", "step_00000008"]


def test_steps_are_ordered_by_number(tmp_path: Path) -> None:
    for step in (99_999_999, 100_000_000):
        save(tmp_path, step)
    os.utime(tmp_path / "step_99999999")
    found = Checkpoints(tmp_path).newest()
    assert found is not None and found.step == 100_000_000


def test_a_step_saved_again_is_the_newer_one(run: Path) -> None:
    path = Checkpoints(run).save(20, tensors_of(20), {"again": True})
    assert path.name == "step_00000020.1"
    found = Checkpoints(run).newest()
    assert found is not None and found.step == 20 and found.state == {"again": True}
    assert names(run) == ["step_00000010", "step_00000020.1"]


def test_each_checkpoint_names_the_one_before(run: Path) -> None:
    import hashlib

    found = Checkpoints(run).newest()
    assert found is not None
    manifest = (run / "step_00000010" / "MANIFEST.json").read_bytes()
    assert found.meta["previous"] == {"name": "step_00000010", "manifest": hashlib.sha256(manifest).hexdigest()}


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_not_finite_is_refused_before_anything_is_written(run: Path, value: float) -> None:
    bad = tensors_of(30)
    bad["optimizer"]["W.average"][1, 2] = value
    disk = FaultDisk(1, errno.EIO, lasting=True, reads=True)
    with pytest.raises(NotFiniteError, match=r"'W.average' \(1 of 15 numbers\)\.\nIn 'optimizer' at step 30"):
        Checkpoints(run, disk).save(30, bad, state_of(30))
    assert disk.count == 0 and names(run) == ["step_00000010", "step_00000020"]


def test_a_state_that_json_would_change_is_refused(run: Path) -> None:
    with pytest.raises(NotFiniteError, match=r"state\['best'\]\[1\] is inf.*\nStore None"):
        Checkpoints(run).save(30, {}, {"best": [1.0, float("inf")]})
    for value in (np.float32("nan"), np.float64("inf"), np.array([1.0, np.nan])):
        with pytest.raises(NotFiniteError, match=r"state\['best'\].* is (nan|inf)"):
            Checkpoints(run).save(30, {}, {"best": value})
    with pytest.raises(UsageError, match="only text as keys, got 3"):
        Checkpoints(run).save(30, {}, {"by step": {3: 1}})
    with pytest.raises(UsageError, match="JSON cannot hold a Tensor"):
        Checkpoints(run).save(30, {}, {"step": torch.tensor(3)})
    assert names(run) == ["step_00000010", "step_00000020"]


def test_settings_that_are_not_allowed(run: Path) -> None:
    with pytest.raises(UsageError, match="keep is 0; allowed: 1 or more"):
        Checkpoints(run, keep=0)
    with pytest.raises(UsageError, match="step is -1; allowed: 0 or more"):
        Checkpoints(run).save(-1, {}, {})
    with pytest.raises(UsageError, match=r"'\.\./x\.safetensors' cannot be a file of a folder"):
        Checkpoints(run).save(30, {"../x": {}}, {})
    with pytest.raises(UsageError, match="Step 15 comes before step 20, which is saved already"):
        save(run, 15)


def test_a_group_that_is_not_there(run: Path) -> None:
    found = Checkpoints(run).newest()
    assert found is not None
    with pytest.raises(ModelError, match="has no tensors 'average'; it has optimizer, weights"):
        found.tensors("average")


# -------------------------------------------------------------------------------------------- damage is always noticed


def damages(run: Path, flips: int, seed: int) -> list[tuple[str, int, int | None]]:
    """(file, byte, bit or None to cut there): spread over every file of step 20."""
    draw = random.Random(seed)
    paths = sorted((run / "step_00000020").iterdir())
    result: list[tuple[str, int, int | None]] = []
    for i in range(flips):
        path = paths[i % len(paths)]
        bit = None if i % 3 == 0 else draw.randrange(8)
        result.append((path.name, draw.randrange(path.stat().st_size), bit))
    return result


def damage(path: Path, byte: int, bit: int | None) -> None:
    data = bytearray(path.read_bytes())
    if bit is None:
        del data[byte:]
    else:
        data[byte] ^= 1 << bit
    path.write_bytes(data)


def test_every_flipped_bit_and_cut_is_noticed(run: Path) -> None:
    for name, byte, bit in damages(run, 160, seed=1):
        path = run / "step_00000020" / name
        before = path.read_bytes()
        damage(path, byte, bit)
        with pytest.warns(DataWarning, match="'step_00000020' is skipped: .* is damaged|'step_00000020' is skipped: "):
            found = Checkpoints(run).newest()
        assert found is not None and found.step == 10 and is_exact(found), (name, byte, bit)
        path.write_bytes(before)
    assert Checkpoints(run).newest().step == 20  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["weights.safetensors", "state.json", "MANIFEST.json"])
@pytest.mark.parametrize("what", ["missing", "empty", "swapped", "of another run", "longer"])
def test_files_that_are_not_the_ones_written(run: Path, name: str, what: str, tmp_path: Path) -> None:
    path = run / "step_00000020" / name
    if what == "missing":
        path.unlink()
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "swapped":
        path.write_bytes((path.parent / "optimizer.safetensors").read_bytes())
    elif what == "longer":
        path.write_bytes(path.read_bytes() + b" ")
    else:
        Checkpoints(tmp_path / "other").save(20, {"weights": {"W": torch.ones(2)}}, {"other": 1})
        shutil.copy(tmp_path / "other" / "step_00000020" / name, path)
    with pytest.warns(DataWarning, match="'step_00000020' is skipped: "):
        found = Checkpoints(run).newest()
    assert found is not None and found.step == 10 and is_exact(found)


def test_an_extra_file_is_only_counted(run: Path) -> None:
    (run / "step_00000020" / "notes.txt").write_text("mine")
    with pytest.warns(DataWarning, match=r"holds 1 files that its manifest does not name, such as 'notes\.txt'"):
        found = Checkpoints(run).newest()
    assert found is not None and found.step == 20


def test_a_folder_under_another_step_is_noticed(run: Path) -> None:
    os.rename(run / "step_00000020", run / "step_00000030")
    with pytest.warns(DataWarning, match="holds 'checkpoint', step 20, and not what its name says"):
        found = Checkpoints(run).newest()
    assert found is not None and found.step == 10


def test_a_link_instead_of_a_checkpoint_is_not_followed(run: Path) -> None:
    os.rename(run / "step_00000020", run / "elsewhere")
    os.symlink(run / "elsewhere", run / "step_00000020")
    found = Checkpoints(run).newest()
    assert found is not None and found.step == 10


def test_no_good_checkpoint_is_an_error_and_not_a_new_run(run: Path) -> None:
    for step in (10, 20):
        damage(run / f"step_000000{step}" / "state.json", 3, 1)
    with pytest.warns(DataWarning), pytest.raises(ModelError, match="None of the 2 checkpoints can be used"):
        Checkpoints(run).newest()


def test_a_file_that_changes_after_it_was_opened_is_noticed(run: Path) -> None:
    found = Checkpoints(run).newest()
    assert found is not None
    damage(found.path / "weights.safetensors", 200, 3)
    with pytest.raises(ModelError, match="is damaged"):
        found.tensors("weights")


def test_training_goes_on_after_damage_and_clears_it_away(run: Path) -> None:
    damage(run / "step_00000020" / "weights.safetensors", 100, 0)
    assert newest(run).step == 10  # type: ignore[union-attr]
    save(run, 15)
    assert names(run) == ["step_00000010", "step_00000015", "step_00000020"]
    assert newest(run).step == 15  # type: ignore[union-attr]
    assert save(run, 20).name == "step_00000020.1"
    save(run, 25)
    assert names(run) == ["step_00000020.1", "step_00000025"]


def test_a_damaged_checkpoint_never_counts_as_one_of_those_kept(run: Path) -> None:
    damage(run / "step_00000020" / "weights.safetensors", 100, 0)
    save(run, 30)
    assert names(run) == ["step_00000010", "step_00000020", "step_00000030"]


# ----------------------------------------------------------------------------------------------- disks that fail or die


CODES = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EROFS": errno.EROFS, "EDQUOT": errno.EDQUOT}


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_an_error_at_any_operation_loses_nothing(run: Path, tmp_path: Path, code: int, lasting: bool) -> None:
    opened = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    raised = 0
    for n in range(1, 1000):
        there = copied(run, tmp_path / f"{n}")
        disk = FaultDisk(n, code, lasting=lasting, reads=code == errno.EIO)
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            try:
                save(there, 30, disk)
                saved = True
            except ResourceError as error:
                saved, raised = False, raised + 1
                assert error.exit_code == 6 and "Could not save step 30" in error.what and error.todo
        found = newest(there)
        assert is_exact(found) and found.step >= (30 if saved else 20), n  # type: ignore[union-attr]
        left = [name for name in names(there) if not name.startswith("step_")]
        assert lasting or saved or not left, (n, left)
        if n % 7 == 0 or disk.count < n:
            save(there, 40)
            assert newest(there).step == 40  # type: ignore[union-attr]
        shutil.rmtree(there)
        if disk.count < n:
            break
    assert saved and n > 25
    assert raised > 10 or not (lasting or code == errno.EROFS)  # one passing failure is made good by the second attempt
    # Not equal: files of other tests may have been closed meanwhile, when their objects were collected.
    assert opened is None or len(os.listdir("/proc/self/fd")) <= opened


def test_dying_at_any_operation_loses_nothing(run: Path, tmp_path: Path) -> None:
    for n in range(1, 1000):
        there = copied(run, tmp_path / f"{n}")
        disk = DyingDisk(n)
        try:
            save(there, 30, disk)
        except Died:
            pass
        found = newest(there)
        assert is_exact(found) and found.step in (20, 30), n  # type: ignore[union-attr]
        assert all(name.startswith("step_") for name in names(there)), n
        shutil.rmtree(there)
        if disk.count < n:
            break
    assert found.step == 30 and n > 60  # type: ignore[union-attr]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kill_9_in_the_middle_of_a_save_loses_nothing(run: Path, tmp_path: Path) -> None:
    for n in range(1, 1000, 3):  # the benchmark takes every one
        there = copied(run, tmp_path / f"{n}")
        killed = killed_in_save(there, 30, n)
        found = newest(there)
        assert is_exact(found) and found.step in (20, 30), n  # type: ignore[union-attr]
        assert all(name.startswith("step_") for name in names(there)), n  # the child is dead: its leftovers are gone
        shutil.rmtree(there)
        if not killed:
            break
    assert found.step == 30 and n > 60  # type: ignore[union-attr]


def killed_in_save(run: Path, step: int, n: int) -> bool:
    """Save in a forked child that is killed at its n-th operation; whether it was."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of a fork beside threads; the child only writes files
        child = os.fork()
    if child == 0:
        try:
            save(run, step, KilledDisk(n))
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def recorded_run(root: Path) -> RecordingDisk:
    """Four saves, one of them again and one the best; a mark once each was reported as saved."""
    disk = RecordingDisk()
    for step, best in ((10, False), (20, True), (30, False), (40, False)):
        save(root / "deep" / "run", step, disk, best)
        disk.mark(step)
    return disk


def test_a_power_loss_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    disk = recorded_run(tmp_path / "live")
    seen, most = 0, 0
    for state, marks in crash_states(disk.log, tmp_path / "live", tmp_path, 400, seed=2):
        run = state / "deep" / "run"
        found = newest(run)
        assert found is None or is_exact(found)
        assert not marks or (found is not None and found.step >= marks[-1]), (state.name, marks)
        if seen % 9 == 0:
            save(run, 50)
            assert newest(run).step == 50  # type: ignore[union-attr]
        seen, most = seen + 1, max(most, found.step if found else 0)
        shutil.rmtree(state)
    assert seen >= 400 and most == 40


class ForgetfulDisk(Disk):
    """What a careless writer does: no fsync at all."""

    def __init__(self, disk: RecordingDisk) -> None:
        self._disk = disk

    def __getattribute__(self, name: str) -> object:
        if name in ("_disk", "__class__"):
            return object.__getattribute__(self, name)
        if name in ("fsync", "fsync_folder"):
            return lambda *_: None
        return getattr(object.__getattribute__(self, "_disk"), name)


def test_the_power_loss_test_notices_a_writer_that_does_not_fsync(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    recording = RecordingDisk()
    disk = ForgetfulDisk(recording)
    for step in (10, 20):
        save(tmp_path / "live" / "run", step, disk)
        recording.mark(step)
    lost = 0
    for state, marks in crash_states(recording.log, tmp_path / "live", tmp_path, 100, seed=3):
        try:
            found = newest(state / "run")
            lost += bool(marks) and (found is None or found.step < marks[-1])
        except ModelError:
            lost += 1
    assert lost > 5


# ------------------------------------------------------------------------------------------- what a machine runs out of


class FullDisk(Disk):
    def free_bytes(self, path: Path) -> int:
        return 1000


def test_no_room_makes_place_and_keeps_the_newest(run: Path) -> None:
    save(run, 30, FullDisk())  # says it is full, but is not: the second attempt goes through
    assert names(run) == ["step_00000020", "step_00000030"] or names(run) == ["step_00000030"]
    disk = FaultDisk(3, errno.ENOSPC, lasting=True, reads=False)
    with pytest.raises(ResourceError, match=r"Could not save step 40: the disk is full\.\nIn '.*'\.\nFree some space"):
        save(run, 40, disk)
    assert newest(run).step == 30  # type: ignore[union-attr]


def test_a_real_limit_on_the_size_of_files(run: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, before[1]))
    try:
        with pytest.raises(
            ResourceError, match="the file is larger than the disk or `ulimit -f` allows.*\n.*\nRaise the limit"
        ):
            save(run, 30)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(run) == ["step_00000010", "step_00000020"] and is_exact(newest(run))


def test_a_read_only_folder(run: Path) -> None:
    disk = FaultDisk(1, errno.EACCES, lasting=True, reads=False)
    with pytest.raises(ResourceError, match="permission denied.*\nIn '.*run'.\nGive this user the right"):
        save(run, 30, disk)
    assert newest(run, disk).step == 20  # type: ignore[union-attr]


def test_a_run_that_was_removed_meanwhile_is_made_again(run: Path) -> None:
    shutil.rmtree(run)
    save(run, 30)
    assert newest(run).step == 30  # type: ignore[union-attr]


def test_a_file_in_the_place_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(ResourceError, match="Could not save step 1: .*\nIn '.*run'"):
        save(tmp_path / "run", 1)


def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="the name is too long"):
        save(tmp_path / ("x" * 300), 1)


def test_left_overs_of_dead_processes_go_and_those_of_living_ones_stay(run: Path) -> None:
    dead = 2**22 + 7  # above the largest process number
    for name in (f".tmp-30-{dead}", f".del-step_00000005-{dead}", ".tmp-30-1"):
        (run / name).mkdir()
        (run / name / "weights.safetensors").write_bytes(b"half")
    (run / f".tmp-abcd-{dead}").write_bytes(b"half")
    (run / ".hidden").write_bytes(b"mine")
    Checkpoints(run).newest()
    assert names(run) == [".hidden", ".tmp-30-1", "step_00000010", "step_00000020"]


def test_a_folder_that_is_read_only_can_still_be_resumed(run: Path) -> None:
    (run / ".tmp-30-4194311").mkdir()
    assert newest(run, FaultDisk(1, errno.EROFS, lasting=True, reads=False)).step == 20  # type: ignore[union-attr]


def test_the_real_disk_is_the_default() -> None:
    assert Checkpoints("x")._disk is REAL
