"""`axw export` of a table model: what its proof is asked, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from axw.cli.output import result, result_json
from axw.errors import UsageError


def export_table(model: Any, run: Path, to: str | None, save: Path | None, rows: Path | None, json: bool) -> None:
    """Write a fitted table model as a scorecard, SQL or ONNX."""
    from axw.cli.tables import read, text_columns
    from axw.export.tables import TABLE_TARGETS
    from axw.export.tables import export_table as write

    if to is None or save is None:
        raise UsageError(
            "--check is for exports of text; that of a table is proved when it is written.",
            "--check",
            f"Write: axw export {run} --to {'|'.join(TABLE_TARGETS)} --save FOLDER --rows FILE",
        )
    if rows is None:
        raise UsageError(
            "The proof needs rows that both are asked, and a table model keeps none of them as they were.",
            f"axw export {run}",
            "Add rows like those that it will be asked: --rows FILE",
        )
    proof = write(model, str(to), save, read(rows, text_columns(model)).frame)
    if json:
        result_json(proof.to_json())
    else:
        result(f"exported {save}: {proof}")
