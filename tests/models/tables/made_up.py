"""Tables and models that the tests of this room share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from axw.models import AttentionClassifier, AttentionRegressor
from axw.relations import Edges, Near, Relation, SameValue

HOUSEHOLD = SameValue("household")
NOISE = SameValue("colour_of_tie")

# One setting for each attention, as small as it goes.
KINDS: dict[str, dict[str, Any]] = {
    "none": {"attention": "none"},
    "given": {"attention": "given"},
    "dot": {"attention": "dot"},
    "bilinear": {"attention": "bilinear", "normalize": "none"},
    "query-key": {"attention": "query-key", "rank": 1, "heads": 2, "members": 1},
}


def table(households: int = 23, of: int = 3, effect: float = 2.0, seed: int = 0) -> pd.DataFrame:
    """Households that share an effect on `score`; two numbers with gaps, one category, a place on the map, an isolated row."""
    rng = np.random.default_rng(seed)
    household = np.repeat(np.arange(households), of)
    n = len(household)
    age, income = rng.normal(40, 12, n), rng.lognormal(10, 1, n)
    score = (age - 40) / 12 + effect * rng.normal(size=households)[household] + 0.5 * rng.normal(size=n)
    income[rng.random(n) < 0.1] = np.nan
    names = np.array([f"h{h}" for h in household], dtype=object)
    names[0] = None  # lives with nobody
    return pd.DataFrame(
        {
            "age": age,
            "income": income,
            "region": rng.choice(["north", "south", "west"], n),
            "lat": rng.normal(size=n),
            "lon": rng.normal(size=n),
            "household": names,
            "colour_of_tie": [f"c{c}" for c in rng.integers(0, households, n)],
            "score": score,
        },
        index=pd.Index([f"r{i}" for i in range(n)], name="customer"),
    )


def features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="score")


def answers(frame: pd.DataFrame, task: str) -> Any:
    """The answers of a table for one of the four kinds of task."""
    score = frame["score"]
    if task == "binary":
        return pd.Series(np.where(score > score.median(), "good", "bad"), index=frame.index, name="risk")
    if task == "multi-class":
        return pd.qcut(score, 3, labels=["low", "middle", "high"]).astype(str).rename("level")
    if task == "several":
        return pd.DataFrame({"score": score * 1000 + 7, "half": frame["age"] + score})
    return score.rename("score") * 100 - 3


def calls(frame: pd.DataFrame, seed: int = 0) -> Edges:
    """A weighted relation between rows named by the index; about half of the rows call somebody."""
    rng = np.random.default_rng(seed)
    ids, n = frame.index.to_numpy(), len(frame)
    ends = rng.integers(0, n // 2, size=(n, 2))
    ends = ends[ends[:, 0] != ends[:, 1]]
    minutes = rng.integers(1, 9, len(ends)).astype(float)
    edges = pd.DataFrame({"caller": ids[ends[:, 0]], "callee": ids[ends[:, 1]], "minutes": minutes})
    return Edges(edges, "caller", "callee", weight="minutes")


def relations(frame: pd.DataFrame) -> dict[str, list[Relation]]:
    return {
        "nothing": [],
        "same value": [HOUSEHOLD],
        "edges": [calls(frame)],
        "near": [Near(["lat", "lon"], k=3)],
        "two": [HOUSEHOLD, calls(frame)],
    }


def model(kind: str, task: str = "binary", **settings: Any) -> AttentionClassifier | AttentionRegressor:
    make = AttentionClassifier if task in ("binary", "multi-class") else AttentionRegressor
    return make(**{**KINDS[kind], **settings})


def outputs(fitted: AttentionClassifier | AttentionRegressor, X: pd.DataFrame) -> np.ndarray:
    """decision_function of a classifier, predict of a regressor, always (n c)."""
    answer = fitted.decision_function(X) if isinstance(fitted, AttentionClassifier) else fitted.predict(X)
    return answer.reshape(len(answer), -1)
