"""A linear or graph rung as a scorecard: one line a feature, in the units of the user's table.

    log-odds = sum over the lines of value x weight          points = sum over the lines of value x points

Numbers of the table were standardised before W was solved; here that is taken back, so that a weight is per year or per euro.
Points are the custom of credit scoring: ODDS to one are BASE points, and DOUBLE more points are twice the odds.
"""

from __future__ import annotations

import csv
import io
import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from axw.data.parts import Category, Number
from axw.data.values import as_float
from axw.export.table_proof import TableProof, proved
from axw.models.tables.linear import LinearStep, gram
from axw.models.tables.problem import TableRows

BASE, ODDS, DOUBLE = 600.0, 50.0, 20.0
HEAD = ("output", "feature", "relation", "weight", "points", "if_missing")
PROVED = 1e-9


class Line(NamedTuple):
    """One feature: its name, the relation that it comes by ("" = the row's own), its weight for each output (c,), and the value
    that stands in where it is missing (None: it never is)."""

    feature: str
    relation: str
    weight: np.ndarray
    if_missing: float | None = None


def faults(model: Any) -> list[str]:
    """Why the model has no scorecard."""
    if not isinstance(model.step_, LinearStep):
        return [f"attention={model.attention!r} is no sum of features times weights."]
    return []


def files(model: Any, X: pd.DataFrame) -> dict[str, bytes]:
    """scorecard.csv"""
    return {"scorecard.csv": to_csv(model, lines(model))}


def lines(model: Any) -> list[Line]:
    """The lines, "(base)" first, whose value is always 1."""
    W, base = _weights(model)
    found: list[Line] = []
    base = base + _own(model, W, found)
    at = len(model._reader.columns.names)
    for relation in model.step_.relations if model.step_.attention == "given" else ():
        width = at + len(model._reader.columns.names) + 1 + (len(model.targets_) if model.step_.labels else 0)
        _read(model, relation.name, W[at:width], found)
        at = width
    return [Line("(base)", "", base), *found]


def _weights(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """W (p c) and the constant (c) in the units of the answer."""
    W = gram(model.memory_) @ model.fitted_.W if model.step_.attention == "dot" else model.fitted_.W
    if model.target_.kind == "classes":
        scale, shift = np.full(W.shape[1], 1.0 / model.temperature_), 0.0
    else:
        scale, shift = model.target_.scale, model.target_.prior
    return W * scale, model.fitted_.b * scale + shift


def _own(model: Any, W: np.ndarray, found: list[Line]) -> np.ndarray:
    """The lines of the row's own columns; gives the constant that standardising leaves."""
    left, at = np.zeros(W.shape[1]), 0
    for part in model._reader.columns.parts:
        w = W[at : at + len(part.names)]
        at += len(part.names)
        if isinstance(part, Category):
            found += [Line(name, "", each) for name, each in zip(part.names, w, strict=True)]
            continue
        slope = _slope(part) * w[0] if part.varies else np.zeros(W.shape[1])
        if part.varies:
            found.append(Line(_named(part), "", slope, part.fill))
            left = left - w[0] * part.mean / part.std
        if part.missing:
            found.append(Line(part.names[-1], "", w[-1]))
    return left


def _read(model: Any, by: str, W: np.ndarray, found: list[Line]) -> None:
    """The lines of one relation: means over the rows read, whether there are any, how many, and their labels."""
    left, at, means = np.zeros(W.shape[1]), 0, []
    for part in model._reader.columns.parts:
        for place, name in enumerate(part.names):
            number = isinstance(part, Number) and part.varies and place == 0
            slope = _slope(part) if number else 1.0
            means.append(Line(f"mean({_named(part) if number else name} | {by})", by, slope * W[at]))
            if number:
                left = left - W[at] * part.mean / part.std
            at += 1
    found += [Line(f"reads any row by {by}", by, left), *means, Line(f"log(1 + n({by}))", by, W[at])]
    found += [Line(f"rate({name} | {by})", by, w) for name, w in zip(model.targets_, W[at + 1 :], strict=False)]


def _slope(part: Number) -> float:
    return math.ldexp(1.0 / part.std, -part.exponent)


def _named(part: Number) -> str:
    return f"{part.name} (days since 1970-01-01)" if part.kind == "date" else part.name


def to_csv(model: Any, found: list[Line]) -> bytes:
    """One line an output and feature; numbers with all their digits. Points only where the output is log-odds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    factor = DOUBLE / math.log(2.0)
    odds = model.target_.kind == "classes" and len(model.targets_) == 1
    for k, output in enumerate(model.targets_):
        for number, line in enumerate(found):
            weight = float(line.weight[k])
            points = factor * weight + (BASE - factor * math.log(ODDS) if number == 0 else 0.0)
            fill = "" if line.if_missing is None else repr(line.if_missing)
            writer.writerow([output, line.feature, line.relation, repr(weight), repr(points) if odds else "", fill])
    return text.getvalue().encode()


def values(model: Any, X: pd.DataFrame) -> np.ndarray:
    """What the lines say of each row (n f): 1, then the row's own values, then what it reads."""
    asking: TableRows = model._asking(X)
    frame, blocks = pd.DataFrame(X), [np.ones((len(asking.X), 1))]
    at = 0
    for part in model._reader.columns.parts:
        z = asking.X[:, at : at + len(part.names)].copy()
        at += len(part.names)
        if isinstance(part, Number) and part.varies:
            x = as_float(frame[part.name], part.kind)
            z[:, 0] = np.where(np.isnan(x), part.fill, x)
        blocks.append(z)
    design = model.step_.design(asking, model.memory_, model.target_)
    for _ in model.step_.relations if model.step_.attention == "given" else ():
        width = len(model._reader.columns.names)
        z, n = design[:, at : at + width].copy(), design[:, at + width]
        reads, place = (n > 0).astype(float), 0
        for part in model._reader.columns.parts:
            if isinstance(part, Number) and part.varies:
                z[:, place] = (z[:, place] + part.mean / part.std * reads) / _slope(part)
            place += len(part.names)
        rates = len(model.targets_) if model.step_.labels else 0
        blocks += [reads[:, None], z, n[:, None], design[:, at + width + 1 : at + width + 1 + rates]]
        at += width + 1 + rates
    return np.concatenate(blocks, axis=1)


def prove(model: Any, made: dict[str, bytes], X: pd.DataFrame) -> TableProof:
    """The sum of the written lines is the model's output, row by row."""
    read = [float(line["weight"]) for line in csv.DictReader(io.StringIO(made["scorecard.csv"].decode()))]
    weight = np.array(read).reshape(len(model.targets_), -1).T
    ours = model._outputs(X)
    if model.target_.kind == "numbers":
        ours = ours * model.target_.scale + model.target_.prior
    return proved("scorecard", ours, values(model, X) @ weight, PROVED, "the output")


_USE = """\
scorecard.csv has one line a feature: `output, feature, relation, weight, points, if_missing`. The answer is the sum of value x
weight over the lines of an output, "(base)" counting 1. For classes that is the log-odds (two classes) or the score of the class;
P = 1 / (1 + exp(-log-odds)).

| line | its value |
|---|---|
| `age` | the number itself, or `if_missing`; dates in days since 1970-01-01; true is 1 |
| `age is missing`, `class = 3rd` | 1 where it is so, else 0 |
| `reads any row by R` | 1 where the relation R leads to a remembered row, else 0 |
| `mean(age \\| R)` | the mean over the rows read; what is missing counts as the median of the fit; 0 where no row is read |
| `log(1 + n(R))` | the number of rows read |
| `rate(y \\| R)` | the sum of their labels, each in standard deviations of the fit from its mean, over (their number + 1) |

Points are for two classes: 600 points are odds of 50 to one for the output that is named, and 20 points more are twice the odds.
"""


def use(model: Any) -> str:
    """How it is read."""
    return _USE
