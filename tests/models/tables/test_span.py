"""An honest piece of algebra: over the whole table, without a mask or a softmax, A = X X', X U V' X' and X K Q' X' predict inside
the span of X, so that they differ from the linear model by regularisation alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.models.tables.made_up import HOUSEHOLD, answers, features, model, outputs, table

TABLE = table(households=29)
X, NEW = features(TABLE), features(table(households=17, seed=1)).set_axis([f"n{i}" for i in range(51)])
LEARNED = [
    ("bilinear", {"rank": 1}),
    ("bilinear", {"rank": 2}),
    ("bilinear", {"rank": 2, "labels": True}),
    ("query-key", {"normalize": "none", "rank": 1, "heads": 1}),
    ("query-key", {"normalize": "none", "rank": 2, "heads": 1}),
    ("query-key", {"normalize": "none", "rank": 2, "heads": 1, "labels": True}),
]


def outside(basis: np.ndarray, answer: np.ndarray) -> float:
    """Greatest residual of the answer after the best fit by the columns of `basis`, over the size of the answer."""
    fit = np.linalg.lstsq(basis, answer, rcond=None)[0]
    return float(np.abs(answer - basis @ fit).max() / np.abs(answer).max())


def with_constant(matrix: np.ndarray) -> np.ndarray:
    return np.concatenate([np.ones((len(matrix), 1)), matrix], axis=1)


def centred_rank(answer: np.ndarray) -> int:
    return int(np.linalg.matrix_rank(answer - answer.mean(0), tol=1e-8 * np.linalg.norm(answer, 2)))


@pytest.mark.parametrize(("kind", "settings"), LEARNED, ids=str)
@pytest.mark.parametrize("task", ["multi-class", "several"])
def test_without_a_softmax_the_answers_are_in_the_span_of_the_columns_with_rank_r(kind, settings, task):
    fitted = model(kind, task, **settings).fit(X, answers(TABLE, task))
    answer = outputs(fitted, NEW)
    columns = fitted._reader.rows(NEW).X
    assert outside(with_constant(columns), answer) < 1e-8
    assert 1 <= centred_rank(answer) <= settings["rank"]


@pytest.mark.parametrize("task", ["binary", "multi-class", "several"])
def test_the_dot_product_of_rows_answers_in_the_span_of_the_columns(task):
    fitted = model("dot", task).fit(X, answers(TABLE, task))
    columns = fitted._reader.rows(NEW).X
    assert outside(with_constant(columns), outputs(fitted, NEW)) < 1e-8


def test_the_answers_are_in_the_span_of_what_the_linear_model_answers():
    """The linear model itself, by the same test."""
    y = answers(TABLE, "multi-class")
    linear = model("none", "multi-class").fit(X, y)
    columns = linear._reader.rows(NEW).X
    assert outside(with_constant(columns), outputs(linear, NEW)) < 1e-8
    explained = columns @ linear.fitted_.W
    assert outside(with_constant(explained), outputs(linear, NEW)) < 1e-8


@pytest.mark.parametrize(
    "settings",
    [{"normalize": "softmax-or-nothing"}, {"normalize": "none", "relations": [HOUSEHOLD]}],
    ids=str,
)
def test_a_softmax_or_a_relation_leaves_the_span(settings):
    """The same test fails where something is added, so it tests something."""
    fitted = model("query-key", "number", **settings).fit(X, answers(TABLE, "number"))
    rows = X if "relations" in settings else NEW
    assert outside(with_constant(fitted._reader.rows(rows).X), outputs(fitted, rows)) > 1e-6
