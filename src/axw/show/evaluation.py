"""The report of a model on data whose answers are known: the page of a run's report, without its learning curves.

page, value = evaluation_report(samples, measures, Source(...), title="family.axw on test.csv")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from axw.errors import DataError
from axw.models.trees.parser import normal
from axw.show.faces import plain
from axw.show.more_samples import MOST_TREES, of_classifier, of_parser
from axw.show.run_page import run_page
from axw.show.run_samples import Samples, of_translator, of_words

SCHEMA = "axw.evaluation_report/1"
MOST_LINES = 200  # held-out lines that the examples are chosen from
CAUTION = "Attention shows where a model looked, not why."
ELSEWHERE = (
    "Examples, slices and baselines are of rows or lines that were named for it;"
    " the model should not have learned from them."
)
IN_TURN = (
    "Examples, slices and baselines are of the training rows, each answered by a model of the same settings that did not learn"
    " from it."
)


class HeldOut(NamedTuple):
    """Lines that were not learned from, and for a translator what they mean, for a classifier their labels; for a parser trees
    in brackets."""

    lines: Sequence[str]
    answers: Sequence[str] | None = None


class Source(NamedTuple):
    """What somebody needs to get the same again: the command, versions, the facts of the files, and the settings."""

    command: str
    versions: Mapping[str, str]
    data: Mapping[str, Any]
    settings: Mapping[str, Any]
    seed: int | None = None


class OfTarget(NamedTuple):
    """What a report says of one of several targets."""

    samples: Samples
    measures: Mapping[str, float]


def evaluation_report(  # noqa: PLR0913 (the parts of a page)
    samples: Samples,
    measures: Mapping[str, float],
    source: Source,
    *,
    title: str,
    findings: Sequence[str] = (),
    notes: Sequence[str] = (ELSEWHERE, CAUTION),
    unit: Literal["row", "line"] = "line",
    weights: Mapping[str, Any] | None = None,
    not_computed: Sequence[str] = (),
) -> tuple[str, dict[str, Any]]:
    """(page, value): the HTML page, and the JSON-able value that holds every number on it.

    weights       of a linear model, as `axw.show.weights.weights_of` gives them
    not_computed  parts that a report of this kind has and this one lacks, each with the reason
    """
    value = {**_head(source, title, findings, notes, unit), **_about(OfTarget(samples, measures))}
    value |= {"weights": weights, "not_computed": list(not_computed)}
    value = dict(plain(value))
    return run_page(value), value


def targets_report(
    targets: Mapping[str, OfTarget],
    source: Source,
    *,
    title: str,
    findings: Sequence[str] = (),
    notes: Sequence[str] = (ELSEWHERE, CAUTION),
    not_computed: Sequence[str] = (),
) -> tuple[str, dict[str, Any]]:
    """The same of a model that answers several numbers of a row: one section a target, the verdict of all above them."""
    told = [{"name": name, **_about(found)} for name, found in targets.items()]
    value = {**_head(source, title, findings, notes, "row"), **_about(OfTarget(Samples(), {})), "targets": told}
    value["not_computed"] = list(not_computed)
    value["verdict"] = [f"{one['name']}: {line}" for one in told for line in one["verdict"]]
    value = dict(plain(value))
    return run_page(value), value


def _head(source: Source, title: str, findings: Sequence[str], notes: Sequence[str], unit: str) -> dict[str, Any]:
    """What a report says once, however many targets there are."""
    reproduce = {
        "command": source.command,
        "data": dict(source.data),
        "files": {},
        "sha256": "",
        "training": {},
        "seed": source.seed,
        "threads": None,
        "versions": dict(source.versions),
        "settings": dict(source.settings),
    }
    head = {
        "schema": SCHEMA,
        "title": title,
        "unit": unit,
        "curves": None,
        "findings": [str(each) for each in findings],
    }
    return {**head, "reproduce": reproduce, "notes": list(notes)}


def _about(found: OfTarget) -> dict[str, Any]:
    """What it says of one target."""
    samples = found.samples
    return {
        "verdict": against(samples.baselines) or ["There is nothing to compare it with here."],
        "measures": {**found.measures, **samples.measures},
        "baselines": samples.baselines,
        "examples": samples.examples,
        "slices": samples.slices,
        "picture": samples.picture,
        "calibration": samples.calibration,
    }


def against(baselines: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence a baseline: whether the model is better, and by what numbers."""
    said = []
    for line in baselines:
        better = (line["model"] > line["value"]) == (line["better"] == "higher") and line["model"] != line["value"]
        word = "better than" if better else "no better than"
        said.append(f"{line['measure']}: {line['model']:.4g}, {word} {line['name']} ({line['value']:.4g}).")
    return said


def samples_of(model: Any, held: HeldOut | None) -> Samples:
    """Examples, slices and baselines of a model of text; nothing where no lines were held out."""
    if held is None:
        return Samples()
    lines = list(held.lines)
    if model.kind == "words":
        return of_words(model, spread([line for line in lines if len(line.split()) > 2]))
    if model.kind == "trees":
        return of_parser(model, spread(normal(lines, "the held-out trees"), MOST_TREES))
    if held.answers is None or len(held.answers) != len(lines):
        got = 0 if held.answers is None else len(held.answers)
        raise DataError(f"There are {len(lines)} lines and {got} answers.", "In the report.", "Give as many of both.")
    if model.kind == "sentences":
        told = spread(list(zip(lines, held.answers, strict=True)))
        return of_classifier(model, [line for line, _ in told], [label for _, label in told])
    pairs = [(a, b) for a, b in zip(lines, held.answers, strict=True) if a.strip() and b.strip()]
    return of_translator(model, spread(pairs))


def spread(items: Sequence[Any], most: int = MOST_LINES) -> list[Any]:
    """At most `most` of them, evenly spread."""
    if len(items) <= most:
        return list(items)
    return [items[len(items) * k // most] for k in range(most)]
