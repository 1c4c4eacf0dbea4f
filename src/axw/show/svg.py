"""A small writer of SVG: the same shapes give the same bytes, and every word passes through `escape`.

Colours come from the classes of `style.CHART`, never from the data, and no attribute but numbers and those classes is
written. That leaves no place for markup, scripts or links.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.cells import cell_len

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

    def curve(self, ends: tuple[float, float, float, float], kind: str, strength: float, hint: str = "") -> None:
        """From (x1, y1) to (x2, y2), leaving and arriving upright; `strength` from 0 to 1 is how much of its colour it has."""
        x1, y1, x2, y2 = ends
        half = number((y1 + y2) / 2)
        way = f"M{number(x1)} {number(y1)}C{number(x1)} {half} {number(x2)} {half} {number(x2)} {number(y2)}"
        self.shapes.append(f'<path class="{kind}" d="{way}" stroke-opacity="{number(strength)}">{_hint(hint)}</path>')

    def cells(
        self, places: Sequence[tuple[float, float]], width: float, height: float, kind: str, strength: float
    ) -> None:
        """Boxes of one size and strength as one shape, so that a grid of a thousand heads stays small."""
        box = f"h{number(width)}v{number(height)}h{number(-width)}z"
        way = "".join(f"M{number(x)} {number(y)}{box}" for x, y in places)
        if way:
            self.shapes.append(f'<path class="{kind}" d="{way}" fill-opacity="{number(strength)}"/>')

    def add(self, other: Svg, x: float, y: float) -> None:
        """The shapes of another picture, moved there."""
        self.shapes.append(f'<g transform="translate({number(x)} {number(y)})">{"".join(other.shapes)}</g>')

    def text(self, x: float, y: float, words: object, kind: str, anchor: Anchor = "start", most: int = 40) -> None:
        self.shapes.append(
            f'<text class="{kind}" {_numbers(x=x, y=y)} text-anchor="{anchor}">{escape(words, most)}</text>'
        )

    def turned(self, x: float, y: float, words: object, kind: str, most: int = 40) -> None:
        """Words that rise to the right from (x, y), where they would run into each other otherwise."""
        place = f'transform="translate({number(x)} {number(y)}) rotate(-60)"'
        self.shapes.append(f'<text class="{kind}" {place} text-anchor="start">{escape(words, most)}</text>')

    def to_text(self) -> str:
        """The `<svg>` element, for a page that carries `style.CHART`."""
        head = f'viewBox="0 0 {number(self.width)} {number(self.height)}" role="img"'
        about = f"<title>{escape(self.title, 400)}</title>"
        if self.description:
            about += f"<desc>{escape(self.description, 1000)}</desc>"
        return f'<svg xmlns="http://www.w3.org/2000/svg" {head}>{about}{"".join(self.shapes)}</svg>'

    def to_document(self, style: str) -> str:
        """A file of its own: with its size, the `style` sheet inside, and a ground to stand on."""
        head, _, rest = self.to_text().partition(">")
        size = f' width="{number(self.width)}" height="{number(self.height)}"'
        own = f"svg{{width:{number(self.width)}px;height:{number(self.height)}px;max-width:none}}"
        ground = '<rect class="ground" width="100%" height="100%"/>'
        return f"{head}{size}><style>{style}{own}</style>{ground}{rest}\n"


def room(words: str) -> float:
    """About how wide a line of text is at the usual size: capitals are wider, a Chinese letter takes two places."""
    return sum(9.8 if letter.isupper() or letter in "mwMW@%" else 7.8 * cell_len(letter) for letter in words)


def _numbers(**places: float) -> str:
    return " ".join(f'{key}="{number(value)}"' for key, value in places.items())


def _hint(words: str) -> str:
    return f"<title>{escape(words, 400)}</title>" if words else ""
