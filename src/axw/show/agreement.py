"""How far two measures of the same words agree: attention, and what is lost when a word is left out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

LEAST = 4  # words: fewer ranks agree by chance too easily to say anything


def rank_correlation(one: Sequence[float] | np.ndarray, other: Sequence[float] | np.ndarray) -> float | None:
    """Spearman's rank correlation, ties sharing their mean rank; None for fewer than four pairs or where one does not vary."""
    a, b = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if len(a) < LEAST or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    found = float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
    return found if math.isfinite(found) else None


def agreement_note(correlation: float | None, what: str) -> str:
    """One sentence under a picture of attention."""
    start = "Attention shows where the model looked, not why."
    if correlation is None:
        return f"{start} Too little varies here to compare it with leaving each {what} out."
    said = "agree" if correlation >= 0.7 else "agree in part" if correlation >= 0.3 else "do not agree"
    return f"{start} Its order and that of leaving each {what} out {said}: rank correlation {correlation:.2f}.".replace(
        "-", "\u2212"
    )
