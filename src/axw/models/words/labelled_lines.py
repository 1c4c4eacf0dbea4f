"""Lines and a label for each: what a classifier of lines learns from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from axw.data.words import several
from axw.errors import DataError

_HELD_OUT = 10  # where no validation lines are given, every 10th line of a class is one


class LabelledLines(NamedTuple):
    """Lines and their labels."""

    lines: list[str]
    labels: list[str]


class SentencesData(NamedTuple):
    """What is learned from, and what the training is watched on."""

    train: LabelledLines
    valid: LabelledLines


def labelled(lines: Sequence[str], labels: Sequence[Any]) -> LabelledLines:
    """Lines with the text of each label. `UsageError` for one text, `DataError` for a line that is none."""
    return LabelledLines(list(several(lines)), [str(label) for label in labels])


def parted(data: LabelledLines, valid: LabelledLines | None) -> SentencesData:
    """What has words. Without `valid`, every 10th line of each class is held out, so that each class is learned from."""
    train = _with_words(data, "the training text")
    if valid is not None:
        return SentencesData(train, _with_words(valid, "the validation text"))
    parts = [LabelledLines([], []), LabelledLines([], [])]
    seen: Counter[str] = Counter()
    for line, label in zip(*train, strict=True):
        seen[label] += 1
        part = parts[seen[label] % _HELD_OUT == 0]
        part.lines.append(line)
        part.labels.append(label)
    return SentencesData(*parts)


def _with_words(data: LabelledLines, where: str) -> LabelledLines:
    same_number(data.lines, data.labels, where)
    kept = [(line, label.strip()) for line, label in zip(*data, strict=True) if line.strip()]
    return LabelledLines([line for line, _ in kept], [label for _, label in kept])


def same_number(lines: Sequence[str], labels: Sequence[str], where: str) -> None:
    """`DataError` where line i has no label i."""
    if len(lines) != len(labels):
        raise DataError(
            f"There are {len(lines)} lines and {len(labels)} labels; allowed: one label for each line.",
            f"In {where}.",
            "Give as many of each; label i belongs to line i.",
        )


def classes_of(lines: list[str], labels: list[str], where: str) -> tuple[str, ...]:
    """The labels, sorted. `DataError` where there are fewer than two, or an empty one."""
    same_number(lines, labels, where)
    found = tuple(sorted(set(labels)))
    if len(found) < 2:
        got = f"the label {found[0]!r} alone" if found else "no label"
        raise DataError(f"The lines have {got}; allowed: two classes or more.", f"In {where}.", "Give more classes.")
    if "" in found:
        raise DataError(
            f"Label {labels.index('') + 1} is empty; allowed: a label for each line.", f"In {where}.", "Fill it in."
        )
    return found
