"""Do CSR, DuckDB and Spark give one answer?"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import axw
from axw.data import Columns
from axw.learning import solve as in_memory
from axw.relations import Rows, propagate
from axw.sql import Form, connect, design, fit, fit_columns, transform
from axw.sql import given as given_in_sql
from axw.sql import propagate as propagate_in_sql
from axw.sql.relations import key_columns
from axw.sql.solve import dot, gram, literal, logistic, ridge
from tests.sql.conftest import KINDS, both_ways

CLOSE = {"rtol": 1e-6, "atol": 1e-6}


def operator(engine, files, kind, asking=None, memory=None, timed=False):
    """A among the rows of the file, or between two parts of it (Ibis filters), over the columns age0 and number."""
    relation = both_ways(files)[kind][1]
    table = engine.read(files / "rows.parquet")
    keys = {name: f"key{place}" for place, name in enumerate(key_columns([relation]))}
    columns = {
        "row": "id",
        "number": "number",
        "children": "children",
        "time": "since",
        **{v: k for k, v in keys.items()},
    }
    rows = Form(Columns(()), (relation,), "id", "since" if timed else None, False).rows(engine, table)
    values = table.select(of="id", number="number", children="children")
    rows = rows.inner_join(values, rows.row == values.of)
    rows = rows.select(*[name for name in columns if name in rows.columns])
    asked = rows if asking is None else rows.filter(asking(rows))
    read = rows if memory is None else rows.filter(memory(rows))
    return given_in_sql(engine, relation, asked, read, keys=keys, square=asking is None, timed=timed)


def rows_of(frame, where=None):
    part = frame if where is None else frame[where(frame)]
    return Rows(part["id"].to_numpy(dtype=object), part.reset_index(drop=True)), part[["number", "children"]].to_numpy(
        float
    )


def by_id(engine, table, ids):
    return engine.fetch(table).to_pandas().set_index("row").loc[list(ids)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_x_is_that_of_the_sparse_matrix(engine, files, frame, kind):
    rows, X = rows_of(frame)
    A = both_ways(files)[kind][0].given(rows, rows)
    got = by_id(engine, operator(engine, files, kind).read(["number", "children"]), rows.ids)
    np.testing.assert_allclose(got[["sum_number", "sum_children"]].to_numpy(float), A.sum(X), **CLOSE)
    np.testing.assert_allclose(got["degree"].to_numpy(float), A.degree(), **CLOSE)
    assert (got["count"].to_numpy() == A.count()).all()


@pytest.mark.parametrize("kind", ("same", "ref", "weighted"))
def test_new_rows_read_the_memory_and_never_themselves(engine, files, frame, kind):
    asking, memory = (lambda t: t["children"] < 3), (lambda t: t["children"] > 1)
    asks, _ = rows_of(frame, asking)
    reads, X = rows_of(frame, memory)
    A = both_ways(files)[kind][0].given(asks, reads)
    got = by_id(engine, operator(engine, files, kind, asking, memory).read(["number"]), asks.ids)
    np.testing.assert_allclose(got["sum_number"].to_numpy(float), A.sum(X)[:, 0], **CLOSE)
    assert (got["count"].to_numpy() == A.count()).all()


@pytest.mark.parametrize("kind", ("same", "weighted"))
def test_the_pairs_are_the_entries(engine, files, frame, kind):
    rows, _ = rows_of(frame)
    A = both_ways(files)[kind][0].given(rows, rows).csr().toarray()
    place = {identity: at for at, identity in enumerate(rows.ids)}
    dense = np.zeros_like(A)
    for pair in engine.fetch(operator(engine, files, kind).pairs()).to_pylist():
        dense[place[pair["asks"]], place[pair["reads"]]] += pair["weight"]
    np.testing.assert_allclose(dense, A, **CLOSE)


@pytest.mark.parametrize("by, self_loops", [("rows", "none"), ("both", "none"), ("both", "add")])
@pytest.mark.parametrize("kind", ("same", "weighted"))
def test_hops_and_normalisations(engine, files, frame, kind, by, self_loops):
    rows, X = rows_of(frame)
    A = both_ways(files)[kind][0].given(rows, rows)
    expected = propagate(A, X, by=by, hops=3, self_loops=self_loops)
    found = propagate_in_sql(
        operator(engine, files, kind), ["number", "children"], by=by, hops=3, self_loops=self_loops
    )
    got = by_id(engine, found, rows.ids)
    for hop, values in enumerate(expected, start=1):
        columns = got[[f"hop{hop}_number", f"hop{hop}_children"]].to_numpy(float)
        np.testing.assert_allclose(columns, values, **CLOSE)


def test_columns_are_those_of_memory(engine, files, frame):
    names = ["age", "children", "sex", "since", "flag", "id"]
    columns = Columns.fit(frame[names])
    table = engine.read(files / "rows.parquet")
    found = fit_columns(engine, table, names)
    assert found.names == columns.names and found.rows == columns.rows and set(found.dropped) == set(columns.dropped)
    X = (
        engine.fetch(table.select(*transform(engine, table, columns), row="id"))
        .to_pandas()
        .set_index("row")
        .loc[frame["id"]]
    )
    np.testing.assert_allclose(X.to_numpy(), columns.transform(frame), **CLOSE)
    np.testing.assert_allclose(found.transform(frame), columns.transform(frame), **CLOSE)


@pytest.mark.parametrize("target, kinds", [("number", ("same", "ref")), ("two", ("weighted",)), ("three", ("same",))])
def test_the_whole_fit_is_that_of_the_estimator(engine, files, frame, target, kinds):
    memory, sql = zip(*(both_ways(files)[kind] for kind in kinds), strict=True)
    drop = ["sex", "flag", "ward", *(name for name in ("number", "two", "three") if name != target)]
    penalty = None if target == "number" else 2.0
    made = axw.AttentionRegressor if target == "number" else axw.AttentionClassifier
    settings = {"relations": memory, "labels": True, "id": "id", "penalty": penalty}
    frame = frame.drop(columns=[name for name in drop if name != target])
    model = made("given", **settings).fit(frame.drop(columns=[target]), frame[target])
    table = engine.read(files / "rows.parquet")
    found = fit(engine, table, target, relations=sql, labels=True, id="id", drop=drop, penalty=penalty)
    np.testing.assert_allclose(found.W, model.fitted_.W, **CLOSE)
    np.testing.assert_allclose(found.b, model.fitted_.b, **CLOSE)
    assert found.penalty == pytest.approx(model.fitted_.penalty)
    model.temperature_ = found.temperature  # which folds say, and those are not the same
    answers = engine.fetch(found.predict(engine, table, table)).to_pandas().set_index("id").loc[frame["id"]]
    if target == "number":
        np.testing.assert_allclose(answers["prediction"], model.predict(frame), **CLOSE)
    else:
        P = answers[[name for name in answers if name.startswith("p_")]]
        np.testing.assert_allclose(P, model.predict_proba(frame), **CLOSE)
        assert (answers["prediction"].to_numpy() == model.predict(frame)).all()


@pytest.fixture(scope="module")
def duck():
    with connect("duckdb") as started:
        yield started


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.lists(st.sampled_from(["a", "b", "", " ", None, "a ", "ß", "a'b"]), min_size=2, max_size=23),
    seed=st.integers(0, 99),
)
def test_any_keys_any_numbers(duck, tmp_path, keys, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=len(keys)) * 10.0 ** rng.integers(-3, 4, len(keys))
    path = tmp_path / f"{seed}-{len(keys)}.parquet"
    pd.DataFrame({"row": range(len(keys)), "k": pd.Series(keys, dtype=object), "x": x}).to_parquet(path)
    relation = axw.SameValue("k")
    form = Form(Columns(()), (relation,), "row", None, False)
    table = duck.read(path)
    rows, values = form.rows(duck, table), table.select(of="row", x="x")
    rows = rows.inner_join(values, rows.row == values.of).select("row", "key0", "x")
    got = duck.fetch(given_in_sql(duck, relation, rows, rows, keys=form.keys, square=True).read(["x"]))
    got = got.to_pandas().sort_values("row")
    there = Rows(np.arange(len(keys)), pd.DataFrame({"k": pd.Series(keys, dtype=object)}))
    np.testing.assert_allclose(got["sum_x"], relation.given(there, there).sum(x[:, None])[:, 0], rtol=1e-6, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 9))
def test_a_number_comes_back_to_the_last_bit(duck, value, terms):
    assert duck.query(f"SELECT {literal(value)} AS x").column("x")[0].as_py() == value
    weight = np.arange(terms, dtype=float)
    assert duck.query(f"SELECT {dot(['2e0'] * terms, weight)} AS x").column("x")[0].as_py() == 2 * weight.sum()


def kept(engine, tmp_path, Z, Y):
    names = {f"z{i}": Z[:, i] for i in range(Z.shape[1])} | {f"y{k}": Y[:, k] for k in range(Y.shape[1])}
    pd.DataFrame(names).to_parquet(tmp_path / "design.parquet")
    return engine.keep(engine.read(tmp_path / "design.parquet"))


def test_gram_and_ridge_are_those_of_numpy(engine, tmp_path):
    rng = np.random.default_rng(3)
    Z = rng.normal(size=(101, 7)) + 3
    Z[:, 6] = Z[:, 0] - Z[:, 1]  # collinear
    Y = Z @ rng.normal(size=(7, 2)) + rng.normal(size=(101, 2))
    table = kept(engine, tmp_path, Z, Y)
    G = gram(engine, table, 7, 2)
    centred = Z - Z.mean(0)
    np.testing.assert_allclose(G.ZZ, centred.T @ centred, **CLOSE)
    grid = tuple(np.geomspace(1e-2, 1e4, 13))
    expected, found = in_memory.ridge(Z, Y, grid), ridge(engine, table, 7, 2, grid)
    np.testing.assert_allclose(found.W, expected.W, **CLOSE)
    np.testing.assert_allclose(found.b, expected.b, **CLOSE)
    np.testing.assert_allclose(found.penalty, expected.penalty)
    np.testing.assert_allclose(found.left_out_error, ((Y - expected.left_out) ** 2).mean(0), **CLOSE)


@pytest.mark.parametrize("classes", (2, 3))
def test_logistic_goes_to_the_same_optimum_from_a_sample(engine, tmp_path, classes):
    rng = np.random.default_rng(5)
    Z = rng.normal(size=(499, 5))
    code = (Z @ rng.normal(size=(5, classes)) + rng.gumbel(size=(499, classes))).argmax(1)
    Y = (code[:, None] == np.arange(classes)).astype(float)[:, 1 if classes == 2 else 0 :]
    expected = in_memory.logistic(Z, Y, 0.5, tolerance=1e-11)
    table = kept(engine, tmp_path, Z, Y)
    for sample, most in ((Z, 9), (Z[:250], 25)):
        found = logistic(engine, table, 5, Y.shape[1], 0.5, (sample, Y[: len(sample)]))
        assert found.passes <= most
        np.testing.assert_allclose(found.fitted.W, expected.W, **CLOSE)
        np.testing.assert_allclose(found.fitted.b, expected.b, **CLOSE)


def test_without_a_relation_the_design_is_x(engine, files, frame):
    table = engine.read(files / "rows.parquet")
    model = fit(engine, table, "number", drop=["two", "three", "id", "mate", "home"])
    mine = axw.AttentionRegressor("none").fit(
        frame.drop(columns=["number", "two", "three", "id", "mate", "home"]), frame.number
    )
    np.testing.assert_allclose(model.W, mine.fitted_.W, **CLOSE)
    rows = model.form.rows(engine, table)
    assert design(engine, model.form, rows, rows, model.answer.target, square=True).columns[0] == "z0"
