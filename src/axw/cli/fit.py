"""`axw fit table`: fit one rung on a table and save it in a folder."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axw.cli.options import Drop, IdColumn, RelationSpecs, Seed, TableFile, Targets, Task, examples, listed
from axw.cli.output import result, say, writable_folder
from axw.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from axw.relations import Relation

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

EPILOG = examples(
    "axw fit table train.csv --target survived --drop name,family --save linear.axw --attention none",
    "axw fit table train.csv --target survived --relation same:family,class --labels --attention given "
    "--drop name --id passenger --save family.axw --overwrite",
    "axw fit table train.csv --target survived --drop name,family --rank 2 --heads 1 --save attention.axw",
)


class Attention(StrEnum):
    """The A of Y = A X W."""

    none = "none"
    given = "given"
    dot = "dot"
    bilinear = "bilinear"
    query_key = "query-key"


class Context(StrEnum):
    """What of the rows that may be read is saved."""

    full = "full"
    hashed = "hashed"
    none = "none"


class Engine(StrEnum):
    """Where the sums are made."""

    memory = "memory"
    duckdb = "duckdb"
    spark = "spark"


@app.callback()
def group() -> None:
    """Fit one model and save it in a folder."""


@app.command(epilog=EPILOG)
def table(  # noqa: PLR0913 (a command line has as many parameters as it has options)
    called: typer.Context,
    file: TableFile,
    target: Targets,
    save: Annotated[Path, typer.Option("--save", help="The folder that will hold the model.", metavar="FOLDER")],
    relation: RelationSpecs = None,
    attention: Annotated[
        Attention | None,
        typer.Option(
            "--attention", help="A: none, given by the relations, or computed from the rows. Default: query-key."
        ),
    ] = None,
    labels: Annotated[
        bool | None, typer.Option("--labels/--no-labels", help="Rows read the answers of the rows that they read.")
    ] = None,
    rank: Annotated[int | None, typer.Option("--rank", min=1, help="Key width of a head. Default: 2.")] = None,
    heads: Annotated[int | None, typer.Option("--heads", min=1, help="Number of heads. Default: 2.")] = None,
    feedforward: Annotated[
        str | None, typer.Option("--feedforward", help="A feed-forward layer on top, such as swiglu.", metavar="KIND")
    ] = None,
    rung: Annotated[
        str | None, typer.Option("--rung", help="A rung of the ladder by its name, instead of the five above.")
    ] = None,
    drop: Drop = None,
    id: IdColumn = None,
    task: Task = None,
    seed: Seed = 0,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Threads to compute with.")] = None,
    context: Annotated[Context, typer.Option("--context", help="What is saved of the training rows.")] = Context.full,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a folder that is there.")] = False,
    engine: Annotated[
        Engine, typer.Option("--engine", help="duckdb and spark read Parquet that outgrows memory; linear models only.")
    ] = Engine.memory,
) -> None:
    """Fit one model on a table and save it.

    Rows may read each other by the relations that are named; without one, attention reads all rows of the table. With --target
    said again, one model answers several numbers of a row. The folder gets a report.html: how good it is on training rows that
    were held out in turn, and on which it is not.
    """
    from axw.cli import reports, tables
    from axw.cli.again import typed_again
    from axw.cli.relations import parse, relations
    from axw.ladders.groups import check_relations
    from axw.show.again import beside

    settings = {"attention": attention and attention.value, "labels": labels, "rank": rank, "heads": heads}
    chosen = {name: value for name, value in (settings | {"feedforward": feedforward}).items() if value is not None}
    if rung is not None and chosen:
        what = f"--rung names a whole model, and --{next(iter(chosen))} a part of one."
        raise UsageError(what, f"--rung {rung}", "Leave one of them away.")
    specs = [parse(text) for text in relation or []]
    tables.named_rows(specs, id)
    writable_folder(save, overwrite)
    again = {"save": beside(save), "seed": seed}
    if engine is not Engine.memory:
        from axw.cli import engines

        engines.check_settings(engine.value, target, chosen, rung, bool(specs))
        asked = engines.Question(
            file, target[0], specs, listed(drop), id, task and task.value, bool(labels), seed, threads
        )
        engines.fit(engine.value, asked, save, context.value, overwrite, typed_again(called, **again))
        return
    read = tables.read(file, identity=id)
    X, Y = tables.split_targets(read, target, listed(drop), id)
    related = relations(specs, list(X.columns), read.name)
    check_relations(X, related, id)
    findings = tables.say_leaks(read, target, listed(drop), id)
    used = _threads(threads)
    if len(target) > 1:
        tables.numbers_only(Y, task and task.value)
    kind = "regression" if len(target) > 1 else tables.task_of(Y[target[0]], task and task.value)
    model = _rung(rung, kind, related, seed) if rung is not None else _model(kind, related, chosen, seed)
    model.set_params(id=id).fit(X, Y if len(target) > 1 else Y[target[0]])
    model.save(save, context=context.value, overwrite=overwrite)
    rows, width = X.shape
    result(f"saved {save}: {type(model).__name__}, {rows} rows, {width} columns, target {', '.join(target)}")
    if kind == "classification":
        say(f"calibration error {model.calibration_error_:.3f} on training rows that were held out in turn")
    clear = context is Context.full
    reports.of_fit(model, read, X, Y, save, typed_again(called, **again, threads=used), findings, clear)
    say(f"next: axw evaluate {save} FILE   axw predict {save} FILE   axw explain {save} FILE --row ID")


def _model(kind: str, related: list[Relation], chosen: dict[str, Any], seed: int) -> Any:
    from axw.models import AttentionClassifier, AttentionRegressor

    made = AttentionClassifier if kind == "classification" else AttentionRegressor
    return made(relations=related, random_state=seed, **chosen)


def _rung(name: str, kind: str, related: list[Relation], seed: int) -> Any:
    from axw.ladders.rungs import table_rungs

    offered = {rung.name: rung.estimator for rung in table_rungs(kind, related, seed)}
    if name not in offered:
        raise UsageError(f"There is no rung {name!r}.", "--rung", did_you_mean(name, offered))
    if not hasattr(offered[name], "save"):
        saved = [other for other, estimator in offered.items() if hasattr(estimator, "save")]
        raise UsageError(f"The rung {name!r} cannot be saved.", "--rung", f"These can: {', '.join(saved)}.")
    return offered[name]


def _threads(threads: int | None) -> int:
    """How many threads compute: as many as are asked for, or as PyTorch is set."""
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    return torch.get_num_threads()
