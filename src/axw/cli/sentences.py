"""`axw fit words --labels`: a classifier of lines that goes on from a masked-word model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axw.cli.output import say
from axw.cli.training import Budget, finish, prepare, settings_of, told
from axw.cli.words import read_told, saved_line

if TYPE_CHECKING:
    from axw.models.text_model import Place


def fit_sentences(save: Path, files: Mapping[str, str], changes: Sequence[str], budget: Budget) -> None:
    """Train in the folder `save`; `files` are train, labels and from, and perhaps valid and valid_labels."""
    from axw.learning import to_dict
    from axw.models.sentences_settings import SentencesSettings
    from axw.models.text_model import Place
    from axw.models.words import MaskedLanguageModel

    base = MaskedLanguageModel.load(files["from"])
    start = SentencesSettings(network=base.settings.network, longest=base.settings.longest)
    settings = settings_of(start, changes, budget)
    prepare(save)
    text = learn(to_dict(settings), files, Place(save, files=files, hooks=[told()]))
    finish(text, save, [f"axw predict {save} FILE"])


def learn(settings: Mapping[str, Any], files: Mapping[str, str], place: Place) -> str:
    """Train in a run folder, newly begun or resumed; the line that says what came of it."""
    from axw.learning import from_dict
    from axw.models.sentences import FineTunedClassifier
    from axw.models.sentences_settings import SentencesSettings
    from axw.models.words import MaskedLanguageModel

    found = {name: read_told(path) for name, path in files.items() if name != "from"}
    base = MaskedLanguageModel.load(files["from"])
    valid = (found["valid"], found["valid_labels"]) if "valid" in found else None
    model = FineTunedClassifier(from_dict(SentencesSettings, settings), base)
    model.fit(found["train"], found["labels"], valid, place)
    say(f"classes: {', '.join(model.classes)}")
    return saved_line(place, model.facts)
