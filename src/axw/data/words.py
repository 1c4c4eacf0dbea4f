r"""Lines as words: a word is what stands between blanks, together with the blanks before it.

Every line is read as if one blank stood before it, so that a word is spelled the same at the beginning of a line and within it.
Blanks are those of ASCII (" \t\n\r\v\f"), so that no border of a word can fall inside the bytes of a character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np

from axw.data.sentences import Sentences, starts_of
from axw.errors import DataError, UsageError

BLANKS = " \t\n\r\x0b\x0c"
WORD = rf"[{BLANKS}]*[^{BLANKS}]+|[{BLANKS}]+"


_BLANK = str.maketrans(dict.fromkeys(BLANKS, " "))


class Words(NamedTuple):
    """Each distinct word once, in order of appearance, and for every line the numbers of its words."""

    distinct: list[str]
    lines: Sentences


class Numbers(dict[str, int]):
    """The number of each word, from 0 in order of appearance: one that is asked for and is not there gets the next."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


def several(lines: Iterable[str]) -> Iterator[str]:
    """The lines. `UsageError`, at once, where they are one text; `DataError` at a line that is not text."""
    if isinstance(lines, str):
        raise UsageError(
            "The lines are one text; allowed: several lines.", "In lines.", "Give a list: [line], or text.split('\\n')."
        )
    return _each_text(lines)


def _each_text(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if not isinstance(line, str):
            raise DataError(
                f"Line {number} is a {type(line).__name__}; allowed: text.",
                "In lines.",
                "Give a list of str; leave out missing values, or put '' in their place.",
            )
        yield line


def split_words(lines: Iterable[str], token: str | None = None, numbers: Numbers | None = None) -> Words:
    """The words of the lines.  "".join(words of a line) == " " + line, and an empty line has none.

    token     a text that is a word of its own wherever it stands, also inside another; it takes one blank before it along
    numbers   those of lines that were split before: they go on, and `distinct` holds the new words alone

    Raises `UsageError` where `lines` is one text, `DataError` where a line is not text.
    """
    find = re.compile(WORD if token is None else _word_or(token)).findall
    numbers = Numbers() if numbers is None else numbers
    before = len(numbers)
    flat: list[int] = []
    lengths: list[int] = []
    for line in several(lines):
        words = find(" " + line) if line else []
        flat.extend(map(numbers.__getitem__, words))
        lengths.append(len(words))
    sentences = Sentences(np.array(flat, np.int32), starts_of(np.array(lengths, np.int64)))
    return Words(list(islice(numbers, before, None)), sentences)


def between_blanks(line: str) -> list[str]:
    """The words of a line without the blanks around them, as vocabularies count them: other spaces of Unicode are letters."""
    return [word for word in line.translate(_BLANK).split(" ") if word]


def _word_or(token: str) -> str:
    if not token or token.strip(BLANKS) != token:
        raise UsageError(
            f"The mask token is {token!r}; allowed: a text without blanks around it.",
            "In mask_token.",
            "Use '[MASK]'.",
        )
    this = re.escape(token)
    return rf" ?{this}|[{BLANKS}]*(?:(?!{this})[^{BLANKS}])+|[{BLANKS}]+(?= {this})|[{BLANKS}]+"


def refuse_broken_text(texts: Iterable[str]) -> None:
    """`DataError` for half a surrogate pair, which is in no file of UTF-8 but may come from broken JSON or a file name."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{text[:40]!r} holds half a surrogate pair, which is not a character.",
                "In lines.",
                "Replace it: text.encode('utf-8', 'replace').decode().",
            ) from error
