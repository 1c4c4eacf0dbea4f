"""Which word was translated by which, read off A of forced decoding; and what to write where a model says `<unk>`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from axw.data.batches import batches_by_length, pad
from axw.data.sentences import Sentences
from axw.data.vocabulary import BOS, EOS, UNK, Vocabulary
from axw.data.words import between_blanks
from axw.errors import DataError
from axw.measures.alignment import Link, best_links, word_attention
from axw.models.translation.readings import Reading, check_reading, usual_reading
from axw.models.units import Unit
from axw.networks.alignments import unk_replacement

if TYPE_CHECKING:
    from axw.models.translation.translator import Translator

AT_ONCE, TOKENS = 64, 4096


class WordAlignment(NamedTuple):
    """The words of both sides; soft (target words, source words), what each target word reads of each source word; and the
    links (source word, target word): each target word with the source word that it reads most."""

    source: list[str]
    target: list[str]
    soft: np.ndarray
    links: frozenset[Link]

    def to_json(self) -> dict[str, Any]:
        """Plain values: source, target, links, soft (a row for each target word)."""
        return {
            "source": self.source,
            "target": self.target,
            "links": sorted([i, j] for i, j in self.links),
            "soft": self.soft.tolist(),
        }

    def pharaoh(self) -> str:
        """The links as `0-0 1-2`, in the order of the target, as GIZA++ and fast_align write them."""
        return " ".join(f"{i}-{j}" for i, j in sorted(self.links, key=lambda link: (link[1], link[0])))


def align(
    translator: Translator,
    source: Sequence[str],
    target: Sequence[str],
    reading: Reading | None = None,
    unit: Unit = "words",
) -> list[WordAlignment]:
    """The alignment of each pair, by forced decoding: the network is made to say `target`, and A says what it read.

    Pieces become words: what is read is summed over the pieces of a source word, and averaged over those of a target word. What
    goes to the end of the source belongs to no word. A pair with an empty side has no links.
    unit="pieces": the pieces as they are.
    `DataError` where there are not as many of both, `UsageError` for a layer that is not there.
    """
    if len(source) != len(target):
        raise DataError(
            f"There are {len(source)} source lines and {len(target)} target lines.", "In an alignment.", "Give pairs."
        )
    offered = translator._readings()
    check_reading(reading or (offered[0] if offered else usual_reading(translator.settings)), offered)
    one, other = translator._sides("forward")
    ids, aims = one.encode(source), other.encode(target)
    sides = [(one, ids, source), (other, aims, target)]
    names = [[_names(*side, i, unit) for side in sides] for i in range(len(source))]
    found = [WordAlignment(s, t, np.zeros((0, 0)), frozenset()) for s, t in names]
    for index, A in _forced(translator, ids, aims, reading):
        for i, rows in zip(index, A, strict=True):
            soft = _of_words(rows, one, ids[i], other, aims[i]) if unit == "words" else rows.astype(float)
            found[i] = found[i]._replace(soft=soft, links=best_links(soft))
    return found


def replace_unknown(
    translator: Translator,
    source: str,
    said: Sequence[int],
    dictionary: Mapping[str, str] | None = None,
    reading: Reading | None = None,
) -> str:
    """The text of `said`, each `<unk>` replaced by the source word that it read most, or its translation in `dictionary`
    (Luong et al. 2015, section 4.2). For vocabularies of whole words."""
    _, target = translator._sides("forward")
    if UNK not in said or not translator._readings():
        return target.decode(said)
    one, _ = translator._sides("forward")
    words = between_blanks(source)
    _, A = next(_forced(translator, one.encode([source]), Sentences.of([list(said)]), reading))
    rows = A[0][: len(said), : len(words)]
    copied = unk_replacement(list(said), rows, words, dictionary)
    return " ".join(target.entries[i] if word is None else word for i, word in zip(said, copied, strict=True))


def learn_dictionary(alignments: Iterable[WordAlignment], *, least: int = 2) -> dict[str, str]:
    """For each source word the target word that it was linked with most often, at least `least` times; of equals the first."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in alignments:
        for i, j in pair.links:
            seen[pair.source[i]][pair.target[j]] += 1
    best = {word: min(counts.items(), key=lambda item: (-item[1], item[0])) for word, counts in seen.items()}
    return {word: said for word, (said, times) in sorted(best.items()) if times >= least}


def _forced(
    translator: Translator, ids: Sentences, aims: Sentences, reading: Reading | None
) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """(index, A) of each batch: the numbers of its pairs, and of each pair a row (m,) for each target piece, tag left out."""
    tagged = translator._encoded(ids, "forward")
    before = int(len(ids) > 0 and tagged.lengths[0] - ids.lengths[0])
    lengths = np.stack([tagged.lengths + 1, aims.lengths + 1], 1)
    there = np.flatnonzero((ids.lengths > 0) & (aims.lengths > 0))
    for part in (
        batches_by_length(lengths[there], TOKENS, seed=0, epoch=0, most=AT_ONCE, noise=0.0) if len(there) else []
    ):
        index = there[part]
        read = torch.from_numpy(pad(aims, index, before=(BOS,)))
        rows = translator._rows_read(torch.from_numpy(pad(tagged, index, after=(EOS,))), read, reading)
        yield index, [rows[k, : aims.lengths[i], before : before + ids.lengths[i]] for k, i in enumerate(index)]


def _of_words(A: np.ndarray, one: Vocabulary, ids: np.ndarray, other: Vocabulary, aims: np.ndarray) -> np.ndarray:
    return word_attention(A, other.word_numbers(aims), one.word_numbers(ids))


def _names(vocabulary: Vocabulary, ids: Sentences, lines: Sequence[str], i: int, unit: Unit) -> list[str]:
    return between_blanks(lines[i]) if unit == "words" else vocabulary.pieces(ids[i])
