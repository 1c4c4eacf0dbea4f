"""`axw check`: look at the data, list what was found, change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from axw.cli.options import Json, RelationSpecs, examples
from axw.cli.output import result, result_json

EPILOG = examples(
    "axw check train.csv",
    "axw check train.csv --target survived --relation same:family,class",
    "axw check train.csv test.csv --target survived --json",
)


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Tables: CSV, TSV or Parquet; - is stdin.")],
    target: Annotated[str | None, typer.Option("--target", help="The column to predict.", metavar="COLUMN")] = None,
    relation: RelationSpecs = None,
    json: Json = False,
) -> None:
    """Look at tables and list their problems.

    With a target, each other column is tried alone for holding the answer. Exit code 3 where something was found that
    stops a fit.
    """
    from axw.cli import tables
    from axw.cli.relations import known_columns, parse, relations
    from axw.data import check as find
    from axw.data import findings_to_dict, findings_to_text

    specs = [parse(text) for text in relation or []]
    told, stops = [], False
    for path in files:
        table = tables.read(path)
        columns = [str(column) for column in table.frame.columns]
        known_columns([target] if target else [], columns, "--target", table.name)
        findings = find(table.frame, target, relations(specs, columns, table.name))
        stops |= any(finding.severity == "error" for finding in findings)
        told.append({"data": table.facts(), **findings_to_dict(findings)})
        if not json:
            rows, width = table.frame.shape
            result(f"{table.name}: {rows} rows, {width} columns\n{findings_to_text(findings)}")
    if json:
        result_json({"schema": "axw.check/1", "files": told})
    if stops:
        raise typer.Exit(3)
