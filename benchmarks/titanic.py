"""The ladder on the bundled Titanic table, as README and docs quote it, beside a rung made by hand.

    python benchmarks/titanic.py [--repeats 5] [--jobs 2]

The rung made by hand is logistic regression on the same columns and one more idea from outside the table: "woman or child", and
of the woman-or-child relatives of the same family and class, how many are known to have survived and how many not, the row
itself left out. It is what the rungs that learn A have to find by themselves. Penalties, the number of iterations and the
temperature come from folds inside the training rows; everything else is a default of the ladder.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

import axw
from axw.data import Columns, samples
from axw.ladders import Rung, table_rungs


class WomanOrChild(ClassifierMixin, BaseEstimator):
    """Logistic regression on the columns, "woman or child", and the fate of the woman-or-child relatives."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> WomanOrChild:
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.columns_ = Columns.fit(X.drop(columns="family"))
        self.memory_ = pd.DataFrame(
            {"key": _key(X), "protected": _protected(X), "fate": 2.0 * codes - 1.0}, index=X.index
        )
        self.model_ = LogisticRegression(max_iter=1000).fit(self._design(X), codes)
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return self.model_.predict_proba(self._design(X))

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return self.classes_[self.predict_proba(X).argmax(1)]

    def _design(self, X: pd.DataFrame) -> np.ndarray:
        read = self.memory_[self.memory_["protected"]]
        total, count = read.groupby("key")["fate"].sum(), read.groupby("key")["fate"].count()
        keys, protected = _key(X), _protected(X)
        own = read["fate"].reindex(X.index).fillna(0.0).to_numpy()
        fate = keys.map(total).fillna(0.0).to_numpy() - own
        number = keys.map(count).fillna(0.0).to_numpy() - (own != 0)
        rate = fate / (number + 1.0)
        extra = np.stack([protected, rate, rate * protected, number], axis=1).astype(float)
        return np.concatenate([self.columns_.transform(X), extra], axis=1)


def _key(X: pd.DataFrame) -> pd.Series:
    return X["family"].astype(str) + "|" + X["class"].astype(str)


def _protected(X: pd.DataFrame) -> np.ndarray:
    return ((X["sex"] == "female") | (X["title"] == "Master") | (X["age"] < 15)).to_numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = samples.titanic().set_index("passenger")
    y = table.pop("survived")
    X = table.drop(columns="name")
    family = axw.SameValue("family", "class")
    rungs = table_rungs("classification", [family], options.seed)
    by_hand = Rung("made by hand", "relatives", WomanOrChild(), "X W", "woman or child, and the fate of such relatives")
    questions = [axw.KnownNeighbours(10, options.repeats, options.seed), axw.NewGroups(10, [family], 1, options.seed)]
    start = time.perf_counter()
    ladder = axw.ladder(
        X, y, relations=[family], cv=questions, rungs=[*rungs, by_hand], seed=options.seed, jobs=options.jobs
    )
    print(ladder.to_text())
    print(f"\n{time.perf_counter() - start:.0f} s with {options.jobs} processes")


if __name__ == "__main__":
    main()
