"""What `Vocabulary.learn` asks before it learns, and how whole words are learned: by counting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from axw.data.byte_pairs import ALPHABET
from axw.data.words import BLANKS, refuse_broken_text, split_words
from axw.errors import DataError, UsageError

_CHUNK = 20_000  # lines that are counted at a time


def checked_names(extra: Sequence[str], taken: Sequence[str], bytes_taken: bool) -> tuple[str, ...]:
    """`taken` and the extra tokens behind them, each a text of its own; `UsageError`.

    bytes_taken   whether the names of bytes are taken too
    """
    if isinstance(extra, str):
        raise UsageError(f"extra={extra!r} is one text; allowed: a list of names.", "In extra.", f"Give [{extra!r}].")
    names = tuple(extra)
    for name in names:
        what = ""
        if not isinstance(name, str) or not name or any(blank in name for blank in BLANKS):
            what = f"An extra token is {name!r}; allowed: text without blanks."
        elif names.count(name) > 1 or name in taken:
            what = f"The extra token {name!r} is named twice, or is one of {', '.join(taken)}."
        elif bytes_taken and name in ALPHABET:
            what = f"The extra token {name!r} is the name of a byte; allowed: other names, of two characters say."
        if what:
            raise UsageError(what, "In extra.", "Give each extra token a name of its own, such as '<2de>'.")
    return (*taken, *names)


def check_size(size: int, names: int, letters: int) -> None:
    """`UsageError` where there is no room for the names and the letters that words are made of."""
    least = names + max(1, letters)
    if isinstance(size, bool) or not isinstance(size, int) or size < least:
        raise UsageError(
            f"size={size!r}; allowed: a whole number, {least} or more "
            f"({names} names, {f'{letters} bytes' if letters else '1 word'}).",
            "In Vocabulary.learn.",
            "4,000 to 10,000 suit a small corpus.",
        )


def counted(lines: Iterable[str]) -> Iterator[str]:
    """The lines; `DataError` at the end where none held a word."""
    if isinstance(lines, str):
        split_words(lines)
    words = False
    for number, line in enumerate(lines, 1):
        if not isinstance(line, str):
            raise DataError(f"Line {number} is a {type(line).__name__}; allowed: text.", "In lines.", "Leave it out.")
        words = words or line.strip(BLANKS) != ""
        yield line
    if not words:
        raise DataError("There is no word in the lines.", "In lines.", "Give text to learn a vocabulary from.")


def most_frequent(lines: Iterator[str], names: Sequence[str], size: int) -> tuple[str, ...]:
    """The words that stand most often in the lines, by count and then by name, as many as fit behind the names."""
    counts: Counter[str] = Counter()
    while chunk := list(islice(lines, _CHUNK)):
        words = split_words(chunk)
        refuse_broken_text(words.distinct)
        times = np.bincount(words.lines.ids, minlength=len(words.distinct))
        for word, count in zip(words.distinct, times.tolist(), strict=True):
            counts[word.strip(BLANKS)] += count
    for name in ("", *names):
        del counts[name]
    return tuple(sorted(counts, key=lambda word: (-counts[word], word))[: size - len(names)])
