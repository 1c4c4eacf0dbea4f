"""check: each finding is found where it is planted, and not where it is not."""

import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from axw.data import check, findings_to_dict, findings_to_text, samples


class Relation(NamedTuple):
    name: str
    columns: tuple[str, ...]


def clean(seed: int, rows: int = 211) -> pd.DataFrame:
    """A table whose columns say something about both targets, and none of them all."""
    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    z = x + 2 * random.normal(size=rows)
    return pd.DataFrame(
        {
            "x": x,
            "skew": np.exp(2 * random.normal(size=rows)),
            "count": random.poisson(2, rows),
            "age": np.where(random.random(rows) < 0.1, np.nan, random.integers(18, 90, rows)),
            "group": random.choice(["a", "b", "c", "d"], rows),
            "rare": np.where(random.random(rows) < 0.03, "yes", "no"),
            "many": [f"g{at}" for at in random.integers(0, rows // 3, rows)],
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 900, rows), unit="D"),
            "flag": random.random(rows) < 0.5,
            "label": np.where(z > 0, "good", "bad"),
            "few": np.where(z > np.quantile(z, 0.97), "good", "bad"),
            "kind": np.array(["u", "v", "w"])[np.digitize(z, [-1, 1])],
            "amount": z,
        }
    )


def codes_of(frame: pd.DataFrame, target: str | None = None, relations: tuple = ()) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in check(frame, target, relations):
        found.setdefault(finding.code, []).append(finding.where)
    return found


Plant = Callable[[pd.DataFrame, np.random.Generator], object]
TARGETS = ["label", "few", "kind", "amount"]
LEAKS: dict[str, tuple[str, Plant]] = {
    "copy": ("label", lambda d, r: d["label"]),
    "other words": ("label", lambda d, r: d["label"].map({"good": "paid", "bad": "default"})),
    "code": ("label", lambda d, r: (d["label"] == "good").astype(int)),
    "code with noise": ("label", lambda d, r: (d["label"] == "good") + 0.2 * r.normal(size=len(d))),
    "one in fifty wrong": ("label", lambda d, r: (d["label"] == "good") ^ (r.random(len(d)) < 0.02)),
    "in a sentence": ("label", lambda d, r: [f"case {i}: {v}" for i, v in enumerate(d["label"])]),
    "in a file name": ("label", lambda d, r: [f"letter_{v.replace('bad', 'no')}_{i}.pdf" for i, v in enumerate(d["label"])]),
    "future date": ("label", lambda d, r: d["day"] + pd.to_timedelta(np.where(d["label"] == "good", 5000, 0), unit="D")),
    "date only afterwards": ("label", lambda d, r: d["day"].where(d["label"] == "bad")),
    "amount recovered": ("label", lambda d, r: np.where(d["label"] == "bad", r.exponential(size=len(d)), 0)),
    "reason given": ("label", lambda d, r: np.where(d["label"] == "bad", r.choice(["late", "fraud"], len(d)), None)),
    "group of one outcome": ("label", lambda d, r: d["label"].str[0] + pd.Series(r.integers(0, 9, len(d))).astype(str)),
    "sorted by the outcome": ("label", lambda d, r: d["label"].rank(method="first")),
    "rare class, copy": ("few", lambda d, r: d["few"] == "good"),
    "three classes, code": ("kind", lambda d, r: d["kind"].map({"u": 7, "v": 3, "w": 5})),
    "three classes, text": ("kind", lambda d, r: "type " + d["kind"]),
    "number, copy": ("amount", lambda d, r: d["amount"]),
    "number, other unit": ("amount", lambda d, r: 1.8 * d["amount"] + 32 + 0.01 * r.normal(size=len(d))),
    "number, logarithm": ("amount", lambda d, r: np.exp(d["amount"] / 2)),
    "number, as text": ("amount", lambda d, r: d["amount"].round(2).astype(str)),
}  # fmt: skip


@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_is_found(name: str) -> None:
    target, plant = LEAKS[name]
    frame = clean(7)
    frame["planted"] = plant(frame, np.random.default_rng(8))
    features = frame.drop(columns=[t for t in TARGETS if t != target])
    assert codes_of(features, target).get("leak") == ["column 'planted'"]


def test_clean_tables_raise_at_most_one_alarm_in_twenty() -> None:
    alarms = 0
    for seed in range(20):
        frame, target = clean(seed, rows=(31, 53, 211, 499)[seed % 4]), TARGETS[seed % 4 - seed // 4 % 4]
        found = codes_of(frame.drop(columns=[t for t in TARGETS if t != target]), target)
        alarms += len(found.get("leak", []))
    assert alarms <= 1


def test_the_words_of_a_leak() -> None:
    frame = pd.DataFrame({"TIME": np.arange(100.0), "y": np.arange(100) >= 50, "x": np.arange(100) % 7})
    leak = next(finding for finding in check(frame, "y") if finding.code == "leak")
    assert leak.to_text() == (
        "warning: TIME alone has AUROC 1.00: does it hold the answer?\n"
        "  column 'TIME'\n"
        "  Leave it out if it is not known at the time of the prediction."
    )


def test_a_column_filled_in_for_one_outcome_only_is_found() -> None:
    frame = clean(7)[["x", "label"]]
    frame["body"] = frame["x"].where((frame["label"] == "bad") & (frame.index % 4 == 0))
    leak = next(finding for finding in check(frame, "label") if finding.code == "leak")
    assert leak.what == "Wherever body is filled in, the target is 'bad': does it hold the answer?"


def test_a_column_that_determines_a_number_is_found() -> None:
    random = np.random.default_rng(0)
    place = random.integers(0, 7, 101)
    amount = random.normal(size=7)[place]
    assert codes_of(
        pd.DataFrame({"place": place.astype(str), "x": random.normal(size=101), "amount": amount}), "amount"
    )["leak"] == ["column 'place'"]


def test_the_bundled_table_is_clean() -> None:
    assert [f for f in check(samples.titanic(), "survived") if f.severity != "note"] == []


PLANTED: dict[str, Callable[[pd.DataFrame], object]] = {
    "all-missing": lambda d: [None] * len(d),
    "constant": lambda d: "AT",
    "mostly-missing": lambda d: [1.0, 2.0] + [np.nan] * (len(d) - 2),
    "mixed": lambda d: pd.Series([1, "one"] * len(d), dtype=object)[: len(d)],
    "comma": lambda d: ["1,5", "2,25", "1.234,5"] * (len(d) // 3) + ["0,5"] * (len(d) % 3),
    "infinite": lambda d: np.where(d["x"] > 1, np.inf, d["x"]),
    "id-like": lambda d: [f"p{at:03}" for at in range(len(d))],
    "many-levels": lambda d: [f"p{at // 2}" for at in range(len(d))],
    "identical": lambda d: d["x"],
    "code": lambda d: np.where(d["x"] > 1, 999, d["count"]),
}


@pytest.mark.parametrize("code", PLANTED)
def test_a_planted_fault_is_found_at_its_column_and_no_other(code: str) -> None:
    frame = clean(3).drop(columns=["many", *TARGETS])
    assert codes_of(frame) == {}
    found = codes_of(frame.assign(planted=PLANTED[code](frame)))
    assert list(found) == [code] and "'planted'" in found[code][0]


@pytest.mark.parametrize("missing", [-1, -9, 99, 999, 9999, 77])
def test_codes_for_missing_are_found_in_small_whole_numbers(missing: int) -> None:
    x = np.r_[np.arange(60) % 5, [missing] * 4]
    what = [f.what for f in check(pd.DataFrame({"a": x})) if f.code == "code"]
    assert what == [f"{missing} stands in 4 rows, far outside the rest: does it mean that the value is missing?"]


def test_numbers_with_a_few_words_among_them_are_mixed() -> None:
    frame = pd.DataFrame({"income": ["100", "200", "300", "n/k"] * 5, "x": range(20)})
    mixed = next(f for f in check(frame) if f.code == "mixed")
    assert mixed.what == "Most values are numbers, and 1 are not, such as 'n/k'; all are read as text."


def test_a_column_that_counts_the_rows_is_named() -> None:
    assert codes_of(clean(3).assign(n=np.arange(211) + 1))["id-like"] == ["column 'n'"]


def test_copies_of_rows_are_counted() -> None:
    frame = clean(3).drop(columns=TARGETS)
    found = next(f for f in check(pd.concat([frame, frame.iloc[:5]])) if f.code == "copies")
    assert found.what == "5 of 216 rows are copies of another row." and found.severity == "warning"


@pytest.mark.parametrize(
    ("target", "code", "severity"),
    [
        ("lable", "target-unknown", "error"),
        ("same", "target-constant", "error"),
        ("empty", "target-constant", "error"),
        ("infinite", "target-infinite", "error"),
        ("gaps", "target-missing", "warning"),
        ("lonely", "target-rare", "warning"),
        ("names", "target-classes", "warning"),
    ],
)
def test_targets_that_cannot_be_predicted(target: str, code: str, severity: str) -> None:
    frame = clean(3)
    frame = frame.assign(
        same="a", empty=None, infinite=frame["x"].replace(frame["x"].max(), np.inf), gaps=frame["label"].where(frame["x"] > 0),
        lonely=["z", *frame["label"][1:]], names=[f"n{at % 60}" for at in range(len(frame))],
    )  # fmt: skip
    found = [f for f in check(frame, target) if f.code.startswith("target")]
    assert [(f.code, f.severity) for f in found] == [(code, severity)]
    if target == "lable":
        assert "Did you mean 'label'?" in found[0].todo


def test_a_relation_over_the_target_is_an_error_and_comes_first() -> None:
    relations = (
        Relation("same label", ("label",)),
        Relation("same grup", ("grup",)),
        Relation("same group", ("group",)),
    )
    found = check(clean(3), "label", relations)
    assert [(f.severity, f.code, f.where) for f in found[:2]] == [
        ("error", "relation-target", "relation 'same label'"),
        ("error", "relation-column", "relation 'same grup'"),
    ]
    assert "Did you mean 'group'?" in found[1].todo


def test_few_rows_and_tables_that_are_none() -> None:
    assert "few-rows" in codes_of(clean(3, rows=9))
    assert [f.code for f in check(pd.DataFrame([[1, 2]], columns=["a", "a"]))] == ["table"]
    assert [f.severity for f in check(pd.DataFrame())] == ["error"]


def test_text_and_json_forms() -> None:
    found = check(clean(3).assign(a=1), "label")
    assert findings_to_text(found).splitlines()[-1].endswith("notes") or findings_to_text(found).endswith("note")
    value = json.loads(json.dumps(findings_to_dict(found)))
    assert sum(value["counts"].values()) == len(value["findings"]) == len(found)
    assert set(value["findings"][0]) == {"severity", "code", "where", "what", "todo"}


@pytest.mark.parametrize(
    "column",
    [
        [{"a": 1}, [2], None] * 11, pd.array([1, None, 3] * 11, dtype="Int64"), pd.Categorical(["a", None, "b"] * 11),
        [b"a", 1.5, True] * 11, pd.period_range("2020-01", periods=33, freq="M"), [2**70, 1, None] * 11,
        pd.to_timedelta(range(33), unit="h"), [1e308, -1e308, 5e-324] * 11, pd.date_range("2020", periods=33, tz="UTC"),
    ],
)  # fmt: skip
def test_no_kind_of_column_makes_check_fail(column: object) -> None:
    frame = pd.DataFrame({"a": pd.Series(column), "y": np.arange(33) % 2, "z": np.arange(33) / 7})
    for target in (None, "y", "z", "a"):
        check(frame, target)
