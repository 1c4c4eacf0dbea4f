"""Single files are the old ones or the new ones; a history holds whole lines only."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axw.errors import DataWarning, ModelError, ResourceError, UsageError
from axw.storage import JsonLines, json_from_bytes, json_to_bytes, read_json_lines, write_bytes, write_json, write_text
from tests.storage.faults import QUICK, Died, DyingDisk, FaultDisk, RecordingDisk, crash_states

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_write_and_replace(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "x", b"one")
    write_text(tmp_path / "a" / "b" / "x", "two\r\né")
    assert (tmp_path / "a" / "b" / "x").read_bytes() == "two\r\né".encode()
    assert os.listdir(tmp_path / "a" / "b") == ["x"]


@given(values)
def test_json_there_and_back(value: Any) -> None:
    for indent in (2, None):
        data = json_to_bytes(value, indent)
        assert json_from_bytes(data, "here") == value and json.loads(data) == value
        assert data.endswith(b"\n") and (indent or data.count(b"\n") == 1)


def test_json_is_plain_and_sorted(tmp_path: Path) -> None:
    value = {"b": (np.float32(0.5), np.int64(3), np.bool_(True)), "a": [float("nan"), np.array([1.0, np.inf])]}
    write_json(tmp_path / "x.json", value)
    text = (tmp_path / "x.json").read_text()
    assert json.loads(text) == {"a": [None, [1.0, None]], "b": [0.5, 3, True]} and text.index('"a"') < text.index('"b"')
    write_json(tmp_path / "x.json", {"name": "é \ud800"})
    assert (tmp_path / "x.json").read_bytes() == b'{\n  "name": "\\u00e9 \\ud800"\n}\n'


def test_what_json_cannot_hold() -> None:
    with pytest.raises(UsageError, match=r"only text as keys, got 1 \(int\)\.\nIn value\['a'\]\[0\]\.\nTurn the keys"):
        json_to_bytes({"a": [{1: 2}]})
    with pytest.raises(UsageError, match=r"JSON cannot hold a set\.\nIn value\['a'\]"):
        json_to_bytes({"a": {1}})
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(UsageError, match="nested too deeply"):
        json_to_bytes(deep)


@pytest.mark.parametrize(
    "data, says",
    [
        (b"{", "Expecting"),
        (b"", "Expecting value"),
        (b'{"a": NaN}', "no number NaN"),
        (b"-Infinity", "no number -Infinity"),
        (b'{"a": 1, "a": 2}', "a key stands twice"),
        (b"\xff", "codec can't decode"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 10_000, "Exceeds the limit"),
        (b"1 2", "Extra data"),
        (b"!!python/object/apply:os.system ['true']", "Expecting value"),
    ],
)
def test_json_that_is_not_strict(data: bytes, says: str) -> None:
    with pytest.raises(ModelError, match=rf"Not a JSON text: .*{says}.*\nIn config\.json\.\nCopy the file again"):
        json_from_bytes(data, "config.json")


def test_a_number_too_large_for_a_float_is_not_infinity() -> None:
    with pytest.raises(ModelError, match="no number 1e999"):
        json_from_bytes(b'{"a": 1e999}', "config.json")


MESSAGES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your quota",
    errno.EACCES: "permission denied",
    errno.EROFS: "the disk is read-only",
    errno.EIO: "input/output error",
    errno.EFBIG: "larger than the disk",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EXDEV: "cross-device",
}


@pytest.mark.parametrize("code", MESSAGES)
def test_an_error_at_any_operation_keeps_the_old_file(tmp_path: Path, code: int) -> None:
    for n in range(1, 50):
        write_bytes(tmp_path / "x", b"old", QUICK)
        disk = FaultDisk(n, code, lasting=False, reads=False)
        try:
            write_bytes(tmp_path / "x", b"new" * 100, disk)
        except ResourceError as error:
            assert error.exit_code == 6 and error.what.startswith("Could not write the file: ")
            assert MESSAGES[code].lower() in error.what.lower() and str(tmp_path / "x") in error.where and error.todo
        assert (tmp_path / "x").read_bytes() in (b"old", b"new" * 100)
        assert os.listdir(tmp_path) == ["x"]
        if disk.count < n:
            break
    assert n == 7


def test_dying_and_power_loss_keep_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    for n in range(1, 50):
        write_bytes(tmp_path / "x", b"old", QUICK)
        disk = DyingDisk(n)
        try:
            write_bytes(tmp_path / "x", b"new", disk)
        except Died:
            pass
        assert (tmp_path / "x").read_bytes() in (b"old", b"new")
        if disk.count < n:
            break
    (tmp_path / "live").mkdir()
    recording = RecordingDisk()
    for text in (b"one", b"two", b"three"):
        write_bytes(tmp_path / "live" / "x", text, recording)
        recording.mark(text)
    allowed = {0: (None, b"one"), 1: (b"one", b"two"), 2: (b"two", b"three"), 3: (b"three",)}
    for state, marks in crash_states(recording.log, tmp_path / "live", tmp_path, 100, seed=1):
        now = (state / "x").read_bytes() if (state / "x").exists() else None
        assert now in allowed[len(marks)]
        shutil.rmtree(state)


# ------------------------------------------------------------------------------------------------------------- history


def test_history(tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.jsonl"
    with JsonLines(path) as history:
        offsets = [history.offset]
        for step in range(5):
            history.append({"step": step, "loss": 1 / (step + 1), "bad": float("nan")})
            offsets.append(history.offset)
        history.sync()
    assert [r["step"] for r in read_json_lines(path)] == [0, 1, 2, 3, 4] and read_json_lines(path)[1]["loss"] == 0.5
    assert read_json_lines(path)[0]["bad"] is None and path.stat().st_size == offsets[-1]
    for k in (5, 3, 0):
        with JsonLines(path) as history:
            history.truncate_to(offsets[k])
            assert history.offset == offsets[k]
        assert [r["step"] for r in read_json_lines(path)] == list(range(k))


def test_a_resumed_history_has_each_line_once(tmp_path: Path) -> None:
    straight, resumed = tmp_path / "a", tmp_path / "b"
    with JsonLines(straight) as history:
        for step in range(9):
            history.append({"step": step})
    with JsonLines(resumed) as history:
        for step in range(6):
            if step == 4:
                saved = history.offset
            history.append({"step": step})
    with open(resumed, "ab") as file:
        file.write(b'{"step": 6, "lo')
    with JsonLines(resumed) as history:
        history.truncate_to(saved)
        for step in range(4, 9):
            history.append({"step": step})
    assert straight.read_bytes() == resumed.read_bytes()


@pytest.mark.parametrize("torn", [b"{", b'{"a":1}', b"x" * 10_000, b"\0" * 5])
def test_a_torn_line_is_cut(tmp_path: Path, torn: bytes) -> None:
    (tmp_path / "h").write_bytes(b'{"a":0}\n' + torn)
    assert read_json_lines(tmp_path / "h") == [{"a": 0}]
    with JsonLines(tmp_path / "h") as history:
        assert history.offset == 8
        history.append({"a": 1})
    assert read_json_lines(tmp_path / "h") == [{"a": 0}, {"a": 1}]
    (tmp_path / "only").write_bytes(torn)
    with JsonLines(tmp_path / "only") as history:
        assert history.offset == 0


def test_offsets_that_do_not_fit(tmp_path: Path) -> None:
    with JsonLines(tmp_path / "h") as history:
        history.append({"a": 0})
        with pytest.warns(DataWarning, match="holds 8 bytes where 99 were saved: some of its lines are lost"):
            history.truncate_to(99)
        assert history.offset == 8
        with pytest.raises(UsageError, match="offset is -1; allowed: 0 or more"):
            history.truncate_to(-1)
        history.truncate_to(5)  # in the middle of a line: that line goes
        assert history.offset == 0


def test_a_failing_disk_leaves_whole_lines(tmp_path: Path) -> None:
    for n in range(1, 30):
        path = tmp_path / f"{n}"
        disk = FaultDisk(n, errno.ENOSPC, lasting=False, reads=False)
        kept = []
        try:
            with JsonLines(path, disk) as history:
                for step in range(4):
                    try:
                        history.append({"step": step})
                        kept.append(step)
                    except ResourceError as error:
                        assert "Could not add a line to the file: the disk is full" in error.what
                history.sync()
        except ResourceError:
            pass
        assert not path.exists() or [r["step"] for r in read_json_lines(path)] == kept
    assert kept == [0, 1, 2, 3]


def test_a_power_loss_keeps_what_was_synced(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    disk = RecordingDisk()
    with JsonLines(tmp_path / "live" / "h", disk) as history:
        for step in range(12):
            history.append({"step": step})
            if step % 3 == 2:
                history.sync()
                disk.mark((history.offset, step + 1))
    for state, marks in crash_states(disk.log, tmp_path / "live", tmp_path, 120, seed=4):
        if marks:
            offset, lines = marks[-1]
            with JsonLines(state / "h", QUICK) as history:
                history.truncate_to(offset)
            assert [r["step"] for r in read_json_lines(state / "h")] == list(range(lines))
        shutil.rmtree(state)


def test_a_link_or_pipe_is_not_a_history(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(ResourceError, match="Could not open the file"):
        JsonLines(tmp_path / "link")
    assert (tmp_path / "target").read_text() == "mine"
