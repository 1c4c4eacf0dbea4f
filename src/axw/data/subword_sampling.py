"""Words spelled in many ways: BPE-dropout (Provilkov et al. 2020, arXiv 1910.13267), as a function of a seed.

A corpus has few distinct words, and what is random about a word does not depend on its place. So each distinct word is spelled a
few times, all words side by side in one array, and every place where it stands draws one of its spellings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from axw.data.byte_pairs import CHARACTER_OF_BYTE
from axw.data.randomness import Seed, generator
from axw.data.sentences import Sentences, starts_of
from axw.data.words import Numbers, refuse_broken_text, split_words
from axw.errors import UsageError

LONGEST = 64  # bytes; a longer word is spelled without dropout, for the work grows with the square of its length
SPELLINGS = 8  # most spellings of one word in one draw
_LINES = 20_000  # that are drawn at a time
_CELLS = 1 << 19  # of the array in which words are spelled side by side
_NEVER = np.int32(2**31 - 1)
_NOTHING = -1


class Merges(NamedTuple):
    """Which pairs of pieces are joined: the pairs in order of left * size + right, with rank (0 is first) and result."""

    pairs: np.ndarray
    rank: np.ndarray
    result_of_rank: np.ndarray
    size: int

    @classmethod
    def of(cls, merges: Sequence[tuple[str, str]], ids: Mapping[str, int], size: int) -> Merges:
        pairs = np.array([ids[left] * size + ids[right] for left, right in merges], np.int64)
        result = np.array([ids[left + right] for left, right in merges], np.int32)
        order = np.argsort(pairs)
        return cls(pairs[order], order.astype(np.int32), result, size)

    def ranks(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """The rank of each pair, `_NEVER` where it is not joined."""
        if not len(self.pairs):
            return np.full(left.shape, _NEVER)
        pair = np.where(right == _NOTHING, _NOTHING, left.astype(np.int64) * self.size + right)
        at = np.minimum(np.searchsorted(self.pairs, pair), len(self.pairs) - 1)
        return np.where(self.pairs[at] == pair, self.rank[at], _NEVER)


@dataclass(frozen=True)
class SubwordSampler:
    """The words of a corpus, so that drawing an epoch costs no reading of text.

    letters   the bytes of each distinct word, as ids;  plain   its pieces without dropout
    lines     for each line, the numbers of its words
    """

    merges: Merges
    letters: Sentences
    plain: Sentences
    lines: Sentences

    def draw(self, dropout: float, seed: Seed) -> Sentences:
        """The lines with freshly spelled words: a function of the lines, the dropout and the seed. Raises `UsageError`."""
        return Sentences.join(self.draw_stream(dropout, seed))

    def draw_stream(self, dropout: float, seed: Seed) -> Iterator[Sentences]:
        """`draw` for lines that outgrow memory: some thousand sentences at a time, in order."""
        if not 0.0 <= dropout <= 1.0:
            raise UsageError(
                f"dropout={dropout}; allowed: 0 to 1.", "In Vocabulary.sample.", "0.1 is usual (Provilkov et al. 2020)."
            )
        if dropout == 0.0:
            yield from (part.spelled(self.plain) for part in self._parts())
            return
        random = generator("subword dropout", seed)
        times = np.zeros(len(self.letters), np.int64)
        for part in self._parts():
            times += np.bincount(part.ids, minlength=len(self.letters))
        spellings = np.where(self.letters.lengths > LONGEST, 1, np.minimum(times, SPELLINGS))
        spelled = self._spell(np.repeat(np.arange(len(self.letters)), spellings), dropout, random)
        first = starts_of(spellings)[:-1]
        for part in self._parts():
            chosen = first[part.ids] + random.integers(0, spellings[part.ids])
            yield Sentences(chosen.astype(np.int32), part.starts).spelled(spelled)

    def _parts(self) -> Iterator[Sentences]:
        return (self.lines[i : i + _LINES] for i in range(0, len(self.lines), _LINES))

    def _spell(self, words: np.ndarray, dropout: float, random: np.random.Generator) -> Sentences:
        """One spelling of each of `words`, which may name a word several times."""
        lengths = self.letters.lengths[words]
        order = np.argsort(lengths, kind="stable")  # words of one length beside each other waste no room
        parts = [self.plain.take(words[lengths > LONGEST])]
        order = order[: len(order) - len(parts[0])]
        long = np.flatnonzero(lengths > LONGEST)
        end = len(order)
        done: list[np.ndarray] = [long]
        while end:
            rows = max(1, _CELLS // int(lengths[order[end - 1]]))
            these = order[max(0, end - rows) : end]
            parts.append(spell(self.letters.take(words[these]), self.merges, dropout, random))
            done.append(these)
            end -= len(these)
        back = np.empty(len(words), np.int64)
        back[np.concatenate(done)] = np.arange(len(words))
        return Sentences.join(parts).take(back)


def spell(letters: Sentences, merges: Merges, dropout: float, random: np.random.Generator) -> Sentences:
    """Algorithm 1 of the paper for many words at once.

    Until no pair of a word is left: leave out each pair that could be joined with probability `dropout`, drawn anew in every
    round, and join the pair of lowest rank among the others, the leftmost of several.
    """
    width = max(2, int(letters.lengths.max(initial=0)))
    inside = np.arange(width) < letters.lengths[:, None]
    pieces = np.full((len(letters), width), _NOTHING, np.int32)
    pieces[inside] = letters.ids
    spelled = np.full_like(pieces, _NOTHING)
    rank = merges.ranks(pieces[:, :-1], pieces[:, 1:])
    words = np.arange(len(letters))
    while len(words):
        kept = np.where(random.random(rank.shape, np.float32) < dropout, _NEVER, rank)
        at = kept.argmin(axis=1)
        best = kept[np.arange(len(words)), at]
        more = best != _NEVER
        spelled[words[~more]] = pieces[~more]
        words = words[more]
        pieces, rank = _join(pieces[more], rank[more], at[more], best[more], merges)
    inside = spelled != _NOTHING
    return Sentences(spelled[inside], starts_of(inside.sum(axis=1)))


def _join(
    pieces: np.ndarray, rank: np.ndarray, at: np.ndarray, best: np.ndarray, merges: Merges
) -> tuple[np.ndarray, np.ndarray]:
    """Join the pieces `at` and `at + 1` of each row, and look up the two pairs that this makes."""
    rows, width = np.arange(len(pieces)), pieces.shape[1]
    columns = np.arange(width)
    behind = columns + (columns > at[:, None])
    joined = np.take_along_axis(np.pad(pieces, ((0, 0), (0, 1)), constant_values=_NOTHING), behind, axis=1)
    joined[rows, at] = merges.result_of_rank[best] if len(rows) else 0
    behind = columns[:-1] + (columns[:-1] > at[:, None])
    ranks = np.take_along_axis(np.pad(rank, ((0, 0), (0, 1)), constant_values=_NEVER), behind, axis=1)
    right = np.minimum(at, width - 2)
    ranks[rows, right] = merges.ranks(joined[rows, right], joined[rows, right + 1])
    left = np.maximum(at - 1, 0)
    ranks[rows, left] = merges.ranks(joined[rows, left], joined[rows, left + 1])
    return joined, ranks


def sampler_of(
    lines: Iterable[str],
    keep: Callable[[Iterable[Sentences]], Sentences],
    tokenizer: Tokenizer,
    ids: Mapping[str, int],
    merges: Sequence[tuple[str, str]],
    size: int,
) -> SubwordSampler:
    """The sampler of lines. No join crosses from letters to punctuation, so words are split there.

    keep   puts the numbers of the words of all lines where there is room for them
    """
    numbers, split = Numbers(), tokenizer.pre_tokenizer.pre_tokenize_str

    def numbered() -> Iterator[Sentences]:
        words, parts, left = Numbers(), Sentences.of([]), iter(lines)
        while chunk := list(islice(left, _LINES)):
            found = split_words(chunk, numbers=words)
            refuse_broken_text(found.distinct)
            new = Sentences.of([[numbers[part] for part, _ in split(word)] for word in found.distinct])
            parts = Sentences.join([parts, new])
            yield found.lines.spelled(parts)

    kept = keep(numbered())
    of_byte = {character: ids[character] for character in CHARACTER_OF_BYTE.values()}
    letters = Sentences.of([[of_byte[character] for character in part] for part in numbers])
    plain = Sentences.of([[ids[token.value] for token in tokenizer.model.tokenize(part)] for part in numbers])
    return SubwordSampler(Merges.of(merges, ids, size), letters, plain, kept)
