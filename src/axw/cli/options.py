"""The options that several verbs share, each written once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

RELATION_HELP = (
    "Who may read whom, repeatable. same:COL[,COL] the same value; ref:COL the column holds the id of another row; "
    "edges:FILE:SRC:DST[:WEIGHT] a table of pairs of ids; near:COL,COL:K the K nearest rows."
)

TableFile = Annotated[Path, typer.Argument(metavar="FILE", help="The table: CSV, TSV or Parquet; - is stdin.")]
Target = Annotated[str, typer.Option("--target", help="The column to predict.", metavar="COLUMN")]
Targets = Annotated[
    list[str],
    typer.Option(
        "--target", help="The column to predict; said again for another number of the same row.", metavar="COLUMN"
    ),
]
RelationSpecs = Annotated[list[str] | None, typer.Option("--relation", help=RELATION_HELP, metavar="SPEC")]
Drop = Annotated[list[str] | None, typer.Option("--drop", help="Columns that are no features.", metavar="COL,..")]
IdColumn = Annotated[
    str | None, typer.Option("--id", help="The column that names the rows; never a feature.", metavar="COL")
]


class TaskKind(StrEnum):
    """What is predicted: a class or a number."""

    classification = "classification"
    regression = "regression"


Task = Annotated[
    TaskKind | None,
    typer.Option("--task", help="Is the target a class or a number? Told from its values where it is not said."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Every random choice follows from it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program to read.")]
Folds = Annotated[int, typer.Option("--folds", min=2, help="Parts that the rows, or the groups, are cut into.")]
Repeats = Annotated[int, typer.Option("--repeats", min=1, help="How often the whole is done with a fresh cut.")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Processes that fit side by side.")]


def examples(*commands: str) -> str:
    """The end of every help page: commands to copy. A test runs each of them."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


def listed(words: list[str] | None) -> list[str]:
    """`--drop a,b --drop c` as ["a", "b", "c"]."""
    return [part.strip() for word in words or [] for part in word.split(",") if part.strip()]
