"""What hypotheses have said, as links from the last id back to the first: hypotheses that went on from one share it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Link = tuple[Any, int] | None
"""The link before and the id; None where nothing was said."""


def grown(
    said: list[list[Link]], keep: list[int], parents: list[list[int]], tokens: list[list[int]]
) -> list[list[Link]]:
    """Of the sentences of `keep`: hypothesis j goes on from parents[i][j] with the id tokens[i][j]."""
    return [
        [(said[row][parent], token) for parent, token in zip(parents[row], tokens[row], strict=True)] for row in keep
    ]


def ids(link: Link) -> list[int]:
    """From the first to the last."""
    found = []
    while link is not None:
        link, token = link
        found.append(token)
    return found[::-1]


def table(said: Sequence[Sequence[Link]]) -> list[list[list[int]]]:
    """(b w t) of all of them."""
    return [[ids(link) for link in own] for own in said]
