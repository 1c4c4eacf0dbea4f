"""How a number is written on a page."""

from __future__ import annotations

import math
from typing import Any

MINUS = "\u2212"


def decimals(value: float | None, like: float | None = None) -> str:
    """`0.4312`, `1234`, `1.5e+06`: four decimals, or four digits where that says more; nothing where there is no number.

    like  a number in whose company it stands: a difference has the decimals of what it is a difference of
    """
    if value is None or not math.isfinite(value):
        return ""
    size = abs(value if like is None else like)
    text = f"{value:.4f}" if size == 0 or 0.001 <= size < 100 else f"{value:.4g}"
    return text.replace("-", MINUS)


def plus(value: float | None, like: float | None) -> str:
    """The same with its sign."""
    text = decimals(value, like)
    return text if not text or text.startswith(MINUS) else f"+{text}"


def probability(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def seconds(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.2f}"


def compact(value: Any) -> str:
    """A whole number as it is, another to three decimals."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float) and value != int(value):
        return f"{value:.3f}".replace("-", MINUS)
    return str(int(value)) if isinstance(value, int | float) else str(value)
