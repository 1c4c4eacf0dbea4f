"""Lines in characters that were hardly seen, as those of another script: their translation is a guess, and is said to be one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from axw.data.sentences import Sentences
from axw.data.vocabulary import Vocabulary

MOSTLY = 0.75  # share of a line's pieces; a rare letter in a word is two or three of them
_SHOWN = 20  # characters of the line that is named


def strange_note(vocabulary: Vocabulary, line: Sentences) -> list[str]:
    """What to say of one line: nothing, or a note."""
    if vocabulary.strange(line)[0] < MOSTLY:
        return []
    return ["mostly characters that the training text hardly had: the translation is a guess"]


def strange_lines(vocabulary: Vocabulary, lines: Sequence[str], ids: Sentences, first: int) -> str:
    """What to say of some lines, the first of which has the number `first`, from 0; nothing where all is well."""
    found = [i for i in np.flatnonzero(vocabulary.strange(ids) >= MOSTLY).tolist() if lines[i].strip()]
    if not found:
        return ""
    at = found[0]
    shown = lines[at].strip()
    shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
    return (
        f"{len(found)} of {len(lines)} lines are mostly characters that the training text hardly had, such as line "
        f"{first + at + 1}: {shown!r}. Their translations are guesses."
    )
