"""`axw fit table --engine duckdb|spark`: the linear rungs, fitted where the table is."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from axw.cli.output import result, say
from axw.cli.relations import Spec, known_columns
from axw.errors import ResourceError, UsageError

if TYPE_CHECKING:
    from axw.sql import Engine, SqlModel

SOLVED = ("none", "given")


class Question(NamedTuple):
    """What the command line asks of an engine."""

    file: Path
    target: str
    specs: Sequence[Spec]
    drop: Sequence[str]
    id: str | None
    task: str | None
    labels: bool
    seed: int
    threads: int | None


def check_settings(
    engine: str, targets: Sequence[str], chosen: dict[str, Any], rung: str | None, relations: bool
) -> None:
    """`UsageError` for what an engine cannot fit: it solves X W and A X W with A given, for one target, and trains nothing."""
    if len(targets) > 1:
        what = f"--target is said {len(targets)} times; an engine fits one target."
        raise UsageError(what, f"--engine {engine}", "Fit one model for each, or use --engine memory.")
    trained = [name for name in ("rank", "heads", "feedforward") if name in chosen]
    attention = chosen.get("attention", "given" if relations else "none")
    if rung is not None or trained:
        what = f"--{trained[0] if trained else 'rung'} is for models that are trained, which needs the engine memory."
        raise UsageError(what, f"--engine {engine}", "Leave it away, or use --engine memory on a sample of the rows.")
    if attention not in SOLVED or (attention == "given") != relations:
        what = f"--attention {attention} {'with' if relations else 'without'} --relation; allowed: none without, given with."
        raise UsageError(what, f"--engine {engine}", "Leave --attention away: it follows from --relation.")


def _needs(engine: str) -> None:
    """`UsageError` with the one line that brings all that an engine needs, before any of it is imported."""
    package, extra = {"duckdb": ("duckdb", "sql"), "spark": ("pyspark", "spark")}[engine]
    missing = [name for name in (package, "ibis") if find_spec(name) is None]
    if missing:
        what = f"The package {missing[0]!r} is not installed; tables beyond memory need it."
        raise UsageError(what, f"--engine {engine}", f"pip install 'axw[{extra}]'")


def fit(name: str, question: Question, save: Path, context: str, overwrite: bool, command: str) -> None:
    """Fit in the engine and save: as a model that `axw predict` loads where its rows fit in memory, without them otherwise.

    command   what makes the same again, for the report
    """
    _needs(name)
    from axw import sql
    from axw.cli import engine_report

    with sql.connect(name, threads=question.threads) as engine:
        table = engine.read(question.file)
        columns = list(table.columns)
        known_columns([question.target], columns, "--target", str(question.file))
        known_columns(question.drop, columns, "--drop", str(question.file))
        known_columns([question.id] if question.id is not None else [], columns, "--id", str(question.file))
        relations = [_relation(spec, columns, str(question.file)) for spec in question.specs]
        seen = engine_report.look(engine, table, question)
        model = sql.fit(
            engine,
            table,
            question.target,
            relations=relations,
            labels=question.labels,
            id=question.id,
            drop=question.drop,
            task=question.task,
            seed=question.seed,
        )
        estimator = _save(engine, model, question, save, context, overwrite)
    kind = "AttentionClassifier" if model.answer.classes is not None else "AttentionRegressor"
    result(f"saved {save}: {kind}, {model.rows} rows, {len(model.names)} columns, target {question.target}")
    if model.calibration_error is not None:
        say(f"calibration error {model.calibration_error:.3f} on a sample of the training rows, held out in turn")
    engine_report.write(name, question, model, estimator, seen, save, command, context == "full")
    if estimator is not None:
        say(f"next: axw evaluate {save} FILE   axw predict {save} FILE   axw explain {save} FILE --row ID")


def _relation(spec: Spec, columns: Sequence[str], table: str) -> Any:
    from axw.relations import Ref, SameValue
    from axw.sql import EdgeTable

    known_columns(spec.columns, columns, f"--relation {spec.text}", table)
    if spec.kind == "same":
        return SameValue(*spec.columns)
    if spec.kind == "ref":
        return Ref(spec.columns[0])
    if spec.kind == "edges":
        source, target, *weight = spec.ends
        return EdgeTable(spec.file, source, target, weight[0] if weight else None)
    what = f"The relation {spec.text} looks for the nearest rows, which needs the engine memory."
    raise UsageError(what, f"--relation {spec.text}", "Write the pairs as Parquet and name them: edges:FILE:SRC:DST.")


def _save(engine: Engine, model: SqlModel, question: Question, save: Path, context: str, overwrite: bool) -> Any:
    """The estimator that was saved; None where its rows are too many, and the model was saved without them."""
    from axw import sql

    try:
        estimator = sql.to_estimator(model, engine, engine.read(question.file))
    except ResourceError as error:
        if "are kept in a model folder" not in error.what:
            raise
        say(f"{error.what} It is saved without them: keep {question.file}, and predict with axw.sql.")
        sql.save(model, save, overwrite=overwrite)
        return None
    estimator.save(save, context=context if model.form.relations else "none", overwrite=overwrite)
    return estimator
