"""What cannot be used is said: what was got, what is allowed, what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from axw.errors import DataError, ResourceError, UsageError
from axw.models import AttentionClassifier, AttentionRegressor
from axw.models.tables import reach
from axw.relations import Edges, Ref, SameValue
from tests.models.tables.made_up import HOUSEHOLD, answers, calls, features, table

TABLE = table(households=7)
X, Y, NUMBER = features(TABLE), answers(TABLE, "binary"), answers(TABLE, "number")


def said(kind: type[Exception], call: Any) -> str:
    with pytest.raises(kind) as raised:
        call()
    text = str(raised.value)
    assert 1 <= len(text.splitlines()) <= 4
    return text


# -- settings ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"attention": "query_key"},
            "attention is 'query_key'.\nattention\nAllowed: bilinear, dot, given, metric, none, query-key, smoothing. "
            "Did you mean 'query-key'?",
        ),
        (
            {"normalize": "softmx"},
            "normalize is 'softmx'.\nnormalize\nAllowed: none, softmax, softmax-or-nothing. Did you mean 'softmax'?",
        ),
        ({"feedforward": "swigul"}, "feedforward is 'swigul'.\nfeedforward\nAllowed: "),
        ({"rank": 0}, "rank is 0; allowed: an integer of at least 1."),
        ({"heads": 2.0}, "heads is 2.0; allowed: an integer of at least 1."),
        ({"members": True}, "members is True; allowed: an integer of at least 1."),
        ({"width": "8"}, "width is '8'; allowed: an integer of at least 1."),
        ({"penalty": -1.0}, "penalty is -1.0; allowed: a number of at least 0, or None."),
        (
            {"relations": HOUSEHOLD},
            "relations is SameValue('household'); allowed: a list of relations.\n"
            "relations\nWrite relations=[axw.SameValue('household')], for example.",
        ),
        ({"relations": ["household"]}, "relations is ['household']; allowed: a list of relations."),
        (
            {"attention": "given"},
            "attention='given' needs at least one relation, got none.\nrelations\n"
            "Add a relation such as axw.SameValue('household'), or use attention='none'.",
        ),
        (
            {"attention": "given", "relations": [HOUSEHOLD, SameValue("household")]},
            "Two relations are called 'same household'.\nrelations\nLeave one out.",
        ),
        (
            {"random_state": "zero"},
            "random_state is 'zero'.\nrandom_state\nGive a whole number of at least 0, None (= 0), or a RandomState.",
        ),
        ({"categorical": "all"}, "categorical='all'"),
        ({"categorical": ["regoin"]}, "There is no column 'regoin'.\nparameter categorical\n"),
    ],
)
@pytest.mark.parametrize("make", [AttentionClassifier, AttentionRegressor])
def test_settings(make, settings, text):
    y = Y if make is AttentionClassifier else NUMBER
    estimator = make(**{"attention": "none", **settings})  # only fit checks: __init__ stores, as scikit-learn asks
    assert text in said(UsageError, lambda: estimator.fit(X, y))


# -- who the rows are ----------------------------------------------------------------------------------------------------------


def test_a_relation_whose_column_is_missing():
    estimator = AttentionClassifier("given", relations=[SameValue("houshold")])
    text = said(DataError, lambda: estimator.fit(X, Y))
    assert text.startswith("There is no column 'houshold'.\nX\nAllowed: age, ") and "Did you mean 'household'?" in text


@pytest.mark.parametrize("relation", [calls(TABLE), Ref("spouse_id")], ids=["edges", "ref"])
def test_a_relation_that_names_rows_needs_rows_with_names(relation):
    frame = X.reset_index(drop=True).assign(spouse_id="r1")
    text = said(DataError, lambda: AttentionClassifier("given", relations=[relation]).fit(frame, Y))
    assert text == (
        f"The relation {relation.name!r} names rows, but the rows of X are only numbered by their place.\nX\n"
        "Set the index to the row ids, df.set_index('customer_id'), or say id='customer_id'."
    )


def test_the_same_relation_works_with_an_id_column():
    frame = X.rename_axis(None).assign(who=X.index).reset_index(drop=True)
    named = AttentionClassifier("given", relations=[calls(TABLE)]).fit(X, Y)
    by_column = AttentionClassifier("given", relations=[calls(TABLE)], id="who").fit(frame, Y)
    np.testing.assert_allclose(by_column.predict_proba(frame), named.predict_proba(X), atol=1e-12)


def test_an_index_that_names_rows_twice():
    frame = X.set_axis(["r0", *X.index[1:-1], "r0"])
    text = said(DataError, lambda: AttentionClassifier("none").fit(frame, Y.to_numpy()))
    assert text == (
        "The index names 1 rows twice; each row needs a name of its own.\nindex, for example 'r0'\n"
        "Use reset_index(), or name the column that identifies rows: id='column'."
    )


def test_ids_that_stand_twice_or_are_missing():
    estimator = AttentionClassifier("none", id="who")
    twice = X.assign(who=["a", "a", *map(str, range(len(X) - 2))])
    assert said(DataError, lambda: estimator.fit(twice, Y)) == (
        "1 ids stand twice, for example 'a'; each row needs one of its own.\ncolumn 'who'\nMend the ids, or leave the rows out."
    )
    missing = X.assign(who=[None, *map(str, range(len(X) - 1))])
    assert said(DataError, lambda: estimator.fit(missing, Y)).startswith(
        "1 rows have no id; each row needs one of its own."
    )
    assert said(DataError, lambda: estimator.fit(X, Y)).startswith("There is no column 'who'.\nX\nAllowed: ")


def test_columns_that_are_missing_when_it_predicts():
    fitted = AttentionClassifier("given", relations=[HOUSEHOLD]).fit(X, Y)
    assert said(DataError, lambda: fitted.predict(X.drop(columns="household"))) == (
        "Columns missing: household.\nX\nGive the columns that the model was fitted on."
    )
    assert "'age'" in said(DataError, lambda: fitted.predict(X.drop(columns="age")))


def test_keys_of_another_kind_than_the_rows_names():
    numbers = Edges(pd.DataFrame({"a": [1, 2], "b": [2, 3]}), "a", "b")
    text = said(DataError, lambda: AttentionClassifier("given", relations=[numbers]).fit(X, Y))
    assert text.startswith("keys do not match: ")


# -- answers and weights -------------------------------------------------------------------------------------------------------


def test_one_class():
    text = said(DataError, lambda: AttentionClassifier("none").fit(X, np.full(len(X), "good")))
    assert text.startswith("The classifier got one class, ") and "'good'" in text
    assert text.endswith("; at least two classes are needed.\ny\nGive rows of at least two classes.")
    weight = (Y == "good").to_numpy(float)
    assert "one class" in said(DataError, lambda: AttentionClassifier("none").fit(X, Y, sample_weight=weight))


@pytest.mark.parametrize("make", [AttentionClassifier, AttentionRegressor])
def test_answers_that_are_missing(make):
    y = Y.astype(object) if make is AttentionClassifier else NUMBER.copy()
    y.iloc[3] = np.nan
    assert "Input y contains NaN" in said(DataError, lambda: make("none").fit(X, y))
    assert "requires y to be passed, but the target y is None." in said(DataError, lambda: make("none").fit(X, None))


def test_missing_answers_are_counted():
    y = [None, None, *Y[2:]]
    assert said(DataError, lambda: AttentionClassifier("none").fit(X, y)) == (
        f"Input y contains NaN: 2 of {len(X)} answers are missing.\ny\nLeave out rows whose answer is not known."
    )


def test_answers_that_are_infinite():
    y = NUMBER.copy()
    y.iloc[3] = np.inf
    assert said(DataError, lambda: AttentionRegressor("none").fit(X, y)).startswith("Input y contains infinity.\ny\n")
    assert said(DataError, lambda: AttentionClassifier("none").fit(X, y)).startswith("Input y contains infinity.\ny\n")


@pytest.mark.parametrize("make", [AttentionClassifier, AttentionRegressor])
def test_answers_of_another_length(make):
    y = (Y if make is AttentionClassifier else NUMBER)[:-2]
    assert said(DataError, lambda: make("none").fit(X, y)) == (
        "X has 21 rows, y has 19: inconsistent numbers of samples.\ny\nGive one answer a row."
    )


def test_a_regressor_given_classes_and_complex_numbers():
    text = said(DataError, lambda: AttentionRegressor("none").fit(X, Y))
    assert text.startswith("Unknown label type: y holds ") and text.endswith(
        "not numbers.\ny\nUse AttentionClassifier."
    )
    assert said(DataError, lambda: AttentionRegressor("none").fit(X, NUMBER.to_numpy() * 1j)).startswith(
        "Complex data not"
    )


def test_a_classifier_given_numbers_that_are_no_classes():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        AttentionClassifier("none").fit(X, NUMBER)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_weights_that_are_no_weights(bad):
    weight = np.ones(len(X))
    weight[2] = bad
    assert said(DataError, lambda: AttentionRegressor("none").fit(X, NUMBER, sample_weight=weight)) == (
        "sample_weight holds negative, infinite or only zero weights.\nsample_weight\nWeights are at least 0."
    )


def test_weights_of_another_shape():
    text = said(DataError, lambda: AttentionRegressor("none").fit(X, NUMBER, sample_weight=np.ones(3)))
    assert text == "sample_weight has shape (3,), expected (21,).\nsample_weight\nGive one weight a row."


# -- size ----------------------------------------------------------------------------------------------------------------------


def test_an_explanation_of_too_many_rows_says_what_it_would_fill():
    with pytest.raises(ResourceError) as refused:
        reach.check_pairs(200_000, 200_000)
    assert str(refused.value) == (
        "A over all rows, 200,000 x 200,000, would fill 596.0 GiB; at most 2 GiB are filled.\nA\nExplain fewer rows at once."
    )


# -- columns that say nothing --------------------------------------------------------------------------------------------------


def test_infinite_numbers_in_a_column():
    frame = X.copy()
    frame.iloc[2, 0] = np.inf
    assert "age" in said(DataError, lambda: AttentionClassifier("none").fit(frame, Y))


def test_one_row_is_too_few_classes_and_enough_of_a_number():
    assert "one class" in said(DataError, lambda: AttentionClassifier("none").fit(X[:1], Y[:1]))
    fitted = AttentionRegressor("none").fit(X[:1], NUMBER[:1])
    assert fitted.predict(X[:1])[0] == pytest.approx(NUMBER.iloc[0])


def test_not_fitted():
    from sklearn.exceptions import NotFittedError

    for call in ("predict", "explain"):
        with pytest.raises(NotFittedError):
            getattr(AttentionClassifier(), call)(X)
