"""Byte-pair encoding over bytes (Sennrich et al. 2016, arXiv 1508.07909; bytes as in Radford et al. 2019), by `tokenizers`.

The alphabet is the 256 bytes, so every text can be written and read back, in scripts that were never seen too, and there is no
unknown piece. (The other way, characters with a fallback to bytes, cannot tell a typed "▁" from a blank.) A piece never crosses
from one word to the next, nor from letters to digits or to punctuation.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from axw.data.words import BLANKS, WORD
from axw.errors import DataError

# The library's own threads make a later fork, as in a data loader, print warnings or hang. Whoever wants them sets this.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

_LETTERS = r"\p{L}\p{M}"
_PARTS = rf"'(?:s|t|re|ve|m|ll|d)(?![{_LETTERS}])| ?[{_LETTERS}]+| ?\p{{N}}+| ?[^\s{_LETTERS}\p{{N}}]+|\s+(?!\S)|\s+"


def _alphabet() -> dict[int, str]:
    """The printable character that stands for each byte in a vocabulary file (Radford et al. 2019)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


CHARACTER_OF_BYTE = _alphabet()
BYTE_OF_CHARACTER = {character: byte for byte, character in CHARACTER_OF_BYTE.items()}
ALPHABET = tuple(sorted(BYTE_OF_CHARACTER))


class BytePairs(NamedTuple):
    """What was learned: the pieces behind the names (the 256 bytes first), and which two are joined, the first ones first."""

    pieces: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]


def bytes_of(piece: str) -> bytes:
    """The bytes that a piece stands for."""
    return bytes(BYTE_OF_CHARACTER[character] for character in piece)


def is_part_of_one(piece: bytes) -> bool:
    """Whether a piece holds a part of a character, and none that is whole but blanks."""
    return "\ufffd" in piece.decode("utf-8", "replace") and not piece.decode("utf-8", "ignore").strip()


def learn_byte_pairs(lines: Iterable[str], names: Sequence[str], size: int) -> BytePairs:
    """Join the most frequent pair of neighbours, again and again, until there are `size` entries or no pair occurs twice.

    names   the entries that stand before the pieces. Where a line holds one as text, nothing is learned from that text, so
            that no piece is called as a name is.
    """
    tokenizer = _tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        special_tokens=list(names),
        initial_alphabet=list(ALPHABET),
        show_progress=False,
    )
    try:
        tokenizer.train_from_iterator(_without(names, lines), trainer)
    except UnicodeEncodeError as error:
        raise DataError(
            "A line holds half a surrogate pair, which is not a character.",
            "In lines.",
            "Replace it: line.encode('utf-8', 'replace').decode().",
        ) from error
    model = json.loads(tokenizer.to_str())["model"]
    entries = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return BytePairs(tuple(entries[len(names) :]), tuple((left, right) for left, right in model["merges"]))


def _without(names: Sequence[str], lines: Iterable[str]) -> Iterator[str]:
    found = re.compile("|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)))
    for line in lines:
        if line:
            yield from filter(None, found.split(" " + line))


def word_tokenizer(entries: Sequence[str], merges: Sequence[tuple[str, str]]) -> Tokenizer:
    """Turns words, blanks before them included, into ids. It parses no names: they are text like any other."""
    return _tokenizer(models.BPE(vocab={entry: i for i, entry in enumerate(entries)}, merges=list(merges)))


def line_tokenizer(entries: Sequence[str], merges: Sequence[tuple[str, str]], first: int, mask: str) -> Tokenizer:
    """The same for whole lines, as other programs load it: `tokenizer.json`. These do parse the names, as is usual there."""
    tokenizer = word_tokenizer(entries, merges)
    tokenizer.normalizer = normalizers.Prepend(" ")
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    # `normalized` makes the mask take the blank before it along, as it does here and when a whole word is hidden.
    tokenizer.add_special_tokens([AddedToken(n, special=True, normalized=n == mask) for n in entries[:first]])
    return tokenizer


def whole_word_tokenizer(entries: Sequence[str], first: int, unknown: str) -> Tokenizer:
    """`tokenizer.json` of a vocabulary of whole words."""
    tokenizer = Tokenizer(models.WordLevel(vocab={entry: i for i, entry in enumerate(entries)}, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(f"[{BLANKS}]+"), "removed")
    tokenizer.add_special_tokens([AddedToken(n, special=True, normalized=False) for n in entries[:first]])
    return tokenizer


def _tokenizer(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD), "isolated"),
            pre_tokenizers.Split(Regex(_PARTS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer
