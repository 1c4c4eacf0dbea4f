"""A run speaks of the same ids from its first step to its last, whatever befalls the files that say which."""

from __future__ import annotations

from pathlib import Path

import pytest

from axw.data.vocabulary import Vocabulary
from axw.errors import ModelError
from axw.models.run_vocabularies import kept_vocabularies
from tests.models.tiny_text import lines


def learned(size: int = 280) -> dict[str, Vocabulary]:
    return {name: Vocabulary.learn(lines()[start::2], size) for start, name in enumerate(("source", "target"))}


def never() -> dict[str, Vocabulary]:
    raise AssertionError("They are kept, and were learned again.")


def same(one: dict[str, Vocabulary], other: dict[str, Vocabulary]) -> bool:
    return {n: v.to_bytes() for n, v in one.items()} == {n: v.to_bytes() for n, v in other.items()}


def test_they_are_learned_once(tmp_path: Path) -> None:
    first = kept_vocabularies(tmp_path, learned)
    assert same(first, learned()) and same(kept_vocabularies(tmp_path, never), first)


def test_learning_that_was_cut_short_is_done_again(tmp_path: Path) -> None:
    first = kept_vocabularies(tmp_path, learned)
    (tmp_path / "vocabularies.json").unlink()
    (tmp_path / "vocabulary-target.json").unlink()
    assert same(kept_vocabularies(tmp_path, learned), first) and same(kept_vocabularies(tmp_path, never), first)


@pytest.mark.parametrize("how", ["missing", "a flipped bit", "cut short"])
def test_a_damaged_file_is_made_again(how: str, tmp_path: Path) -> None:
    first, path = kept_vocabularies(tmp_path, learned), tmp_path / "vocabulary-target.json"
    whole = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(whole[:-40] if how == "cut short" else whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:])
    assert same(kept_vocabularies(tmp_path, learned), first) and path.read_bytes() == whole


def test_other_ids_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    kept_vocabularies(tmp_path, learned)
    (tmp_path / "vocabulary-target.json").write_bytes(b"{")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ModelError, match=r"vocabulary \(target\) is damaged, and what is learned now is another one"):
        kept_vocabularies(tmp_path, lambda: learned(290))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("text", ["[]", "{}", '{"source": 1}', "{"])
def test_a_list_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "vocabularies.json").write_text(text)
    with pytest.raises(ModelError):
        kept_vocabularies(tmp_path, never)
