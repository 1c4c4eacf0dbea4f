"""A X, A(A X), ... in SQL, each hop kept by the engine before the next one reads it. A A is never formed.

As `axw.relations.propagate`, for rows that read each other: S = D^-1 A, or D^-1/2 A D^-1/2; of A + I with self-loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from axw.errors import UsageError, did_you_mean
from axw.relations.propagate import NORMALISATIONS, SELF_LOOPS
from axw.sql.columns import number
from axw.sql.given import SqlGiven

if TYPE_CHECKING:
    from ibis.expr.types import Table


def propagate(
    given: SqlGiven, values: Sequence[str], *, by: str = "rows", hops: int = 1, self_loops: str = "none"
) -> Table:
    """The rows with S X, S² X, ..., S^hops X beside their columns: `hop1_v`, `hop2_v`, ... for each value v.

    given       among one set of rows (`square`), whose tables hold the values
    by          "rows": S = D^-1 A.  "both": S = D^-1/2 A D^-1/2; a row that reads nothing gets 0
    self_loops  "add": A + I, so that a row reads itself too, with weight 1.  "none": A as it is given

    Raises `UsageError` for another setting, or where A is not among one set of rows.
    """
    for name, got, allowed in (("by", by, NORMALISATIONS), ("self_loops", self_loops, SELF_LOOPS)):
        if got not in allowed:
            raise UsageError(f"{name} is {got!r}.", "propagate", did_you_mean(str(got), allowed))
    if hops < 1 or not given.square:
        raise UsageError(
            f"hops is {hops} and square is {given.square}; allowed: at least 1 hop, among one set of rows.",
            "propagate",
            "Give A with square=True.",
        )
    loop, power = (1.0 if self_loops == "add" else 0.0), (1.0 if by == "rows" else 0.5)
    engine, own = given.engine, list(given.asking.columns)
    rows, kept = given.asking, list(own)
    if by == "both":  # a row that is read is divided by the root of its own degree, so degrees come first
        degrees = given.read([])
        rows = engine.keep(degrees.select(*own, root=inverse(degrees.degree + number(loop), power)))
        kept.append("root")
    read = [rows[v].cast("float64") for v in values]
    for hop in range(1, hops + 1):
        scaled = [value * rows.root for value in read] if by == "both" else read
        rows = rows.mutate(**{f"now{place}": value for place, value in enumerate(scaled)})
        sums = replace(given, asking=rows, memory=rows).read([f"now{place}" for place in range(len(values))])
        left = inverse(sums.degree + number(loop), power)
        found = {
            f"hop{hop}_{v}": left * (sums[f"sum_now{place}"] + number(loop) * sums[f"now{place}"])
            for place, v in enumerate(values)
        }
        rows = engine.keep(sums.select(*kept, **found))
        kept += list(found)
        read = [rows[name] for name in found]
    return rows.select(*[name for name in kept if name != "root"])


def inverse(degree: Any, power: float) -> Any:
    """degree^-power, 0 where the degree is 0."""
    positive = (degree > 0).ifelse(degree, number(1.0))
    return (degree > 0).ifelse(number(1.0) / (positive if power == 1.0 else positive.sqrt()), number(0.0))
