"""What a relation is as a value, and what it says of keys that cannot be used."""

import copy
import json
import pickle
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from axw.errors import DataError, DataWarning, UsageError
from axw.relations import Edges, Near, Ref, Relation, Rows, SameValue, relation_from_config
from tests.relations.dense import every_kind, rows

TABLE = pd.DataFrame({"from": ["p0", "p1"], "to": ["p1", "p2"], "w": [1.0, 2.0]})
EACH = [SameValue("t"), SameValue("t", "u"), Ref("s"), Near(["x", "y"], k=3), Edges(TABLE, "from", "to", "w")]


def people(ids, **columns):
    return Rows(pd.Series(ids).to_numpy(dtype=object), pd.DataFrame(columns))


# -- a relation is a value -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("relation", EACH, ids=str)
def test_it_is_shared_and_cannot_be_changed(relation):
    assert clone(relation) is relation and copy.copy(relation) is relation and copy.deepcopy(relation) is relation
    assert not any(hasattr(relation, name) for name in ("__len__", "shape", "__array__", "__iter__", "__getitem__"))
    with pytest.raises(AttributeError, match="A relation cannot be changed"):
        relation.name = "other"
    with pytest.raises(AttributeError, match="A relation cannot be changed"):
        del relation.name


@pytest.mark.parametrize("relation", EACH, ids=str)
def test_it_is_equal_by_content_across_files_and_processes(relation):
    saved = relation.to_config()
    again = relation_from_config(json.loads(json.dumps(saved.config)), saved.tables)
    through_parquet = relation_from_config(
        saved.config, {name: pd.read_parquet(_buffer(table)) for name, table in saved.tables.items()}
    )
    for other in (again, through_parquet, pickle.loads(pickle.dumps(relation))):
        assert other == relation and hash(other) == hash(relation) and other.fingerprint == relation.fingerprint
        assert repr(other) == repr(relation) and other.name == relation.name and other.columns == relation.columns


def _buffer(table):
    import io

    return io.BytesIO(table.to_parquet())


def test_different_relations_are_different():
    others = [SameValue("u"), Ref("s", both=False), Near(["x", "y"], k=4), Edges(TABLE, "from", "to")]
    others += [Edges(TABLE, "from", "to", "w", name="calls"), Edges(TABLE, "to", "from", "w")]
    assert len({*EACH, *others}) == len(EACH) + len(others)
    assert SameValue("t") != "same t"
    changed = TABLE.assign(w=[1.0, 2.5])
    assert Edges(changed, "from", "to", "w") != Edges(TABLE, "from", "to", "w")


def test_names_and_columns():
    assert SameValue("ticket").name == "same ticket" and SameValue("a", "b").name == "same a, b"
    assert Ref("spouse_id").name == "spouse_id" and Ref("spouse_id").columns == ("spouse_id",)
    assert Near(["lat", "lon"], k=8).name == "near lat, lon" and Near("age", 2).columns == ("age",)
    assert Edges(TABLE, "from", "to").name == "from-to" and Edges(TABLE, "from", "to").columns == ()
    assert Edges(TABLE, "from", "to", name="calls").name == "calls"
    assert [relation.by_id for relation in EACH] == [False, False, True, False, True]
    assert (
        repr(EACH[-1]) == "Edges(2 edges, 'from', 'to', 'w')" and repr(Ref("s", both=False)) == "Ref('s', both=False)"
    )


class CountsWhoIsRead(ClassifierMixin, BaseEstimator):
    """As little of an estimator as scikit-learn takes."""

    def __init__(self, relations=()):
        self.relations = relations

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.memory_ = Rows(X.index.to_numpy(), X)
        return self

    def predict(self, X):
        given = [relation.given(Rows(X.index.to_numpy(), X), self.memory_) for relation in self.relations]
        return np.minimum(sum((g.count() for g in given), np.zeros(len(X), int)), 1)


def test_scikit_learn_neither_cuts_nor_copies_it():
    table = rows(23, 3)
    X, y = table.columns.set_index(pd.Index(table.ids)), np.arange(23) % 2
    relations = [SameValue("t"), Ref("s")]
    search = GridSearchCV(CountsWhoIsRead(), {"relations": [[], relations, [EACH[-1]]]}, cv=3).fit(X, y)
    assert all(any(got is one for one in [*relations, EACH[-1]]) for got in search.best_params_["relations"])
    assert len(cross_val_score(CountsWhoIsRead(relations), X, y, cv=3)) == 3


def test_it_does_not_change_with_the_table_that_it_was_made_from():
    table = TABLE.copy()
    relation = Edges(table, "from", "to", "w")
    before = relation.fingerprint
    table.loc[0, "w"] = 99.0
    assert relation.fingerprint == before and relation.frame()["w"].tolist() == [1.0, 2.0]


# -- keys ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, "", "  "])
def test_a_missing_key_reads_nobody(missing):
    table = people([0, 1, 2, 3], t=pd.Series([missing, missing, "a", "a"], dtype=object))
    np.testing.assert_array_equal(SameValue("t").given(table, table).count(), [0, 0, 1, 1])
    both = people([0, 1, 2, 3], t=pd.Series([missing, missing, "a", "a"], dtype=object), u=[1, 1, 1, 1])
    np.testing.assert_array_equal(SameValue("t", "u").given(both, both).count(), [0, 0, 1, 1])
    assert SameValue("t").counts(table)[:2] == (2, 2)


@pytest.mark.parametrize("dtype", ["category", "string", "object", "str"])
def test_keys_are_the_same_whatever_the_column_is_made_of(dtype):
    asking = people(["n"], t=pd.Series(["a"], dtype=dtype))
    memory = people(["a", "b"], t=pd.Series(["a", "b"], dtype=object))
    np.testing.assert_array_equal(SameValue("t").given(asking, memory).csr().toarray(), [[1, 0]])


def test_numbers_are_one_kind_and_exact():
    big = 2**60
    asking = people([10], t=pd.Series([big + 1], dtype="Int64"))
    memory = people([0, 1], t=[big, big + 1])
    np.testing.assert_array_equal(SameValue("t").given(asking, memory).csr().toarray(), [[0, 1]])
    spouse = people([1, 2, 3], s=[2.0, np.nan, 1.0])  # whole numbers beside a missing one become floats
    np.testing.assert_array_equal(Ref("s").given(spouse, spouse).csr().toarray(), [[0, 1, 1], [1, 0, 0], [1, 0, 0]])


def test_dates_are_keys():
    day = pd.to_datetime(["2026-01-01", "2026-01-01", None])
    table = people([0, 1, 2], t=day)
    np.testing.assert_array_equal(SameValue("t").given(table, table).count(), [1, 1, 0])


def refused(call, kind=DataError):
    with pytest.raises(kind) as error:
        call()
    return error.value


def test_text_and_numbers_do_not_match():
    text, numbers = people(["a"], t=["007"], s=["7"]), people([7, 8], t=[7, 8], s=[8, 7])
    error = refused(lambda: SameValue("t").given(text, numbers))
    assert error.what == "keys do not match: '007' vs 7 (text and number)."
    assert error.where == "column 't', relation 'same t'"
    assert error.todo == (
        "Make both columns text, both numbers, or both dates of one kind; keys with leading zeros must be read as text."
    )
    assert refused(lambda: Ref("s").given(text, numbers)).what.startswith("keys do not match: '7' vs 7 ")
    edges = Edges(pd.DataFrame({"a": ["007"], "b": ["008"]}), "a", "b")
    error = refused(lambda: edges.given(numbers, numbers))
    assert error.what.startswith("keys do not match: '007' vs 7 ")
    assert error.where == "columns 'a', 'b' and the ids of the rows, relation 'a-b'"
    date = people([0], t=pd.to_datetime(["2026-01-01"]))
    assert "(date and number)" in refused(lambda: SameValue("t").given(date, numbers)).what


def test_a_column_of_both_kinds_is_compared_value_by_value():
    mixed = people([0, 1, 2], t=pd.Series(["7", 7, 7.0], dtype=object))
    np.testing.assert_array_equal(SameValue("t").given(mixed, mixed).count(), [0, 1, 1])


def test_keys_that_are_no_keys():
    lists = people([0, 1], t=[[1], [1]], s=[[1], [0]])
    message = "A key must be a text, a number or a date: "
    assert refused(lambda: SameValue("t").given(lists, lists)).what == f"{message}unhashable type: 'list'."
    assert message in refused(lambda: Ref("s").given(lists, lists)).what
    assert message in refused(lambda: Edges(lists.columns, "t", "s")).what


def test_rows_must_have_one_name_each():
    twice = people(["a", "a", "b"], t=[1, 1, 1])
    error = refused(lambda: SameValue("t").given(twice, twice))
    assert error.what == "1 row ids stand twice, for example 'a'; each row needs one of its own."
    # Rows without a name are nobody: they read by their keys, and are never taken for one another.
    nameless = people([None, None, "b"], t=[1, 1, 1])
    np.testing.assert_array_equal(SameValue("t").given(nameless, nameless).count(), [3, 3, 2])


def test_a_column_that_is_not_there():
    table = people([0], ticket=["a"])
    error = refused(lambda: SameValue("tickt").given(table, table))
    assert error.what == "There is no column 'tickt', which the relation 'same tickt' reads."
    assert error.todo == "Allowed: ticket. Did you mean 'ticket'?"
    assert refused(lambda: Edges(TABLE, "from", "too")).what == "There is no column 'too' among the edges."


@pytest.mark.parametrize(
    "make", [lambda: SameValue(), lambda: SameValue("a", "a"), lambda: Ref(3), lambda: Near([], k=1)]
)
def test_columns_must_be_named(make):
    assert "allowed: one or more different names of columns, as text." in refused(make, UsageError).what


@pytest.mark.parametrize("k", [0, -1, 2.5, True, "8"])
def test_near_needs_a_number_of_neighbours(k):
    error = refused(lambda: Near(["x"], k=k), UsageError)
    assert error.what == f"Near got k={k!r}; allowed: a whole number of at least 1."


# -- check: once, over the whole table -------------------------------------------------------------------------------------


def test_dangling_keys_are_counted():
    ids = [f"a{i}" for i in range(100)]
    few = people(ids, s=["a1", "zz", *[f"a{i}" for i in range(2, 100)]])
    counts = Ref("s").check(few)  # one in a hundred is no news
    assert (counts.keys, counts.dangling, counts.itself, counts.missing) == (100, 1, 98, 0)
    more = people(ids, s=["zy", "zz", "a3", None, *ids[4:]])
    with pytest.warns(DataWarning, match=r"Relation 's': 2 of 99 keys \(2.0%\) name no row, for example 'zy', 'zz'."):
        assert Ref("s").check(more).missing == 1
    error = refused(lambda: Ref("s").check(people(["7", "8"], s=["007", "008"])))
    assert error.what == "keys do not match: '007', '008' vs '7'. None of 2 keys of 's' names a row."
    assert error.where == "relation 's'"
    edges = Edges(pd.DataFrame({"a": ["a1", "zz"], "b": ["a2", "a3"]}), "a", "b")
    with pytest.warns(DataWarning, match=re.escape("Relation 'a-b': 1 of 4 keys (25.0%) name no row")):
        edges.check(few)
    assert refused(lambda: edges.check(people(["7"], s=["8"]))).what.startswith("keys do not match: 'a1', 'zz'")


def test_given_says_nothing_of_dangling_keys():
    # In a fold the rows that are held out dangle, and that is as it should be.
    table = people(["a", "b"], s=["zz", None])
    assert Ref("s").given(table, table).count().sum() == 0


def test_values_that_differ_in_blanks_or_case_are_counted():
    table = people(range(5), t=["Smith", "smith ", "SMITH", "Jones", "Jones"])
    with pytest.warns(DataWarning) as warned:
        counts = SameValue("t").check(table)
    assert counts.variants == 3
    assert str(warned[0].message) == (
        "Relation 'same t': 3 values differ from another only in blanks or in upper and lower case, "
        "for example 'SMITH', 'Smith', 'smith '; they are different keys."
    )


# -- edges -----------------------------------------------------------------------------------------------------------------


def frame(**columns):
    return pd.DataFrame(columns)


def test_equal_edges_are_one_and_are_counted():
    table = people(["a", "b", "c"])
    once = Edges(frame(s=["a", "b"], t=["b", "c"]), "s", "t")
    often = Edges(frame(s=["a", "b", "a", "c", None], t=["b", "c", "b", "c", "a"]), "s", "t")
    assert often.given(table, table).csr().data.tobytes() == once.given(table, table).csr().data.tobytes()
    counts = often.counts(table)
    assert (counts.duplicates, counts.itself, counts.missing, counts.dangling) == (1, 1, 1, 0)
    heavy = Edges(frame(s=["a", "a", "b"], t=["b", "b", "a"], w=[1.0, 2.0, 4.0]), "s", "t", "w")
    np.testing.assert_array_equal(heavy.given(table, table).csr().toarray(), [[0, 7, 0], [7, 0, 0], [0, 0, 0]])
    one_way = Edges(frame(s=["a", "a", "b"], t=["b", "b", "a"], w=[1.0, 2.0, 4.0]), "s", "t", "w", both=False)
    np.testing.assert_array_equal(one_way.given(table, table).csr().toarray(), [[0, 3, 0], [4, 0, 0], [0, 0, 0]])


def test_polars_and_pandas_make_one_relation():
    assert Edges(pl.from_pandas(TABLE), "from", "to", "w") == Edges(TABLE, "from", "to", "w")
    whole = frame(s=[1, 2], t=[2.0, 3.0])
    assert Edges(whole, "s", "t") == Edges(whole.astype({"s": float, "t": "Int64"}), "s", "t")
    assert Edges(whole, "s", "t") != Edges(whole.astype(int).astype(str), "s", "t")


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf, 1e-200, 1e101])
def test_weights_that_are_not_allowed(weight):
    error = refused(lambda: Edges(frame(s=["a", "b"], t=["b", "c"], w=[1.0, weight]), "s", "t", "w"))
    assert error.what == f"1 of 2 weights are not allowed, for example {weight}; allowed: 0, or 1e-100 to 1e+100."
    assert error.where == "column 'w' of the edges"


def test_edges_that_join_nothing():
    assert refused(lambda: Edges(frame(s=[], t=[]), "s", "t")).what == "The table of edges is empty."
    error = refused(lambda: Edges(frame(s=["a", None, "a"], t=["a", "b", "b"], w=[1, 1, 0]), "s", "t", "w"))
    assert error.what == "None of 3 edges joins two rows: 1 miss an end, 1 end where they start, the others weigh 0."
    assert refused(lambda: Edges(frame(s=["a"], t=["b"], w=["x"]), "s", "t", "w")).what.startswith("Weights are ")
    error = refused(lambda: Edges([("a", "b")], "s", "t"), UsageError)
    assert error.what == "Edges got list; allowed: a DataFrame with one edge a row."


def test_a_saved_table_that_was_changed_is_refused():
    config, tables = Edges(TABLE, "from", "to", "w").to_config()
    other = {name: table.assign(w=[1.0, 3.0]) for name, table in tables.items()}
    assert "is not the one that was saved" in refused(lambda: relation_from_config(config, other)).what
    assert "is missing" in refused(lambda: relation_from_config(config, {})).what
    error = refused(lambda: relation_from_config({"kind": "Samevalue"}, {}))
    assert (
        "no relation of the kind 'Samevalue'. Allowed: Edges, Near, Ref, SameValue. Did you mean 'SameValue'?"
        in error.what
    )
    assert (
        "The setting 'columns' of a saved SameValue is missing."
        in refused(lambda: relation_from_config({"kind": "SameValue"}, {})).what
    )


# -- near ------------------------------------------------------------------------------------------------------------------


def test_equal_points_are_read_in_the_order_of_the_memory():
    table = people(range(6), x=[0.0, 0.0, 0.0, 0.0, 5.0, 5.0])
    index, _, mask = Near(["x"], k=2).given(table, table).neighbours()
    assert mask.all()
    np.testing.assert_array_equal(index, [[1, 2], [0, 2], [0, 1], [0, 1], [0, 5], [0, 4]])
    np.testing.assert_array_equal(Near("x", k=99).given(table, table).count(), [5] * 6)


def test_many_rows_at_few_points_are_quick():
    n = 20_000
    rng = np.random.default_rng(0)
    table = people(range(n), x=rng.integers(0, 5, n).astype(float), y=rng.integers(0, 5, n).astype(float))
    given = Near(["x", "y"], k=8).given(table, table)
    assert (given.count() == 8).all()


def test_near_measures_in_standard_deviations_of_the_memory():
    memory = people(["a", "b", "c"], x=[0.0, 1.0, 2.0], y=[0.0, 1000.0, -1000.0], z=[3.0, 3.0, 3.0])
    asking = people(["n"], x=[0.6], y=[100.0], z=[9.0])
    assert Near(["x", "y", "z"], k=1).given(asking, memory).neighbours().index[0, 0] == 0
    assert refused(lambda: Near(["t"], 1).given(people([0], t=["a"]), people([0], t=["a"]))).what == (
        "The column holds values that are not numbers; 'near t' measures distances."
    )


def test_every_relation_is_one():
    assert all(isinstance(relation, Relation) for relation, _ in every_kind(3, 1))


@pytest.mark.parametrize(
    "values",
    [[None, None], [np.nan, 1.0], pd.Series([1, None], dtype="Int64"), pd.Series([True, False]), [np.inf, 1.0]],
)
def test_near_takes_numbers_of_any_make_and_leaves_out_what_is_not_known(values):
    table = people([0, 1], x=values)
    known = np.isfinite(pd.Series(values).astype("Float64").to_numpy(dtype=float, na_value=np.nan))
    expected = [1, 1] if known.all() else [0, 0]
    np.testing.assert_array_equal(Near("x", k=1).given(table, table).count(), expected)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_one_new_row_whose_keys_are_all_missing(missing):
    memory = people(["a", "b"], t=["x", "x"], s=["b", None])
    asking = people(["n"], t=[missing], s=[missing])
    for relation in (SameValue("t"), Ref("s")):
        assert relation.given(asking, memory).count()[0] == 0


@pytest.mark.parametrize("relation", EACH[:4], ids=str)
def test_the_index_of_the_table_plays_no_part(relation):
    table = rows(13, 2)
    shuffled = Rows(table.ids, table.columns.set_index(pd.Index([5] * 13)))
    plain, other = (relation.given(it, it).csr().toarray() for it in (table, shuffled))
    np.testing.assert_array_equal(plain, other)
