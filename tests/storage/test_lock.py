"""Two processes never write to one run, and a lock never has to be removed by hand."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from axw.errors import BusyError, ResourceError
from axw.storage import RunLock
from tests.storage.faults import FaultDisk

HOLD = """
import sys
from axw.storage import RunLock
lock = RunLock(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_one_is_told_who_holds_it(tmp_path: Path) -> None:
    with RunLock(tmp_path / "run"):
        with pytest.raises(
            BusyError, match=rf"written by process {os.getpid()}; one process.*\nIn '.*run'\.\nWait"
        ) as caught:
            RunLock(tmp_path / "run")
        assert caught.value.exit_code == 8
        with RunLock(tmp_path / "another"):
            pass
    RunLock(tmp_path / "run").release()


def test_the_kernel_frees_it_when_the_process_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(BusyError, match=f"process {other.pid};.*\n.*\n.*`kill {other.pid}`"):
            RunLock(tmp_path)
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        with RunLock(tmp_path):
            assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_releasing_twice_and_a_torn_number(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    lock.release()
    lock.release()
    (tmp_path / ".lock").write_text("not a number")
    with RunLock(tmp_path):
        (tmp_path / ".lock").write_text("")
        with pytest.raises(BusyError, match="written by another process"):
            RunLock(tmp_path)


def test_a_disk_that_refuses(tmp_path: Path) -> None:
    opened = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for n in range(1, 4):
        with pytest.raises(ResourceError, match="Could not lock the folder: the disk is read-only"):
            RunLock(tmp_path / f"{n}" / "run", FaultDisk(n, errno.EROFS, lasting=True, reads=False))
    assert not opened or len(os.listdir("/proc/self/fd")) == opened
