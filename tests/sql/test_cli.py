"""`axw fit table --engine duckdb|spark`."""

import importlib.util

import pandas as pd
import pytest

from axw.cli import main
from axw.models import load
from axw.sql import load as load_sql
from axw.sql import remember

DROP = "number,three,since,mate,flag,sex"


def words(files, save, *more, engine="duckdb"):
    rows = str(files / "rows.parquet")
    return ["fit", "table", rows, "--target", "two", "--drop", DROP, "--engine", engine, "--save", str(save), *more]


def related(files):
    return ["--id", "id", "--relation", "same:home", "--relation", f"edges:{files / 'edges.parquet'}:s:t:w", "--labels"]


def test_what_is_fitted_in_duckdb_is_a_model_like_others(files, tmp_path, capsys):
    assert main(words(files, tmp_path / "m.axw", *related(files))) == 0
    told = capsys.readouterr()
    assert (
        told.out.startswith(f"saved {tmp_path / 'm.axw'}: AttentionClassifier, 211 rows") and "calibration" in told.err
    )
    assert main(["predict", str(tmp_path / "m.axw"), str(files / "rows.parquet")]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "id,prediction,P(no),P(yes)"
    assert main(words(files, tmp_path / "m.axw")) == 2  # it is there already


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None, reason="Spark needs the extra: pip install 'axw[spark]'"
)
def test_spark_gives_the_same_model(files, tmp_path, capsys):
    for engine in ("duckdb", "spark"):
        assert main(words(files, tmp_path / engine, "--id", "id", "--relation", "same:home", engine=engine)) == 0
    frame = pd.read_parquet(files / "rows.parquet")
    P = [load(tmp_path / engine).predict_proba(frame) for engine in ("duckdb", "spark")]
    assert abs(P[0] - P[1]).max() < 1e-6


def test_rows_too_many_for_a_folder_stay_in_their_table(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(remember, "MOST_ROWS", 100)
    assert main(words(files, tmp_path / "m.axw", "--id", "id", "--relation", "same:home")) == 0
    assert "It is saved without them: keep" in capsys.readouterr().err
    assert load_sql(tmp_path / "m.axw").rows == 211


@pytest.mark.parametrize(
    "more, said, code",
    [
        (["--heads", "2"], "--heads is for models that are trained", 2),
        (["--rung", "linear"], "--rung is for models that are trained", 2),
        (
            ["--attention", "query-key"],
            "--attention query-key without --relation; allowed: none without, given with",
            2,
        ),
        (["--attention", "given"], "--attention given without --relation", 2),
        (["--relation", "near:age:3"], "looks for the nearest rows, which needs the engine memory", 2),
        (["--relation", "same:hone"], "There is no column 'hone'", 2),
        (["--relation", "edges:nothing.parquet:s:t", "--id", "id"], "There is no file nothing.parquet", 3),
    ],
)
def test_what_an_engine_cannot_fit(files, tmp_path, capsys, more, said, code):
    assert main(words(files, tmp_path / "m.axw", *more)) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "m.axw").exists()


def test_a_table_that_is_no_parquet(titanic_csv, tmp_path, capsys):
    asked = [
        "fit",
        "table",
        str(titanic_csv),
        "--target",
        "survived",
        "--engine",
        "duckdb",
        "--save",
        str(tmp_path / "m.axw"),
    ]
    assert main(asked) == 3
    assert "is not Parquet, which is what SQL engines read" in capsys.readouterr().err


@pytest.fixture
def titanic_csv(tmp_path):
    from axw.data import samples

    samples.titanic().head(20).to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path / "rows.csv"
