"""`axw demo`: the ladder on a table that comes with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from axw.cli.options import Folds, Jobs, Json, Repeats, Seed, examples
from axw.cli.output import writable_file
from axw.cli.report_place import Place

EPILOG = examples(
    "axw demo --folds 3",
    "axw demo --folds 3 --report titanic.html",
    "axw demo --folds 3 --seed 7 --json",
)


def demo(
    context: typer.Context,
    report: Annotated[
        Path, typer.Option("--report", help="Where the page with the result is written.", metavar="FILE")
    ] = Path("report.html"),
    folds: Folds = 8,
    repeats: Repeats = 1,
    seed: Seed = 0,
    json: Json = False,
    jobs: Jobs = 2,
) -> None:
    """Who survived the Titanic, and does it help to look at the family?

    The ladder on 1,309 passengers, related by family name and class: once with the relatives' fates known, once for whole
    new families. Prints it and writes report.html. The same as axw ladder table titanic.csv --target survived --relation
    same:family,class --drop name --id passenger.
    """
    from axw.cli import tables
    from axw.cli.again import typed_again
    from axw.cli.climbing import Climb, Shown, climb
    from axw.data import samples
    from axw.relations import SameValue

    writable_file(report)
    read = tables.read(samples.path("titanic"))._replace(name="titanic.csv (bundled)")
    parts = tables.split(read, "survived", ["name"], "passenger")
    findings = tables.say_leaks(read, ["survived"], ["name"], "passenger")
    shown = Shown(
        json, Place(report, asked=True), "Who survived the Titanic: which rung pays", typed_again(context, seed=seed)
    )
    climb(read, parts, "passenger", [SameValue("family", "class")], findings, Climb(folds, repeats, seed, jobs), shown)
