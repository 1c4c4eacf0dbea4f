"""The report of `axw fit table --engine duckdb|spark`: of a sample of the rows, for the others stay in their table."""

from __future__ import annotations

import glob
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from axw.cli.report_place import Place
from axw.cli.reports import told
from axw.cli.tables import looked_at, say_warnings
from axw.errors import AxwError

if TYPE_CHECKING:
    import pandas as pd
    from ibis.expr.types import Table

    from axw.cli.engines import Question
    from axw.data import Finding
    from axw.sql import Engine, SqlModel

LOOKED_AT = 10_000  # rows that are fetched to be looked at
MOST_BYTES = 1 << 34  # of a file whose SHA-256 is computed: half a minute
IN_ENGINE = (
    "Measures, baselines, examples, slices and calibration are of {sampled:,} of the {rows:,} training rows, drawn at random"
    " where they are not all; each was answered by a model of the same settings that did not learn from it."
)


class Seen(NamedTuple):
    """Rows of the table, as many as can be looked at; how many there are; and what was found in them."""

    frame: pd.DataFrame
    rows: int
    findings: list[Finding]


def look(engine: Engine, table: Table, question: Question) -> Seen:
    """A sample of the rows looked at before the fit; warnings are said."""
    rows = int(engine.one(table.agg(n=table.count()))["n"])
    some = table if rows <= LOOKED_AT else table.sample(LOOKED_AT / rows, method="row", seed=question.seed)
    frame = engine.fetch(some).to_pandas()
    found = looked_at(frame, question.target, question.drop, question.id)
    if rows > LOOKED_AT:  # how rare a class is, and whether rows are copies, a sample does not tell
        found = [each for each in found if not each.code.startswith("target") and each.code != "copies"]
    say_warnings(found)
    return Seen(frame, rows, found)


def write(  # noqa: PLR0913 (what a fit knows)
    engine: str,
    question: Question,
    model: SqlModel,
    estimator: Any,
    seen: Seen,
    save: Path,
    command: str,
    clear: bool = True,
) -> None:
    """FOLDER/report.html and report.json. What an engine does not compute is named there; clear: whether rows may be shown."""
    from dataclasses import replace
    from importlib.metadata import version

    from axw.cli.climbing import versions
    from axw.show.engine_samples import engine_samples, engine_weights, relation_lines
    from axw.show.evaluation import CAUTION, Source, evaluation_report
    from axw.show.table_samples import WITHOUT_ROWS, without_rows

    assert model.left_out is not None
    samples, measures = engine_samples(model, model.left_out)
    picture, missing = _picture(question, model, estimator, seen)
    data, more = _facts(question, seen)
    missing += more
    samples = replace(samples, picture=picture)
    if not clear:
        samples, missing = without_rows(samples), [WITHOUT_ROWS, *more]
    libraries = ({"duckdb": "duckdb", "spark": "pyspark"}[engine], "ibis-framework")
    also = {name: version(name) for name in libraries}
    source = Source(command, versions() | also, data, _settings(engine, question, model), question.seed)
    page, value = evaluation_report(
        samples,
        measures,
        source,
        title=f"{save.name}: sampled rows held out in turn",
        findings=[*_found(model, seen), *relation_lines(model, model.left_out)],
        notes=(IN_ENGINE.format(sampled=len(model.left_out.Z), rows=model.rows), CAUTION),
        unit="row",
        weights=engine_weights(model),
        not_computed=[
            "How it learned: W is solved, in closed form or by Newton's method, so there are no curves.",
            *missing,
        ],
    )
    Place(save / "report.html", asked=True).write(page, value)


def _picture(
    question: Question, model: SqlModel, estimator: Any, seen: Seen
) -> tuple[dict[str, Any] | None, list[str]]:
    """The explanation of the first row that was looked at, or why there is none."""
    from axw.show import RowsDisplay

    known = seen.frame[seen.frame[question.target].notna()]
    why = ""
    if estimator is None:
        why = "the rows that it reads are too many to be kept in the folder; axw.sql predicts where they are"
    elif model.form.relations and question.id is None:
        why = "without --id a row of the table cannot be told from the rows that it may read"
    elif not len(known):
        why = "no row that was looked at has a target"
    if not why:
        try:
            shown = RowsDisplay.from_estimator(estimator, known.iloc[[0]].drop(columns=[question.target]))
            return shown.to_json(), []
        except AxwError as error:
            why = error.what
    return None, [f"One of them, looked at: {why}."]


def _facts(question: Question, seen: Seen) -> tuple[dict[str, Any], list[str]]:
    """What identifies the table, and what of it was not computed."""
    data: dict[str, Any] = {"path": str(question.file), "rows": seen.rows, "columns": seen.frame.shape[1]}
    files = _files(str(question.file))
    if files:
        data |= {"files": len(files), "bytes": sum(file.stat().st_size for file in files)}
    if len(files) == 1 and data["bytes"] <= MOST_BYTES:
        with files[0].open("rb") as file:
            return {**data, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}, []
    why = "the table is no file of this machine" if not files else "the table is more than one file"
    why = f"the file has more than {MOST_BYTES >> 30} GiB" if len(files) == 1 else why
    return data, [f"SHA-256 of the data: {why}."]


def _files(path: str) -> list[Path]:
    """The files of this machine that the engine reads for a path, a folder or a pattern."""
    if "://" in path:
        return []
    if Path(path).is_dir():
        return sorted(Path(path).glob("*.parquet"))
    return sorted(Path(each) for each in glob.glob(path)) or [Path(path)]


def _settings(engine: str, question: Question, model: SqlModel) -> dict[str, Any]:
    relations = [relation.name for relation in model.form.relations]
    settings: dict[str, Any] = {"engine": engine, "attention": "given" if relations else "none", "relations": relations}
    settings |= {"labels": model.form.labels, "id": question.id, "drop": list(question.drop), "task": question.task}
    return {**settings, "penalty": model.penalty, "temperature": model.temperature}


def _found(model: SqlModel, seen: Seen) -> list[str]:
    """What the sample says, and which columns the whole table leaves out."""
    dropped = [f"note: it is left out: {why} (column {name!r})" for name, why in model.form.columns.dropped.items()]
    there = {each.where for each in seen.findings}
    dropped = [
        line for line, name in zip(dropped, model.form.columns.dropped, strict=True) if f"column {name!r}" not in there
    ]
    whole = f"{len(seen.frame):,} of {seen.rows:,} rows were looked at"
    lost = seen.rows - model.rows
    lines = [f"{whole}." if not lost else f"{whole}; {lost:,} of all have no target and are left out."]
    return [*lines, *told(seen.findings), *dropped]
