"""Text to ids and back. Ids 0 to 4 mean the same everywhere; then come extra tokens, then the pieces that were learned."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from tokenizers import Tokenizer

from axw.data import byte_pairs, vocabulary_file
from axw.data.byte_pairs import ALPHABET, bytes_of, is_part_of_one, learn_byte_pairs, line_tokenizer, word_tokenizer
from axw.data.randomness import Seed
from axw.data.sentences import Sentences
from axw.data.subword_sampling import SubwordSampler, sampler_of
from axw.data.vocabulary_learning import check_size, checked_names, counted, most_frequent
from axw.data.words import BLANKS, Numbers, refuse_broken_text, split_words
from axw.errors import DataWarning, ModelError, UsageError, did_you_mean

PAD, BOS, EOS, UNK, MASK = 0, 1, 2, 3, 4
NAMES = ("<pad>", "<s>", "</s>", "<unk>", "[MASK]")

Kind = Literal["bpe", "words"]
_CHUNK = 20_000  # lines that are turned into ids at a time
_MOST_WORDS = 500_000  # distinct words whose spelling is remembered from one chunk to the next


@dataclass(frozen=True)
class Vocabulary:
    """What the ids mean. `Vocabulary.learn` makes one from text, `Vocabulary.from_bytes` from a file.

    kind      "bpe": byte-pair encoding over bytes; decode(encode(line)) == line for every text
              "words": the most frequent words between blanks; others become UNK
    entries   (V,) the entry of each id: 5 names, extra tokens, pieces ("bpe": one character for a byte, as in GPT-2)
    merges    "bpe": which two pieces are joined, the first ones first
    first     id of the first piece

    A name or an extra token that somebody types into a text is text like any other; ids of them come from `encode` only by
    its `mask_token`, or by whoever puts them there.
    """

    kind: Kind
    entries: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    first: int
    _bytes: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    _blank: np.ndarray = field(init=False, repr=False, compare=False)  # (V,) whether a piece is nothing but blanks
    _leads: np.ndarray = field(init=False, repr=False, compare=False)  # (V,) whether it begins with one
    _name: np.ndarray = field(init=False, repr=False, compare=False)  # (V,) whether an id is a word of its own
    _strange: np.ndarray = field(init=False, repr=False, compare=False)  # (V,) whether it is but a part of a character
    _ids: Mapping[str, int] = field(init=False, repr=False, compare=False)
    _tokenizer: Tokenizer | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if fault := vocabulary_file.fault(self.kind, self.entries, self.merges, self.first, NAMES):
            raise UsageError(fault, "In Vocabulary.", "Make one with Vocabulary.learn(lines, size).")
        bpe, pieces = self.kind == "bpe", self.entries[self.first :]
        spelled = (b"",) * self.first + tuple(bytes_of(p) if bpe else f" {p}".encode() for p in pieces)
        self._know(spelled)
        object.__setattr__(self, "_tokenizer", word_tokenizer(self.entries, self.merges) if bpe else None)

    def _know(self, spelled: tuple[bytes, ...]) -> None:
        """What is asked of the ids again and again, from the bytes (V,) that each stands for."""
        blanks = BLANKS.encode()
        object.__setattr__(self, "_bytes", spelled)
        object.__setattr__(self, "_blank", np.array([piece != b"" and not piece.strip(blanks) for piece in spelled]))
        object.__setattr__(self, "_leads", np.array([piece[:1] != b"" and piece[:1] in blanks for piece in spelled]))
        object.__setattr__(self, "_name", np.arange(len(spelled)) < self.first)
        object.__setattr__(self, "_strange", np.array([is_part_of_one(piece) for piece in spelled]))
        object.__setattr__(self, "_ids", {p: i for i, p in enumerate(self.entries[self.first :], self.first)})

    @classmethod
    def learn(cls, lines: Iterable[str], size: int, *, kind: Kind = "bpe", extra: Sequence[str] = ()) -> Vocabulary:
        """At most `size` entries, names and extra tokens included; the same bytes for the same lines, on any machine.

        kind    "bpe": pairs are joined from the 256 bytes on, within words (Sennrich et al. 2016, arXiv 1508.07909)
                "words": the most frequent words, by count and then by name (Luong et al. 2015, section 4.1)
        extra   names of further tokens; their ids start at 5, in this order

        Raises `UsageError` where the size is too small or a name is taken, `DataError` where there is no word in the lines;
        `DataWarning` where the text does not allow `size` entries.
        """
        if kind not in get_args(Kind):
            raise UsageError(f"kind={kind!r}", "In Vocabulary.learn.", did_you_mean(str(kind), get_args(Kind)))
        letters = len(ALPHABET) if kind == "bpe" else 0
        names = checked_names(extra, NAMES, bytes_taken=kind == "bpe")
        check_size(size, len(names), letters)
        text = counted(lines)
        if kind == "bpe":
            pieces, merges = learn_byte_pairs(text, names, size)
        else:
            pieces, merges = most_frequent(text, names, size), ()
        entries = (*names, *pieces)
        if len(entries) < size:
            warnings.warn(
                f"The text allows {len(entries)} entries where size={size}: the vocabulary has {len(entries)}.",
                DataWarning,
                stacklevel=2,
            )
        return cls(kind, entries, merges, len(names))

    @property
    def size(self) -> int:
        """V, the number of ids."""
        return len(self.entries)

    @property
    def extra(self) -> Mapping[str, int]:
        """The id of each extra token."""
        return MappingProxyType({name: i for i, name in enumerate(self.entries[: self.first]) if i >= len(NAMES)})

    @property
    def piece_ids(self) -> range:
        """The ids of pieces: what stands for text, and may be hidden by a mask."""
        return range(self.first, self.size)

    def encode(self, lines: Iterable[str], *, mask_token: str | None = None) -> Sentences:
        """The ids of each line, without BOS and EOS.

        mask_token   a text, "[MASK]" say, that becomes MASK wherever it stands, with one blank before it

        Raises `DataError` where a line is not text, `UsageError` where `lines` is a single text.
        """
        return Sentences.join(self.encode_stream(lines, mask_token=mask_token))

    def encode_stream(self, lines: Iterable[str], *, mask_token: str | None = None) -> Iterator[Sentences]:
        """`encode` for lines that outgrow memory: some thousand sentences at a time, in order."""
        if isinstance(lines, str):
            split_words(lines)
        lines = iter(lines)
        numbers, spelled = Numbers(), Sentences.of([])
        while chunk := list(islice(lines, _CHUNK)):
            if len(numbers) > _MOST_WORDS:
                numbers, spelled = Numbers(), Sentences.of([])
            words = split_words(chunk, mask_token, numbers)
            spelled = Sentences.join([spelled, self._spell(words.distinct, mask_token)])
            yield words.lines.spelled(spelled)

    def sampler(
        self, lines: Iterable[str], keep: Callable[[Iterable[Sentences]], Sentences] = Sentences.join
    ) -> SubwordSampler:
        """What `sample` needs to know of the lines, found once: `sampler.draw(dropout, seed)` for every epoch.

        keep   where the numbers of the words of lines that outgrow memory are put
        """
        if self._tokenizer is None:
            raise UsageError(
                "A vocabulary of whole words has one way to write a word; allowed: kind 'bpe'.",
                "In Vocabulary.sample.",
                "Learn it with kind='bpe', or leave out the subword dropout.",
            )
        return sampler_of(lines, keep, self._tokenizer, self._ids, self.merges, self.size)

    def sample(self, lines: Iterable[str], dropout: float, seed: Seed) -> Sentences:
        """`encode`, but each join of two pieces is left out with probability `dropout`, so that words are spelled in many ways.

        BPE-dropout (Provilkov et al. 2020, arXiv 1910.13267, algorithm 1). Every draw decodes to the same text, and dropout 0
        is `encode`. Raises `UsageError` for kind "words" and for a dropout outside of [0, 1].
        """
        return self.sampler(lines).draw(dropout, seed)

    def strange(self, sentences: Sentences) -> np.ndarray:
        """(n,) the share of each sentence's pieces that hold but a part of a character: all, in a script that was never seen.

        Characters that the text had often are pieces, or in pieces. Whole words have no parts. UNK of an imported vocabulary,
        which stands for a character without a piece, counts too.
        """
        found = np.concatenate([[0], np.cumsum(self._strange[sentences.ids], dtype=np.int64)])
        counts = found[sentences.starts[1:]] - found[sentences.starts[:-1]]
        return np.asarray(counts / np.maximum(sentences.lengths, 1))

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """The text of the ids. Names and extra tokens are left out, but for UNK among whole words: "<unk>".

        Bytes that are not UTF-8, as a model may well say, become U+FFFD. Raises `UsageError` for an id that is not there.
        """
        if self.kind == "words":
            return " ".join(self.entries[i] for i in self._checked(ids) if i >= self.first or i == UNK)
        return b"".join(self._bytes[i] for i in self._checked(ids)).removeprefix(b" ").decode("utf-8", "replace")

    def pieces(self, ids: Sequence[int] | np.ndarray) -> list[str]:
        r"""Each id for people to read: its name, or its text with "▁" for a blank and `\xc3` for a part of a character."""
        shown = []
        for i in self._checked(ids):
            text = self.entries[i]
            if i >= self.first and self.kind == "bpe":
                text = self._bytes[i].decode("utf-8", "backslashreplace").replace(" ", "▁")
            shown.append(text)
        return shown

    def words_of(self, ids: Sequence[int] | np.ndarray) -> tuple[list[str], np.ndarray]:
        """The words between blanks, and the number (n,) of the word that each piece belongs to.

        Names and extra tokens are words of their own. Blanks belong to the word behind them; those at the end, to the last.
        """
        at = self._checked(ids)
        numbers = self.word_numbers(at)
        spelled: list[list[bytes]] = [[] for _ in range(int(numbers.max(initial=-1)) + 1)]
        for i, number in zip(at, numbers, strict=True):
            if number >= 0:
                spelled[number].append(self.entries[i].encode() if i < self.first else self._bytes[i])
        return [b"".join(word).strip(BLANKS.encode()).decode("utf-8", "replace") for word in spelled], numbers

    def word_numbers(self, ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """`words_of` without the words, for many rows at once: ids (... n) to numbers (... n), from 0 in each row.

        Blanks in a row of nothing but blanks have -1.
        """
        ids = np.asarray(ids, np.int64)
        self._checked(ids)
        name, only, begins = self._name[ids], self._blank[ids], self._leads[ids]
        at_end = np.logical_and.accumulate((only | name)[..., ::-1], axis=-1)[..., ::-1] & only
        behind_blank = np.zeros_like(only)
        behind_blank[..., 1:] = only[..., :-1]
        behind_name = np.ones_like(name)  # so is the first of a row
        behind_name[..., 1:] = name[..., :-1]
        starts = name | ((behind_name | (begins & ~behind_blank)) & ~at_end)
        return np.cumsum(starts, axis=-1, dtype=np.int64) - 1

    def spaced(self, line: str, mask_token: str) -> str:
        """The line with a blank between all that are words of their own to the vocabulary; here they stand so already."""
        return line

    def to_bytes(self) -> bytes:
        """The vocabulary as a JSON text, equal for equal vocabularies."""
        return vocabulary_file.to_bytes(self.kind, self.entries, self.merges, self.first, NAMES)

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> Vocabulary:
        """What `to_bytes` wrote. Raises `ModelError` for anything else; `where` names the file in it."""
        from axw.data import foreign_vocabulary

        if foreign_vocabulary.is_foreign(data):
            return foreign_vocabulary.from_bytes(data, where)
        kind, entries, merges, first = vocabulary_file.from_bytes(data, where, NAMES)
        try:
            return cls(kind, entries, merges, first)
        except UsageError as error:
            raise ModelError(error.what, f"In {where}.", vocabulary_file.COPY_AGAIN) from error

    def tokenizer_json(self) -> bytes:
        """`tokenizer.json` of the library `tokenizers`, as other programs load it: the same ids for the same lines.

        There, unlike here, names that stand in a text are parsed, as is usual in those programs.
        """
        if self.kind == "words":
            tokenizer = byte_pairs.whole_word_tokenizer(self.entries, self.first, NAMES[UNK])
        else:
            tokenizer = line_tokenizer(self.entries, self.merges, self.first, NAMES[MASK])
        return tokenizer.to_str(pretty=True).encode()

    def __repr__(self) -> str:
        return f"Vocabulary({self.size} entries, kind={self.kind!r}, extra={list(self.extra)!r})"

    def __deepcopy__(self, memo: object) -> Vocabulary:
        return self

    def _spell(self, words: Sequence[str], mask_token: str | None) -> Sentences:
        """The ids of each word."""
        masked = {mask_token, f" {mask_token}"} if mask_token is not None else set()
        if self._tokenizer is None:
            bare = [word.strip(BLANKS) for word in words]
            spelled = [[self._ids.get(word, UNK)] if word else [] for word in bare]
        else:
            try:
                spelled = [found.ids for found in self._tokenizer.encode_batch_fast(words)]
            except TypeError:
                refuse_broken_text(words)
                raise
        if masked:
            spelled = [[MASK] if word in masked else ids for word, ids in zip(words, spelled, strict=True)]
        return Sentences.of(spelled)

    def _checked(self, ids: Sequence[int] | np.ndarray) -> list[int]:
        at = np.asarray(ids, np.int64).reshape(-1)
        if len(at) and not 0 <= at.min() <= at.max() < self.size:
            wrong = at[(at < 0) | (at >= self.size)][0]
            raise UsageError(
                f"There is no id {wrong}; allowed: 0 to {self.size - 1}.", "In ids.", "Use the vocabulary of the model."
            )
        return at.tolist()
