"""How much the storage room survives: power losses, flipped bits, failing disks, kills and hostile files.

    python benchmarks/reliability_storage.py [--quick] [--seed 0]

Prints one table; exits with 1 where a promise was broken. Needs a system with fork (Linux, macOS). About one and a half
minutes on two cores, half a minute with --quick. Nothing is written outside of a temporary folder.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from tests.storage.faults import FaultDisk, KilledDisk, RecordingDisk, crash_states
from tests.storage.hostile import folder_with, folders, headers, payloads
from tests.storage.runs import copied, is_exact, newest, save

from axw.errors import AxwError, ModelError, ResourceError
from axw.storage import json_from_bytes, read_folder
from axw.storage.tensors import tensors_from_bytes


class Row(NamedTuple):
    name: str
    good: int
    total: int
    note: str = ""


def crash(work: Path, states: int, seed: int) -> Row:
    """Every prefix of four saves, with what was not synced dropped, kept, torn or reordered."""
    (work / "live").mkdir()
    disk = RecordingDisk()
    for step, best in ((10, False), (20, True), (30, False), (40, False)):
        save(work / "live" / "run", step, disk, best)
        disk.mark(step)
    good = total = 0
    for state, marks in crash_states(disk.log, work / "live", work, states, seed):
        try:
            found = newest(state / "run")
            good += (found is None or is_exact(found)) and (
                not marks or (found is not None and found.step >= marks[-1])
            )
        except AxwError:
            pass
        total += 1
        shutil.rmtree(state)
    return Row("crash states: a saved step loads", good, total, f"{len(disk.log)} operations")


def flips(work: Path, count: int, seed: int) -> Row:
    """One bit flipped (three of four) or the end cut off (one of four), in each file of the newest checkpoint in turn."""
    draw = random.Random(seed)
    save(work / "run", 10)
    save(work / "run", 20)
    paths = sorted((work / "run" / "step_00000020").iterdir())
    noticed = 0
    for i in range(count):
        path = paths[i % len(paths)]
        before = path.read_bytes()
        data, at = bytearray(before), draw.randrange(len(before))
        if i % 4 == 0:
            del data[at:]
        else:
            data[at] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        found = newest(work / "run")
        noticed += found is not None and found.step == 10 and is_exact(found)
        path.write_bytes(before)
    return Row("bit flips and cuts: noticed, older one used", noticed, count)


def faults(work: Path) -> Row:
    """An error at every operation of a save, once and for good: an error that names it, or a save; never a loss."""
    save(work / "run", 10)
    save(work / "run", 20)
    good = total = 0
    for code in (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EFBIG):
        for lasting in (False, True):
            for n in range(1, 1000):
                there = copied(work / "run", work / "there")
                disk = FaultDisk(n, code, lasting=lasting, reads=code == errno.EIO)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    try:
                        save(there, 30, disk)
                        least = 30
                    except ResourceError:
                        least = 20
                found = newest(there)
                held = is_exact(found) and found is not None and found.step >= least
                shutil.rmtree(there)
                if disk.count < n:
                    break
                total, good = total + 1, good + held
    return Row("injected I/O errors: handled", good, total, "6 kinds, once and lasting")


def kills(work: Path, rounds: int) -> Row:
    """SIGKILL at every operation of a save, in a forked child."""
    save(work / "run", 10)
    save(work / "run", 20)
    good = total = 0
    for _ in range(rounds):
        for n in range(1, 1000):
            there = copied(work / "run", work / "there")
            child = os.fork()
            if child == 0:
                try:
                    save(there, 30, KilledDisk(n))
                finally:
                    os._exit(0)
            killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
            found = newest(there)
            clean = all(name.startswith("step_") for name in os.listdir(there))
            held = clean and is_exact(found) and found is not None and found.step >= 20
            shutil.rmtree(there)
            if not killed:
                break
            total, good = total + 1, good + held
    return Row("kills inside a save: last good one loads", good, total, "SIGKILL at every operation")


def _cost(action: Callable[[], object]) -> tuple[bool, float, int]:
    """Whether it was refused, in how many seconds, and how many KB the memory rose at its peak."""
    _forget_peak()
    before, start = _memory("VmRSS"), time.perf_counter()
    try:
        action()
        refused = False
    except ModelError:
        refused = True
    return refused, time.perf_counter() - start, _memory("VmHWM") - before


def hostile(work: Path) -> Row:
    """Each in turn in this process: how long the refusal took, and how far the peak of the memory rose meanwhile."""
    flag, secret = work / "flag", work / "secret"
    secret.write_text("of somebody else")
    actions: dict[str, Callable[[], object]] = {}
    for i, (label, data) in enumerate((payloads(flag) | headers()).items()):
        path = folder_with(work / "files" / f"{i}", "weights.safetensors", data)
        actions[label] = lambda path=path: tensors_from_bytes(read_folder(path).read("weights.safetensors"))
        if label not in ("JSON that names code",):
            actions[f"{label} as state.json"] = lambda path=path: json_from_bytes(
                read_folder(path).read("weights.safetensors"), "state.json"
            )
    for label, path in folders(work / "folders", secret).items():
        actions[label] = lambda path=path: read_folder(path)
    many = folder_with(work / "many", "w", b"x")
    (many / "MANIFEST.json").write_bytes(b"{}")
    for i in range(100_000):
        (many / f"f{i}").touch()
    actions["100 000 files"] = lambda: read_folder(many)
    good, grown, slowest, label_of_slowest = 0, 0, 0.0, ""
    for label, action in actions.items():
        refused, seconds, kilobytes = _cost(action)
        grown = max(grown, kilobytes)
        good += refused
        if not refused:
            print(f"NOT REFUSED: {label}", file=sys.stderr)
        if seconds > slowest:
            slowest, label_of_slowest = seconds, label
    good -= flag.exists()
    return Row(
        "hostile files: refused, none run",
        good,
        len(actions),
        f"max {slowest:.3f} s ({label_of_slowest}), RSS +{grown / 1024:.0f} MB",
    )


def _memory(field: str) -> int:
    """`VmRSS`, what this process holds now, or `VmHWM`, the most it held since `_forget_peak`, in KB; 0 where not told."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


_APART = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from reliability_storage import hostile
row = hostile(Path(sys.argv[2]))
print(row.good, row.total, row.note, sep="\\t")
"""


def hostile_apart(work: Path) -> Row:
    """`hostile` in a fresh process, so that the peak of its memory is its own."""
    command = [sys.executable, "-c", _APART, str(Path(__file__).resolve().parent), str(work)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    good, total, note = done.stdout.strip().split("\t")
    return Row("hostile files: refused, none run", int(good), int(total), note)


def save_time(work: Path) -> str:
    """What a save of 40 MB costs: three groups of equal size, as weights, an optimizer's two averages."""
    from axw.learning.checkpoints import Checkpoints

    tensors = {group: {"W": torch.randn(3_500_000)} for group in ("weights", "first", "second")}
    times = []
    for step in range(5):
        start = time.perf_counter()
        Checkpoints(work / "big").save(step, tensors, {})
        times.append(time.perf_counter() - start)
    start = time.perf_counter()
    found = Checkpoints(work / "big").newest()
    assert found is not None and all(found.tensors(group) for group in found.groups)
    read = time.perf_counter() - start
    return f"a save of 42 MB: {sorted(times)[2]:.2f} s (median of 5); verified and read back: {read:.2f} s"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small counts")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    few = options.quick
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name in ("crash", "flips", "faults", "kills", "hostile"):
            (work / name).mkdir()
        rows = [
            crash(work / "crash", 200 if few else 2_000, options.seed),
            flips(work / "flips", 200 if few else 2_000, options.seed),
            faults(work / "faults"),
            kills(work / "kills", 1 if few else 5),
            hostile_apart(work / "hostile"),
        ]
        cost = save_time(work)
    for row in rows:
        print(f"{row.name:<46}{f'{row.good}/{row.total}':>12}   {row.note}".rstrip())
    print(cost)
    return int(any(row.good != row.total for row in rows))


if __name__ == "__main__":
    sys.exit(main())
