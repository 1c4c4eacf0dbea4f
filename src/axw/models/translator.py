"""`Translator`: sentences of one language in, sentences of another out; trained on the user's own pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import nn

from axw.data.batches import batches_by_length, pad
from axw.data.sentences import Sentences
from axw.data.vocabulary import BOS, EOS, Vocabulary
from axw.decoding import Ensemble, Hypothesis, SearchSettings, score, search
from axw.errors import DataError, UsageError
from axw.learning import TrainSettings, fingerprint_of_bytes, to_dict
from axw.models.text_card import text_card
from axw.models.text_model import Lesson, Place, TextModel
from axw.models.translation_lesson import BACKWARD, FORWARD, Encoded, likelihood, spelling, tag, translation_lesson
from axw.models.translation_settings import TranslationSettings
from axw.networks.luong import LuongNetwork
from axw.networks.transformer import Transformer

Direction = Literal["forward", "backward"]
_HELD_OUT, _MOST_HELD_OUT = 20, 1000  # where no validation pairs are given, every 20th pair is one
_AT_ONCE = 64  # sentences that are translated beside each other
_CHUNK = 2048  # lines that are sorted by length before they are translated


class Pairs(NamedTuple):
    """Lines and their translations."""

    source: list[str]
    target: list[str]


class TranslationData(NamedTuple):
    """The pairs that are learned from, and those that the training is watched on."""

    train: Pairs
    valid: Pairs


class Translation(NamedTuple):
    """One answer for one line: its text and ids, its score as the search compares them, its log-probability, and whether the
    end was said (or it was cut at the longest length)."""

    text: str
    ids: tuple[int, ...]
    score: float
    log_probability: float
    finished: bool


class Translator(TextModel[TranslationSettings, TranslationData]):
    """p(y | x) = prod_t softmax(W h_t), h the rows of a Transformer (2017) or of Luong's LSTM with attention (2015).

    >>> t = Translator().fit(source_lines, target_lines)                        # doctest: +SKIP
    >>> t.translate(["Ein Mann sitzt."], beam=5)                                # doctest: +SKIP
    """

    kind = "translation"
    settings_class = TranslationSettings

    def fit(
        self,
        source: Iterable[str],
        target: Iterable[str],
        valid: tuple[Iterable[str], Iterable[str]] | None = None,
        place: Place | None = None,
    ) -> Translator:
        """Learn from pairs; `valid` is watched. Without it, every 20th pair is held out for that.

        Raises `DataError` where the two have other numbers of lines, or no pair is left.
        """
        self._fit(_data(source, target, valid), place or Place())
        return self

    # ------------------------------------------------------------------------------------------------------ translating

    def translate(
        self,
        lines: Iterable[str],
        *,
        beam: int | None = None,
        search: SearchSettings | None = None,
        direction: Direction = "forward",
    ) -> list[str]:
        """One line out for each line in, in order; nothing for a line of nothing but blanks.

        beam     hypotheses that are followed at once, where `search` is not given;  search: see `SearchSettings`
        A line has the same translation alone and beside others, up to ties that rounding decides.
        """
        return [
            best[0].text if best else ""
            for best in self.hypotheses(lines, beam=beam, search=search, direction=direction)
        ]

    def hypotheses(
        self,
        lines: Iterable[str],
        *,
        beam: int | None = None,
        search: SearchSettings | None = None,
        prefix: Sequence[str] | None = None,
        direction: Direction = "forward",
    ) -> Iterator[list[Translation]]:
        """The `search.nbest` best translations of each line, best first, as they are made.

        prefix   a text for each line that its translation must begin with; may be empty
        """
        settings = self.settings.search if search is None else search
        settings = settings if beam is None else replace(settings, beam=beam, nbest=min(settings.nbest, beam))
        lines, done = iter(lines), 0
        while chunk := list(islice(lines, _CHUNK)):
            begun = None if prefix is None else list(prefix[done : done + len(chunk)])
            yield from self._chunk(chunk, settings, begun, direction, done)
            done += len(chunk)

    def _chunk(
        self, lines: list[str], settings: SearchSettings, prefix: list[str] | None, direction: Direction, first: int
    ) -> list[list[Translation]]:
        source, target = self._sides(direction)
        ids = self._encode(lines, source, direction)
        begun = None if prefix is None else target.encode(prefix)
        answers: list[list[Translation]] = [[] for _ in lines]
        asked = np.flatnonzero([bool(line.strip()) for line in lines])
        # By length, the longest first: where there is not enough memory, it is known at once.
        order = asked[np.argsort(-ids.lengths[asked], kind="stable")]
        for start in range(0, len(order), _AT_ONCE):
            index = order[start : start + _AT_ONCE]
            for line, found in zip(index, self._search(ids, index, settings, begun, first), strict=True):
                answers[line] = [
                    Translation(target.decode(best.ids), best.ids, best.score, best.log_probability, best.finished)
                    for best in found
                ]
        return answers

    def _search(
        self, ids: Sentences, index: np.ndarray, settings: SearchSettings, prefix: Sentences | None, first: int
    ) -> list[list[Hypothesis]]:
        decoder, state = self._begin(torch.from_numpy(pad(ids, index, after=(EOS,))))
        begun = None if prefix is None else [prefix[i].tolist() for i in index]
        lengths, numbers = ids.lengths[index] + 1, index + first
        return search(decoder, state, settings, source_lengths=lengths.tolist(), prefix=begun, numbers=numbers.tolist())

    def _begin(self, source: torch.Tensor) -> tuple[Any, Any]:
        """What the search steps with, and its first state; several networks are one decoder."""
        network: Any = self.network
        with torch.no_grad():
            return network, network.start(network.encode(source))

    # -------------------------------------------------------------------------------------------------------- measuring

    def score(self, source: Sequence[str], target: Sequence[str], *, direction: Direction = "forward") -> np.ndarray:
        """(n,) log p(target | source) of each pair, by forced decoding."""
        if len(source) != len(target):
            raise DataError(f"There are {len(source)} sources and {len(target)} targets.", "In score.", "Give pairs.")
        one, other = self._sides(direction)
        ids, aims = self._encode(source, one, direction), other.encode(target)
        found = np.zeros(len(source))
        for index in batches_by_length(ids.lengths + 1, 4096, seed=0, epoch=0, most=_AT_ONCE):
            decoder, state = self._begin(torch.from_numpy(pad(ids, index, after=(EOS,))))
            for i, logs in zip(index, score(decoder, state, [aims[i].tolist() for i in index]), strict=True):
                found[i] = float(logs.sum(dtype=np.float64))
        return found

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

    # ------------------------------------------------------------------------------------------- what the base asks for

    def _sides(self, direction: Direction) -> tuple[Vocabulary, Vocabulary]:
        """The vocabularies of what comes in and of what goes out."""
        _ = self.network
        if direction not in ("forward", "backward"):
            raise UsageError(f"direction is {direction!r}; allowed: forward, backward.", "In the translator.")
        if direction == "backward" and not self.settings.both_directions:
            raise UsageError(
                "This translator knows one direction; allowed: forward.",
                "direction",
                "Train one with both_directions=true.",
            )
        found = self._vocabularies
        return found["source"], found.get("target", found["source"])

    def _encode(self, lines: Sequence[str], vocabulary: Vocabulary, direction: Direction) -> Sentences:
        ids = vocabulary.encode(lines)
        if not self.settings.both_directions:
            return ids
        return tag(ids, vocabulary.extra[FORWARD if direction == "forward" else BACKWARD])

    def _learn_vocabularies(self, data: TranslationData) -> dict[str, Vocabulary]:
        s = self.settings
        extra = (FORWARD, BACKWARD) if s.both_directions else ()
        if s.joint:
            lines = [*data.train.source, *data.train.target]
            return {"source": Vocabulary.learn(lines, s.vocabulary, kind=s.pieces, extra=extra)}
        return {
            name: Vocabulary.learn(lines, s.vocabulary, kind=s.pieces)
            for name, lines in zip(("source", "target"), data.train, strict=True)
        }

    def _make_network(self, vocabularies: Mapping[str, Vocabulary]) -> nn.Module:
        s, source = self.settings, vocabularies["source"]
        sizes = source.size, vocabularies.get("target", source).size
        if s.architecture == "luong":
            return LuongNetwork(s.luong, *sizes, seed=s.train.seed)
        return Transformer(s.transformer, *sizes, seed=s.train.seed)

    def _lesson(self, data: TranslationData, network: nn.Module) -> Lesson:
        source = self._vocabularies["source"]
        target = self._vocabularies.get("target", source)
        held = Encoded(self._encode(data.valid.source, source, "forward"), target.encode(data.valid.target))
        return translation_lesson(self.settings, spelling(self.settings, source, target, data.train), held, network)

    def _train_settings(self) -> TrainSettings:
        return self.settings.train

    def _fingerprint(self, data: TranslationData) -> str:
        return fingerprint_of_bytes(line.encode() for pairs in data for side in pairs for line in (*side, ""))

    def _facts(self, data: TranslationData) -> dict[str, Any]:
        sizes = {name: vocabulary.size for name, vocabulary in self._vocabularies.items()}
        pieces = {f"pieces, {name}": size for name, size in sizes.items()}
        return {
            "data": {"training pairs": len(data.train.source), "validation pairs": len(data.valid.source), **pieces}
        }

    def _card(self) -> str:
        return text_card(
            "A translator",
            "It translates sentences of the kind that it was trained on.",
            ["axw translate THIS_FOLDER < in > out"],
            self.network,
            to_dict(self.settings),
            self.facts,
        )


class TranslatorEnsemble(Translator):
    """Several translators with the same vocabularies as one: the mean of what they hold likely (Luong et al. 2015, section 4)."""

    def __init__(self, translators: Sequence[Translator]) -> None:
        if len({tuple(sorted((n, v.to_bytes()) for n, v in t._vocabularies.items())) for t in translators}) != 1:
            raise UsageError(
                f"The {len(translators)} translators have other vocabularies; allowed: one or more with the same.",
                "In an ensemble.",
                "Train them on the same text, with other seeds.",
            )
        super().__init__(translators[0].settings)
        self.translators = list(translators)
        self._vocabularies = translators[0]._vocabularies
        self._network = translators[0].network

    def _begin(self, source: torch.Tensor) -> tuple[Any, Any]:
        parts = [translator._begin(source) for translator in self.translators]
        return Ensemble([decoder for decoder, _ in parts]), tuple(state for _, state in parts)


def _data(
    source: Iterable[str], target: Iterable[str], valid: tuple[Iterable[str], Iterable[str]] | None
) -> TranslationData:
    train = _pairs(source, target, "the training pairs")
    if valid is not None:
        return TranslationData(train, _pairs(*valid, "the validation pairs"))
    step = max(_HELD_OUT, len(train.source) // _MOST_HELD_OUT)
    held = Pairs(train.source[step - 1 :: step], train.target[step - 1 :: step])
    rest = Pairs(*([line for i, line in enumerate(side) if (i + 1) % step] for side in train))
    return TranslationData(rest, held)


def _pairs(source: Iterable[str], target: Iterable[str], where: str) -> Pairs:
    """The pairs without an empty side."""
    one, other = list(source), list(target)
    if len(one) != len(other):
        raise DataError(
            f"There are {len(one)} source lines and {len(other)} target lines; line i of one must belong to line i of the other.",
            f"In {where}.",
            "Give as many of each.",
        )
    kept = [(s, t) for s, t in zip(one, other, strict=True) if s.strip() and t.strip()]
    if not kept:
        raise DataError(f"No pair is left of {len(one)}: one side of each is empty.", f"In {where}.", "Give text.")
    return Pairs([s for s, _ in kept], [t for _, t in kept])
