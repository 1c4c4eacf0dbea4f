"""Does the ladder tell a relation that pays from one that does not?

    python benchmarks/ladder_power.py                 200 tables of noise, 200 with a planted effect of the household
    python benchmarks/ladder_power.py --rungs all     every rung, not only X W, A X W and A X W + neighbours' labels

Every table has `--rows` rows in households of `--size`, `--columns` columns that tell something of the class by themselves, and
a class that is drawn from its log-odds. In a noise table the households are drawn at random. In a planted table all rows of a
household share one more term of the log-odds, of standard deviation `--effect`, which no column tells: with 2.0, two rows of a
household are of the same class in 67 of 100 cases.

Wanted: of the noise tables, at most 5 % are said to have a relation that pays; of the planted ones, at least 90 %.
Exit code 7 where either is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import binomtest

from axw.errors import GateError
from axw.ladders import KnownNeighbours, ladder, table_rungs
from axw.relations import SameValue

CHEAP = ("X W", "A X W", "A X W + neighbours' labels")
SAME = SameValue("household")


class Kind(NamedTuple):
    """How tables are simulated."""

    rows: int
    columns: int
    size: int
    effect: float


def simulate(kind: Kind, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """X (n columns + 1) and y (n,); households without an effect are noise."""
    rng = np.random.default_rng([seed, int(kind.effect > 0)])
    household = rng.permutation(kind.rows) // kind.size
    X = rng.normal(size=(kind.rows, kind.columns))
    score = X @ rng.normal(size=kind.columns) / np.sqrt(kind.columns)
    score += kind.effect * rng.normal(size=household.max() + 1)[household]
    y = np.where(rng.random(kind.rows) < 1 / (1 + np.exp(-score)), "yes", "no")
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(kind.columns)])
    frame["household"] = [f"h{number}" for number in household]
    frame.index = pd.Index([f"r{number}" for number in range(kind.rows)], name="who")
    return frame, y


def said_to_pay(kind: Kind, seed: int, names: tuple[str, ...] | None, folds: int) -> bool:
    """Whether the ladder says, of one table, that the relation pays for rows whose relatives are known."""
    X, y = simulate(kind, seed)
    rungs = table_rungs("classification", [SAME], seed, names=names)
    found = ladder(X, y, relations=[SAME], cv=[KnownNeighbours(folds, seed=seed)], rungs=rungs, seed=seed)
    broken = [f"{row.rung}: {row.first.failed}" for row in found.rows if row.first.failed]
    if broken:
        raise GateError(
            f"A rung failed on table {seed}.", broken[0], "Mend the rung; a failed one is never found to pay."
        )
    return bool(found.pays["known_neighbours"])


def verdicts(kind: Kind, tables: int, names: tuple[str, ...] | None, folds: int, jobs: int) -> Iterator[bool]:
    pool = Parallel(n_jobs=jobs, return_as="generator")
    yield from pool(delayed(said_to_pay)(kind, seed, names, folds) for seed in range(tables))


def line(title: str, paid: int, tables: int, wanted: str, seconds: float) -> str:
    low, high = binomtest(paid, tables).proportion_ci(method="wilson")
    return (
        f"{title:<24} {paid:>4} of {tables:<4} = {paid / tables:6.1%}  "
        f"[{low:.1%}, {high:.1%}] (95 % Wilson)  wanted {wanted}  {seconds:.0f} s"
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--columns", type=int, default=5)
    parser.add_argument("--size", type=int, default=4)
    parser.add_argument("--effect", type=float, default=2.0)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--rungs", choices=("cheap", "all"), default="cheap")
    parser.add_argument("--only", choices=("both", "noise", "planted"), default="both")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    names = CHEAP if given.rungs == "cheap" else None
    print("python benchmarks/ladder_power.py", *(f"--{name} {value}" for name, value in vars(given).items()))
    good = True
    for title, effect, wanted in (
        ("noise relation pays", 0.0, "<= 5 %"),
        ("planted effect found", given.effect, ">= 90 %"),
    ):
        if given.only not in ("both", "planted" if effect else "noise"):
            continue
        start = time.perf_counter()
        kind = Kind(given.rows, given.columns, given.size, effect)
        paid = sum(verdicts(kind, given.tables, names, given.folds, given.jobs))
        print(line(title, paid, given.tables, wanted, time.perf_counter() - start), flush=True)
        good &= paid <= 0.05 * given.tables if effect == 0 else paid >= 0.9 * given.tables
    return 0 if good else GateError.exit_code


if __name__ == "__main__":
    sys.exit(main())
