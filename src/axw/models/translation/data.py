"""The pairs that a translator learns from, and those that its training is watched on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from axw.errors import DataError

HELD_OUT, MOST_HELD_OUT = 20, 1000  # where no validation pairs are given, every 20th pair is one


class Pairs(NamedTuple):
    """Lines and their translations."""

    source: list[str]
    target: list[str]


class TranslationData(NamedTuple):
    """The pairs that are learned from, and those that the training is watched on."""

    train: Pairs
    valid: Pairs


def translation_data(
    source: Iterable[str], target: Iterable[str], valid: tuple[Iterable[str], Iterable[str]] | None
) -> TranslationData:
    """The pairs without an empty side. Without `valid`, every 20th pair is held out for it, of long texts about 1000.

    Raises `DataError` where the two sides have other numbers of lines, or no pair is left.
    """
    train = _pairs(source, target, "the training pairs")
    if valid is not None:
        return TranslationData(train, _pairs(*valid, "the validation pairs"))
    step = max(HELD_OUT, len(train.source) // MOST_HELD_OUT)
    held = Pairs(train.source[step - 1 :: step], train.target[step - 1 :: step])
    rest = Pairs(*([line for i, line in enumerate(side) if (i + 1) % step] for side in train))
    return TranslationData(rest, held)


def _pairs(source: Iterable[str], target: Iterable[str], where: str) -> Pairs:
    """The pairs without an empty side."""
    one, other = list(source), list(target)
    if len(one) != len(other):
        raise DataError(
            f"There are {len(one)} source lines and {len(other)} target lines; line i of one must belong to line i of the other.",
            f"In {where}.",
            "Give as many of each.",
        )
    kept = [(s, t) for s, t in zip(one, other, strict=True) if s.strip() and t.strip()]
    if not kept:
        raise DataError(f"No pair is left of {len(one)}: one side of each is empty.", f"In {where}.", "Give text.")
    return Pairs([s for s, _ in kept], [t for _, t in kept])
