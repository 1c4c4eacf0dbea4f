"""`Translator`: sentences of one language in, sentences of another out; trained on the user's own pairs."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import nn

from axw.data.batches import pad
from axw.data.sentences import Sentences
from axw.data.vocabulary import BOS, EOS, UNK, Vocabulary
from axw.data.words import several
from axw.decoding import Ensemble, Hypothesis, SearchSettings, search
from axw.errors import DataError, DataWarning, UsageError
from axw.models.members import forced
from axw.models.translation.aligning import WordAlignment, align, replace_unknown
from axw.models.translation.answers import Translation, begun_parts, joined
from axw.models.translation.learned import Direction, LearnedFromPairs
from axw.models.translation.lesson import Encoded, likelihood
from axw.models.translation.long_lines import flat, numbers_of_parts
from axw.models.translation.readings import Reading, readings, usual_reading
from axw.models.translation.strange_lines import strange_lines
from axw.models.units import Unit
from axw.networks.alignments import rows_of_words
from axw.networks.products import Precision
from axw.networks.steps import steps_of

_AT_ONCE, _HYPOTHESES = 64, 1024  # sentences that are translated beside each other, and hypotheses of all of them
_CHUNK = 512  # lines that are sorted by length before they are translated
_WORTH = 16  # lines from which on weights are laid out for steps


class Translator(LearnedFromPairs):
    """p(y | x) = prod_t softmax(W h_t), h the rows of a Transformer (2017) or of Luong's LSTM with attention (2015).

    >>> t = Translator().fit(source_lines, target_lines)                        # doctest: +SKIP
    >>> t.translate(["Ein Mann sitzt."], beam=5)                                # doctest: +SKIP
    """

    # ------------------------------------------------------------------------------------------------------ translating

    def translate(
        self,
        lines: Iterable[str],
        *,
        beam: int | None = None,
        search: SearchSettings | None = None,
        direction: Direction = "forward",
        dictionary: Mapping[str, str] | None = None,
    ) -> list[str]:
        """One line out for each line in, in order; nothing for a line of nothing but blanks.

        beam        hypotheses that are followed at once, where `search` is not given;  search: see `SearchSettings`
        dictionary  what to write for a source word that was met where the translation has `<unk>` (`replace_unknown`)

        A line has the same translation alone and beside others, up to ties that rounding decides. One that is longer than
        `settings.longest` is cut where a sentence ends, and its parts are translated by themselves: a `DataWarning` counts them.
        Another one says which lines are mostly in characters that the training text hardly had, as those of another script.
        """
        found = self.hypotheses(lines, beam=beam, search=search, direction=direction, dictionary=dictionary)
        return [best[0].text if best else "" for best in found]

    def hypotheses(
        self,
        lines: Iterable[str],
        *,
        beam: int | None = None,
        search: SearchSettings | None = None,
        prefix: Sequence[str] | None = None,
        direction: Direction = "forward",
        dictionary: Mapping[str, str] | None = None,
        precision: Precision = "fp32",
        first: int = 0,
    ) -> Iterator[list[Translation]]:
        """The `search.nbest` best translations of each line, best first, as they are made.

        prefix     a text for each line that its translation must begin with; may be empty. `UsageError` for too few of them, or
                   for a word that the vocabulary cannot write
        precision  of the products: fp32; bf16 and int8 are faster and not quite the same (`axw.networks.products`)
        first      the number of the first line, which samples depend on
        """
        settings = self.settings.search if search is None else search
        settings = settings if beam is None else replace(settings, beam=beam, nbest=min(settings.nbest, beam))
        writes = dictionary if dictionary is not None else {}
        lines, done = several(lines), 0
        decoders: list[Any] = []
        while chunk := list(islice(lines, _CHUNK)):
            begun = None if prefix is None else list(prefix[done : done + len(chunk)])
            if begun is not None and len(begun) < len(chunk):
                raise UsageError(
                    f"There are {done + len(begun)} prefixes for more lines; allowed: one for each line.", "In prefix."
                )
            if not decoders:
                decoders = self._searched_by(precision, len(chunk))
            yield from self._chunk(decoders, chunk, settings, begun, direction, writes, first + done)
            done += len(chunk)

    def _chunk(  # noqa: PLR0913 (what one call of `hypotheses` was given)
        self,
        decoders: Sequence[Any],
        lines: list[str],
        settings: SearchSettings,
        prefix: list[str] | None,
        direction: Direction,
        dictionary: Mapping[str, str],
        first: int,
    ) -> list[list[Translation]]:
        source, target = self._sides(direction)
        whole = source.encode(lines)
        if told := strange_lines(source, lines, whole, first):
            warnings.warn(told, DataWarning, stacklevel=3)
        parts, owner = flat(lines, whole.lengths, source, self.settings.longest)
        if len(parts) > len(lines):
            warnings.warn(
                f"{int((np.bincount(owner, minlength=len(lines)) > 1).sum())} of {len(lines)} lines are longer than longest="
                f"{self.settings.longest} pieces, and were translated in parts.",
                DataWarning,
                stacklevel=3,
            )
        ids = self._encode(parts, source, direction)
        begun = None if prefix is None else begun_parts(prefix, owner, target)
        answers: list[list[Translation]] = [[] for _ in parts]
        asked = np.flatnonzero([bool(part.strip()) for part in parts])
        # By length, the longest first: where there is not enough memory, it is known at once.
        order = asked[np.argsort(-ids.lengths[asked], kind="stable")]
        at_once = max(1, min(_AT_ONCE, _HYPOTHESES // settings.beam))
        numbers = numbers_of_parts(owner, first)
        for start in range(0, len(order), at_once):
            index = order[start : start + at_once]
            searched = self._search(decoders, ids, index, settings, begun, [numbers[i] for i in index])
            for part, found in zip(index, searched, strict=True):
                text = partial(self._text, parts[part], target, dictionary, direction)
                answers[part] = [
                    Translation(text(best.ids), best.ids, best.score, best.log_probability, best.finished)
                    for best in found
                ]
        return [
            joined([answers[i] for i in own])
            for own in np.split(np.arange(len(parts)), np.flatnonzero(np.diff(owner)) + 1)
        ]

    def _text(
        self, line: str, target: Vocabulary, dictionary: Mapping[str, str], direction: Direction, ids: tuple[int, ...]
    ) -> str:
        if target.kind == "bpe" or not self.settings.replace_unknown or UNK not in ids or direction == "backward":
            return target.decode(ids)
        return replace_unknown(self, line, ids, dictionary)

    def _search(
        self,
        decoders: Sequence[Any],
        ids: Sentences,
        index: np.ndarray,
        settings: SearchSettings,
        prefix: Sentences | None,
        numbers: list[int],
    ) -> list[list[Hypothesis]]:
        decoder, state = begin(decoders, torch.from_numpy(pad(ids, index, after=(EOS,))))
        begun = None if prefix is None else [prefix[i].tolist() for i in index]
        lengths = (ids.lengths[index] + 1).tolist()
        return search(decoder, state, settings, source_lengths=lengths, prefix=begun, numbers=numbers)

    def _networks(self) -> list[nn.Module]:
        """The networks whose probabilities are averaged."""
        return [self.network]

    def _decoders(self, precision: Precision = "fp32", *, fast: bool = False) -> list[Any]:
        """What steps: the networks themselves, or their weights laid out for steps, which takes about as long as ten lines."""
        if not fast and precision == "fp32":
            return list(self._networks())
        return [steps_of(network, precision) for network in self._networks()]

    def _searched_by(self, precision: Precision, lines: int) -> list[Any]:
        """What searches step with where so many lines are asked at once."""
        return self._decoders(precision, fast=lines >= _WORTH)

    def prepare(self, precision: Precision) -> None:
        """What is done once for a processor is done now, so that processes which begin after this find it done."""
        self._decoders(precision, fast=True)

    def check(self, search: SearchSettings, precision: Precision) -> None:
        """`UsageError` for what this translator cannot be asked, before anything is computed."""
        self._decoders(precision)

    def _begin(self, source: torch.Tensor) -> tuple[Any, Any]:
        """What steps as the networks themselves do, and its first state."""
        return begin(self._decoders(), source)

    # -------------------------------------------------------------------------------------------------------- measuring

    def score(self, source: Sequence[str], target: Sequence[str], *, direction: Direction = "forward") -> np.ndarray:
        """(n,) log p(target | source) of each pair, by forced decoding."""
        if len(source) != len(target):
            raise DataError(f"There are {len(source)} sources and {len(target)} targets.", "In score.", "Give pairs.")
        one, other = self._sides(direction)
        ids, aims = self._encode(source, one, direction), other.encode(target)
        return forced(partial(begin, self._decoders()), ids, aims, at_once=_AT_ONCE)

    def evaluate(self, source: Sequence[str], target: Sequence[str]) -> dict[str, float]:
        """loss (nats per piece) and perplexity of the pairs. BLEU is a matter of `translate` and `axw.measures`."""
        one, other = self._sides("forward")
        return likelihood(self.network, Encoded(self._encode(source, one, "forward"), other.encode(target)))

    def attention(self, source: str, target: str) -> dict[str, np.ndarray]:
        """Every A while the model is made to say `target`: name of the layer -> (h n m), such as "cross 1": (h, target, source).

        Rows: the start id and the target's pieces; columns: the source's pieces and the end id. See `pieces`.
        """
        one, other = self._sides("forward")
        ids = torch.from_numpy(pad(self._encode([source], one, "forward"), [0], after=(EOS,)))
        read = torch.from_numpy(pad(other.encode([target]), [0], before=(BOS,)))
        network: Any = self.network
        return {name: A[0].float().numpy() for name, A in network.attention(ids, read).items()}

    def pieces(self, source: str, target: str) -> tuple[list[str], list[str]]:
        """The columns and the rows of `attention`, for people to read."""
        one, other = self._sides("forward")
        return (
            [*one.pieces(self._encode([source], one, "forward")[0]), "</s>"],
            ["<s>", *other.pieces(other.encode([target])[0])],
        )

    def alignment(
        self, source: str, target: str | None = None, *, reading: Reading | None = None, unit: Unit = "words"
    ) -> WordAlignment:
        """Which word of `source` each word of `target` was made from; without a target, of the model's own translation.

        reading   the layer and the row of A: `axw.models.translation.readings.Reading`; None: `usual_reading` of the settings
        unit      "words", or "pieces" as the network reads and writes them
        `UsageError` for a network without attention.
        """
        said = self.translate([source])[0] if target is None else target
        return align(self, [source], [said], reading, unit)[0]

    def _readings(self) -> list[Reading]:
        """Where an alignment can be read; nothing of a network without attention between the sentences."""
        return readings(self.settings)

    def _rows_read(self, source: torch.Tensor, read: torch.Tensor, reading: Reading | None) -> np.ndarray:
        """What each word of `read` (b n), the start id before it, reads of `source` (b m): (b n-1 m), the mean over heads.

        None: `usual_reading` of the settings.
        """
        layer, word = usual_reading(self.settings) if reading is None else reading
        network: Any = self.network
        return rows_of_words(network.attention(source, read)[layer].float().mean(1).numpy(), word)


def begin(decoders: Sequence[Any], source: torch.Tensor) -> tuple[Any, Any]:
    """What the search steps with, and its first state; several networks are one decoder."""
    with torch.no_grad():
        states = tuple(decoder.start(decoder.encode(source)) for decoder in decoders)
    return (decoders[0], states[0]) if len(decoders) == 1 else (Ensemble(decoders), states)
