"""The ladder as a whole, on a table with a planted household effect and with stand-ins for the estimators."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, cross_val_score

from axw.errors import DataError, UsageError
from axw.ladders import AsOf, KnownNeighbours, NewGroups, Rung, ladder
from axw.relations import Edges
from tests.ladders.made_up import SAME, Broken, Household, rungs, table

CV = (KnownNeighbours(5), NewGroups(5))


@pytest.fixture(scope="module")
def planted():
    return ladder(*table(150), relations=[SAME], cv=CV, rungs=rungs())


def test_the_planted_effect_pays_where_relatives_are_known_and_only_there(planted):
    assert planted.pays == {"known_neighbours": True, "new_groups": False}
    assert planted.use["rung"] == "A X W + neighbours' labels"
    assert "for whole new groups use " in planted.use["why"]
    assert "it does not pay for whole new groups" in planted.use["why"]


def test_the_numbers_are_scikit_learns():
    X, y = table(20)
    model = LogisticRegression()
    found = ladder(X[["x"]], y, cv=KFold(4), rungs=[Rung("X W", "own row", model)])
    expected = cross_val_score(model, X[["x"]], y, cv=KFold(4), scoring="neg_log_loss")
    assert found.rows[0].first.metrics["log_loss"] == pytest.approx(-expected.mean())
    assert found.questions[0].name == "kfold" and found.questions[0].test_size == 20


def test_the_numbers_do_not_depend_on_jobs():
    one, two = (
        ladder(*table(12), relations=[SAME], cv=[NewGroups(3)], rungs=rungs(), jobs=jobs).to_frame() for jobs in (1, 2)
    )
    pd.testing.assert_frame_equal(two.drop(columns="seconds"), one.drop(columns="seconds"), check_exact=True)


def test_progress_counts_every_fit():
    seen = []
    ladder(*table(20), cv=[KnownNeighbours(3)], rungs=rungs()[:2], progress=lambda *what: seen.append(what))
    assert [done for done, _, _ in seen] == [1, 2, 3, 4, 5, 6]
    assert {total for _, total, _ in seen} == {6}
    assert seen[-1][2] == "X W: rows whose relatives are known"


def test_a_rung_that_fails_is_reported_and_the_rest_goes_on():
    steps = rungs()
    steps[2] = steps[2]._replace(estimator=Broken())
    found = ladder(*table(20), relations=[SAME], cv=[KnownNeighbours(3)], rungs=steps)
    failed, after = found.rows[2], found.rows[3]
    assert failed.first.failed == "ValueError: nothing fits" and failed.pays is None
    assert failed.note == "failed: ValueError: nothing fits"
    assert after.first.compared.below == "X W"
    assert "failed" in found.to_text() and found.to_json()["rungs"][2]["difference"] is None


def test_all_rungs_failing_is_an_error():
    with pytest.raises(
        DataError, match="Every rung failed on rows whose relatives are known; the first, 'a': ValueError"
    ):
        ladder(*table(20), cv=[KnownNeighbours(3)], rungs=[Rung("a", "", Broken())])


class Warning_(Household):
    def fit(self, X, y):
        import warnings

        warnings.warn("not yet converged\nmore")
        return super().fit(X, y)


def test_fits_that_warn_are_counted():
    found = ladder(*table(20), cv=[KnownNeighbours(3)], rungs=[Rung("X W", "", Warning_())])
    assert found.rows[0].note == "3 of 3 fits warned: not yet converged"


@pytest.mark.parametrize(
    "labels",
    [
        lambda y: (y == "good").astype(int) + 7,
        lambda y: y == "good",
        lambda y: y.astype("category"),
        lambda y: y.astype("string"),
        lambda y: (y == "good").astype("Int64"),
        lambda y: y.to_numpy(dtype=object),
        lambda y: y.tolist(),
    ],
)
def test_classes_of_any_kind(labels):
    X, y = table(20)
    expected = ladder(X, y, cv=[KnownNeighbours(3)], rungs=rungs()[:2]).rows[1].first.metrics
    found = ladder(X, labels(y), cv=[KnownNeighbours(3)], rungs=rungs()[:2]).rows[1].first.metrics
    assert dict(found) == pytest.approx(dict(expected), nan_ok=True)


def test_a_class_that_a_fold_never_saw_costs_and_does_not_fail():
    X, _ = table(12)
    y = np.where(X["household"].isin(["h0"]), "rare", np.where(X["x"] > 0, "a", "b"))
    found = ladder(X, y, relations=[SAME], cv=[NewGroups(4)], rungs=[Rung("X W", "", LogisticRegressionOnX())])
    assert found.rows[0].first.failed == ""
    assert found.rows[0].first.metrics["log_loss"] > 0.5
    assert log_loss([1], [[1.0, 0.0]], labels=[0, 1]) > 16


class LogisticRegressionOnX(LogisticRegression):
    def fit(self, X, y):
        return super().fit(X[["x"]], y)

    def predict_proba(self, X):
        return super().predict_proba(X[["x"]])


def test_numbers():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(90, 3)), columns=list("abc"))
    y = 1000 * X["a"] + 300 * rng.normal(size=90)
    steps = [Rung("constant", "nothing", DummyRegressor()), Rung("X W", "own row", Ridge(), "constant")]
    found = ladder(X, y, cv=[KnownNeighbours(5, repeats=2), AsOf("b", 3)], rungs=steps)
    assert found.primary == "squared_error" and found.use["rung"] == "X W"
    assert found.rows[1].pays and found.rows[1].first.metrics["r2"] > 0.8
    assert {question.name for question in found.questions} == {"known_neighbours", "as_of"}
    assert "RMSE" in found.to_text() and found.to_json()["data"]["classes"] is None


def test_new_groups_is_not_asked_without_relations():
    found = ladder(*table(20), rungs=rungs()[:2], cv=(KnownNeighbours(3), NewGroups(3)))
    assert [question.name for question in found.questions] == ["known_neighbours"]
    assert "relation" not in found.use["why"].replace("relatives", "")


def test_two_questions_of_one_name():
    found = ladder(*table(20), cv=[KnownNeighbours(3), KnownNeighbours(4)], rungs=rungs()[:1])
    assert [question.name for question in found.questions] == ["known_neighbours", "known_neighbours_2"]
    assert found.questions[1].title == "rows whose relatives are known (2)"


def test_what_the_splitter_says_is_kept_and_shown():
    X, y = table(20)
    y.iloc[0] = "only one"
    found = ladder(X, y, cv=[KnownNeighbours(3)], rungs=[Rung("X W", "", LogisticRegressionOnX())])
    assert "1 classes have one row" in found.questions[0].warnings[0]
    assert "! 1 classes have one row" in found.to_text()


def test_a_rung_without_relations_does_not_get_columns_that_only_say_who_belongs_together():
    class Columns(Household):
        def fit(self, X, y):
            assert ("household" in X.columns) == bool(self.relations)
            return super().fit(X, y)

    steps = [Rung("X W", "", Columns()), Rung("A X W", "", Columns((SAME,)), "X W")]
    found = ladder(*table(30), relations=[SAME], cv=[KnownNeighbours(3)], rungs=steps)
    assert not any(row.first.failed for row in found.rows)


def test_any_table_is_read():
    import polars

    X, y = table(20)
    found = ladder(polars.from_pandas(X[["x"]]), y, cv=[KnownNeighbours(3)], rungs=rungs()[:2])
    assert found.rows[1].first.failed == ""


def test_messages():
    X, y = table(10)
    steps = rungs()[:2]
    for change, text in (
        ({"jobs": 0}, "jobs is 0; allowed: a whole number of at least 1"),
        ({"cv": []}, "cv is empty"),
        ({"cv": [NewGroups(3)]}, "NewGroups needs relations, and there are none"),
        ({"rungs": [steps[0], Rung("r", "", Ridge())]}, "mix classifiers, regressors"),
        ({"rungs": [steps[0], steps[0]]}, "Two rungs are called 'constant'"),
        ({"rungs": [steps[1]]}, "The rung 'X W' extends 'constant', which does not come before it"),
        ({"rungs": []}, "There are no rungs"),
    ):
        with pytest.raises(UsageError, match=text):
            ladder(X, y, **{"cv": [KnownNeighbours(3)], "rungs": steps, **change})
    for target, text in (
        (y.iloc[:-1], "The target has 39 values for 40 rows"),
        (y.where(y.index != "r3"), "1 of 40 rows have no target"),
        (["same"] * 40, "All 40 rows have the target 'same'"),
    ):
        with pytest.raises(DataError, match=text):
            ladder(X, target, cv=[KnownNeighbours(3)], rungs=steps)
    calls = Edges(pd.DataFrame({"from": [1], "to": [2]}), "from", "to")
    for cv in (KnownNeighbours(3), NewGroups(3)):
        with pytest.raises(DataError, match="names rows, but the rows of X are only numbered by their place"):
            ladder(X.reset_index(drop=True), y.to_numpy(), relations=[calls], cv=[cv], rungs=steps)
    with pytest.raises(DataError, match="2 targets are not finite"):
        ladder(X, [np.inf, -np.inf, *range(38)], cv=[KnownNeighbours(3)], rungs=[Rung("r", "", Ridge())])


@pytest.mark.slow
def test_noise_is_seldom_said_to_pay():
    """At most 5 % wanted; the stand-ins are fitted fast enough to count."""
    wrong = 0
    for seed in range(100):
        X, y = table(60, effect=0.0, seed=seed)
        found = ladder(X, y, relations=[SAME], cv=[KnownNeighbours(10, seed=seed)], rungs=rungs())
        wrong += bool(found.pays["known_neighbours"])
    assert wrong <= 5
