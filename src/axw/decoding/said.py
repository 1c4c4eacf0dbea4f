"""What hypotheses have said, as a chain of steps: a step is written down as it was chosen, and only an answer is spelled out."""

from __future__ import annotations

from typing import Any, NamedTuple


class Step(NamedTuple):
    """One step of the sentences that went on after it.

    before (a `Step`, or None where nothing was said before); keep, the rows of the step before that went on; parents and tokens,
    of all rows of the step before: hypothesis j of row i goes on from parents[i][j] with the id tokens[i][j].
    """

    before: Any
    keep: list[int]
    parents: list[list[int]]
    tokens: list[list[int]]


def ids(said: Step | None, row: int, place: int) -> list[int]:
    """What hypothesis `place` of a row has said, from the first id to the last."""
    found = []
    while said is not None:
        row = said.keep[row]
        found.append(said.tokens[row][place])
        said, place = said.before, said.parents[row][place]
    return found[::-1]


def table(said: Step | None, rows: int, places: int) -> list[list[list[int]]]:
    """(b w t) of all of them."""
    return [[ids(said, row, place) for place in range(places)] for row in range(rows)]
