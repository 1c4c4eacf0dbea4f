"""SLX: the coefficients, standard errors and p values are those of spreg on its own data, and those of the plain formula."""

import numpy as np
import pandas as pd
import pytest

from axw.errors import DataError, UsageError
from axw.models.tables.spatial import slx
from axw.relations import Edges, SameValue


def table(n=23, seed=0):
    rng = np.random.default_rng(seed)
    index = pd.Index([f"d{i}" for i in range(n)], name="district")
    X = pd.DataFrame({"income": rng.normal(20, 5, n), "value": rng.lognormal(3, 1, n)}, index=index)
    pairs = rng.integers(0, n, size=(3 * n, 2))
    edges = pd.DataFrame({"i": index[pairs[:, 0]], "j": index[pairs[:, 1]], "w": rng.uniform(0.1, 2, 3 * n)})
    relation = Edges(edges[edges["i"] != edges["j"]], "i", "j", weight="w", both=False)
    return X, pd.Series(rng.normal(size=n), index=index, name="crime"), relation


def test_it_is_the_equation():
    X, y, relation = table()
    from axw.relations import Rows

    rows = Rows(X.index.to_numpy(dtype=object), X[[]])
    A = relation.given(rows, rows).csr().toarray()
    Z = np.column_stack([np.ones(len(X)), X, A @ X.to_numpy()])
    b, *_ = np.linalg.lstsq(Z, y.to_numpy(), rcond=None)
    found = slx(X, y, relation)
    assert list(found.coefficients.index) == ["CONSTANT", "income", "value", "W_income", "W_value"]
    np.testing.assert_allclose(found.coefficients["coefficient"], b, rtol=1e-9)
    np.testing.assert_allclose(found.residuals, y - Z @ b, atol=1e-10)
    np.testing.assert_allclose(found.predict(X), Z @ b, rtol=1e-9)
    np.testing.assert_allclose(found.predict(X.iloc[[5, 2]]), (Z @ b)[[5, 2]], rtol=1e-9)


def test_the_same_rows_in_another_order():
    X, y, relation = table()
    turned = slx(X.iloc[::-1], y.iloc[::-1], relation)
    pd.testing.assert_frame_equal(turned.coefficients, slx(X, y, relation).coefficients, rtol=1e-9)


def test_an_id_column_or_the_index():
    X, y, relation = table()
    pd.testing.assert_frame_equal(
        slx(X.reset_index(), y, relation, id="district").coefficients, slx(X, y, relation).coefficients
    )


def test_keys_of_a_relation_are_no_numbers_of_the_model():
    X, y, _ = table()
    region = pd.Series(list("abcde") * 5)[: len(X)].to_numpy()
    found = slx(X.assign(region=region), y, SameValue("region"))
    assert found.columns == ("income", "value")


def test_only_some_columns_are_lagged():
    X, y, relation = table()
    assert list(slx(X, y, relation, lagged=["value"]).to_frame().index) == ["CONSTANT", "income", "value", "W_value"]


def test_the_text_holds_the_table():
    X, y, relation = table()
    found = slx(X, y, relation)
    assert str(found).splitlines()[0] == "y = b + X W + A X V by least squares; A: i-j"
    assert "W_income" in str(found) and "n = 23, k = 5, R² " in str(found)
    assert found.coefficients["p"].between(0, 1).all()


def wrong():
    X, y, relation = table()
    yield (
        slx,
        (X.assign(region="north"), y, relation),
        {},
        DataError,
        r"'region' holds (str|object); allowed: numbers.\nX\n",
    )
    yield slx, (X.assign(income=np.nan), y, relation), {}, DataError, r"Missing or infinite numbers in income \(23\)"
    yield (
        slx,
        (X.assign(again=2 * X["income"]), y, relation),
        {},
        DataError,
        r"'again' is a linear combination of others",
    )
    yield slx, (X.iloc[:5], y.iloc[:5], relation), {}, DataError, "5 rows for 5 coefficients; at least 6 are needed"
    yield (
        slx,
        (X, y, relation),
        {"lagged": ["incme"]},
        UsageError,
        r"no column 'incme'.\nlagged\n.*Did you mean 'income'",
    )
    yield slx, (X, pd.DataFrame({"a": y, "b": y}), relation), {}, DataError, "y has 2 columns; allowed: one"
    yield slx, (X.reset_index(drop=True), y, relation), {}, DataError, "rows of X are only numbered by their place"
    yield slx, (X, y, relation), {"id": "district"}, DataError, "There is no column 'district'"
    yield slx, (X, y, 3), {}, UsageError, "allowed: a list of relations"


@pytest.mark.parametrize(("call", "given", "named", "kind", "text"), list(wrong()))
@pytest.mark.filterwarnings("ignore")
def test_every_error_says_what_to_do(call, given, named, kind, text):
    with pytest.raises(kind, match=text):
        call(*given, **named)


def columbus(libpysal):
    import geopandas

    frame = geopandas.read_file(libpysal.examples.get_path("columbus.shp"))
    frame["POLYID"] = frame["POLYID"].astype(int).astype(str)  # as columbus.gal writes them
    frame = pd.DataFrame(frame.drop(columns="geometry")).set_index("POLYID")
    return frame[["INC", "HOVAL"]], frame["CRIME"], libpysal.io.open(libpysal.examples.get_path("columbus.gal")).read()


def baltim(libpysal):
    import geopandas

    frame = geopandas.read_file(libpysal.examples.get_path("baltim.shp"))
    frame = pd.DataFrame(frame.drop(columns="geometry")).set_index("STATION")
    frame.index = frame.index.astype(int)
    X = frame[["NROOM", "DWELL", "NBATH", "PATIO", "FIREPL", "AC", "AGE", "LOTSZ", "SQFT"]]
    listed = libpysal.io.open(libpysal.examples.get_path("baltim_q.gal")).read()
    neighbors = {int(i): [int(j) for j in others] for i, others in listed.neighbors.items()}
    return X, frame["PRICE"], libpysal.weights.W(neighbors, id_order=list(frame.index), silence_warnings=True)


@pytest.mark.parametrize("transform", ["r", "b"])
@pytest.mark.parametrize("data", [columbus, baltim], ids=["columbus", "baltim"])
@pytest.mark.filterwarnings("ignore")
def test_coefficients_are_those_of_spreg(data, transform):
    libpysal, spreg = pytest.importorskip("libpysal"), pytest.importorskip("spreg")
    X, y, w = data(libpysal)
    w.transform = transform
    theirs = spreg.OLS(y.to_numpy()[:, None], X.to_numpy(), w=w, slx_lags=1, name_x=list(X.columns))
    for relation in (w, libpysal.graph.Graph.from_W(w)):
        ours = slx(X, y, relation)
        assert list(ours.coefficients.index) == theirs.name_x
        np.testing.assert_allclose(ours.coefficients["coefficient"], theirs.betas[:, 0], rtol=1e-6)
        np.testing.assert_allclose(ours.coefficients["std_error"], theirs.std_err, rtol=1e-6)
        np.testing.assert_allclose(ours.coefficients[["t", "p"]], theirs.t_stat, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(
            [ours.r2, ours.adjusted_r2, ours.sigma2], [theirs.r2, theirs.ar2, theirs.sig2n_k], rtol=1e-6
        )
