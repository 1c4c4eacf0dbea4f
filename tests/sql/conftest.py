"""The same tests on every engine: DuckDB in the fast run, Spark in the slow one (starting Java takes seconds)."""

import importlib.util

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("ibis", reason="tables beyond memory need the extra: pip install 'axw[sql]'")
pytest.importorskip("duckdb", reason="tables beyond memory need the extra: pip install 'axw[sql]'")

import axw
from axw.sql import EdgeTable, connect

ROWS = 211


@pytest.fixture(
    scope="session", params=["duckdb", pytest.param("spark", marks=[pytest.mark.slow, pytest.mark.timeout(400)])]
)
def engine(request):
    if request.param == "spark" and importlib.util.find_spec("pyspark") is None:
        pytest.skip("Spark needs the extra: pip install 'axw[spark]'")
    with connect(request.param, threads=2) as started:
        yield started


def made_up():
    """211 rows with every kind of column, missing keys and values, three answers, and 503 edges some of which name no row."""
    rng = np.random.default_rng(0)
    n = ROWS
    frame = pd.DataFrame(
        {
            "id": [f"r{place}" for place in rng.permutation(n)],
            "age": rng.normal(40, 10, n),
            "children": rng.integers(0, 5, n),
            "sex": rng.choice(["m", "f"], n),
            "home": rng.choice([*(f"h{place}" for place in range(61)), None, "  "], n),
            "ward": rng.integers(0, 23, n),
            "since": pd.to_datetime("1969-06-01") + pd.to_timedelta(rng.integers(0, 10**15, n), unit="us"),
            "flag": rng.random(n) < 0.3,
        }
    )
    frame.loc[rng.random(n) < 0.1, "age"] = np.nan
    frame.loc[rng.random(n) < 0.05, "sex"] = None
    frame["mate"] = np.where(rng.random(n) < 0.4, rng.permutation(frame["id"]), None)
    effect = {home: rng.normal() for home in frame["home"].unique()}
    frame["number"] = frame["age"].fillna(40) / 10 + frame["home"].map(effect) + rng.normal(size=n)
    frame["number"] = frame["number"].fillna(4.0)
    frame["two"] = np.where(frame["number"] > 4, "yes", "no")
    frame["three"] = np.array(["a", "b", "c"])[(frame["number"] > 3).astype(int) + (frame["number"] > 5)]
    ends = [*frame["id"], "nobody"]
    edges = pd.DataFrame({"s": rng.choice(ends, 503), "t": rng.choice(ends, 503), "w": rng.random(503)})
    return frame, edges


@pytest.fixture(scope="session")
def frame():
    return made_up()[0]


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """rows.parquet and edges.parquet."""
    folder = tmp_path_factory.mktemp("sql")
    for table, name in zip(made_up(), ("rows", "edges"), strict=True):
        table.to_parquet(folder / f"{name}.parquet", coerce_timestamps="us")
    return folder


def both_ways(files):
    """Each relation in memory and in an engine."""
    edges = pd.read_parquet(files / "edges.parquet")
    path = files / "edges.parquet"
    return {
        "same": (axw.SameValue("home"), axw.SameValue("home")),
        "same two": (axw.SameValue("sex", "ward"), axw.SameValue("sex", "ward")),
        "ref": (axw.Ref("mate"), axw.Ref("mate")),
        "ref one way": (axw.Ref("mate", both=False), axw.Ref("mate", both=False)),
        "edges": (axw.Edges(edges, "s", "t"), EdgeTable(path, "s", "t")),
        "weighted": (axw.Edges(edges, "s", "t", "w"), EdgeTable(path, "s", "t", "w")),
        "one way": (axw.Edges(edges, "s", "t", "w", both=False), EdgeTable(path, "s", "t", "w", both=False)),
    }


KINDS = ("same", "same two", "ref", "ref one way", "edges", "weighted", "one way")
