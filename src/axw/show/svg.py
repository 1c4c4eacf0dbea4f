"""A small writer of SVG: the same shapes give the same bytes, and every word passes through `escape`.

Colours come from the classes of `style.CHART`, never from the data, and no attribute but numbers and those classes is
written. That leaves no place for markup, scripts or links.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from axw.show.escaping import escape

Anchor = Literal["start", "middle", "end"]


def number(value: float) -> str:
    """Two decimals at most, and no trailing zeros: 3, 3.5, 3.14; never `-0` or an exponent."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


class Svg:
    """A picture in the making: shapes are added in order, `to_text` gives the element.

    title        the finding, read aloud by a screen reader (`role="img"`)
    description  what is on the axes
    """

    def __init__(self, width: float, height: float, *, title: str, description: str = "") -> None:
        self.width, self.height, self.title, self.description = width, height, title, description
        self.shapes: list[str] = []

    def rect(self, x: float, y: float, width: float, height: float, kind: str, hint: str = "") -> None:
        places = _numbers(x=x, y=y, width=max(width, 0), height=max(height, 0))
        self.shapes.append(f'<rect class="{kind}" {places}>{_hint(hint)}</rect>')

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.shapes.append(f'<line class="{kind}" {_numbers(x1=x1, y1=y1, x2=x2, y2=y2)}/>')

    def circle(self, x: float, y: float, radius: float, kind: str, hint: str = "") -> None:
        self.shapes.append(f'<circle class="{kind}" {_numbers(cx=x, cy=y, r=radius)}>{_hint(hint)}</circle>')

    def path(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        steps = " ".join(f"{'L' if i else 'M'}{number(x)} {number(y)}" for i, (x, y) in enumerate(points))
        self.shapes.append(f'<path class="{kind}" d="{steps}"/>')

    def text(self, x: float, y: float, words: object, kind: str, anchor: Anchor = "start", most: int = 40) -> None:
        self.shapes.append(
            f'<text class="{kind}" {_numbers(x=x, y=y)} text-anchor="{anchor}">{escape(words, most)}</text>'
        )

    def to_text(self) -> str:
        """The `<svg>` element, for a page that carries `style.CHART`."""
        head = f'viewBox="0 0 {number(self.width)} {number(self.height)}" role="img"'
        about = f"<title>{escape(self.title, 400)}</title>"
        if self.description:
            about += f"<desc>{escape(self.description, 1000)}</desc>"
        return f'<svg xmlns="http://www.w3.org/2000/svg" {head}>{about}{"".join(self.shapes)}</svg>'


def _numbers(**places: float) -> str:
    return " ".join(f'{key}="{number(value)}"' for key, value in places.items())


def _hint(words: str) -> str:
    return f"<title>{escape(words, 400)}</title>" if words else ""
