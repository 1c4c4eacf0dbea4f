"""scikit-learn's manners: its own checks, pipelines, cross-validation, and a grid over relations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from axw.models import AttentionClassifier, AttentionRegressor
from tests.models.tables.made_up import HOUSEHOLD, NOISE, answers, calls, features, model, table

SMALL = {"members": 1, "heads": 1, "rank": 1}
TABLE = table(households=31, of=4, effect=3.0)
X, Y = features(TABLE), answers(TABLE, "binary")
MANY = table(households=70, of=3, effect=3.0)  # so many households that one column for each of them tells nothing


@parametrize_with_checks(
    [
        AttentionClassifier("none"),
        AttentionRegressor("none"),
        AttentionRegressor("dot"),
        AttentionClassifier("query-key", **SMALL),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        AttentionClassifier("dot"),
        AttentionClassifier("bilinear", normalize="none"),
        AttentionRegressor("bilinear", normalize="none"),
        AttentionRegressor("query-key", **SMALL),
        AttentionClassifier("query-key", **{**SMALL, "rank": 2}, normalize="none"),
        AttentionRegressor("query-key", **SMALL, normalize="softmax"),
        AttentionClassifier("bilinear", normalize="softmax-or-nothing", rank=1),
    ]
)
def test_scikit_learns_checks_of_learned_attention(estimator, check):
    check(estimator)


def test_a_pipeline_on_a_frame_keeps_keys_and_names():
    columns = make_column_transformer(
        (StandardScaler(), ["age", "lat"]),
        ("passthrough", ["household", "region"]),
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    pipeline = make_pipeline(columns, AttentionClassifier("given", relations=[HOUSEHOLD, calls(TABLE)], labels=True))
    pipeline.fit(X, Y)
    assert pipeline.predict_proba(X[:7]).shape == (7, 2)
    names = list(pipeline[-1].get_feature_names_out())
    assert {
        "age",
        "mean(age | same household)",
        "n(caller-callee)",
        "rate(risk = good | same household)",
    } <= set(names)
    assert len(names) == pipeline[-1].fitted_.W.shape[0]


@pytest.mark.parametrize("scoring", ["roc_auc", "neg_log_loss", ["accuracy", "balanced_accuracy"]])
def test_cross_validate_with_the_names_of_scores(scoring):
    estimator = AttentionClassifier("given", relations=[HOUSEHOLD], labels=True)
    found = cross_validate(
        estimator, X, Y, cv=KFold(3, shuffle=True, random_state=0), scoring=scoring, error_score="raise"
    )
    assert all(np.isfinite(values).all() for values in found.values())


def test_clone_keeps_the_very_relations_and_forgets_the_rest():
    relations = [HOUSEHOLD, calls(TABLE)]
    fitted = AttentionClassifier("given", relations=relations, labels=True).fit(X, Y)
    copy = clone(fitted)
    assert all(mine is theirs for mine, theirs in zip(copy.relations, relations, strict=True))
    assert copy.get_params() == fitted.get_params() and not hasattr(copy, "fitted_")
    np.testing.assert_array_equal(copy.fit(X, Y).predict_proba(X), fitted.predict_proba(X))


def test_a_grid_over_relations_finds_the_one_that_pays():
    """The household has an effect on the class, the colour of the tie has none."""
    frame, y = MANY[["age", "household", "colour_of_tie"]], answers(MANY, "binary")
    grid = GridSearchCV(
        AttentionClassifier("given", labels=True),
        [{"attention": ["none"], "relations": [[]]}, {"relations": [[NOISE], [HOUSEHOLD]]}],
        cv=KFold(4, shuffle=True, random_state=0),
        scoring="roc_auc",
        error_score="raise",
    ).fit(frame, y)
    assert grid.best_params_["relations"] == [HOUSEHOLD]
    nothing, noise, household = grid.cv_results_["mean_test_score"]
    assert household > max(nothing, noise) + 0.05 and abs(noise - nothing) < 0.1


@pytest.mark.slow
def test_a_grid_over_relations_of_learned_attention():
    """Attention needs no relation: over all rows it is one more candidate of the same grid."""
    frame, y = MANY[["age", "household", "colour_of_tie"]], answers(MANY, "binary")
    grid = GridSearchCV(
        AttentionClassifier(**SMALL, labels=True),
        {"relations": [[], [NOISE], [HOUSEHOLD]]},
        cv=KFold(2, shuffle=True, random_state=0),
        scoring="neg_log_loss",
        error_score="raise",
    ).fit(frame, y)
    assert grid.best_params_["relations"] == [HOUSEHOLD]


def test_the_picture_in_a_notebook_names_the_relations():
    estimator = AttentionClassifier("given", relations=[HOUSEHOLD])
    assert "household" in estimator._repr_html_() and "SameValue" in estimator._repr_html_()
    assert "household" in estimator.fit(X, Y)._repr_html_()
    assert "SameValue('household')" in repr(estimator)


def test_inside_a_pipeline_that_gives_frames():
    pipeline = make_pipeline(FunctionTransformer(), AttentionClassifier("given", relations=[HOUSEHOLD]))
    pipeline.set_output(transform="pandas").fit(X, Y)
    np.testing.assert_array_equal(
        pipeline.predict_proba(X),
        AttentionClassifier("given", relations=[HOUSEHOLD]).fit(X, Y).predict_proba(X),
    )


def test_permutation_importance_finds_the_column_that_tells():
    fitted = AttentionClassifier("given", relations=[HOUSEHOLD]).fit(X, Y)
    found = permutation_importance(fitted, X, Y, scoring="neg_log_loss", n_repeats=3, random_state=0)
    assert X.columns[found.importances_mean.argmax()] == "age"


def test_set_params_reaches_every_setting():
    estimator = model("query-key", "number")
    settings = {
        "relations": [NOISE],
        "labels": True,
        "rank": 3,
        "width": 5,
        "feedforward": "relu",
        "id": "customer",
    }
    assert {**estimator.get_params(), **settings} == estimator.set_params(**settings).get_params()
    with pytest.raises(ValueError, match="Invalid parameter 'relation'"):
        estimator.set_params(relation=[])


def test_attributes_after_fit():
    fitted = AttentionClassifier("given", relations=[HOUSEHOLD], labels=True).fit(X, Y)
    assert list(fitted.classes_) == ["bad", "good"] and fitted.n_features_in_ == X.shape[1]
    assert list(fitted.feature_names_in_) == list(X.columns)
    assert fitted.temperature_ > 0 and 0 <= fitted.calibration_error_ <= 1
    assert list(fitted.memory_.rows.ids) == list(X.index)
    assert isinstance(fitted.evaluate(X, Y)["auroc"], float)
    assert set(fitted.evaluate(X, Y)) == {"log_loss", "auroc", "accuracy", "brier", "calibration_error"}
    number = AttentionRegressor("none").fit(X, TABLE["score"])
    assert set(number.evaluate(X, TABLE["score"])) == {"rmse", "mae", "r2", "squared_error"}


def test_evaluate_is_scikit_learns_measures():
    from sklearn import metrics

    fitted = AttentionClassifier("none").fit(X, Y)
    p = fitted.predict_proba(X)
    found = fitted.evaluate(X, Y)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(Y, p))
    assert found["auroc"] == pytest.approx(metrics.roc_auc_score(Y == "good", p[:, 1]))
    assert found["accuracy"] == pytest.approx(fitted.score(X, Y))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(Y == "good", p[:, 1]))
    three = answers(TABLE, "multi-class")
    several = AttentionClassifier("none").fit(X, three)
    p = several.predict_proba(X)
    found = several.evaluate(X, three)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(three, p))
    assert found["auroc"] == pytest.approx(metrics.roc_auc_score(three, p, multi_class="ovr"))


def test_the_answer_of_a_class_that_was_never_seen_is_wrong_and_not_an_error():
    fitted = AttentionClassifier("none").fit(X, Y)
    found = fitted.evaluate(X[:3], pd.Series(["zzz", "aaa", Y.iloc[2]]))
    assert found["accuracy"] <= 1 / 3 and found["log_loss"] > 10
