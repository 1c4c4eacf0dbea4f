"""What goes wrong at size: each is an error that says what was got, what is allowed and what to do, before the work is done."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import axw
from axw.data import Columns
from axw.errors import DataError, DataWarning, ResourceError, UsageError
from axw.relations import Rows
from axw.sql import DuckDB, EdgeTable, Form, connect, fit, given, save
from axw.sql.limits import bytes_of, engine_limit


@pytest.fixture
def duck():
    with DuckDB(threads=1) as started:
        yield started


def written(path, **columns):
    pd.DataFrame(columns).to_parquet(path)
    return path


def rows_of(duck, path, relation, **more):
    table = duck.read(path)
    form = Form(Columns(()), (relation,), "id", more.get("as_of"), False)
    rows, values = form.rows(duck, table), table.select(of="id", x="x")
    return duck.keep(rows.inner_join(values, rows.row == values.of).drop("of")), form


def test_pairs_beyond_any_disk_are_refused_with_their_number(duck, tmp_path):
    n = 100_000
    path = written(tmp_path / "rows.parquet", id=np.arange(n), x=np.ones(n), bank=np.full(n, "one"))
    relation = axw.SameValue("bank")
    rows, form = rows_of(duck, path, relation)
    A = given(duck, relation, rows, rows, keys=form.keys, square=True)
    with pytest.raises(
        ResourceError, match="10,000,000,000 pairs of rows would be formed.*224 GiB; allowed: 2,000,000,000"
    ):
        A.pairs()
    read = duck.one(A.read(["x"]).limit(1))  # and the sums over the same pairs are no trouble
    assert read["sum_x"] == n - 1


def test_double_ids_are_refused_with_the_size_that_they_would_join_to(duck, tmp_path):
    path = written(tmp_path / "rows.parquet", id=[1, 1, 1, 2, 3], x=[1.0, 2, 3, 4, 9], y=[1.0, 2, 1, 2, 7])
    edges = EdgeTable(written(tmp_path / "edges.parquet", s=[1], t=[2]), "s", "t")
    with pytest.raises(
        DataError, match="1 ids stand more than once: joined by id, 5 rows would become 11; each row needs"
    ):
        fit(duck, duck.read(path), "y", relations=[edges], id="id", task="regression")
    path = written(tmp_path / "more.parquet", id=[1, None, 2.0], x=[1.0, 2, 3], y=[1.0, 2, 5])
    with pytest.raises(DataError, match="1 rows have no id"):
        fit(duck, duck.read(path), "y", relations=[edges], id="id", task="regression")


@pytest.mark.parametrize(
    "s, t, w, said",
    [
        ([], [], [], "The table of edges is empty"),
        ([1, 2], [1, 2], [1.0, 1.0], "None of 2 edges joins two rows"),
        ([1, 2], [2, 1], [0.0, 0.0], "None of 2 edges joins two rows"),
        ([1, 2], [2, 1], [1.0, -1.0], "1 weights are not allowed; allowed: 0, or 1e-100 to 1e[+]100"),
        ([1, 2], [2, 1], [1.0, np.nan], "1 weights are not allowed"),
        (["a", "b"], ["b", "a"], [1.0, 1.0], "keys do not match: text vs number"),
    ],
)
def test_edges_that_say_nothing(duck, tmp_path, s, t, w, said):
    path = written(tmp_path / "rows.parquet", id=[1, 2, 3], x=[1.0, 2, 4], y=[1.0, 2, 7])
    types = {"s": "int64", "t": "int64"} if not s else {}
    edges = pd.DataFrame({"s": s, "t": t, "w": w}).astype({**types, "w": "float64"})
    edges.to_parquet(tmp_path / "edges.parquet")
    relation = EdgeTable(tmp_path / "edges.parquet", "s", "t", "w")
    with pytest.raises(DataError, match=said):
        fit(duck, duck.read(path), "y", relations=[relation], id="id", task="regression")


def test_a_hub_of_a_million_neighbours(duck, tmp_path):
    n = 1_000_001
    path = tmp_path / "edges.parquet"
    copy = "COPY (SELECT {} FROM range({}, {}) AS made(i)) TO '{}' (FORMAT parquet)"
    duck.backend.con.execute(copy.format("0 AS s, i AS t", 1, n, path))
    duck.backend.con.execute(copy.format("i AS id, i * 1e0 AS x", 0, n, tmp_path / "rows.parquet"))
    relation = EdgeTable(path, "s", "t")
    rows, form = rows_of(duck, tmp_path / "rows.parquet", relation)
    read = given(duck, relation, rows, rows, keys=form.keys, square=True).read(["x"])
    hub, leaf = (duck.one(read.filter(read.row == row)) for row in (0, 7))
    assert (hub["count"], hub["sum_x"]) == (n - 1, n * (n - 1) / 2)
    assert (leaf["count"], leaf["sum_x"]) == (1, 0.0)


def test_keys_with_a_gap_have_turned_to_floats_and_still_name_their_rows(duck, tmp_path):
    frame = pd.DataFrame({"id": [1, 2, 3, 4], "x": [1.0, 2, 4, 8], "mate": [2.0, None, 1.0, 3.5]})
    frame.to_parquet(tmp_path / "rows.parquet")
    rows, form = rows_of(duck, tmp_path / "rows.parquet", axw.Ref("mate"))
    read = given(duck, axw.Ref("mate"), rows, rows, keys=form.keys, square=True).read(["x"])
    assert sorted(duck.fetch(read.select("row", "sum_x")).to_pandas().to_numpy().tolist()) == [
        [1, 6],
        [2, 1],
        [3, 1],
        [4, 0],
    ]


@pytest.mark.parametrize("kind", ("same", "edges"))
def test_rows_of_the_future_are_not_read(duck, tmp_path, kind):
    rng = np.random.default_rng(0)
    n = 97
    frame = pd.DataFrame({"id": np.arange(n), "x": rng.normal(size=n), "k": rng.integers(0, 9, n)})
    frame["when"] = rng.integers(0, 13, n).astype(float)  # many rows of one moment, which do not read each other
    frame.loc[rng.random(n) < 0.1, "when"] = None
    edges = pd.DataFrame({"s": rng.integers(0, n, 400), "t": rng.integers(0, n, 400)})
    edges.to_parquet(tmp_path / "edges.parquet")
    in_memory = {"same": axw.SameValue("k"), "edges": axw.Edges(edges, "s", "t")}[kind]
    relation = {"same": axw.SameValue("k"), "edges": EdgeTable(tmp_path / "edges.parquet", "s", "t")}[kind]
    there = Rows(frame["id"].to_numpy(dtype=object), frame)
    when = frame["when"].to_numpy()
    A = in_memory.given(there, there).csr().toarray() * (when[None, :] < when[:, None])

    def sums(frame, name):
        frame.to_parquet(tmp_path / name)
        rows, form = rows_of(duck, tmp_path / name, relation, as_of="when")
        found = []
        for square in (True, False):
            A = given(duck, relation, rows, rows if square else rows.view(), keys=form.keys, square=square, timed=True)
            found.append(duck.fetch(A.read(["x"])).to_pandas().sort_values("row")[["sum_x", "count"]].to_numpy(float))
        np.testing.assert_allclose(found[0], found[1], rtol=1e-9, atol=1e-9)
        return found[0]

    before = sums(frame, "rows.parquet")
    np.testing.assert_allclose(before, np.stack([A @ frame["x"], (A > 0).sum(1)], axis=1), rtol=1e-9, atol=1e-9)
    planted = frame.assign(id=frame["id"] + n, x=1e6, when=99.0)
    after = sums(pd.concat([frame, planted], ignore_index=True), "planted.parquet")
    np.testing.assert_allclose(after[:n], before, rtol=1e-9, atol=1e-9)


def test_a_rows_own_label_changes_no_bit_of_its_own_columns(duck, tmp_path):
    rng = np.random.default_rng(1)
    n = 60
    frame = pd.DataFrame(
        {"id": np.arange(n), "x": rng.normal(size=n), "home": rng.integers(0, 20, n), "y": rng.normal(size=n)}
    )
    from axw.models.tables.problem import Target
    from axw.sql import design

    target = Target("numbers", np.array([0.1]), np.array([1.3]))
    found = []
    for label in (0.3, 1e5):
        frame.loc[0, "y"] = label
        frame.to_parquet(tmp_path / f"{label}.parquet")
        table = duck.read(tmp_path / f"{label}.parquet")
        form = Form(Columns.fit(frame[["x"]]), (axw.SameValue("home"),), "id", None, True)
        rows = duck.keep(form.rows(duck, table, [table.y]))
        Z = design(duck, form, rows, rows, target, square=True)
        found.append(duck.fetch(Z.filter(Z.row == 0).drop("y0")).to_pylist())
    assert found[0] == found[1]


def test_an_engine_that_is_not_installed_says_the_line_to_type(monkeypatch):
    real = importlib.import_module
    monkeypatch.setattr(
        importlib, "import_module", lambda name: real("no_" + name) if name == "pyspark" else real(name)
    )
    with pytest.raises(UsageError, match=r"'pyspark' is not installed.*\n.*\npip install 'axw\[spark\]'"):
        connect("spark")
    with pytest.raises(
        UsageError, match="There is no engine 'duckbd'.*\n.*\nAllowed: duckdb, spark. Did you mean 'duckdb'"
    ):
        connect("duckbd")


def test_an_engine_that_dies_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    path = written(tmp_path / "rows.parquet", x=rng.normal(size=50), y=rng.normal(size=50))
    started = DuckDB(threads=1, scratch=tmp_path)
    asked, query = [], started.query

    def dying(sql):
        asked.append(sql)
        if len(asked) == 6:
            started.backend.con.close()
        return query(sql)

    monkeypatch.setattr(started, "query", dying)
    with pytest.raises(ResourceError, match="The engine duckdb could not .*\n.*\nNothing was saved"), started:
        save(fit(started, started.read(path), "y"), tmp_path / "model.axw")
    assert sorted(os.listdir(tmp_path)) == ["rows.parquet"]


SPARK_DIES = """
import sys
from axw.errors import ResourceError
from axw.sql import connect, fit, save

with connect("spark", threads=1) as started:
    query, asked = started.query, []
    def dying(sql):
        asked.append(sql)
        if len(asked) == 4:
            started.session.stop()
        return query(sql)
    started.query = dying
    try:
        save(fit(started, started.read(sys.argv[1]), "y"), sys.argv[2])
    except ResourceError as error:
        print(error.what[:30])
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_cluster_that_dies_in_the_middle_leaves_nothing(tmp_path):
    pytest.importorskip("pyspark", reason="Spark needs the extra: pip install 'axw[spark]'")
    rng = np.random.default_rng(0)
    path = written(tmp_path / "rows.parquet", x=rng.normal(size=50), y=rng.normal(size=50))
    command = [sys.executable, "-c", SPARK_DIES, str(path), str(tmp_path / "model.axw")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith("The engine spark could not")
    assert "model.axw" not in os.listdir(tmp_path)


def test_too_little_memory_is_said_and_no_half_file_is_left(tmp_path):
    with DuckDB(threads=1, scratch=tmp_path) as small:
        small.backend.con.execute("SET memory_limit = '40MB'; SET max_temp_directory_size = '1MB'")
        many = small.backend.sql("SELECT list(i) AS x FROM range(50000000) AS made(i)", schema={"x": "array<int64>"})
        with pytest.raises(ResourceError, match="could not write .*memory"):
            small.write(many, tmp_path / "out.parquet")
    assert os.listdir(tmp_path) == []


def test_files_that_no_engine_reads(duck, tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="is not Parquet.*\n.*\nWrite the table as Parquet"):
        duck.read(tmp_path / "rows.csv")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="is damaged"):
        duck.read(tmp_path / "cut.parquet")
    with pytest.raises(DataError, match="There is no file"):
        duck.read(tmp_path / "none*.parquet")
    with pytest.raises(DataError, match="'age' and 'Age' differ only in upper and lower case"):
        duck.read(written(tmp_path / "twice.parquet", age=[1], Age=[2]))
    with pytest.raises(DataError, match="of the type .*; allowed: numbers, true and false, dates, timestamps, text"):
        fit(duck, duck.read(written(tmp_path / "lists.parquet", x=[[1], [2]], y=[1.0, 2.0])), "y", task="regression")


@pytest.mark.parametrize(
    "settings, kind, said",
    [
        ({"target": "z"}, UsageError, "There is no column 'z'"),
        ({"id": "z"}, UsageError, "There is no column 'z'"),
        ({"target": "one"}, DataError, "The target has one class"),
        ({"target": "none"}, DataError, "None of 40 rows has a none"),
        ({"target": "when"}, DataError, "The target is a date; allowed: numbers"),
        ({"task": "ranking"}, UsageError, "task is 'ranking'"),
        (
            {"relations": [axw.Near(["x"], 3)]},
            UsageError,
            "cannot be read by a SQL engine; allowed: SameValue, Ref, EdgeTable",
        ),
        ({"relations": [axw.SameValue("one")] * 2}, UsageError, "Two relations are called 'same one'"),
        ({"relations": [axw.Ref("one")]}, UsageError, "A relation names rows by their ids"),
        ({"as_of": "one"}, UsageError, "'one' holds string"),
        ({"drop": ["far"]}, None, ""),
        ({}, DataError, "Column 'far' holds infinite numbers in 1 of 40 rows"),
    ],
)
def test_settings_that_cannot_be(duck, tmp_path, settings, kind, said):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=40), "y": rng.normal(size=40), "one": "a", "none": np.nan})
    frame["when"], frame["far"] = pd.Timestamp("2020-01-01"), [np.inf, *range(39)]
    frame.to_parquet(tmp_path / "rows.parquet")
    asked = {"target": "y", **settings}
    table = duck.read(tmp_path / "rows.parquet")
    if kind is None:
        fit(duck, table, **asked)
        return
    with pytest.raises(kind, match=said):
        fit(duck, table, **asked)


def test_rows_without_a_target_are_left_out_and_counted(duck, tmp_path):
    path = written(tmp_path / "rows.parquet", x=[1.0, 2, 3, 4, 5], y=[1.0, None, 3.5, 4.0, np.nan])
    with pytest.warns(DataWarning, match="2 rows have no y and are left out"):
        assert fit(duck, duck.read(path), "y", task="regression").rows == 3


def test_settings_that_duckdb_does_not_take(tmp_path):
    with pytest.raises(UsageError, match="memory is 'much'; allowed: a number with KB, MB, GB"):
        DuckDB(memory="much", scratch=tmp_path)
    with pytest.raises(UsageError, match="this process holds .* MB of it before it begins.*\n.*\nGive .* MB or more"):
        DuckDB(memory="40MB", scratch=tmp_path)
    with pytest.raises(UsageError, match="DuckDB does not take these settings"):
        DuckDB(threads=-3, scratch=tmp_path)
    with pytest.raises(ResourceError, match="No folder can be made in"):
        DuckDB(scratch=tmp_path / "nowhere")
    assert os.listdir(tmp_path) == []


def test_the_whole_process_stays_below_its_memory(tmp_path):
    assert engine_limit("4GB", held=500_000_000) == "2450MB"
    assert bytes_of("1.5 GiB") == 3 * 2**29
    with DuckDB(memory="6GB", threads=1, scratch=tmp_path) as engine:
        (setting,) = engine.query("SELECT current_setting('memory_limit') AS said").to_pylist()
        assert bytes_of(setting["said"].replace(",", "")) <= 0.7 * 6e9


def test_merging_cannot_be_skipped_in_both_directions():
    with pytest.raises(UsageError, match="distinct=True and both=True"):
        EdgeTable("edges.parquet", "s", "t", distinct=True)
