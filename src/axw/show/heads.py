"""What a head of attention is like, told by rule from its A; and all heads of a model side by side, small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from axw.show.heat import paint
from axw.show.svg import Svg

ENOUGH = 0.4  # the mean share that must go to one place for a head to be named after it
BROAD = 0.85  # of the greatest entropy
_WIDTH, _LEFT, _MOST_HEADS = 860.0, 92.0, 16


def entropy(A: np.ndarray) -> float:
    """The mean over the rows of -sum_j a_j log2 a_j in bits, each row scaled to a sum of 1; without rows that read nothing."""
    A = np.abs(A)
    sums = A.sum(1)
    p = A[sums > 0] / sums[sums > 0, None]
    logs = np.log2(p, where=p > 0, out=np.zeros_like(p))
    return float(-(p * logs).sum(1).mean()) if len(p) else 0.0


def head_kind(A: np.ndarray, same: bool) -> str:
    """ "previous word", "next word", "same word", "first word", "last word", "broad" or "mixed".

    same   whether rows and columns are the same words, so that a place before or after means something
    """
    if not A.size or A.shape[1] < 2 or not A.any():
        return "nothing" if not A.any() else "mixed"
    shares = np.abs(A) / np.maximum(np.abs(A).sum(1, keepdims=True), 1e-12)
    where: list[tuple[str, float]] = []
    if same and len(A) > 2:
        where = [
            (name, float(np.diagonal(shares, k).mean()))
            for name, k in (("same word", 0), ("previous word", -1), ("next word", 1))
        ]
    where += [("first word", float(shares[:, 0].mean())), ("last word", float(shares[:, -1].mean()))]
    name, most = max(where, key=lambda item: item[1])
    if most >= ENOUGH:
        return name
    return "broad" if entropy(A) >= BROAD * np.log2(A.shape[1]) else "mixed"


def heads_grid(layers: Sequence[Mapping[str, Any]], picked: tuple[str, int | None], *, title: str) -> Svg:
    """One small picture a head, one row a layer; the picked one has a frame. At most 16 heads of a layer are drawn."""
    across = min(max((len(layer["heads"]) for layer in layers), default=1), _MOST_HEADS)
    room = (_WIDTH - _LEFT) / max(across, 4)
    size = min(room - 12, 96.0)
    room = min(room, size + 30)
    svg = Svg(_WIDTH, 12 + (size + 44) * len(layers), title=title)
    svg.description = "One small grid a head: rows read columns, the darker the more."
    for row, layer in enumerate(layers):
        y = 8 + (size + 44) * row
        svg.text(_LEFT - 10, y + size / 2, layer["name"], "soft", "end", most=14)
        for number, (head, kind) in enumerate(zip(layer["heads"], layer["kinds"], strict=True)):
            if number >= _MOST_HEADS:
                break
            A = np.array(head, dtype=float).reshape(len(layer["rows"]), len(layer["columns"]))
            x = _LEFT + room * number
            svg.rect(x, y, size, size, "pick" if picked == (layer["name"], number + 1) else "frame")
            if A.size:
                paint(svg, A, (x, y), size / A.shape[1], size / A.shape[0])
            svg.text(x, y + size + 14, f"{number + 1} {kind['kind']}" if size > 70 else number + 1, "tiny", most=20)
            if size > 70:
                svg.text(x, y + size + 28, f"{kind['entropy']:.1f} bits", "tiny", most=20)
    return svg
