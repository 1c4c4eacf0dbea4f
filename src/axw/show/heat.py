"""A grid of weights: darker is more. Drawn as one shape a shade, so that a grid of many heads stays small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from axw.show.escaping import visible
from axw.show.faces import fit
from axw.show.page import Twin
from axw.show.svg import Svg, room

SHADES = 12
PAGE = 860.0  # a narrower picture would be blown up to the width of the page
MOST_HINTS = 900  # cells with a number on hover
MOST_TABLE = 2500  # cells in the table below
_MOST = 22  # columns of a word beside the grid; the table has all of it


def shades(A: np.ndarray) -> np.ndarray:
    """(n m) the shade of each weight, 0 (none) to SHADES, by its share of the greatest."""
    most = float(np.abs(A).max(initial=0.0))
    return np.rint(SHADES * np.abs(A) / most).astype(int) if most > 0 else np.zeros(A.shape, int)


def paint(svg: Svg, A: np.ndarray, corner: tuple[float, float], width: float, height: float) -> None:
    """The cells of A, each `width` by `height`, from the corner on; negative ones in the other colour."""
    x, y = corner
    level = shades(A)
    for kind, here in (("weight", A > 0), ("less", A < 0)):
        for shade in range(1, SHADES + 1):
            places = [(x + j * width, y + i * height) for i, j in np.argwhere(here & (level == shade)).tolist()]
            svg.cells(places, width, height, kind, shade / SHADES)


def widest(words: Sequence[str]) -> float:
    """How wide the widest of the words is."""
    return max(map(room, words), default=0.0)


def grid(
    A: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str,
    dots: frozenset[tuple[int, int]] = frozenset(),
    hints: bool = True,
) -> Svg:
    """Rows read columns. Words of the rows at the left; of the columns above, each on a stair of its own where they are wide.

    dots   (row, column) that are marked;  hints: a number on hover for each cell, where there are not too many
    """
    size = 30.0 if len(columns) <= 20 else 20.0 if len(columns) <= 40 else 16.0
    asked, read = [fit(word, _MOST) for word in rows], [fit(word, _MOST) for word in columns]
    left, longest = max(widest(asked), 30) + 12, widest(read)
    wide = longest > size - 4
    top = 24.0 + (0.87 * longest + 8 if wide else 0)
    right = 0.5 * longest if wide else 0
    svg = Svg(left + size * len(columns) + max(right, 10), top + size * len(rows) + 8, title=title)
    svg.width = max(svg.width, PAGE)
    svg.description = "Rows: the words that read. Columns: the words that are read. The darker, the more."
    for j, word in enumerate(read):
        x = left + size * (j + 0.5)
        if wide:
            svg.turned(x, top - 6, word, "tick", _MOST)
        else:
            svg.text(x, top - 8, word, "tick", "middle", most=_MOST)
    for i, word in enumerate(asked):
        svg.text(left - 8, top + size * (i + 0.5) + 4, word, "tick", "end", most=_MOST)
    svg.rect(left, top, size * len(columns), size * len(rows), "frame")
    paint(svg, A, (left, top), size, size)
    if hints and A.size <= MOST_HINTS:
        for i, j in np.argwhere(shades(A) > 0).tolist():
            hint = f"{rows[i]} \u2190 {columns[j]}: {A[i, j]:.3f}"
            svg.rect(left + size * j, top + size * i, size, size, "clear", hint)
    for i, j in sorted(dots):
        svg.circle(left + size * (j + 0.5), top + size * (i + 0.5), max(3.0, size / 8), "dot")
    return svg


def grid_table(A: np.ndarray, rows: Sequence[str], columns: Sequence[str], corner: str) -> Twin:
    """The same numbers; of a grid that is too large for a table, the three that each row reads most."""
    if A.size <= MOST_TABLE:
        lines = [(word, *(f"{weight:.3f}" for weight in A[i])) for i, word in enumerate(rows)]
        return Twin([corner, *columns], lines, words=(corner,))
    return Twin(
        [corner, "reads most"], [(row, said) for row, said in most_read(A, rows, columns)], words=(corner, "reads most")
    )


def most_read(A: np.ndarray, rows: Sequence[str], columns: Sequence[str], most: int = 3) -> list[tuple[str, str]]:
    """For each row the columns it reads most, as `word 0.61, other 0.20`."""
    found = []
    for i, word in enumerate(rows):
        order = [j for j in np.argsort(-A[i], kind="stable")[:most].tolist() if A[i, j] > 0]
        found.append((word, ", ".join(f"{columns[j]} {A[i, j]:.3f}" for j in order)))
    return found


def plot_grid(ax: Any, A: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> None:
    """The same with matplotlib."""
    ax.imshow(A, cmap="cividis", vmin=0 if (A >= 0).all() else None, aspect="auto")
    ax.set_xticks(range(len(columns)), [plot_word(word) for word in columns], rotation=60, ha="right")
    ax.set_yticks(range(len(rows)), [plot_word(word) for word in rows])


def plot_word(word: str) -> str:
    """matplotlib takes what stands between dollar signs for a formula."""
    return visible(word, _MOST).replace("$", r"\$")
