"""What a trained network and its export are both asked, so that their answers can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from torch import nn

from axw.data.vocabulary import EOS, Vocabulary
from axw.errors import DataError, UsageError
from axw.models.text_model import TextModel
from axw.models.translation.lesson import FORWARD
from axw.models.translation.translator import Translator
from axw.models.words.gap_lesson import held_out_spans
from axw.models.words.masked_words import MaskedLanguageModel
from axw.models.words.measures import AROUND, held_out, windows
from axw.networks.masked_words import MaskedWords


class Subject(NamedTuple):
    """What is exported: a network that turns source ids into target ids, or that guesses hidden ids.

    before   ids that stand before every source, such as the tag of a direction;  longest: pieces that are read at once
    """

    model: TextModel[Any, Any]
    network: nn.Module
    source: Vocabulary
    target: Vocabulary
    before: tuple[int, ...]
    longest: int

    @property
    def guesses(self) -> bool:
        """Whether it guesses hidden ids in place; otherwise it writes other ids."""
        return isinstance(self.network, MaskedWords)

    @property
    def sizes(self) -> tuple[int, int]:
        return self.source.size, self.target.size


class Questions(NamedTuple):
    """sources: ids of each line, as the network reads them; references: what the right answers are, or None.

    Of a model that guesses hidden words a source has some of its ids hidden; of one that writes it ends in EOS.
    """

    sources: list[list[int]]
    references: list[str] | None


def subject(model: Any) -> Subject:
    """`UsageError` for a model that is no text network of these kinds."""
    if isinstance(model, Translator):
        source, target = model._sides("forward")
        before = (source.extra[FORWARD],) if model.settings.both_directions else ()
        return Subject(model, model.network, source, target, before, model.settings.longest)
    if isinstance(model, MaskedLanguageModel):
        words = model.vocabulary
        return Subject(model, model.network, words, words, (), model.settings.longest)
    raise UsageError(
        f"A model of class {type(model).__name__} cannot be exported; allowed: a translator, a masked-word model.",
        "In export.",
        "Save it, and load it with axw.load.",
    )


def questions(given: Subject, lines: Sequence[str], references: Sequence[str] | None = None) -> Questions:
    """The lines as `given` reads them. Empty lines and lines that are longer than it reads at once are left out.

    Raises `DataError` where no line is left, or there are other numbers of lines and references.
    """
    if references is not None and len(references) != len(lines):
        raise DataError(
            f"There are {len(lines)} lines and {len(references)} references; line i of one must belong to line i of the other.",
            "In the lines of the proof.",
            "Give as many of each.",
        )
    kept = [i for i, line in enumerate(lines) if line.strip()]
    ids = given.source.encode([lines[i] for i in kept])
    short = [i for i, n in enumerate(ids.lengths) if n <= given.longest - AROUND]
    if not short:
        raise DataError(
            f"No line of {len(lines)} can be asked: all are empty or longer than {given.longest - AROUND} pieces.",
            "In the lines of the proof.",
            "Give lines like those that the model was trained on.",
        )
    told = [lines[kept[i]] for i in short]
    if isinstance(given.model, MaskedLanguageModel):
        return Questions(_hidden(given, told), None)
    sources = [[*given.before, *ids[i].tolist(), EOS] for i in short]
    return Questions(sources, None if references is None else [references[kept[i]] for i in short])


def _hidden(given: Subject, lines: list[str]) -> list[list[int]]:
    """The lines with the words hidden that every model is asked for."""
    if given.guesses:
        asked = [batch.masked.ids for batch in held_out(given.source, lines, given.longest - AROUND).batches]
    else:
        read = windows(given.source.encode(lines), given.longest - AROUND)
        settings = cast(MaskedLanguageModel, given.model).settings
        asked = [batch.source.numpy() for batch in held_out_spans(given.source, read, settings)]
    return [[int(i) for i in row if i] for ids in asked for row in ids]
