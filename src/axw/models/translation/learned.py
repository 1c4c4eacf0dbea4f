"""What a translator is made of, and how it learns: vocabularies, a network and a lesson from pairs of lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Literal, Self

from torch import nn

from axw.data.sentences import Sentences
from axw.data.vocabulary import Vocabulary
from axw.errors import UsageError
from axw.learning import TrainSettings, fingerprint_of_bytes, to_dict
from axw.models.run_vocabularies import vocabulary_lines
from axw.models.shelf import Shelf
from axw.models.text_card import text_card
from axw.models.text_model import Lesson, Place, TextModel
from axw.models.translation.data import TranslationData, translation_data
from axw.models.translation.lesson import BACKWARD, FORWARD, Encoded, not_longer, spelling, tag, translation_lesson
from axw.models.translation.settings import TranslationSettings
from axw.models.translation.teaching import Teacher, check_teachers
from axw.networks.luong import LuongNetwork
from axw.networks.transformer import Transformer

Direction = Literal["forward", "backward"]


class LearnedFromPairs(TextModel[TranslationSettings, TranslationData]):
    """The side of a translator that learns; what it says is asked of `Translator`."""

    kind = "translation"
    settings_class = TranslationSettings

    def fit(
        self,
        source: Iterable[str],
        target: Iterable[str],
        valid: tuple[Iterable[str], Iterable[str]] | None = None,
        place: Place | None = None,
        *,
        teachers: Sequence[LearnedFromPairs] = (),
    ) -> Self:
        """Learn from pairs; `valid` is watched. Without it, every 20th pair is held out for that.

        teachers   translators whose p(word | source, words before) is learned from too, as their mean: `settings.taught` of the
                   loss (Hinton et al. 2015; word by word, Kim and Rush 2016, section 3.1). Their pieces are taken over

        Two `LineFile`s, such as `pairs.source` and `pairs.target` of a `PairFile`, may be larger than memory: they are read line
        by line, and their ids lie on the disk.
        Raises `DataError` where the two have other numbers of lines, or no pair is left; `UsageError` for teachers of other
        pieces than each other's or the settings'.
        """
        taught_by = tuple(teacher for model in teachers for teacher in model._as_teachers())
        check_teachers(self.settings, taught_by)
        self._fit(translation_data(source, target, valid)._replace(teachers=taught_by), place or Place())
        return self

    def _as_teachers(self) -> tuple[Teacher, ...]:
        """What another translator needs to learn from this one. `UsageError` before `fit`."""
        return (Teacher(self.settings, self._vocabularies, self.network),)

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

    def _encode(self, lines: Iterable[str], vocabulary: Vocabulary, direction: Direction) -> Sentences:
        return self._encoded(vocabulary.encode(lines), direction)

    def _encoded(self, ids: Sentences, direction: Direction) -> Sentences:
        """The ids of sources as the network reads them: with the tag of their direction where it knows both."""
        if not self.settings.both_directions:
            return ids
        extra = self._vocabularies["source"].extra
        return tag(ids, extra[FORWARD if direction == "forward" else BACKWARD])

    def _learn_vocabularies(self, data: TranslationData) -> dict[str, Vocabulary]:
        s = self.settings
        if data.teachers:
            return dict(data.teachers[0].vocabularies)
        extra = (FORWARD, BACKWARD) if s.both_directions else ()
        if s.joint:
            lines = vocabulary_lines(*data.train)
            return {"source": Vocabulary.learn(lines, s.vocabulary, kind=s.pieces, extra=extra)}
        return {
            name: Vocabulary.learn(vocabulary_lines(lines), s.vocabulary, kind=s.pieces)
            for name, lines in zip(("source", "target"), data.train, strict=True)
        }

    def _make_network(self, vocabularies: Mapping[str, Vocabulary]) -> nn.Module:
        s, source = self.settings, vocabularies["source"]
        sizes = source.size, vocabularies.get("target", source).size
        if s.architecture == "luong":
            return LuongNetwork(s.luong, *sizes, seed=s.train.seed)
        return Transformer(s.transformer, *sizes, seed=s.train.seed)

    def _lesson(self, data: TranslationData, network: nn.Module, shelf: Shelf) -> Lesson:
        s, source = self.settings, self._vocabularies["source"]
        target = self._vocabularies.get("target", source)
        held = Encoded(self._encode(data.valid.source, source, "forward"), target.encode(data.valid.target))
        if s.architecture == "transformer" and s.transformer.positions == "learned":
            held = not_longer(held, s.transformer.longest)
        spelled = spelling(self.settings, source, target, data.train, shelf)
        return translation_lesson(self.settings, spelled, held, network, data.teachers)

    def _train_settings(self) -> TrainSettings:
        return self.settings.train

    def _fingerprint(self, data: TranslationData) -> str:
        lines = (line for pairs in (data.train, data.valid) for side in pairs for line in chain(side, [""]))
        taught_by = (teacher.fingerprint() for teacher in data.teachers)
        return fingerprint_of_bytes(text.encode() for text in chain(lines, taught_by))

    def _facts(self, data: TranslationData) -> dict[str, Any]:
        sizes = {name: vocabulary.size for name, vocabulary in self._vocabularies.items()}
        pieces = {f"pieces, {name}": size for name, size in sizes.items()}
        taught = {"teachers": len(data.teachers)} if data.teachers else {}
        counted = {"training pairs": len(data.train.source), "validation pairs": len(data.valid.source)}
        return {"data": {**counted, **pieces, **taught}}

    def _card(self) -> str:
        return text_card(
            "A translator",
            "It translates sentences of the kind that it was trained on.",
            ["axw translate THIS_FOLDER < in > out"],
            self.network,
            to_dict(self.settings),
            self.facts,
        )
