"""A text on the disk and the same text in memory give the same model, bit for bit: read, encoded, spelled anew, gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from axw.data import LineFile, PairFile, Sentences, TreeFile
from axw.errors import DataError, DataWarning
from axw.learning import with_settings
from axw.learning.hooks import Hook
from axw.models import run_vocabularies
from axw.models.shelf import Shelf
from axw.models.text_model import CACHE, Place
from axw.models.translation.lesson import BothWays, Encoded, tag
from axw.models.translation.translator import Translator
from axw.models.trees.parser import ConstituencyParser
from axw.models.trees.settings import ParserSettings
from axw.models.words.masked_words import MaskedLanguageModel
from tests.models.tiny_text import lines, words_settings
from tests.models.translation.test_translator import TINY, pairs

SOURCE, TARGET = pairs(211)
SOURCE[3], TARGET[10], SOURCE[200] = "", "  \t", " "


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shelf, "most", 100)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    found = tmp_path / "train.source", tmp_path / "train.target"
    for path, text in zip(found, (SOURCE, TARGET), strict=True):
        path.write_text("\n".join(text) + "\n")
    return found


class Listening(Hook):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def on_note(self, text: str) -> None:
        self.notes.append(text)


def same(one: Any, other: Any) -> bool:
    a, b = (dict(model.network.named_parameters()) for model in (one, other))
    same_text = {n: v.to_bytes() for n, v in one._vocabularies.items()} == {
        n: v.to_bytes() for n, v in other._vocabularies.items()
    }
    return same_text and a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


WAYS: list[list[str]] = [
    [],
    ["subword_dropout=0.2", "both_directions=true"],
    ["joint=false", "transformer.shared=none", "vocabulary=280"],
]


@pytest.mark.parametrize("changes", WAYS)
def test_a_translator(
    changes: Sequence[str], files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = with_settings(TINY, [*changes, "train.steps=20"])
    inside = Translator(settings).fit(SOURCE, TARGET)
    monkeypatch.setattr(Shelf, "most", 100)
    heard = Listening()
    with PairFile(*files) as text:
        run = Translator(settings).fit(text.source, text.target, None, Place(tmp_path / "a.run", hooks=[heard]))
        alone = Translator(settings).fit(text.source, text.target)
    assert same(inside, run) and same(inside, alone) and inside.facts["data"] == run.facts["data"]
    said = [note for note in heard.notes if " lines/s)" in note]
    assert said[0].startswith("source") and f"kept in {tmp_path / 'a.run' / CACHE}" in said[0] and len(said) >= 2
    assert not (tmp_path / "a.run" / CACHE).exists()  # the model is saved: they are needed no more


@pytest.mark.parametrize("changes", [[], ["task=fill-spans"]])
def test_masked_words(changes: list[str], tmp_path: Path, on_disk: None) -> None:
    text = [*lines(), "", "  ", *lines(seed=1)]
    path = tmp_path / "text"
    path.write_text("\n".join(text))
    settings = with_settings(words_settings(), changes)
    with LineFile(path) as file:
        assert same(MaskedLanguageModel(settings).fit(text), MaskedLanguageModel(settings).fit(file))
        assert same(
            MaskedLanguageModel(settings).fit(text, text[:9]), MaskedLanguageModel(settings).fit(file, text[:9])
        )
    path.write_text("one\n\n")
    with LineFile(path) as file, pytest.raises(DataError, match="There are 1 lines with words to learn from"):
        MaskedLanguageModel(settings).fit(file, text)


@pytest.mark.parametrize("changes", [[], ["subword_dropout=0.2"]])
@pytest.mark.parametrize("watched", [False, True])
def test_a_parser(
    changes: list[str], watched: bool, tmp_path: Path, on_disk: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees = [f"(S (NP (D the) (N {a})) (VP (V {b}s) (NP (N {a}))))" for a in "cats dogs men".split() for b in "eat see"]
    path = tmp_path / "trees"
    path.write_text("\n".join(f"( {tree} )" for tree in trees * 3))
    small = [
        "transformer.d_model=16",
        "transformer.layers=1",
        "transformer.heads=2",
        "transformer.d_ff=32",
        "vocabulary=275",
    ]
    settings = with_settings(
        ParserSettings(), [*small, "train.minutes=none", "train.steps=4", "train.threads=1", *changes]
    )
    valid = trees[:5] if watched else None
    file = TreeFile(path, most_held=7)
    assert file.held is None and len(file) == len(trees * 3) and TreeFile(path).held == list(file)
    one = ConstituencyParser(settings).fit(TreeFile(path), valid)
    assert same(one, ConstituencyParser(settings).fit(file, valid))
    path.write_text(path.read_text() + trees[0])
    with pytest.raises(DataError, match="The file was changed while it was in use"):
        list(file)


class StopAt(Hook):
    """Raises in the middle of training, as a signal would end it."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_save(self, step: int) -> None:
        if step >= self.step:
            raise KeyboardInterrupt


def test_going_on_with_what_was_kept(files: tuple[Path, Path], tmp_path: Path, on_disk: None) -> None:
    with PairFile(*files) as text:
        whole = Translator(TINY).fit(text.source, text.target, None, Place(tmp_path / "whole.run"))
        cut = tmp_path / "cut.run"
        for damage in (False, True):
            with pytest.raises(KeyboardInterrupt):
                Translator(TINY).fit(
                    text.source, text.target, None, Place(cut, resume=damage, hooks=[StopAt(4 + 4 * damage)])
                )
            kept = cut / CACHE / "source" / "ids"
            before = kept.stat().st_mtime_ns
            if damage:
                kept.write_bytes(kept.read_bytes()[:-4] + b"\1\0\0\0")
        heard = Listening()
        again = Translator(TINY).fit(text.source, text.target, None, Place(cut, resume=True, hooks=[heard]))
    assert same(whole, again)
    said = [note.partition(":")[0] for note in heard.notes if " lines/s)" in note]
    assert said == ["source"] and before  # the damaged one alone was made anew


def test_a_run_that_has_ended_is_left_as_it_is(files: tuple[Path, Path], tmp_path: Path) -> None:
    with PairFile(*files) as text:
        place = Place(tmp_path / "a.run")
        whole = Translator(TINY).fit(text.source, text.target, None, place)
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a.run" / "model").iterdir()}
        again = Translator(TINY).fit(text.source, text.target, None, Place(tmp_path / "a.run", resume=True))
    assert same(whole, again) and again.facts == whole.facts
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "a.run" / "model").iterdir()}


def test_the_vocabulary_of_a_long_text_is_learned_from_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_vocabularies, "LEARNED_FROM", 40)
    with pytest.warns(
        DataWarning, match=r"The vocabulary is learned from 40 of \d+ lines at most, which are evenly spread"
    ):
        found = list(run_vocabularies.vocabulary_lines(SOURCE, TARGET))
    assert found == [*SOURCE[::11], *TARGET[::11]] and len(found) == 40


def test_both_ways_is_the_pairs_and_their_opposites() -> None:
    draw = np.random.default_rng(0)
    one, other = (Sentences.of([draw.integers(7, 99, n) for n in draw.integers(1, 9, 13)]) for _ in range(2))
    slow = Encoded(Sentences.join([tag(one, 5), tag(other, 6)]), Sentences.join([other, one]))
    fast = BothWays(Encoded(one, other), 5, 6)
    np.testing.assert_array_equal(slow.lengths(), fast.lengths())
    for index in (np.arange(26), draw.permutation(26)[:11], np.array([3]), np.array([20, 2, 20])):
        for a, b in zip(slow.at(index), fast.at(index), strict=True):
            assert torch.equal(a, b)


def test_two_sides_of_unequal_length(files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "short").write_text("a\nb\n")
    with LineFile(files[0]) as source, LineFile(tmp_path / "short") as target:
        with pytest.raises(DataError, match="There are 211 source lines and 2 target lines"):
            Translator(TINY).fit(source, target)
    (tmp_path / "blank").write_text("\n \n")
    with LineFile(tmp_path / "blank") as source, LineFile(tmp_path / "short") as target:
        with pytest.raises(DataError, match="No pair is left of 2"):
            Translator(TINY).fit(source, target)
