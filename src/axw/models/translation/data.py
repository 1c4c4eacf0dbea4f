"""The pairs that a translator learns from, and those that its training is watched on."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress
from typing import NamedTuple

from axw.data.line_file import LineFile
from axw.data.some_lines import Lines, SomeLines, held_out, with_text
from axw.data.words import several
from axw.errors import DataError
from axw.models.translation.teaching import Teacher

HELD_OUT, MOST_HELD_OUT = 20, 1000  # where no validation pairs are given, every 20th pair is one


class Pairs(NamedTuple):
    """Lines and their translations."""

    source: Lines
    target: Lines


class TranslationData(NamedTuple):
    """The pairs that are learned from, those that the training is watched on, and who else says what is likely."""

    train: Pairs
    valid: Pairs
    teachers: tuple[Teacher, ...] = ()


def translation_data(
    source: Iterable[str], target: Iterable[str], valid: tuple[Iterable[str], Iterable[str]] | None
) -> TranslationData:
    """The pairs without an empty side. Without `valid`, every 20th pair is held out for it, of long texts about 1000.

    Two `LineFile`s are not read into memory. Raises `DataError` where the two sides have other numbers of lines, or no pair is
    left.
    """
    if isinstance(source, LineFile) and isinstance(target, LineFile):
        return _of_files(source, target, valid)
    train = _pairs(source, target, "the training pairs")
    if valid is not None:
        return TranslationData(train, _pairs(*valid, "the validation pairs"))
    marked, out = held_out(len(train.source), HELD_OUT, MOST_HELD_OUT)
    rest, held = (Pairs(*(list(compress(side, part)) for side in train)) for part in (marked, out))
    return TranslationData(rest, held)


def _of_files(source: LineFile, target: LineFile, valid: tuple[Iterable[str], Iterable[str]] | None) -> TranslationData:
    _same_number(source.report.lines, target.report.lines, "the training pairs")
    marked = with_text(source, target)
    if not marked.any():
        raise _none_left(len(marked), "the training pairs")
    if valid is not None:
        held = _pairs(*valid, "the validation pairs")
    else:
        marked, out = held_out(marked, HELD_OUT, MOST_HELD_OUT)
        held = Pairs(SomeLines(source, out).held(), SomeLines(target, out).held())
    return TranslationData(Pairs(SomeLines(source, marked), SomeLines(target, marked)), held)


def _pairs(source: Iterable[str], target: Iterable[str], where: str) -> Pairs:
    """The pairs without an empty side."""
    one, other = list(several(source)), list(several(target))
    _same_number(len(one), len(other), where)
    kept = [(s, t) for s, t in zip(one, other, strict=True) if s.strip() and t.strip()]
    if not kept:
        raise _none_left(len(one), where)
    return Pairs([s for s, _ in kept], [t for _, t in kept])


def _same_number(source: int, target: int, where: str) -> None:
    if source != target:
        raise DataError(
            f"There are {source} source lines and {target} target lines; line i of one must belong to line i of the other.",
            f"In {where}.",
            "Give as many of each.",
        )


def _none_left(pairs: int, where: str) -> DataError:
    return DataError(f"No pair is left of {pairs}: one side of each is empty.", f"In {where}.", "Give text.")
