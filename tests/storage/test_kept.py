"""A text that is written part by part: what is kept after an interruption, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from axw.errors import BusyError, UsageError
from axw.storage.kept import KeptText

ASKED = {"model": "m", "beam": 4}
PARTS = [("eins\nzwei\n", {"lines": 2}), ("\n", {"lines": 1}), ("drei 漢\n", {"lines": 1})]


def begun(path: Path, count: int) -> None:
    with KeptText(path, ASKED) as kept:
        for text, note in PARTS[:count]:
            kept.add(text.encode(), note)


@pytest.mark.parametrize("count", range(4))
def test_gone_on_with_and_whole(count: int, tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    begun(path, count)
    assert not path.exists()
    with KeptText(path, ASKED) as kept:
        assert kept.parts == [note for _, note in PARTS[:count]]
        for text, note in PARTS[count:]:
            kept.add(text.encode(), note)
        kept.finish()
    assert path.read_text(encoding="utf-8") == "".join(text for text, _ in PARTS)
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]


def damage_log(folder: Path) -> None:
    with (folder / "parts.jsonl").open("ab") as log:
        log.write(b'{"end": 99, "sha')


def damage_tail(folder: Path) -> None:
    with (folder / "text").open("ab") as text:
        text.write(b"half a li")


def cut(folder: Path) -> None:
    data = (folder / "text").read_bytes()
    (folder / "text").write_bytes(data[:-3])


def flip(folder: Path) -> None:
    data = bytearray((folder / "text").read_bytes())
    data[0] ^= 1
    (folder / "text").write_bytes(bytes(data))


@pytest.mark.parametrize(("harm", "left"), [(damage_log, 3), (damage_tail, 3), (cut, 2), (flip, 0)])
def test_only_what_is_as_it_was_written_is_kept(harm: object, left: int, tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    begun(path, 3)
    harm(tmp_path / "out.txt.part")  # type: ignore[operator]
    with KeptText(path, ASKED) as kept:
        assert len(kept.parts) == left
        for text, note in PARTS[left:]:
            kept.add(text.encode(), note)
        kept.finish()
    assert path.read_text(encoding="utf-8") == "".join(text for text, _ in PARTS)


def test_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    begun(path, 1)
    with pytest.raises(UsageError, match="was begun with another beam, precision") as met:
        KeptText(path, {"model": "m", "beam": 5, "precision": "int8"})
    assert met.value.todo is not None and f"rm -r {tmp_path / 'out.txt.part'}" in met.value.todo
    with KeptText(path, ASKED), pytest.raises(BusyError, match="being written by process"):
        KeptText(path, ASKED)
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is there already"):
        KeptText(path, ASKED)
    assert path.read_text(encoding="utf-8") == "mine"
    assert json.loads((tmp_path / "out.txt.part" / "asked.json").read_text(encoding="utf-8")) == ASKED
