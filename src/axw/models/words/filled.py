"""What comes of filling a line: the words for each gap, their probabilities, and which words each guess attended to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from axw.errors import DataError, UsageError, did_you_mean

TOKEN = "[MASK]"
ORDERS = ("together", "left-to-right")
MOST_MASKS = 64
_MOST_GUESSES = 1000


class Guess(NamedTuple):
    word: str
    probability: float


class Attended(NamedTuple):
    """A word of the line, its place among the words from 0, and the share of the guess's attention that it got."""

    word: str
    place: int
    weight: float


class FilledMask(NamedTuple):
    """One [MASK]: its number from 1, the best words, and what was attended to, most first; mean over heads and layers."""

    number: int
    guesses: list[Guess]
    attended: list[Attended]


@dataclass(frozen=True)
class Filled:
    """A line with its masks filled.

    line   as it was asked;  text: with the best word for each [MASK]
    cut    how many pieces at either end the model did not read, because the line is longer than it reads at once
    notes  what the reader should know: words that the model has not seen, pieces that it did not read
    """

    line: str
    text: str
    masks: list[FilledMask]
    cut: int = 0
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        masks = [
            {
                "mask": mask.number,
                "guesses": [guess._asdict() for guess in mask.guesses],
                "attended": [word._asdict() for word in mask.attended],
            }
            for mask in self.masks
        ]
        return {
            "schema": "axw.fill/1",
            "line": self.line,
            "text": self.text,
            "masks": masks,
            "pieces_not_read": self.cut,
            "notes": list(self.notes),
        }

    def answer(self) -> str:
        """The filled line, then each mask with its words and what was attended to."""
        lines = [self.text]
        for mask in self.masks:
            lines += [f"[MASK] {mask.number}" if len(self.masks) > 1 else "[MASK]"]
            width = max((len(guess.word) for guess in mask.guesses), default=0)
            lines += [f"  {guess.word:<{width}}  {guess.probability:6.1%}" for guess in mask.guesses]
            seen = ", ".join(f"{word.word} {word.weight:.0%}" for word in mask.attended)
            lines += [f"  attended to: {seen}"] if seen else []
        return "\n".join(lines)

    def to_text(self) -> str:
        """The answer, and the notes behind it."""
        return "\n".join([self.answer(), *(f"note: {note}" for note in self.notes)])

    __str__ = to_text


class Filler(Protocol):
    """A model that is ready to fill many lines."""

    def fill(self, line: str, *, top: int = 5, order: str = "together") -> Filled:
        """The best words for each [MASK] of the line."""
        ...

    def guesses(self, ids: np.ndarray, number: int, top: int) -> list[Guess]:
        """The `top` best words for mask `number`, from 1, of a line that is ids already, each mask on its own."""
        ...


def asked_parts(line: str, top: int, order: str, most: int = MOST_MASKS) -> list[str]:
    """The text between the masks: one part more than there are masks. `DataError` without a mask or with too many of them."""
    if order not in ORDERS:
        raise UsageError(f"Unknown order {order!r}.", "In fill.", did_you_mean(order, ORDERS))
    if not 1 <= top <= _MOST_GUESSES:
        raise UsageError(f"top is {top}; allowed: 1 to {_MOST_GUESSES}.", "In fill.")
    parts = line.split(TOKEN)
    count = len(parts) - 1
    if count < 1:
        todo = f'Put {TOKEN} where a word is to be guessed: "I like to {TOKEN}."'
        raise DataError(f"The line has no {TOKEN}; allowed: 1 to {most}.", repr(line[:80]), todo)
    if count > most:
        raise too_many_masks(count, most, repr(line[:80]))
    return parts


def too_many_masks(count: int, most: int, where: str) -> DataError:
    """The error for a line with more masks than the model knows."""
    return DataError(f"The line has {count:,} {TOKEN}; allowed: 1 to {most}.", where, "Ask for fewer at a time.")


def nothing_to_read(parts: list[str]) -> list[str]:
    """A note where the line is made of masks alone."""
    if any(part.strip() for part in parts):
        return []
    return [f"the line holds nothing but {TOKEN}: the guesses rest on no word at all"]
