"""A vocabulary that another program made: its own tokenizer, with ids that mean here what they mean everywhere here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from axw.data import vocabulary_file
from axw.data.byte_pairs import BYTE_OF_CHARACTER
from axw.data.sentences import Sentences
from axw.data.subword_sampling import SubwordSampler
from axw.data.vocabulary import MASK, NAMES, UNK, Vocabulary
from axw.data.words import refuse_broken_text, split_words
from axw.errors import ModelError, UsageError
from axw.storage import json_from_bytes, json_to_bytes

KIND = "foreign"
_CHUNK = 20_000  # lines that are turned into ids at a time


@dataclass(frozen=True)
class ForeignVocabulary(Vocabulary):
    """A `Vocabulary` whose lines are cut by a tokenizer of the library `tokenizers`, as its tokenizer.json says.

    tokenizer   the text of tokenizer.json
    called      what that tokenizer calls ours: its name of a token -> the id of one of the five names

    Lines come back as that tokenizer decodes them: one that lower-cases does not give the capitals back.
    """

    tokenizer: str = ""
    called: Mapping[str, int] = field(default_factory=dict, compare=False)

    @classmethod
    def make(cls, tokenizer: str, pieces: Sequence[str], called: Mapping[str, int]) -> ForeignVocabulary:
        """pieces: the tokens from id 5 on. Raises `UsageError` where they and the tokenizer are not of one kind."""
        return cls(KIND, (*NAMES, *pieces), (), len(NAMES), tokenizer, dict(called))  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        pieces = self.entries[len(NAMES) :]
        if len(set(pieces)) != len(pieces) or not set(self.called.values()) <= set(range(len(NAMES))):
            raise UsageError(
                "A piece is there twice, or a name has no id.", "In ForeignVocabulary.", "Import it again."
            )
        try:
            tokenizer = Tokenizer.from_str(self.tokenizer)
        except Exception as error:  # the library raises plain Exception
            raise UsageError(
                f"The tokenizer cannot be read: {str(error)[:200]}", "In ForeignVocabulary.", "Import it again."
            ) from error
        tokenizer.encode_special_tokens = True  # a name that somebody types is text like any other
        tokenizer.no_padding()
        tokenizer.no_truncation()
        spelled = [_spelled(piece, self.tokenizer) for piece in pieces]
        numbers = dict(self.called) | {piece: i for i, piece in enumerate(pieces, len(NAMES))}
        ours = np.full(tokenizer.get_vocab_size(with_added_tokens=True), UNK, np.int32)
        for piece, number in tokenizer.get_vocab(with_added_tokens=True).items():
            if number < len(ours):
                ours[number] = numbers.get(piece, UNK)
        theirs = {int(mine): number for number, mine in reversed(list(enumerate(ours)))}
        self._know((b"",) * len(NAMES) + tuple(spelled))
        # What a WordPiece does not know is a whole word; for the others it is a character, of the word that it stands in.
        self._leads[UNK] = _marks(self.tokenizer) == "##"
        self._name[UNK] = False
        self._strange[UNK] = True  # it has no piece for that character, or that word
        object.__setattr__(self, "_tokenizer", tokenizer)
        object.__setattr__(self, "_ours", ours)
        object.__setattr__(self, "_theirs", theirs)

    def encode_stream(self, lines: Iterable[str], *, mask_token: str | None = None) -> Iterator[Sentences]:
        """See `Vocabulary.encode_stream`."""
        if isinstance(lines, str):
            split_words(lines)
        lines = iter(lines)
        while chunk := list(islice(lines, _CHUNK)):
            refuse_broken_text(chunk)
            yield Sentences.of([self._cut(line, mask_token) for line in chunk])

    def _cut(self, line: str, mask_token: str | None) -> list[int]:
        ids: list[int] = []
        for number, part in enumerate([line] if mask_token is None else line.split(mask_token)):
            ids += [MASK] if number else []
            if part.strip():
                found = self._tokenizer.encode(part, add_special_tokens=False).ids  # type: ignore[union-attr]
                ids += self._ours[found].tolist()  # type: ignore[attr-defined]
        return ids

    def sampler(
        self, lines: Iterable[str], keep: Callable[[Iterable[Sentences]], Sentences] = Sentences.join
    ) -> SubwordSampler:
        """A foreign tokenizer has one way to write a word: `UsageError`."""
        raise UsageError(
            "The vocabulary was imported, and has one way to write a word; allowed: kind 'bpe'.",
            "In Vocabulary.sample.",
            "Leave out the subword dropout.",
        )

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """The text of the ids, as the tokenizer writes it. `UsageError` for an id that is not there."""
        theirs: dict[int, int] = self._theirs  # type: ignore[attr-defined]
        known = [theirs[i] for i in self._checked(ids) if i >= self.first and i in theirs]
        return str(self._tokenizer.decode(known))  # type: ignore[union-attr]

    def pieces(self, ids: Sequence[int] | np.ndarray) -> list[str]:
        """Each id for people to read, as the tokenizer calls it."""
        return [self.entries[i] for i in self._checked(ids)]

    def spaced(self, line: str, mask_token: str) -> str:
        """A WordPiece takes each mark for a word of its own, whether a blank stands before it or not; the ids stay the same."""
        if _marks(self.tokenizer) != "##" or self._tokenizer.pre_tokenizer is None:  # type: ignore[union-attr]
            return line
        cut = self._tokenizer.pre_tokenizer.pre_tokenize_str  # type: ignore[union-attr]
        parts = (" ".join(word for word, _ in cut(part)) for part in line.split(mask_token))
        return f" {mask_token} ".join(parts).strip()

    def to_bytes(self) -> bytes:
        """The vocabulary as a JSON text."""
        value = {
            "format": vocabulary_file.FORMAT,
            "kind": KIND,
            "called": dict(self.called),
            "pieces": list(self.entries[self.first :]),
            "tokenizer": self.tokenizer,
        }
        return json_to_bytes(value)

    def tokenizer_json(self) -> bytes:
        """The tokenizer as it came, but with the ids of here."""
        raise UsageError(
            "The vocabulary was imported with ids of its own; its tokenizer cannot be exported again.",
            "In the vocabulary.",
            "Use the tokenizer of the folder that was imported.",
        )

    def __repr__(self) -> str:
        return f"ForeignVocabulary({self.size} entries)"


def is_foreign(data: bytes) -> bool:
    """Whether the bytes are those of a `ForeignVocabulary`, and not of a vocabulary that axw learned."""
    return b'"called"' in data[:64]  # keys are written in their order, and no other vocabulary has this one


def from_bytes(data: bytes, where: str) -> ForeignVocabulary:
    """What `to_bytes` wrote. `ModelError` for anything else."""
    value: Any = json_from_bytes(data, where)
    keys = {"format": int, "kind": str, "called": dict, "pieces": list, "tokenizer": str}
    if not isinstance(value, dict) or set(value) != set(keys) or any(type(value[k]) is not t for k, t in keys.items()):
        raise ModelError("This is not an imported vocabulary.", f"In {where}.", vocabulary_file.COPY_AGAIN)
    plain = all(isinstance(piece, str) for piece in value["pieces"])
    if not plain or any(type(i) is not int for i in value["called"].values()) or value["kind"] != KIND:
        raise ModelError("This is not an imported vocabulary.", f"In {where}.", vocabulary_file.COPY_AGAIN)
    try:
        return ForeignVocabulary.make(value["tokenizer"], value["pieces"], value["called"])
    except UsageError as error:
        raise ModelError(error.what, f"In {where}.", vocabulary_file.COPY_AGAIN) from error


def _spelled(piece: str, tokenizer: str) -> bytes:
    """The bytes of a piece, with a blank before one that begins a word."""
    kind = _marks(tokenizer)
    if kind == "##":
        return piece.removeprefix("##").encode() if piece.startswith("##") and piece != "##" else b" " + piece.encode()
    if kind == "Ġ":
        return bytes(BYTE_OF_CHARACTER.get(character, 63) for character in piece)
    return piece.replace("▁", " ").encode()


def _marks(tokenizer: str) -> str:
    """How the tokenizer tells the beginning of a word from what goes on in it."""
    value = json.loads(tokenizer)
    if (value.get("model") or {}).get("type") == "WordPiece":
        return "##"
    return "Ġ" if "ByteLevel" in json.dumps(value.get("pre_tokenizer")) else "▁"
