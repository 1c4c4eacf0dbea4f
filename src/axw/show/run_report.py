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

from axw.learning.runs import read_run
from axw.show.again import command_again
from axw.show.curves import CurvesDisplay
from axw.show.evaluation import CAUTION, HeldOut, against, samples_of
from axw.show.faces import plain
from axw.show.run_page import run_page
from axw.show.run_samples import Samples
from axw.storage import write_json, write_text

SCHEMA = "axw.run_report/1"
MOST_BYTES = 1 << 20
NOTES = (
    "Examples, slices and baselines are of held-out lines, which the weights were not learned from.",
    CAUTION,
)


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
    command   what makes the run again; "" = as `axw.show.again` reads it off the run;  findings: what was met in the data
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
    found = samples_of(model, held_out or _validation(run.get("config", {}).get("files", {}), kind))
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
            "command": command or command_again(run, folder.absolute().name),
            "data": data,
            "files": run.get("config", {}).get("files", {}),
            "sha256": str(run.get("data", "")),
            "training": facts.get("training", {}),
            "seed": run.get("settings", {}).get("seed"),
            "threads": run.get("threads"),
            "versions": run.get("version", {}),
            "settings": run.get("config", {}).get("settings", {}),
        },
        "notes": [*NOTES, *_of_the_command(run, facts)],
    }
    return dict(plain(value))


def _of_the_command(run: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    """What must be known of the command that makes the run again."""
    if not run.get("config", {}).get("files"):
        return ["The run was made in Python on data in memory, so no command makes it again; its settings are above."]
    train = run.get("settings", {})
    if train.get("minutes") is None:
        return ["The same command on the same kind of processor, with as many threads, gives the same weights."]
    steps = facts.get("training", {}).get("steps")
    return [
        f"The budget is time: another machine, or a busier one, makes more or fewer steps in it than the {steps} of this run."
        " With steps for its budget, the same command gives the same weights every time."
    ]


NAMES = {
    "translation": "a translator",
    "words": "a masked-word model",
    "trees": "a parser",
    "sentences": "a classifier",
}


def _validation(files: Mapping[str, str], kind: str) -> HeldOut | None:
    """The validation files of the run; else the part of the training files that was held out; None where they are gone."""
    from axw.data import LineFile, PairFile, read_lines
    from axw.models.translation.data import translation_data
    from axw.models.words.labelled_lines import labelled, parted
    from axw.models.words.masked_words import words_data

    if kind == "trees":
        return _held_out_trees(files)
    given = {"translation": ("valid_source", "valid_target"), "sentences": ("valid", "valid_labels")}.get(
        kind, ("valid",)
    )
    learned = {"translation": ("source", "target"), "sentences": ("train", "labels")}.get(kind, ("train",))
    names = given if given[0] in files else learned
    if not all(name in files and Path(files[name]).is_file() for name in names):
        return None
    paths = [files[name] for name in names]
    if names == given or kind == "sentences":
        read = [list(read_lines(path)) for path in paths]
        return HeldOut(*(read if names == given else parted(labelled(*read), None).valid))
    if kind == "translation":
        with PairFile(paths[0], paths[1]) as pairs:
            return HeldOut(*map(list, translation_data(pairs.source, pairs.target, None).valid))
    with LineFile(paths[0]) as text:
        return HeldOut(words_data(text, None).valid)


def _held_out_trees(files: Mapping[str, str]) -> HeldOut | None:
    from axw.data import TreeFile
    from axw.models.trees.parser import _data as trees_data

    name = "valid" if "valid" in files else "train"
    if name not in files or not Path(files[name]).is_file():
        return None
    trees = TreeFile(files[name])
    held = list(trees) if name == "valid" else trees_data(trees, None).valid
    return HeldOut([tree.to_string() for tree in held])


def _verdict(facts: Mapping[str, Any], curves: CurvesDisplay, found: Samples) -> list[str]:
    training = facts.get("training", {})
    said = [curves.title() + "."]
    if training:
        said.append(
            f"Trained for {training.get('steps')} steps in {training.get('took')}; ended by {training.get('ended by')}."
        )
    said += against(found.baselines)
    if not found.examples:
        said.append("No held-out lines were given, so there are no examples.")
    return said
