"""Estimators and tables that the tests of this room share."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from axw.ladders import Answer, Question, Rung
from axw.relations import Relation, Rows, SameValue


class Household(ClassifierMixin, BaseEstimator):
    """A stand-in for A X W: logistic regression on x, and, with relations, on the rate of the class among related rows."""

    def __init__(self, relations: tuple[Relation, ...] = (), labels: bool = False) -> None:
        self.relations = relations
        self.labels = labels

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Household:
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.memory_, self.codes_ = X, codes
        self.model_ = LogisticRegression(C=1.0).fit(self._design(X), codes)
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return self.model_.predict_proba(self._design(X))

    def _design(self, X: pd.DataFrame) -> np.ndarray:
        columns = [X[["x"]].to_numpy()]
        for relation in self.relations:
            keys = list(relation.columns)
            asking = Rows(X.index.to_numpy(), X[keys])
            given = relation.given(asking, Rows(self.memory_.index.to_numpy(), self.memory_[keys]))
            read = (self.codes_ - self.codes_.mean())[:, None] if self.labels else self.memory_[["x"]].to_numpy()
            columns.append(given.mean(read))
        return np.concatenate(columns, axis=1)


class Broken(ClassifierMixin, BaseEstimator):
    """Cannot be fitted."""

    def fit(self, X: object, y: object) -> Broken:
        raise ValueError("nothing fits\nand more")


SAME = SameValue("household")


def rungs(relations: tuple[Relation, ...] = (SAME,)) -> list[Rung]:
    return [
        Rung("constant", "nothing", DummyClassifier(strategy="prior")),
        Rung("X W", "own row", Household(), "constant"),
        Rung("A X W", "relatives", Household(relations), "X W"),
        Rung("A X W + neighbours' labels", "and labels", Household(relations, labels=True), "A X W"),
    ]


def table(households: int = 60, effect: float = 2.0, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Households of four with a common effect on the class, and one column that tells something as well."""
    rng = np.random.default_rng(seed)
    household = np.repeat(np.arange(households), 4)
    x = rng.normal(size=len(household))
    score = x + effect * rng.normal(size=households)[household]
    y = np.where(rng.random(len(score)) < 1 / (1 + np.exp(-score)), "good", "bad")
    index = pd.Index([f"r{i}" for i in range(len(x))])
    frame = pd.DataFrame({"x": x, "household": [f"h{h}" for h in household]}, index=index)
    return frame, pd.Series(y, index=index, name="risk")


def question(name: str = "known_neighbours", folds: int = 5) -> Question:
    titles = {"known_neighbours": "rows whose relatives are known", "new_groups": "whole new groups"}
    return Question(name, titles[name], f"{name}()", folds, 80.0, 20.0)


def answer(log_loss: object, seconds: float = 0.02, **other: object) -> Answer:
    losses = np.asarray(log_loss, dtype=float)
    folds = {"log_loss": losses, "auroc": 1 - losses, "accuracy": 1 - losses / 2, "brier": losses / 3}
    return Answer(folds, 0.05, np.full(len(losses), seconds), **other)
