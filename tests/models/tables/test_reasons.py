"""Reasons add up to the score, are the same whatever the order of rows, and an applicant's view holds nothing of anybody else."""

import copy
import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import axw
from axw.errors import DataError, UsageError
from axw.models import AttentionClassifier, AttentionRegressor
from axw.models.tables.reason_parts import contributions, direction
from axw.models.tables.reason_wording import COMBINED, LINKED
from axw.models.tables.reasons import ApplicantView, reasons
from axw.relations import SameValue
from tests.models.tables.made_up import KINDS, answers, features, table

RELATED = {
    "none": {"attention": "none"},
    "given": {"attention": "given", "labels": True, "relations": [SameValue("household")]},
    "dot": {"attention": "dot"},
    "softmax": {**KINDS["query-key"], "labels": True, "relations": [SameValue("household")]},
    "all rows": {**KINDS["query-key"], "labels": True},
    "feed-forward": {**KINDS["query-key"], "feedforward": "swiglu", "relations": [SameValue("household")]},
}


@pytest.fixture(scope="module")
def frame():
    return table(11, 3)


@pytest.fixture(scope="module")
def fitted(frame):
    X = features(frame)
    made = {kind: AttentionClassifier(**how).fit(X, answers(frame, "binary")) for kind, how in RELATED.items()}
    made["multi-class"] = AttentionClassifier(**RELATED["given"]).fit(X, answers(frame, "multi-class"))
    return made


@pytest.fixture(scope="module")
def new():
    frame = features(table(5, 2, seed=7))
    return frame.set_axis([f"new{i}" for i in range(len(frame))]).rename_axis("customer")


@pytest.mark.parametrize("kind", RELATED)
def test_the_parts_are_those_of_the_explanation(fitted, new, kind):
    model = fitted[kind]
    parts = contributions(model, model._asking(new), direction(model, "bad"))
    np.testing.assert_allclose(parts.score, -model.decision_function(new), atol=1e-9)
    told = model.explain(new)
    for relation in {part.relation for part in parts.parts} - {"own row"}:
        mine = parts.C[:, [part.relation == relation for part in parts.parts]].sum(1)
        theirs = told.by("relation").query("relation == @relation").groupby("place")["contribution"].sum()
        np.testing.assert_allclose(mine, -theirs.reindex(range(len(new)), fill_value=0.0), atol=1e-9)


@pytest.mark.parametrize("kind", [*RELATED, "multi-class"])
def test_reasons_and_the_rest_are_the_whole_difference(fitted, new, kind):
    model = fitted[kind]
    adverse = "low" if kind == "multi-class" else "bad"
    for row in reasons(model, new, adverse=adverse, top=3).rows:
        assert len(row.reasons) <= 3 and all(r.contribution > 0 for r in row.reasons)
        weights = [round(r.contribution, 9) for r in row.reasons]
        assert weights == sorted(weights, reverse=True)
        total = sum(r.contribution for r in row.reasons) + row.others
        assert total == pytest.approx(row.score - row.reference, abs=1e-9)


def test_every_column_of_a_category_is_one_reason(fitted, new):
    told = reasons(fitted["none"], new, adverse="bad", top=50)
    texts = {r.text for row in told.rows for r in row.reasons}
    assert texts <= {"age", "income", "region", "lat", "lon", "household", "colour_of_tie"}
    assert "region" in texts
    region = next(r for row in told.rows for r in row.reasons if r.text == "region")
    assert region.parts == ("region",) and region.value in ("north", "south", "west")


def test_both_answers_are_each_other_s_opposite(fitted, new):
    good, bad = (reasons(fitted["given"], new, adverse=each, top=1) for each in ("good", "bad"))
    for one, other in zip(good.rows, bad.rows, strict=True):
        assert one.score == pytest.approx(-other.score) and one.reference == pytest.approx(-other.reference)


def test_the_rows_and_their_order_change_nothing(fitted, new):
    whole = reasons(fitted["given"], new, adverse="bad")
    for i in (3, 0):
        (alone,) = reasons(fitted["given"], new.iloc[[i]], adverse="bad").rows
        assert [r.text for r in alone.reasons] == [r.text for r in whole.rows[i].reasons]


def test_a_row_has_no_reason_against_itself(fitted, new):
    for kind in RELATED:
        (row,) = reasons(fitted[kind], new.iloc[[1]], adverse="bad", reference=new.iloc[[1]]).rows
        assert row.reasons == () and row.others == pytest.approx(0, abs=1e-9)


def test_the_mean_of_the_training_rows_is_nobody_s_reason(fitted, frame):
    """Against the mean over all rows, what all rows together were moved by is nothing."""
    model = fitted["none"]
    told = reasons(model, features(frame), adverse="bad", top=1)
    assert np.mean([row.score - row.reference for row in told.rows]) == pytest.approx(0, abs=1e-9)


def test_granted_are_the_others(fitted, frame, new):
    model = fitted["given"]
    granted = features(frame)[(answers(frame, "binary") == "good").to_numpy()]
    named, given_ = (reasons(model, new, adverse="bad", reference=each) for each in ("granted", granted))
    assert named.against == "the mean of the rows learned from that are not bad"
    for one, other in zip(named.rows, given_.rows, strict=True):
        assert one.reference == pytest.approx(other.reference)
        assert [r.text for r in one.reasons] == [r.text for r in other.reasons]


def test_ties_keep_the_order_of_the_columns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    X = pd.DataFrame({"b": x, "a": x, "c": x})
    model = AttentionRegressor("none").fit(X, x + 0.1 * rng.normal(size=40))
    for row in reasons(model, X[X["a"] > 1], adverse="high").rows:
        assert [r.text for r in row.reasons] == ["b", "a", "c"]


def test_a_wording_by_relation_by_thing_and_by_column(fitted, new):
    wording = {
        "income": "income of the applicant",
        "same household": "accounts of your household",
        "answers | same household": "payment of accounts in your household",
    }
    told = reasons(fitted["given"], new, adverse="bad", top=50, wording=wording)
    texts = {r.text for row in told.rows for r in row.reasons}
    assert {"income of the applicant", "accounts of your household"} <= texts
    assert "payment of accounts in your household" in texts and "income" not in texts
    assert not any("same household" in text for text in texts)
    shown = {text for _, row in told.applicant_view().rows for text in row}
    assert shown <= texts


def test_what_all_readings_of_a_relation_add_is_one_reason_for_an_applicant(fitted, new):
    view = reasons(fitted["given"], new, adverse="bad", top=50).applicant_view()
    for _, texts in view.rows:
        assert len(set(texts)) == len(texts)
    assert any(LINKED in texts for _, texts in view.rows)


def test_a_feed_forward_part_is_named_for_what_it_is(fitted, new):
    told = reasons(fitted["feed-forward"], new, adverse="bad", top=50)
    assert any(r.text == COMBINED for row in told.rows for r in row.reasons)
    assert "no row or column owns" in told.exact


def test_a_number_that_should_be_low(frame):
    model = AttentionRegressor("given", relations=[SameValue("household")]).fit(
        features(frame), answers(frame, "number")
    )
    X = features(frame).iloc[:4]
    high, low = (reasons(model, X, adverse=each) for each in ("high", "low"))
    for a, b, y in zip(high.rows, low.rows, model.predict(X), strict=True):
        assert a.score == pytest.approx(-b.score)
        assert a.score == pytest.approx(y - model.target_.prior[0])


def test_text_frame_and_json_hold_the_same(fitted, new):
    told = reasons(fitted["given"], new, adverse="bad")
    value = json.loads(json.dumps(told.to_json(), allow_nan=False))
    assert value["schema"] == "axw.reasons/1" and value["adverse"] == "bad"
    assert len(told.to_frame()) == sum(len(row["reasons"]) for row in value["rows"])
    assert str(told).startswith("row new0: towards bad ")
    assert "everything else" in str(told)


def test_a_loaded_model_gives_the_same_reasons(fitted, new, tmp_path):
    fitted["given"].save(tmp_path / "given")
    again = reasons(axw.load(tmp_path / "given"), new, adverse="bad")
    assert again.to_json() == reasons(fitted["given"], new, adverse="bad").to_json()


def test_a_model_without_its_rows_asks_for_a_reference(fitted, new, tmp_path):
    fitted["none"].save(tmp_path / "bare", context="none")
    bare = axw.load(tmp_path / "bare")
    with pytest.raises(DataError, match=r"saved without the rows.*\nreference='training'\nGive rows to compare with"):
        reasons(bare, new, adverse="bad")
    told, meant = (reasons(each, new, adverse="bad", reference=new) for each in (bare, fitted["none"]))
    assert told.to_json() == meant.to_json()


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"adverse": "bd"}, r"adverse is 'bd'.\nadverse\nAllowed: bad, good. Did you mean 'bad'\?"),
        ({"adverse": "bad", "top": 0}, r"top is 0; allowed: a whole number of at least 1"),
        ({"adverse": "bad", "reference": "all"}, r"reference is 'all'.\nreference\nAllowed: granted, training"),
        ({"adverse": "bad", "wording": {"incme": "x"}}, r"speaks of 'incme'(.|\n)*Did you mean 'income'"),
        ({"adverse": "bad", "wording": {"income": " "}}, r"wording of 'income' is ' '; allowed: text"),
    ],
)
def test_every_error_says_what_is_allowed(fitted, new, how, text):
    with pytest.raises(UsageError, match=text):
        reasons(fitted["given"], new, **how)


def test_a_rung_without_reasons_says_so(fitted, new):
    class Other:
        pass

    model = copy.copy(fitted["none"])
    model.step_, model.attention = Other(), "smoothing"
    with pytest.raises(UsageError, match="Reasons are not written for attention='smoothing'; allowed: none, given"):
        reasons(model, new, adverse="bad")


def test_errors_of_numbers(frame, fitted, new):
    X = features(frame)
    number = AttentionRegressor("none").fit(X, answers(frame, "number"))
    several = AttentionRegressor("none").fit(X, answers(frame, "several"))
    with pytest.raises(UsageError, match="Allowed: high, low"):
        reasons(number, X, adverse="bad")
    with pytest.raises(UsageError, match="answers 2 numbers; allowed: one"):
        reasons(several, X, adverse="high")
    with pytest.raises(UsageError, match="needs classes"):
        reasons(number, X, adverse="high", reference="granted")
    with pytest.raises(DataError, match="at least one row"):
        reasons(fitted["none"], new, adverse="bad", reference=new.iloc[:0])


# ------------------------------------------------------------------------------------------------- nobody else is named

SECRETS = st.text("QZXJKVW", min_size=6, max_size=9)


def no_secret_is_told(secrets, seed, how):
    """Ids and texts of the other rows are words that stand nowhere else; none of them, and no number, comes out."""
    rng = np.random.default_rng(seed)
    n = 12
    X = pd.DataFrame(
        {
            "income": rng.normal(1000, 300, n),
            "employer": pd.Categorical([secrets[i % 5] for i in range(n)]),
            "household": [secrets[12 + i // 3] for i in range(n)],
        },
        index=pd.Index([f"id{secrets[i]}" for i in range(n)], name="person"),
    )
    y = np.where(np.arange(n) % 3 == seed % 3, secrets[23], secrets[22])
    model = AttentionClassifier(relations=[SameValue("household")], labels=True, **how).fit(X, y)
    told = reasons(model, X, adverse=secrets[23], top=9)
    for i, row in enumerate(told.applicant_view().rows):
        view = ApplicantView((row,))
        said = (view.to_text() + json.dumps(view.to_json()) + repr(view)).replace(str(X.index[i]), "")
        assert not [secret for secret in secrets if secret in said]
        assert not re.search(r"\d", said.replace("axw.reasons.applicant/1", ""))


@settings(max_examples=6, deadline=None)
@given(st.lists(SECRETS, min_size=24, max_size=24, unique=True), st.integers(0, 7))
def test_an_applicant_reads_nothing_of_another_row(secrets, seed):
    no_secret_is_told(secrets, seed, {"attention": "given"})


def test_an_applicant_reads_nothing_of_another_row_where_A_is_learned():
    no_secret_is_told(["Q" * (6 + i) + "Z" for i in range(24)][::-1], 1, KINDS["query-key"])


def test_the_view_of_one_row_does_not_change_with_the_ids_of_the_others(frame):
    X, y = features(frame), answers(frame, "binary")
    other = X.set_axis([X.index[0], *(f"other{i}" for i in range(1, len(X)))]).rename_axis("customer")
    views = []
    for each in (X, other):
        model = AttentionClassifier(**RELATED["given"]).fit(each, y.set_axis(each.index))
        views.append(reasons(model, each.iloc[[0]], adverse="bad").applicant_view().to_json())
    assert views[0] == views[1]
