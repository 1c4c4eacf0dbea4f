"""What `axw evaluate` measures, of models of tables and of text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from axw.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


class TextMeasures(NamedTuple):
    """The measures, what else is printed, and what else is in the JSON."""

    measures: dict[str, float]
    lines: list[str]
    facts: dict[str, Any]


def is_text(model: Any) -> bool:
    from axw.models.text_model import TextModel

    return isinstance(model, TextModel)


def table_measures(model: Any, known: pd.DataFrame, targets: Sequence[str]) -> dict[str, float]:
    """`model.evaluate` of rows whose targets are known; of several, their mean, and "TARGET MEASURE" of each."""
    X = known.drop(columns=list(targets))
    if len(targets) == 1:
        return {key: float(value) for key, value in model.evaluate(X, known[targets[0]]).items()}
    from axw.measures import regression_metrics

    Y, answers = known[list(targets)].to_numpy(dtype=float), model.predict(X)
    found = dict(regression_metrics(Y, answers))
    for k, target in enumerate(targets):
        found |= {f"{target} {key}": value for key, value in regression_metrics(Y[:, k], answers[:, k]).items()}
    return found


def text_measures(model: Any, file: Path, reference: Path | None, buckets: bool = False) -> TextMeasures:
    """How well hidden words are guessed, lines translated, or sentences parsed."""
    if model.kind == "translation":
        return _translation(model, file, reference, buckets)
    if buckets:
        raise UsageError("Only a translator has buckets of source lengths.", "--buckets", "Leave it away.")
    if model.kind == "trees" and reference is None:
        return _trees(model, file)
    if model.kind == "sentences":
        from axw.cli.sentences import class_measures

        measures, told, count = class_measures(model, file, reference)
        return TextMeasures(measures, [told], {"lines": count, "file": str(file)})
    if reference is not None:
        raise UsageError("Only a translator has a REFERENCE.", str(reference), "Leave it away.")
    from axw.data import read_lines

    stream = read_lines(str(file))
    lines = list(stream)
    return TextMeasures(
        model.evaluate(lines), [stream.report.to_text()], {"lines": len(lines), "file": stream.report.name}
    )


def _translation(model: Any, file: Path, reference: Path | None, buckets: bool) -> TextMeasures:
    if reference is None:
        raise UsageError(
            "A translator is measured on lines and what they mean.",
            "axw evaluate",
            "Name two files: axw evaluate RUN SOURCE REFERENCE",
        )
    from axw.cli.output import say
    from axw.data import PairFile
    from axw.measures.translation import bleu_chrf, by_source_length, public_bleu4, tokenised_note

    with PairFile(str(file), str(reference)) as pairs:
        found, report = list(pairs), pairs.report.to_text()
    source, target = [pair.source for pair in found], [pair.target for pair in found]
    said = model.translate(source)
    if note := tokenised_note(target):
        say(note)
    scored = [*bleu_chrf(said, target), public_bleu4(said, target)]
    measures = {score.name: score.value for score in scored} | model.evaluate(source, target)
    protocols = {score.name: score.protocol for score in scored}
    facts: dict[str, Any] = {"pairs": len(found), "protocols": protocols}
    lines = [*map(str, scored), report]
    if buckets:
        lengths = by_source_length("bleu", source, said, target)
        facts["buckets"] = [{"words": name, "pairs": count, "BLEU": score.value} for name, count, score in lengths]
        lines += [
            f"source of {name} words: {score.name} {score.value:.2f}, {count} pairs" for name, count, score in lengths
        ]
        lines.append(lengths[0][2].protocol)
    return TextMeasures(measures, lines, facts)


def _trees(model: Any, file: Path) -> TextMeasures:
    from axw.data import read_trees
    from axw.measures.brackets import brackets_to_text, f1_interval
    from axw.models.trees.parser import measures_of, normal

    stream = read_trees(str(file))
    gold = normal(stream, stream.report.name)
    scores = model.scores(gold)
    interval = f1_interval(scores, seed=0)
    low, high = 100 * interval.low, 100 * interval.high
    lines = [
        f"f1 {100 * interval.f1:.2f}, 95 % interval {low:.2f} to {high:.2f} (bootstrap over sentences)",
        brackets_to_text(scores),
        "labelled brackets as EVALB counts them (COLLINS.prm), the treebank's tags saying what is punctuation",
        stream.report.to_text(),
    ]
    measures = measures_of(scores, model.settings.leaves) | model.likelihood(gold)
    facts = {"trees": len(gold), "file": stream.report.name, "f1_interval": [low, high]}
    return TextMeasures(measures, lines, facts)
