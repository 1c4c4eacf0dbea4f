"""Two sentences, the source above and the translation below, with lines between the words that belong together.

Long sentences go on in bands below each other; a line whose ends lie in two bands is drawn from one to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from axw.show.faces import fit
from axw.show.svg import Svg, room

WIDTH, GAP, BETWEEN, MARGIN = 860.0, 14.0, 92.0, 10.0
LEAST = 0.15  # a weight below this is no line
_MOST = 26
_SIDES = 64.0  # room for the names of the two sides

Place = tuple[float, float, int]  # the middle of a word, its width, and the number of its band


def lines_between(
    A: np.ndarray,
    source: Sequence[str],
    target: Sequence[str],
    dropped: AbstractSet[int],
    invented: AbstractSet[int],
    *,
    title: str,
) -> Svg:
    """A (target words, source words) as lines; a dropped word is dotted under, an invented one dashed."""
    source, target = [fit(word, _MOST) for word in source], [fit(word, _MOST) for word in target]
    bands = _bands(source, target)
    height = (BETWEEN + 58) * len(bands)
    svg = Svg(WIDTH, height + 26, title=title)
    svg.description = (
        "Above: the source. Below: the translation. The stronger a line, the more of the word above was read."
    )
    above, below = _places(bands, 0, source), _places(bands, 1, target)
    for i, j in np.argwhere(A >= LEAST).tolist():
        (x1, _, one), (x2, _, other) = above[j], below[i]
        upwards = one > other  # the source word stands in a band below that of the target word
        ends = (x1, _line(one, 0) + (-15 if upwards else 7), x2, _line(other, 1) + (7 if upwards else -15))
        svg.curve(
            ends, "link", 0.25 + 0.75 * min(float(A[i, j]), 1.0), f"{target[i]} \u2190 {source[j]}: {A[i, j]:.3f}"
        )
    for band in range(len(bands)):
        svg.text(MARGIN, _line(band, 0), "source", "tiny")
        svg.text(MARGIN, _line(band, 1), "target", "tiny")
    for side, words, places, marked, kind in (
        (0, source, above, dropped, "lost"),
        (1, target, below, invented, "made"),
    ):
        for number, word in enumerate(words):
            x, wide, band = places[number]
            y = _line(band, side)
            svg.text(x, y, word, "warn" if number in marked else "word", "middle", most=_MOST)
            if number in marked:
                svg.line(x - wide / 2, y + 5, x + wide / 2, y + 5, kind)
    svg.line(MARGIN, height + 8, MARGIN + 24, height + 8, "lost")
    svg.text(MARGIN + 30, height + 12, "perhaps dropped", "tiny")
    svg.line(MARGIN + 150, height + 8, MARGIN + 174, height + 8, "made")
    svg.text(MARGIN + 180, height + 12, "perhaps invented", "tiny")
    return svg


def _line(band: int, side: int) -> float:
    return 22 + (BETWEEN + 58) * band + (BETWEEN + 10 if side else 0)


def _wide(word: str) -> float:
    return max(room(word), 10.0)


def _bands(source: Sequence[str], target: Sequence[str]) -> list[tuple[range, range]]:
    """Which words stand in which band: as few bands as both need, each side spread evenly over them."""
    count = 1
    while True:
        bands = [(_part(len(source), k, count), _part(len(target), k, count)) for k in range(count)]
        sides = [[words[i] for i in part] for pair in bands for words, part in zip((source, target), pair, strict=True)]
        if all(_length(side) <= WIDTH - _SIDES - MARGIN or len(side) <= 1 for side in sides):
            return bands
        count += 1


def _part(length: int, number: int, count: int) -> range:
    return range(length * number // count, length * (number + 1) // count)


def _length(words: Sequence[str]) -> float:
    return sum(_wide(word) + GAP for word in words)


def _places(bands: Sequence[tuple[range, range]], side: int, words: Sequence[str]) -> list[Place]:
    """The side's words, spread over the width so that both sides begin and end together."""
    places: list[Place] = []
    for number, pair in enumerate(bands):
        part = pair[side]
        here, other = (_length([words[i] for i in part]), 0.0)
        spare = min(max(WIDTH - _SIDES - MARGIN - here - other, 0.0), 30.0 * len(part))
        gap, x = GAP + spare / max(len(part), 1), _SIDES
        for i in part:
            places.append((x + _wide(words[i]) / 2, _wide(words[i]), number))
            x += _wide(words[i]) + gap
    return places
