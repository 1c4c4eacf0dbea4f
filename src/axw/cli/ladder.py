"""`axw ladder`: fit every rung, and say which one pays; of a table here, of translation in a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from axw.cli import ladder_words, translation_ladder
from axw.cli.options import (
    Drop,
    Folds,
    IdColumn,
    Jobs,
    Json,
    RelationSpecs,
    Repeats,
    Seed,
    TableFile,
    Target,
    Task,
    examples,
    listed,
)
from axw.cli.report_place import NoReport, ReportFile, checked, stem, usual

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

EPILOG = examples(
    "axw ladder table train.csv --target survived --drop name,family --folds 3",
    "axw ladder table train.csv --target survived --relation same:family,class --drop name --id passenger "
    "--folds 3 --report report.html",
    "axw ladder table train.csv --target survived --drop name,family --group sex --favourable yes --folds 3",
    'axw ladder table train.csv --target survived --drop name,family --rung "X W" --rung "A = X X\'" --folds 3 --json',
)


@app.callback()
def group() -> None:
    """Fit every step from the linear model to attention, and say which one pays."""


@app.command(epilog=EPILOG)
def table(  # noqa: PLR0913 (a command line has as many parameters as it has options)
    context: typer.Context,
    file: TableFile,
    target: Target,
    relation: RelationSpecs = None,
    drop: Drop = None,
    id: IdColumn = None,
    task: Task = None,
    folds: Folds = 10,
    repeats: Repeats = 1,
    seed: Seed = 0,
    rung: Annotated[
        list[str] | None,
        typer.Option(
            "--rung", "--rungs", help="Only these rungs: a name, or numbers such as 2,4,9; repeatable.", metavar="RUNGS"
        ),
    ] = None,
    json: Json = False,
    report: ReportFile = None,
    no_report: NoReport = False,
    group: Annotated[
        str | None,
        typer.Option(
            "--group", help="Measure every rung by the values of this column, which is no feature.", metavar="COL"
        ),
    ] = None,
    favourable: Annotated[
        str | None,
        typer.Option("--favourable", help="With --group: the class that counts as selected.", metavar="CLASS"),
    ] = None,
    use_group: Annotated[bool, typer.Option("--use-group", help="The column of --group is a feature as well.")] = False,
    jobs: Jobs = 1,
) -> None:
    """Fit the whole ladder on a table, the simplest rung first, and say which rung pays.

    Two questions are asked: rows whose relatives are known, and, where a relation is given, whole new groups. A rung pays
    where the interval of its difference to the rung below, corrected for overlap and for many rungs, lies below zero.
    With --group, selection and error rates and calibration are printed by group: measured, not used, unless --use-group is said.
    The report is FILE-ladder.html in the folder that one is in.
    """
    from axw.cli import tables
    from axw.cli.again import typed_again
    from axw.cli.climbing import Climb, Shown, climb
    from axw.cli.relations import parse, relations

    specs = [parse(text) for text in relation or []]
    tables.named_rows(specs, id)
    measured = tables.measured(specs, group, favourable, use_group)
    place = checked(report, no_report)
    read = tables.read(file, identity=id)
    left_out = [*listed(drop), *measured]
    values = tables.group_values(read, target, group)
    parts = tables.split(read, target, left_out, id)
    related = relations(specs, list(parts.X.columns), read.name)
    findings = tables.say_leaks(read, [target], left_out, id)
    how = Climb(folds, repeats, seed, jobs, task and task.value, rung, values, favourable)
    title, command = f"{target} in {Path(read.name).name}: which rung pays", typed_again(context, seed=seed)
    place = place or usual(Path(), f"{stem(file)}-ladder")
    shown = Shown(json, place, title, command)
    climb(read, parts, id, related, findings, how, shown)


app.command("translation", epilog=translation_ladder.EPILOG)(translation_ladder.translation)
app.command("words", epilog=ladder_words.EPILOG)(ladder_words.ladder_words)
