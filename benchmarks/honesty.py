"""Does the ladder say no where the answer is no? Two tables on which a relation, or a score, is too good to be true.

    AXW_DATA=/path/to/data python benchmarks/honesty.py [--folds 5] [--seed 0]

German credit (1,000 applications) with the edges that the NIFTY paper (Agarwal, Lakkaraju and Zitnik, 2021) computes from the
columns themselves: such a relation tells a model nothing that its columns do not, so it should not pay.
Bail (18,876 releases, target RECID): the column TIME is measured after the release and all but holds the answer, so it should be
named before a model is fitted.

Needs loans/german.csv.gz, loans/german_edges.txt.gz and loans/bail.csv.gz (chirag126/nifty, `dataset/`) in AXW_DATA.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd

from axw.data import Finding, check
from axw.ladders import KnownNeighbours, NewGroups, ladder, table_rungs
from axw.relations import Edges


def german(folder: Path, folds: int, seed: int) -> None:
    """The ladder with edges that are made from the columns."""
    table = pd.read_csv(folder / "german.csv.gz").rename_axis("row")
    # The file holds two numbers a line and no header: places of rows, counted from 0. They are ids only because these edges were
    # made from this very order of rows; a place in a table is otherwise no name of a row.
    pairs = np.loadtxt(folder / "german_edges.txt.gz").astype(np.int64)
    relation = Edges(pd.DataFrame(pairs, columns=["row", "alike"]), "row", "alike", name="alike in its columns")
    X, y = table.drop(columns="GoodCustomer"), table["GoodCustomer"].map({1: "good", -1: "bad"})
    found = ladder(
        X, y, relations=[relation], cv=[KnownNeighbours(folds, seed=seed), NewGroups(folds, seed=seed)], seed=seed
    )
    print(f"German credit: {len(X):,} rows, {len(pairs):,} edges computed from the columns\n")
    print(found.to_text(110))


def bail(folder: Path, folds: int, seed: int) -> None:
    """What the check says before a fit, and what the column it names is worth."""
    table = pd.read_csv(folder / "bail.csv.gz")
    print(f"\nBail: {len(table):,} rows, target RECID. Before anything is fitted, `check` says:\n")
    for finding in _of_answers(check(table, "RECID")):
        print(finding.to_text())
    for kept, drop in (("with TIME", ["RECID"]), ("without TIME", ["RECID", "TIME"])):
        X, y = table.drop(columns=drop), table["RECID"].map({1: "yes", 0: "no"}).rename("RECID")
        rungs = table_rungs("classification", (), seed, names=("constant", "X W"))
        found = ladder(X, y, cv=[KnownNeighbours(folds, seed=seed)], rungs=rungs, seed=seed)
        measured = {row.rung: row.first.metrics for row in found.rows}["X W"]
        print(f"\nX W {kept}: log loss {measured['log_loss']:.3f}, AUROC {measured['auroc']:.3f}")


def _of_answers(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.code == "leak"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    folder = Path(os.environ.get("AXW_DATA", "")) / "loans"
    if not (folder / "german.csv.gz").exists():
        parser.error(f"There is no german.csv.gz in {str(folder)!r}. Set AXW_DATA to the folder that holds loans/.")
    german(folder, asked.folds, asked.seed)
    bail(folder, asked.folds, asked.seed)


if __name__ == "__main__":
    main()
