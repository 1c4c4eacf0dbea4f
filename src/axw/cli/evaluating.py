"""`axw evaluate` for models of text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from axw.errors import UsageError


class TextMeasures(NamedTuple):
    """The measures, what else is printed, and what else is in the JSON."""

    measures: dict[str, float]
    lines: list[str]
    facts: dict[str, Any]


def is_text(model: Any) -> bool:
    from axw.models.text_model import TextModel

    return isinstance(model, TextModel)


def text_measures(model: Any, file: Path, reference: Path | None) -> TextMeasures:
    """How well hidden words are guessed, or lines translated."""
    if model.kind == "translation":
        return _translation(model, file, reference)
    if reference is not None:
        raise UsageError("Only a translator has a REFERENCE.", str(reference), "Leave it away.")
    from axw.data import read_lines

    stream = read_lines(str(file))
    lines = list(stream)
    return TextMeasures(
        model.evaluate(lines), [stream.report.to_text()], {"lines": len(lines), "file": stream.report.name}
    )


def _translation(model: Any, file: Path, reference: Path | None) -> TextMeasures:
    if reference is None:
        raise UsageError(
            "A translator is measured on lines and what they mean.",
            "axw evaluate",
            "Name two files: axw evaluate RUN SOURCE REFERENCE",
        )
    from axw.data import PairFile
    from axw.measures.translation import bleu_chrf, public_bleu4

    with PairFile(str(file), str(reference)) as pairs:
        found, report = list(pairs), pairs.report.to_text()
    source, target = [pair.source for pair in found], [pair.target for pair in found]
    said = model.translate(source)
    scored = [*bleu_chrf(said, target), public_bleu4(said, target)]
    measures = {score.name: score.value for score in scored} | model.evaluate(source, target)
    protocols = {score.name: score.protocol for score in scored}
    return TextMeasures(measures, [*map(str, scored), report], {"pairs": len(found), "protocols": protocols})
