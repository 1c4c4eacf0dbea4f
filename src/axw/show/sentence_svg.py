"""A sentence in lines: behind each word what the answer loses without it, under it a bar of the attention that it got."""

from __future__ import annotations

from collections.abc import Sequence

from axw.show.faces import fit
from axw.show.svg import Svg, room

WIDTH = 860.0
_MOST, _LINE = 40, 46.0


def sentence_svg(
    words: Sequence[str],
    left_out: Sequence[float | None] | None,
    attention: Sequence[float | None] | None,
    asked: int | None = None,
    *,
    title: str,
) -> Svg:
    """The words with what is known of them; None = not measured.

    asked   the place of the word that is asked about, which has a frame
    """
    lost = [x or 0.0 for x in left_out or [0.0] * len(words)]
    weights = [x or 0.0 for x in attention or [0.0] * len(words)]
    most, heavy = max(map(abs, lost), default=0.0) or 1.0, max(weights, default=0.0) or 1.0
    svg = Svg(WIDTH, 60, title=title)
    svg.description = "Behind a word: what the answer loses without it."
    svg.description += " Under it: how much attention it got." if attention else ""
    x, y = 10.0, 30.0
    for place, whole in enumerate(words):
        word = fit(whole, _MOST)
        wide = max(room(word), 14.0)
        if x > 10 and x + wide > WIDTH - 10:
            x, y = 10.0, y + _LINE
        if place == asked:
            svg.rect(x - 3, y - 17, wide + 6, 24, "pick")
        elif lost[place]:
            kind = "weight" if lost[place] > 0 else "less"
            svg.cells([(x - 3, y - 17)], wide + 6, 24, kind, 0.6 * abs(lost[place]) / most)
            svg.rect(x - 3, y - 17, wide + 6, 24, "clear", f"{word}: {lost[place]:+.3f} nats".replace("-", "\u2212"))
        if place != asked and weights[place]:
            svg.rect(x, y + 10, wide * weights[place] / heavy, 5, "bar", f"{word}: attention {weights[place]:.3f}")
        svg.text(x + wide / 2, y, word, "pick" if place == asked else "word", "middle", most=_MOST)
        x += wide + 12
    _legend(svg, y + _LINE, left_out is not None, attention is not None)
    return svg


def _legend(svg: Svg, y: float, lost: bool, read: bool) -> None:
    x = 10.0
    if lost:
        svg.cells([(x, y - 11)], 22, 14, "weight", 0.45)
        svg.text(x + 28, y, "the answer loses without it", "tiny")
        svg.cells([(x + 220, y - 11)], 22, 14, "less", 0.45)
        svg.text(x + 248, y, "it gains", "tiny")
        x += 330
    if read:
        svg.rect(x, y - 6, 22, 5, "bar")
        svg.text(x + 28, y, "attention", "tiny")
    svg.height = y + 14
