"""Line i of the source belongs to line i of the target: counts must agree, and a dropped line drops its pair."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from axw.data.lines import Count, LinePolicy, read_lines
from axw.data.pairs import Pair, PairFile, first_break
from axw.errors import AxwError, DataError, UsageError
from tests.data.strategies import bytes_lines, texts


def write(folder: Path, name: str, lines: list[str]) -> Path:
    path = folder / name
    data = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def two(folder: Path, source: list[str], target: list[str]) -> tuple[Path, Path]:
    return write(folder, "text.de", source), write(folder, "text.en", target)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts(), texts()), min_size=1, max_size=9), st.sampled_from([3, 11, 2**20]), st.data())
def test_pairs_are_the_lines_side_by_side(sides: list[tuple[str, str]], longest: int, data: st.DataObject) -> None:
    sides = [("x" + sides[0][0], "x" + sides[0][1]), *sides[1:]]  # so that no file begins with a mark or is empty
    short = [pair for pair in sides if max(len(side.encode()) for side in pair) <= longest]
    full = [pair for pair in short if all(side.strip() for side in pair)]
    with tempfile.TemporaryDirectory() as folder:
        paths = two(Path(folder), *map(list, zip(*sides, strict=True)))
        for on_empty, wanted in [("keep", short), ("drop", full)]:
            if not wanted:
                with pytest.raises(DataError, match=f"No pair is left of {len(sides)}"):
                    PairFile(*paths, LinePolicy(longest, "skip"), on_empty)
                continue
            with PairFile(*paths, LinePolicy(longest, "skip"), on_empty) as pairs:
                assert list(pairs) == pairs[:] == [pairs[at] for at in range(len(pairs))] == wanted
                rows = data.draw(st.lists(st.integers(-len(wanted), len(wanted) - 1)))
                assert pairs[rows] == pairs[np.array(rows, dtype=int)] == [wanted[at] for at in rows]
                assert pairs.report.pairs == len(pairs) == len(wanted)
                assert pairs.report.skipped.times == len(sides) - len(short)
                assert pairs.report.empty.times == len(short) - len(full)


@settings(max_examples=100, deadline=None)
@given(bytes_lines(), bytes_lines())
def test_any_two_files_are_paired_or_refused_with_an_error_of_ours(source: bytes, target: bytes) -> None:
    policy = LinePolicy(7, "truncate", "replace")
    try:
        with PairFile(io.BytesIO(source), io.BytesIO(target), policy) as pairs:
            sides = [list(read_lines(io.BytesIO(side), policy)) for side in (source, target)]
            assert list(pairs) == list(zip(*sides, strict=True))
    except AxwError:
        pass


def test_a_pair_has_two_names_and_the_report_says_what_was_dropped(tmp_path: Path) -> None:
    paths = two(tmp_path, ["ein Haus", "", "viel zu lang", "Ende"], ["a house", "lost", "too long", " "])
    with PairFile(*paths, LinePolicy(8, "skip"), on_empty="drop") as pairs:
        assert pairs[0] == Pair(source="ein Haus", target="a house") and len(pairs) == 1
        assert pairs.report.empty == Count(2, 2) and pairs.report.skipped == Count(1, 3)
        assert pairs.report.to_text() == (
            "1 pair; 2 with an empty side (first: line 2); 1 dropped as too long (first: line 3)\n"
            f"{paths[0]}: 4 lines; 1 empty lines (first: line 2); 1 lines skipped (first: line 3)\n"
            f"{paths[1]}: 4 lines; 1 empty lines (first: line 4)"
        )


def test_fingerprints_tell_files_and_sides_apart(tmp_path: Path) -> None:
    one, other = two(tmp_path, ["a"], ["b"])
    assert PairFile(one, other).sha256 == PairFile(one, other).sha256
    assert len({PairFile(*each).sha256 for each in [(one, other), (other, one), (one, one)]}) == 3


def test_gzip_and_plain_give_the_same_pairs(tmp_path: Path) -> None:
    plain = two(tmp_path, ["a", "b"], ["c", "d"])
    packed = write(tmp_path, "a.gz", ["a", "b"]), write(tmp_path, "b.gz", ["c", "d"])
    assert list(PairFile(*plain)) == list(PairFile(*packed)) and PairFile(*plain).sha256 == PairFile(*packed).sha256


def test_unequal_counts_are_refused_with_both_and_the_place(tmp_path: Path) -> None:
    source = ["eins", "eine viel längere Zeile als die andere", "drei", "ein paar Worte", "noch ein paar mehr Worte"]
    target = ["one", "three", "a few words", "and then a few more words"]
    with pytest.raises(DataError) as caught:
        PairFile(*two(tmp_path, source, target))
    assert caught.value.what == (
        "Line 2 of one file seems to have no partner: the files have 5 and 4 lines, and must have the same number."
    )
    assert caught.value.where == f"{tmp_path}/text.de, {tmp_path}/text.en, near line 2"
    assert f"{tmp_path}/text.de: 'eine viel längere Zeile als die andere'; " in caught.value.todo
    assert f"{tmp_path}/text.en: 'three')" in caught.value.todo
    with pytest.raises(DataError, match=r"near line 4\n.*text.de: 'dd'; .*text.en: \(no such line\)"):
        PairFile(*two(tmp_path, ["a", "bbbbbb", "cccc", "dd"], ["a", "bbbbbb", "cccc"]))
    with pytest.raises(DataError, match=r"1 and 2 lines"):
        PairFile(*two(tmp_path, ["far too long"], ["short", "too long"]), LinePolicy(6, "skip"))


def test_an_empty_pair_or_a_wrong_setting_is_said(tmp_path: Path) -> None:
    paths = two(tmp_path, ["", "a"], ["b", ""])
    with pytest.raises(DataError, match="No pair is left of 2: 2 have an empty side, 0 are too long"):
        PairFile(*paths, on_empty="drop")
    with pytest.raises(UsageError, match="Allowed: drop, keep. Did you mean 'drop'"):
        PairFile(*paths, on_empty="dropp")  # type: ignore[arg-type]


def test_refused_files_are_let_go(tmp_path: Path) -> None:
    paths = two(tmp_path, ["a", "b"], ["c"])
    before = len(os.listdir("/proc/self/fd"))
    for target in (paths[1], tmp_path / "none"):
        with pytest.raises(DataError):
            PairFile(paths[0], target)
    assert len(os.listdir("/proc/self/fd")) == before


def lengths(generator: np.random.Generator, lines: int) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of sentences and their translations: log-normal, correlated at about 0.8, as those of captions are."""
    log_source = generator.normal(4.1, 0.35, lines)
    log_target = log_source + 0.1 + generator.normal(0, 0.2, lines)
    return np.exp(log_source).astype(int) + 2, np.exp(log_target).astype(int) + 2


def costs_of_breaks(source: np.ndarray, target: np.ndarray) -> list[float]:
    """The sum of the docstring for every k, one by one."""
    short, long = (source, target) if len(source) < len(target) else (target, source)
    shift, ratio = len(long) - len(short), np.log(long.mean() / short.mean())

    def residual(i: int, j: int) -> float:
        return abs(float(np.log(long[j] / short[i]) - ratio))

    return [
        sum(residual(i, i) for i in range(k)) + sum(residual(i, i + shift) for i in range(k, len(short)))
        for k in range(len(short) + 1)
    ]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 23), st.integers(1, 5))
@example(8, 3, 1)  # two breaks of one cost: rounding decides between them
def test_the_break_is_the_least_of_the_sums(seed: int, lines: int, lost: int) -> None:
    source, target = lengths(np.random.default_rng(seed), lines + lost)
    for sides in ((source, target[lost:]), (target[:lines], source)):
        costs = costs_of_breaks(*sides)
        assert costs[first_break(*sides)] <= min(costs) + 1e-9


@pytest.mark.parametrize("place", [0, 1, 499, 2500, 4990, 4999])
def test_a_missing_line_is_found_within_fifty_lines(place: int) -> None:
    found = []
    for seed in range(50):
        source, target = lengths(np.random.default_rng(seed), 5000)
        sides = (source, np.delete(target, place)) if seed % 2 else (np.delete(source, place), target)
        found.append(abs(first_break(*sides) - place) <= 50)
    assert np.mean(found) >= 0.95


@pytest.mark.data
def test_a_missing_line_of_real_captions_is_found_within_fifty_lines() -> None:
    folder = Path(os.environ.get("AXW_DATA", "../shared/data")) / "multi30k"
    if not folder.is_dir():
        pytest.skip(f"AXW_DATA: there is no folder {folder}")
    pairs = PairFile(folder / "train.de.gz", folder / "train.en.gz", on_empty="drop")
    assert len(pairs) == 29_000 and pairs.report.empty == Count()
    assert pairs[0].target == "Two young, White males are outside near many bushes."
    source, target = (np.diff(side.index.starts) for side in (pairs.source, pairs.target))
    places = np.random.default_rng(11).integers(0, 29_000, 300)
    near = [abs(first_break(source, np.delete(target, at)) - at) <= 50 for at in [0, 28_999, *places]]
    assert near[0] and near[1] and np.mean(near) >= 0.95
