"""A picture as a file of its own, which carries its style, a ground to stand on, and a size."""

from __future__ import annotations

from axw.show.style import CHART, COLOURS
from axw.show.svg import Svg


def picture_file(svg: Svg) -> str:
    """The text of an .svg file that every browser shows, in light and dark."""
    return svg.to_document(COLOURS + CHART)
