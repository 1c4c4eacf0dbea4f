"""The bundled sample is what it says."""

import importlib.util
from pathlib import Path

import pytest

from axw.data import read_table, samples
from axw.errors import UsageError


def test_titanic_is_the_known_table() -> None:
    frame = samples.titanic()
    assert list(frame.columns) == ["passenger", "name", "family", "title", "sex", "age", "class", "survived"]
    assert len(frame) == 1309 and frame["passenger"].is_unique
    assert frame["survived"].value_counts().to_dict() == {"no": 809, "yes": 500}
    assert frame["age"].isna().sum() == 263 and frame["age"].min() == 0.1667
    assert frame.drop(columns="age").notna().all(axis=None)
    assert frame["title"].nunique() == 18 and (frame["title"] == "Master").sum() == 61


def test_families_are_read_from_the_name() -> None:
    frame = samples.titanic()
    assert (frame["family"] == "Sage").sum() == 11
    assert (frame["name"].str.startswith(frame["family"].iloc[0] + ", ")).iloc[0]
    assert all(name.split(",")[0] == family for name, family in zip(frame["name"], frame["family"], strict=True))


def test_path_is_the_file_and_a_typo_is_told() -> None:
    assert len(read_table(samples.path("titanic"))) == 1309
    assert samples.path("titanic").with_name("titanic.ORIGIN.md").exists()
    with pytest.raises(UsageError, match="Did you mean 'titanic'"):
        samples.path("titanik")


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("Allison, Mrs. Hudson J C (Bessi", ("Allison", "Mrs")),
        ("Rothes, the Countess. of (Lucy", ("Rothes", "Countess")),
        ("Homer, Mr. Harry (Mr E Haven)", ("Homer", "Mr")),
        ("Oliva y Ocana, Dona. Fermina", ("Oliva y Ocana", "Dona")),
        ("Smith, J. P.", ("Smith", "")),
        ("Nobody", ("", "")),
    ],
)
def test_names_are_parsed(name: str, parsed: tuple[str, str]) -> None:
    file = Path(__file__).parents[2] / "benchmarks" / "make_samples.py"
    spec = importlib.util.spec_from_file_location("make_samples", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.parse(name) == parsed
