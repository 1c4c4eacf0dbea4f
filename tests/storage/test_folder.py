"""A folder is whole or not there; what is damaged, hostile or newer is refused; nothing outside of it is ever opened."""

from __future__ import annotations

import errno
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest

import axw.storage.folder as folder_module
from axw.errors import DataWarning, ModelError, ResourceError, UsageError
from axw.storage import Disk, read_folder, write_folder
from tests.storage.faults import QUICK, Died, DyingDisk, FaultDisk, RecordingDisk, crash_states
from tests.storage.hostile import folder_with, folders, manifest, payloads

OLD = {"config.json": b"{}\n", "weights.bin": bytes(range(256)) * 3, "empty": b""}
NEW = {"config.json": b"[]\n", "words.txt": b"a\nb\n"}


def contents(path: Path) -> dict[str, bytes]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = read_folder(path)
    return {name: folder.read(name) for name in folder.names}


def test_there_and_back(tmp_path: Path) -> None:
    write_folder(tmp_path / "deep" / "model", OLD, meta={"kind": "test", "number": 0.1, "nan": float("nan")})
    folder = read_folder(tmp_path / "deep" / "model")
    assert contents(folder.path) == OLD and folder.meta == {"kind": "test", "number": 0.1, "nan": None}
    assert folder.sizes == {name: len(data) for name, data in OLD.items()}
    assert os.listdir(tmp_path / "deep") == ["model"]
    with pytest.raises(ModelError, match="There is no file 'x'; the manifest names config.json, empty, weights.bin"):
        folder.read("x")


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    write_folder(tmp_path / "a", OLD, meta={"x": 1, "y": 2})
    write_folder(tmp_path / "b", dict(reversed(OLD.items())), meta={"y": 2, "x": 1})
    assert (tmp_path / "a" / "MANIFEST.json").read_bytes() == (tmp_path / "b" / "MANIFEST.json").read_bytes()


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/b", "", ".", "..", ".x", "a\\b", "x" * 129, "MANIFEST.json", "é", "manifest.JSON"]
)
def test_names_that_are_not_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a file of a folder: a name is made of letters"):
        write_folder(tmp_path / "m", {name: b""}, meta={})
    assert not os.listdir(tmp_path)


def test_names_that_another_disk_takes_for_the_same(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'A' cannot be a file"):
        write_folder(tmp_path / "m", {"a": b"", "A": b""}, meta={})


# ----------------------------------------------------------------------------------------------------------- replacing


def test_a_folder_that_is_there_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "m", OLD, meta={})
    with pytest.raises(
        UsageError, match=r"is there already\.\nIn '.*m'\.\nWrite to another path, or pass replace=True"
    ):
        write_folder(tmp_path / "m", NEW, meta={})
    assert contents(tmp_path / "m") == OLD


def test_replace(tmp_path: Path) -> None:
    write_folder(tmp_path / "m", OLD, meta={}, replace=True)
    write_folder(tmp_path / "m", NEW, meta={}, replace=True)
    assert contents(tmp_path / "m") == NEW and os.listdir(tmp_path) == ["m"]
    (tmp_path / "nothing").mkdir()
    write_folder(tmp_path / "nothing", NEW, meta={}, replace=True)
    assert contents(tmp_path / "nothing") == NEW


def test_reports_beside_the_files_are_no_part_of_the_folder_and_go_with_it(tmp_path: Path) -> None:
    from axw.show.page import head, page, paragraph

    m = tmp_path / "m"
    write_folder(m, OLD, meta={})
    for name in ("report", "report-test", "report-brown.valid"):
        (m / f"{name}.html").write_text(page("t", head("t", paragraph("Use X W."))))
        (m / f"{name}.json").write_text('{"schema": "axw.evaluation_report/1", "title": "t"}')
    assert set(read_folder(m).names) == set(OLD)
    for mine in ("report-mine.html", "report-mine.json"):
        for whose in ('{"schema": "axw.fill/1"}', "[", page("no verdict", ""), "<p>mine</p>"):
            (m / mine).write_text(whose)
            with pytest.raises(UsageError, match=f"holds 1 files that axw did not write, such as '{mine}'"):
                write_folder(m, NEW, meta={}, replace=True)
            assert (m / mine).read_text() == whose
        (m / mine).unlink()
    write_folder(m, NEW, meta={}, replace=True)
    assert contents(m) == NEW


def test_replace_never_removes_what_axw_did_not_write(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years")
    with pytest.raises(UsageError, match="holds 1 files that axw did not write, such as 'thesis.txt'"):
        write_folder(tmp_path / "home", NEW, meta={}, replace=True)
    write_folder(tmp_path / "m", OLD, meta={})
    (tmp_path / "m" / "notes").mkdir()
    with pytest.raises(UsageError, match="such as 'notes'.*\nIn.*\nWrite to another path, or move them away"):
        write_folder(tmp_path / "m", NEW, meta={}, replace=True)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "home")
    for name in ("file", "link"):
        with pytest.raises(UsageError, match="is not a folder"):
            write_folder(tmp_path / name, NEW, meta={}, replace=True)
    assert (tmp_path / "home" / "thesis.txt").read_text() == "years" and contents(tmp_path / "m") == OLD | {}


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_an_error_at_any_operation(tmp_path: Path, code: int, lasting: bool, replace: bool) -> None:
    write_folder(tmp_path / "before", OLD, meta={})
    raised = 0
    for n in range(1, 200):
        here = tmp_path / f"{n}"
        here.mkdir()
        if replace:
            shutil.copytree(tmp_path / "before", here / "m")
        disk = FaultDisk(n, code, lasting=lasting, reads=False)
        try:
            write_folder(here / "m", NEW, meta={}, replace=replace, disk=disk)
            assert contents(here / "m") == NEW
        except ResourceError as error:
            raised += 1
            assert error.exit_code == 6 and "write the folder" in error.what and str(here / "m") in error.where
            now = contents(here / "m") if (here / "m").exists() or (here / ".old-m").exists() else {}
            assert now == NEW or now == (OLD if replace else {}), n
            assert lasting or (set(os.listdir(here)) <= {"m", ".old-m"}), n
        write_folder(here / "m", OLD, meta={}, replace=True, disk=QUICK)
        assert contents(here / "m") == OLD and (lasting or os.listdir(here) == ["m"])
        if disk.count < n:
            break
    assert raised > 12


@pytest.mark.parametrize("replace", [False, True])
def test_dying_at_any_operation(tmp_path: Path, replace: bool) -> None:
    write_folder(tmp_path / "before", OLD, meta={})
    for n in range(1, 200):
        here = tmp_path / f"{n}"
        here.mkdir()
        if replace:
            shutil.copytree(tmp_path / "before", here / "m")
        disk = DyingDisk(n)
        try:
            write_folder(here / "m", NEW, meta={}, replace=replace, disk=disk)
        except Died:
            pass
        try:
            assert contents(here / "m") in (OLD, NEW)
        except ModelError as error:
            assert not replace and "There is no such folder" in error.what
        if disk.count < n:
            break
    assert contents(here / "m") == NEW and n > 20


def test_a_power_loss_at_any_moment(tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    disk = RecordingDisk()
    for files in (OLD, NEW, OLD):
        write_folder(live / "m", files, meta={}, replace=True, disk=disk)
        disk.mark(files)
    for state, marks in crash_states(disk.log, live, tmp_path, 180, seed=5):
        try:
            now = contents(state / "m")
        except ModelError:
            now = {}
        assert now in ((OLD, NEW) if marks else ({}, OLD))
        assert len(marks) != 3 or now == OLD
        shutil.rmtree(state)


def test_an_interrupted_replacement_is_told(tmp_path: Path) -> None:
    write_folder(tmp_path / "m", OLD, meta={})
    os.rename(tmp_path / "m", tmp_path / ".old-m")
    with pytest.warns(DataWarning, match="missing because replacing it was interrupted; the version before is used"):
        assert read_folder(tmp_path / "m").read("config.json") == b"{}\n"


class LyingDisk(Disk):
    """Gives back other bytes than were written."""

    def read(self, number: int, most: int) -> bytes:
        return bytes(len(super().read(number, most)))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="did not give back what was written"):
        write_folder(tmp_path / "m", OLD, meta={}, disk=LyingDisk())
    assert not os.listdir(tmp_path)


# ------------------------------------------------------------------------------------------------------------- reading


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"There is no such folder\.\nIn '.*nowhere'\.\nCheck the path"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="Not a folder that axw saved: it holds no MANIFEST.json") as caught:
        read_folder(tmp_path)
    assert caught.value.exit_code == 4
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError):
        read_folder(tmp_path / "file")


def test_made_by_something_newer(tmp_path: Path) -> None:
    (tmp_path / "MANIFEST.json").write_bytes(manifest({}, format=2, axw="9.9.1", new_field=[]))
    with pytest.raises(ModelError, match=r"Format 2 was made by axw >= 9\.9\.1; .*\n.*\nInstall axw >= 9\.9\.1"):
        read_folder(tmp_path)


def test_what_this_release_writes_is_format_1(tmp_path: Path) -> None:
    """The text of a manifest of format 1, as every later release has to read it."""
    write_folder(tmp_path / "m", {"a": b"x"}, meta={"kind": "test"})
    import json

    body = json.loads((tmp_path / "m" / "MANIFEST.json").read_text())
    assert folder_module.FORMAT == 1 and set(body) == {"axw", "files", "format", "meta", "sha256"}
    assert body["files"] == {
        "a": {"bytes": 1, "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}
    }
    (tmp_path / "m" / "MANIFEST.json").write_bytes(manifest(body["files"], axw="0.0.1"))
    assert read_folder(tmp_path / "m").read("a") == b"x"


def test_every_third_byte_counts(tmp_path: Path) -> None:
    write_folder(tmp_path / "m", {"config.json": b"{}\n", "weights": bytes(50)}, meta={"x": 1})
    for path in sorted((tmp_path / "m").iterdir()):
        data = path.read_bytes()
        for i in range(0, len(data), 3):
            path.write_bytes(data[:i] + bytes([data[i] ^ 1 << i // 3 % 8]) + data[i + 1 :])
            with pytest.raises(ModelError):
                read_folder(tmp_path / "m")
            if i % 15 == 0:
                path.write_bytes(data[:i])
                with pytest.raises(ModelError):
                    read_folder(tmp_path / "m")
        path.write_bytes(data)
    read_folder(tmp_path / "m")


def test_other_files_are_counted_and_never_read(tmp_path: Path) -> None:
    write_folder(tmp_path / "m", OLD, meta={})
    (tmp_path / "m" / "evil.py").write_text("raise SystemExit")
    os.mkfifo(tmp_path / "m" / "pipe")
    with pytest.warns(DataWarning, match="holds 2 files that its manifest does not name, such as 'evil.py'"):
        folder = read_folder(tmp_path / "m")
    with pytest.raises(ModelError, match="There is no file 'evil.py'"):
        folder.read("evil.py")


def test_a_file_replaced_after_opening_is_noticed(tmp_path: Path) -> None:
    write_folder(tmp_path / "m", OLD, meta={})
    folder = read_folder(tmp_path / "m")
    (tmp_path / "m" / "weights.bin").write_bytes(bytes(768))
    with pytest.raises(ModelError, match=r"The file is damaged.*\nIn '.*weights.bin'.*\nCopy the folder again"):
        folder.read("weights.bin")
    (tmp_path / "m" / "weights.bin").unlink()
    with pytest.raises(ModelError, match="The file is missing"):
        folder.read("weights.bin")


def test_an_error_when_reading(tmp_path: Path) -> None:
    write_folder(tmp_path / "m", OLD, meta={})
    for code, error in ((errno.EIO, ModelError), (errno.EACCES, ResourceError), (errno.EMFILE, ResourceError)):
        for n in range(1, 200):
            disk = FaultDisk(n, code, lasting=False, reads=True)
            if not fails(disk, tmp_path / "m", error):
                break
        assert n > 10


def fails(disk: FaultDisk, path: Path, error: type[Exception]) -> bool:
    try:
        read_folder(path, disk)
    except error:
        return True
    assert disk.count < disk.n
    return False


def test_hostile_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("of somebody else")
    all_folders = folders(tmp_path / "work", secret)
    opened: list[Any] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *rest, **named: (opened.append(path), real(path, *rest, **named))[1])
    for label, path in all_folders.items():
        with pytest.raises(ModelError) as caught:
            read_folder(path)
        assert caught.value.exit_code == 4 and len(str(caught.value)) < 1500, label
    assert len(all_folders) > 45
    assert {Path(path).parent.parent for path in opened} == {tmp_path / "work"}


@pytest.mark.parametrize("name", ["MANIFEST.json", "config.json", "weights.safetensors", "state.json", "words.txt"])
def test_a_renamed_pickle_is_bytes_and_nothing_else(tmp_path: Path, name: str) -> None:
    flag = tmp_path / "flag"
    for i, (label, data) in enumerate(payloads(flag).items()):
        path = tmp_path / f"{i}"
        if name == "MANIFEST.json":
            path.mkdir()
            (path / name).write_bytes(data)
            with pytest.raises(ModelError):
                read_folder(path)
        else:
            assert read_folder(folder_with(path, name, data)).read(name) == data, label
    assert not flag.exists()
