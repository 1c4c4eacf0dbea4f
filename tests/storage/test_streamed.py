"""A folder that is written piece by piece is whole or not there, and its arrays come back as they were."""

from __future__ import annotations

import errno
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from axw.errors import DataWarning, ModelError, ResourceError, UsageError
from axw.storage import read_folder
from axw.storage.disk import REAL, Disk
from axw.storage.streamed import StreamedFolder, mapped
from tests.storage.faults import Died, DyingDisk, FaultDisk, RecordingDisk, crash_states


def write(path: Path, pieces: int, disk: Disk = REAL) -> np.ndarray:
    numbers = np.arange(7 * pieces, dtype="<i4")
    with StreamedFolder(path, {"of": "made up"}, disk) as new:
        for part in np.split(numbers, pieces):
            new.append("ids", part.data.cast("B"))
        new.append("nothing", b"")
    return numbers


def test_arrays_come_back(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "text"
    for pieces in (3, 5):  # the second takes the first one's place
        numbers = write(path, pieces)
        folder = read_folder(path)
        assert folder.meta == {"of": "made up"}
        np.testing.assert_array_equal(mapped(folder, "ids", "<i4"), numbers)
        assert not mapped(folder, "ids", "<i4").flags.writeable
        assert mapped(folder, "nothing", "<i8").shape == (0,)
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == ["text"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "text"
    numbers = write(path, 2)
    with pytest.raises(ZeroDivisionError), StreamedFolder(path, {}) as new:
        new.append("ids", b"1234")
        raise ZeroDivisionError
    np.testing.assert_array_equal(mapped(read_folder(path), "ids", "<i4"), numbers)
    assert [p.name for p in tmp_path.iterdir()] == ["text"]
    with pytest.raises(UsageError, match="cannot be a file of a folder"), StreamedFolder(path, {}) as new:
        new.append("../ids", b"1234")


def test_what_is_no_such_array_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "text", 1)
    with pytest.raises(ModelError, match="The file 'ids' holds no array of <i8"):
        mapped(read_folder(tmp_path / "text"), "ids", "<i8")
    with pytest.raises(ModelError, match="The file 'starts' holds no array"):
        mapped(read_folder(tmp_path / "text"), "starts", "<i8")


def pieces_of(path: Path) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return len(mapped(read_folder(path), "ids", "<i4")) // 7


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_an_error_at_any_operation(tmp_path: Path, code: int) -> None:
    write(tmp_path / "before" / "text", 2)
    for n in range(1, 200):
        here = tmp_path / f"{n}"
        shutil.copytree(tmp_path / "before", here)
        disk = FaultDisk(n, code, lasting=n % 2 == 0, reads=False)
        try:
            write(here / "text", 3, disk)
        except ResourceError:
            assert pieces_of(here / "text") in (2, 3)
        else:
            assert pieces_of(here / "text") == 3
        if disk.count < n:
            break
    assert 20 < n < 199


def test_death_at_any_operation(tmp_path: Path) -> None:
    write(tmp_path / "before" / "text", 2)
    for n in range(1, 200):
        here = tmp_path / f"{n}"
        shutil.copytree(tmp_path / "before", here)
        try:
            write(here / "text", 3, DyingDisk(n))
        except Died:
            assert pieces_of(here / "text") in (2, 3)
        else:
            break
    assert 20 < n < 199 and pieces_of(here / "text") == 3


def test_power_lost_at_any_moment(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    disk = RecordingDisk()
    write(root / "text", 2, disk)
    disk.mark(2)
    write(root / "text", 3, disk)
    disk.mark(3)
    work = tmp_path / "states"
    work.mkdir()
    for state, marks in crash_states(disk.log, root, work, 300, seed=1):
        if marks:
            assert pieces_of(state / "text") in (marks[-1], 3)
