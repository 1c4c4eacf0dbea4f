"""One explanation, many faces: a value goes in, and comes out as page, notebook cell, text, table, JSON, SVG and plot.

A display is made of a plain JSON value and of nothing else. So equal values give equal pictures, every number of a picture is in
its JSON, and what another program computed can be shown as well.
"""

from __future__ import annotations

import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import pandas as pd
from rich.cells import cell_len, set_cell_size

from axw.errors import DataError, UsageError
from axw.show.escaping import name, visible
from axw.show.page import Twin, fold, page, paragraph
from axw.show.style import CHART, COLOURS, PAGE, scoped
from axw.show.svg import Svg
from axw.storage import write_text

WIDTH = 80
LEAST_WIDTH = 40
CAUTION = "Attention shows where the model looked, not why."


class Drawing(NamedTuple):
    """One picture of a display: the shapes, and the table that holds the same numbers.

    folded   under this line until the reader asks for it; "" = shown at once
    """

    svg: Svg
    twin: Twin | None
    folded: str = ""


class Display(ABC):
    """The faces that every display has. What is drawn comes from `value`, the JSON of `schema`.

    Raises `UsageError` for a value of another schema.
    """

    schema: ClassVar[str]

    def __init__(self, value: Mapping[str, Any]) -> None:
        got = value.get("schema")
        if got != self.schema:
            raise UsageError(
                f"The value has the schema {got!r}; allowed: {self.schema!r}.",
                f"In {type(self).__name__}.",
                "Use axw.show.display(value), which knows the display of every schema.",
            )
        self._value: dict[str, Any] = plain(value)

    # ----------------------------------------------------------------------------------------- what each display says

    @abstractmethod
    def title(self) -> str:
        """The finding, in one line."""

    @abstractmethod
    def drawings(self) -> list[Drawing]:
        """The pictures, the most telling first."""

    @abstractmethod
    def lines(self, width: int) -> Iterable[str]:
        """The text twin; a line that is too long is cut."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """The numbers as a table."""

    @abstractmethod
    def draw(self, ax: Any) -> None:
        """Draw on a matplotlib Axes."""

    def notes(self) -> list[str]:
        """What the reader must know of the picture."""
        return []

    # --------------------------------------------------------------------------------------------------------- faces

    def to_json(self) -> dict[str, Any]:
        """The plain value: what another program needs to draw the same, and what `axw.show.display` takes back."""
        return dict(json.loads(json.dumps(self._value)))

    def to_text(self, width: int = WIDTH) -> str:
        """The same as lines of at most `width` columns, for a terminal and for a reader who hears the page.

        Raises `UsageError` for fewer than 40 columns.
        """
        if width < LEAST_WIDTH:
            raise UsageError(f"width is {width}; allowed: {LEAST_WIDTH} or more.", "In to_text.")
        said = [self.title(), "", *self.lines(width)]
        notes = [part for note in self.notes() for part in wrapped(f"({note})", width)]
        return "\n".join(fit(line, width) for line in [*said, *notes])

    def to_html(self) -> str:
        """A page of its own: one file, no script, no request to anywhere."""
        return page(self.title(), f"<h1>{name(self.title(), 400)}</h1>\n{self.markup()}")

    def markup(self) -> str:
        """The pictures, their tables and the notes, for a page that carries the style sheet."""
        parts = []
        for drawing in self.drawings():
            twin = fold("The same as a table", drawing.twin.markup()) if drawing.twin else ""
            shown = f'<div class="scroll picture">{drawing.svg.to_text()}</div>\n{twin}'
            parts.append(fold(drawing.folded, shown) if drawing.folded else shown)
        return "".join(parts) + "".join(paragraph(note, "small soft") for note in self.notes())

    def to_svg(self) -> str:
        """The pictures that are shown at once, one below the other, as an SVG document."""
        svgs = [drawing.svg for drawing in self.drawings() if not drawing.folded]
        return stacked(svgs, self.title()).to_document(COLOURS + CHART)

    def write_html(self, path: str | os.PathLike[str]) -> None:
        """Write `to_html`. `ResourceError` where the file cannot be written."""
        write_text(Path(path), self.to_html())

    def write_svg(self, path: str | os.PathLike[str]) -> None:
        """Write `to_svg`. `ResourceError` where the file cannot be written."""
        write_text(Path(path), self.to_svg())

    def plot(self, ax: Any = None) -> Self:
        """Draw with matplotlib, on `ax` or on a new figure; then `ax_` and `figure_` are the Axes and the Figure, as in
        scikit-learn. `UsageError` where matplotlib is not installed."""
        self.ax_ = axes(f"{type(self).__name__}.plot") if ax is None else ax
        self.figure_ = self.ax_.figure
        self.draw(self.ax_)
        self.ax_.set_title(fit(self.title(), 70), fontsize=10)
        return self

    def _repr_html_(self) -> str:
        style = scoped(COLOURS + PAGE + CHART, ".axw")
        return f'<div class="axw"><style>{style}</style>\n<h3>{name(self.title(), 400)}</h3>\n{self.markup()}</div>\n'

    def __repr__(self) -> str:
        return self.to_text()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Display) and self._value == other._value

    def __hash__(self) -> int:
        return hash(json.dumps(self._value, sort_keys=True))


def axes(where: str) -> Any:
    """A new matplotlib Axes that no window keeps alive. `UsageError` where matplotlib is not installed."""
    try:
        pyplot = import_module("matplotlib.pyplot")
    except ImportError as error:
        raise UsageError(
            "matplotlib is not installed.", f"In {where}.", "Install it: pip install 'axw[plot]'"
        ) from error
    return pyplot.subplots(layout="constrained")[1]


def plain(value: Any) -> Any:
    """The value as JSON holds it: NumPy numbers and arrays as plain ones of seven digits; what is not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def stacked(svgs: Sequence[Svg], title: str) -> Svg:
    """Pictures below each other as one."""
    width, gap = max((svg.width for svg in svgs), default=10.0), 18.0
    whole = Svg(width, sum(svg.height + gap for svg in svgs), title=title)
    y = 0.0
    for svg in svgs:
        whole.add(svg, (width - svg.width) / 2, y)
        y += svg.height + gap
    return whole


def fit(words: object, width: int) -> str:
    """One line of at most `width` columns; a Chinese letter takes two."""
    text = visible(words, 4 * width)
    return text.rstrip() if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "\u2026"


def column(words: object, width: int, right: bool = False) -> str:
    """Exactly `width` columns."""
    text = fit(words, width)
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def wrapped(words: object, width: int) -> list[str]:
    """The words in lines of at most `width` columns."""
    lines: list[str] = []
    line = ""
    for word in visible(words, 4000).split():
        if line and cell_len(line) + 1 + cell_len(word) > width:
            lines, line = [*lines, line], ""
        line = f"{line} {word}" if line else word
    return [*lines, line] if line else lines


def matrix(values: Any, rows: int, columns: int, where: str) -> np.ndarray:
    """Weights (rows columns), every one finite. `DataError` for anything else."""
    try:
        found = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        found = np.zeros((0, 0, 0))
    if found.shape != (rows, columns) or not np.isfinite(found).all():
        what = "with numbers that are not finite" if found.shape == (rows, columns) else f"of shape {found.shape}"
        raise DataError(
            f"An array {what}; allowed: finite numbers of shape {(rows, columns)}, a row for each word that reads and a column"
            " for each that is read.",
            f"In {where}.",
            "Give one number for each pair of words.",
        )
    return found


def one_of(value: Mapping[str, Any]) -> str:
    """What one of the words of a picture is called: "word", or "piece" where its unit is pieces."""
    return str(value.get("unit", "words")).removesuffix("s")


def texts(words: Iterable[object], where: str) -> list[str]:
    """The words as a list of texts. `DataError` for one text instead of many."""
    if isinstance(words, str | bytes):
        raise DataError("Got one text; allowed: a list of words.", f"In {where}.", "Split it into words: text.split().")
    return [str(word) for word in words]
