"""Which source word a target word came from, read off A: alignments, and what to write for an unknown word.

Luong et al. 2015, footnote 14: step t reads word y_{t-1} and predicts y_t. Where A looks at the words (dot, general, concat), its
row t belongs to the word that was read; where it knows places alone (location), to the word that is predicted.
`LuongSettings.aligned_word` says which of the two holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from axw.errors import UsageError
from axw.networks.ids import UNK


def rows_of_words(A: NDArray[np.floating], aligned_word: Literal["input", "output"]) -> NDArray[np.floating]:
    """The row of A that belongs to each word said: A (... n m) of n steps, the first of which reads the start id -> (... n-1 m).

    Steps 0 .. n-1 read start, y_1 .. y_{n-1} and predict y_1 .. y_{n-1}, end. Word y_t is read by step t ("input") and predicted
    by step t - 1 ("output").
    """
    if aligned_word not in ("input", "output"):
        raise UsageError(
            f"aligned_word is {aligned_word!r}; allowed: input, output.",
            "In rows_of_words.",
            "Use the aligned_word of the network's settings.",
        )
    return A[..., 1:, :] if aligned_word == "input" else A[..., :-1, :]


def hard_alignment(attention: NDArray[np.floating]) -> NDArray[np.int64]:
    """The source place that each word reads most, the first of equals: (n m) -> (n,); -1 for a word that reads nothing."""
    if attention.shape[-1] == 0:
        return np.full(attention.shape[:-1], -1)
    return np.where(attention.max(-1) > 0, attention.argmax(-1), -1)


def unk_replacement(
    ids: Sequence[int] | NDArray[np.integer],
    attention: NDArray[np.floating],
    source_words: Sequence[str],
    dictionary: Mapping[str, str] | None = None,
    unknown: int = UNK,
) -> list[str | None]:
    """What to write for each id: for an unknown word, the source word that it reads most, translated where the dictionary has it
    (Luong et al. 2015, section 4.2). None: the id is known, or read nothing, and stands as it is.

    ids (n,) of the words said;  attention (n m), a row for each (`rows_of_words`). Columns beyond the source words (the end id)
    are not looked at. `UsageError` where the shapes do not match.
    """
    if attention.ndim != 2 or attention.shape[0] != len(ids) or attention.shape[1] < len(source_words):
        raise UsageError(
            f"attention has shape {attention.shape} for {len(ids)} words and {len(source_words)} source words; "
            "allowed: a row for each word, at least a column for each source word.",
            "In unk_replacement.",
            "Take the rows with rows_of_words, of one sentence.",
        )
    places = hard_alignment(attention[:, : len(source_words)])
    found: list[str | None] = []
    for word, place in zip(ids, places, strict=True):
        copied = source_words[place] if word == unknown and place >= 0 else None
        found.append(copied if copied is None or dictionary is None else dictionary.get(copied, copied))
    return found
