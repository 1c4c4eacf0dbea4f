"""The report of a training run: what came of it, against what, on which sentences it is good and bad, and how to get it again.

    run_report("de-en.run", model)            # writes RUN/report.html and RUN/report.json

value  schema, title, verdict [text], measures {..}, baselines [{name, measure, value, model}], examples [{kind, ..}],
       slices [..], curves (`axw.curves/1`), picture (the JSON of a display, or null), calibration (`axw.calibration/1`, or null),
       findings [text], reproduce {..}, notes [text]
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from axw.errors import DataError
from axw.learning.runs import read_run
from axw.show.curves import CurvesDisplay
from axw.show.faces import plain
from axw.show.run_page import run_page
from axw.show.run_samples import Samples, of_translator, of_words
from axw.storage import write_json, write_text

SCHEMA = "axw.run_report/1"
MOST_LINES = 200  # held-out lines that the examples are chosen from
MOST_BYTES = 1 << 20
NOTES = (
    "Examples, slices and baselines are of held-out lines, which the weights were not learned from.",
    "Attention shows where a model looked, not why.",
)


class HeldOut(NamedTuple):
    """Lines that were not learned from, and for a translator what they mean."""

    lines: Sequence[str]
    answers: Sequence[str] | None = None


class RunReport(NamedTuple):
    """The HTML page, the plain value that holds every number on it, and where both were written."""

    page: str
    value: dict[str, Any]
    path: Path


def run_report(
    folder: str | os.PathLike[str],
    model: Any,
    held_out: HeldOut | None = None,
    *,
    command: str = "",
    findings: Sequence[str] = (),
) -> RunReport:
    """Write RUN/report.html and RUN/report.json of a run that has ended.

    held_out  None = the validation files that the run names, where they are still there; without any, there are no examples
    command   what was typed;  findings: what was met in the data
    Raises `ModelError` where there is no run, `DataError` for a translator's lines without answers, `ResourceError`.
    """
    where = Path(folder)
    value = report_value(where, model, held_out, command=command, findings=findings)
    page = run_page(value)
    write_json(where / "report.json", value)
    write_text(where / "report.html", page)
    return RunReport(page, value, where / "report.html")


def report_value(
    folder: Path, model: Any, held_out: HeldOut | None = None, *, command: str = "", findings: Sequence[str] = ()
) -> dict[str, Any]:
    """What `run_report` writes as JSON, without writing it."""
    run, facts, kind = read_run(folder), model.facts, model.kind
    curves = CurvesDisplay.from_run(folder)
    found = _samples(model, held_out or _validation(run.get("config", {}).get("files", {}), kind))
    data = dict(facts.get("data", {}))
    value = {
        "schema": SCHEMA,
        "title": f"{folder.name}: {NAMES.get(kind, kind)}",
        "verdict": _verdict(facts, curves, found),
        "measures": {**facts.get("validation", {}), **found.measures},
        "baselines": found.baselines,
        "examples": found.examples,
        "slices": found.slices,
        "picture": found.picture,
        "calibration": found.calibration,
        "curves": curves.to_json(),
        "findings": [str(finding) for finding in findings],
        "reproduce": {
            "command": command or f"axw resume {folder.name}",
            "data": data,
            "files": run.get("config", {}).get("files", {}),
            "sha256": str(run.get("data", "")),
            "training": facts.get("training", {}),
            "seed": run.get("settings", {}).get("seed"),
            "threads": run.get("threads"),
            "versions": run.get("version", {}),
            "settings": run.get("config", {}).get("settings", {}),
        },
        "notes": list(NOTES),
    }
    return dict(plain(value))


NAMES = {
    "translation": "a translator",
    "words": "a masked-word model",
    "trees": "a parser",
    "sentences": "a classifier",
}


def _samples(model: Any, held: HeldOut | None) -> Samples:
    if held is None:
        return Samples()
    lines = list(held.lines)
    if model.kind == "translation":
        if held.answers is None or len(held.answers) != len(lines):
            got = 0 if held.answers is None else len(held.answers)
            raise DataError(
                f"There are {len(lines)} lines and {got} answers.", "In run_report.", "Give as many of both."
            )
        pairs = [(a, b) for a, b in zip(lines, held.answers, strict=True) if a.strip() and b.strip()]
        return of_translator(model, _spread(pairs))
    if model.kind == "words":
        return of_words(model, _spread([line for line in lines if len(line.split()) > 2]))
    return Samples()


def _spread(items: Sequence[Any], most: int = MOST_LINES) -> list[Any]:
    """At most `most` of them, evenly spread."""
    if len(items) <= most:
        return list(items)
    return [items[len(items) * k // most] for k in range(most)]


def _validation(files: Mapping[str, str], kind: str) -> HeldOut | None:
    """The validation files of the run; else the part of the training files that was held out; None where they are gone."""
    from axw.data import PairFile, read_lines
    from axw.models.translation.data import translation_data
    from axw.models.words.masked_words import words_data

    if kind not in ("translation", "words"):
        return None

    def lines(*names: str) -> list[list[str]] | None:
        paths = [Path(files.get(name, "")) for name in names]
        if not all(name in files and path.is_file() for name, path in zip(names, paths, strict=True)):
            return None
        if len(paths) == 1:
            return [list(read_lines(str(paths[0])))]
        with PairFile(str(paths[0]), str(paths[1])) as pairs:
            found = list(pairs)
        return [[pair.source for pair in found], [pair.target for pair in found]]

    if kind == "translation":
        if "valid_source" in files:
            told = lines("valid_source", "valid_target")
            return None if told is None else HeldOut(*told)
        learned = lines("source", "target")
        return None if learned is None else HeldOut(*translation_data(learned[0], learned[1], None).valid)
    if "valid" in files:
        told = lines("valid")
        return None if told is None else HeldOut(*told)
    learned = lines("train")
    return None if learned is None else HeldOut(words_data(learned[0], None).valid)


def _verdict(facts: Mapping[str, Any], curves: CurvesDisplay, found: Samples) -> list[str]:
    training = facts.get("training", {})
    said = [curves.title() + "."]
    if training:
        said.append(
            f"Trained for {training.get('steps')} steps in {training.get('took')}; ended by {training.get('ended by')}."
        )
    for line in found.baselines:
        better = (line["model"] > line["value"]) == (line["better"] == "higher")
        word = "better than" if better else "no better than"
        said.append(f"{line['measure']}: {line['model']:.4g}, {word} {line['name']} ({line['value']:.4g}).")
    if not found.examples:
        said.append("No held-out lines were given, so there are no examples.")
    return said
