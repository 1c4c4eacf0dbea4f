"""Table models for other programs: a scorecard, SQL, ONNX. Export, prove, and only then write.

    export_table(model, "sql", folder, X)

scorecard.py   linear and graph rungs: feature, weight, points
table_sql.py   the same as one SELECT
table_onnx.py  attention rungs
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

from axw.errors import UsageError, did_you_mean
from axw.export import scorecard, table_onnx, table_sql
from axw.export.installed import installed
from axw.export.table_proof import TableProof
from axw.storage import json_to_bytes, write_folder
from axw.version import __version__

TABLE_TARGETS = {"scorecard": scorecard, "sql": table_sql, "onnx": table_onnx}


def export_table(model: Any, to: str, folder: str | os.PathLike[str], X: pd.DataFrame) -> TableProof:
    """Write a fitted table model for another program into a new folder, once it has said of the rows X what the model says.

    Raises `UsageError` where the folder is there, the target cannot hold the model or is not installed; `GateError` where it says
    something else, and then nothing is left behind.
    """
    if to not in TABLE_TARGETS:
        raise UsageError(f"There is no target {to!r} for tables.", "In export.", did_you_mean(to, TABLE_TARGETS))
    path, target = Path(folder), TABLE_TARGETS[to]
    if os.path.lexists(path):
        raise UsageError("Something is there already.", f"In {str(path)!r}.", "Name another folder.")
    wrong = target.faults(model)
    if wrong:
        able = [name for name, other in TABLE_TARGETS.items() if not other.faults(model)]
        todo = f"Targets that can: {', '.join(able)}." if able else "No target holds this model; axw predict does."
        raise UsageError(f"{to} cannot hold this model: {' '.join(wrong)}", f"In the export to {to}.", todo)
    if not len(X):
        raise UsageError("The proof has no rows to ask.", f"In the export to {to}.", "Give rows: --rows FILE")
    if to == "onnx":
        for package in ("onnx", "onnxruntime"):
            installed(package)
    made = target.files(model, X)
    proof = target.prove(model, made, X)
    made |= {"proof.json": json_to_bytes(proof.to_json()), "README.md": _readme(model, to, proof).encode()}
    write_folder(path, made, meta={"kind": "table export", "target": to, "axw": __version__})
    return proof


def _readme(model: Any, to: str, proof: TableProof) -> str:
    """How it is used, and what was proved."""
    head = [f"# A table model, as {to}", "", f"Exported by axw {__version__}: {proof}.", ""]
    return "\n".join([*head, TABLE_TARGETS[to].use(model), ""])
