"""The proof of a table's export: what another program says of given rows is what the model says, or the export is refused."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from axw.errors import GateError


@dataclass(frozen=True)
class TableProof:
    """rows that both were asked; the greatest difference of what they said, and what is allowed."""

    target: str
    rows: int
    difference: float
    allowed: float

    def to_json(self) -> dict[str, Any]:
        return {"schema": "axw.table-proof/1", **asdict(self)}

    def __str__(self) -> str:
        return f"proved on {self.rows:,} rows: the same within {self.difference:.1e}, and {self.allowed:.0e} is allowed"


def proved(target: str, ours: np.ndarray, theirs: np.ndarray, allowed: float, what: str) -> TableProof:
    """Compare arrays of one shape, rows first. `GateError` says which row parts, and how far."""
    if ours.shape != theirs.shape or not np.isfinite(theirs).all():
        raise _parted(target, f"{theirs.shape} numbers, or not finite ones, for {ours.shape} of {what}.")
    away = np.abs(ours - theirs) / np.maximum(1.0, np.abs(ours))
    worst = np.unravel_index(int(away.argmax()), away.shape)
    if away[worst] > allowed:
        said = f"{what} of row {worst[0] + 1} is {ours[worst]:.12g} here, {theirs[worst]:.12g} there"
        raise _parted(target, f"{said}; allowed: within {allowed:.0e}.")
    return TableProof(target, len(ours), float(away[worst]), allowed)


def _parted(target: str, where: str) -> GateError:
    return GateError(
        f"The export does not say what the model says: {where}",
        f"In the proof of the export to {target}.",
        "Nothing was written. Prove it on other rows (--rows FILE), or export to another target.",
    )
