"""A classifier of lines that goes on from a masked-word model: `axw fit words --labels`, and what it is used for."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axw.cli.output import say
from axw.cli.training import Budget, finish, prepare, saved_line, settings_of, told, write_report
from axw.cli.words import read_told
from axw.errors import UsageError

if TYPE_CHECKING:
    from axw.models.text_model import Place


def fit_sentences(save: Path, files: Mapping[str, str], changes: Sequence[str], budget: Budget) -> None:
    """Train in the folder `save`; `files` are train, labels and from, and perhaps valid and valid_labels."""
    from axw.learning import to_dict
    from axw.models.text_model import Place
    from axw.models.words.classifier_settings import SentencesSettings
    from axw.models.words.masked_words import MaskedLanguageModel

    base = MaskedLanguageModel.load(files["from"])
    start = SentencesSettings(network=base.settings.network, longest=base.settings.longest)
    settings = settings_of(start, changes, budget)
    prepare(save)
    text = learn(to_dict(settings), files, Place(save, files=files, hooks=[told()]))
    finish(text, save, [f"axw predict {save} FILE"])


def learn(settings: Mapping[str, Any], files: Mapping[str, str], place: Place) -> str:
    """Train in a run folder, newly begun or resumed; the line that says what came of it."""
    from axw.learning import from_dict
    from axw.models.words.classifier import FineTunedClassifier
    from axw.models.words.classifier_settings import SentencesSettings
    from axw.models.words.masked_words import MaskedLanguageModel

    findings: list[str] = []
    found = {name: read_told(path, findings) for name, path in files.items() if name != "from"}
    base = MaskedLanguageModel.load(files["from"])
    valid = (found["valid"], found["valid_labels"]) if "valid" in found else None
    model = FineTunedClassifier(from_dict(SentencesSettings, settings), base)
    model.fit(found["train"], found["labels"], valid, place)
    say(f"classes: {', '.join(model.classes)}")
    write_report(model, place, findings)
    return saved_line(place, model.facts)


def predicted(model: Any, file: Path, json: bool) -> str:
    """The class of each line and the probability of every class, as CSV or JSON; line i of the file is row i."""
    from axw.cli.output import to_json
    from axw.data import read_lines

    P = model.predict_proba(list(read_lines(str(file))))
    answers = [model.classes[i] for i in P.argmax(1)]
    if json:
        rows = [
            {"id": i, "prediction": answer, "probabilities": dict(zip(model.classes, p.tolist(), strict=True))}
            for i, (answer, p) in enumerate(zip(answers, P, strict=True), 1)
        ]
        return to_json({"schema": "axw.predict/1", "rows": rows})
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n")
    write.writerow(["row", "prediction", *(f"P({name})" for name in model.classes)])
    write.writerows([i, answer, *p.tolist()] for i, (answer, p) in enumerate(zip(answers, P, strict=True), 1))
    return text.getvalue()


def class_measures(model: Any, file: Path, labels: Path | None) -> tuple[dict[str, float], str, int]:
    """The measures of a classifier on lines whose labels are known, what was met in the file, and how many lines there are."""
    if labels is None:
        raise UsageError(
            "A classifier is measured on lines and their labels.",
            "axw evaluate",
            "Name two files: axw evaluate RUN LINES LABELS",
        )
    lines, known = read_told(str(file)), read_told(str(labels))
    return model.evaluate(lines, [label.strip() for label in known]), f"{len(lines)} lines", len(lines)
