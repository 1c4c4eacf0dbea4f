"""A model as a folder: what is loaded predicts the same, bit for bit; what lies is refused before it is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from axw.errors import DataError, ModelError, UsageError
from axw.models import AttentionClassifier, AttentionRegressor, load
from axw.models.tables import attending
from axw.models.tables.saved_keys import canonical, table_from_bytes, table_to_bytes, typed, untyped
from axw.relations import Edges, Near, Ref, Relation, SameValue
from axw.storage import read_folder, tensors_from_bytes, tensors_to_bytes, write_folder

N = 43
ATTENTION = ("none", "given", "dot", "bilinear", "query-key")


@pytest.fixture(scope="module", autouse=True)
def few_iterations() -> Any:
    """Weights that are far from the best are as good to save."""
    minimise = attending.minimise

    def briefly(*given: Any, **named: Any) -> Any:
        return minimise(*given, **{**named, "iterations": 3})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attending, "minimise", briefly)
        yield


def table(n: int = N, seed: int = 0, first: int = 0) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    names = [f"w{number:03d}" for number in range(first, first + n)]
    return pd.DataFrame(
        {
            "age": chance.normal(40, 12, n).round(1),
            "kind": chance.choice(["a", "b", "c"], n),
            "ticket": [f"T{number}" for number in chance.integers(0, 23, n)],
            "spouse": [names[place] if place % 7 else None for place in chance.integers(0, n, n)],
            "lat": chance.normal(size=n),
            "lon": chance.normal(size=n),
        },
        index=pd.Index(names, name="who"),
    )


def relations() -> list[Relation]:
    chance = np.random.default_rng(5)
    ends = [f"w{number:03d}" for number in range(N + 11)]
    calls = pd.DataFrame({"from": chance.choice(ends, 61), "to": chance.choice(ends, 61), "minutes": chance.random(61)})
    return [SameValue("ticket"), Ref("spouse"), Edges(calls, "from", "to", "minutes"), Near(["lat", "lon"], k=3)]


def target(kind: str, X: pd.DataFrame) -> Any:
    score = X["age"].rank().to_numpy()
    if kind == "two":
        return pd.Series(np.where(score % 2 > 0, "yes", "no"), index=X.index, name="bought")
    if kind == "many":
        return (score % 3).astype(np.int32)
    if kind == "numbers":
        return score.astype(float)
    return pd.DataFrame({"first": score, "second": np.sin(score)}, index=X.index)


def fitted(attention: str = "given", kind: str = "two", *, related: Any = None, **parameters: Any) -> Any:
    X = table()
    used = relations() if related is None else related
    made = AttentionClassifier if kind in ("two", "many") else AttentionRegressor
    model = made(attention, relations=used, members=1, **parameters)
    return model.fit(X, target(kind, X))


def answer(model: Any, X: Any) -> np.ndarray:
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


def files(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def asked() -> pd.DataFrame:
    return pd.concat([table().iloc[:7], table(11, 3, N)])


# -------------------------------------------------------------------------------------------------- the same, bit for bit


@pytest.mark.parametrize("kind", ["two", "many", "numbers", "several"])
@pytest.mark.parametrize("attention", ATTENTION)
def test_loaded_model_predicts_bit_for_bit_the_same(attention: str, kind: str, tmp_path: Path) -> None:
    # Between the kinds of target, each attention meets each kind of relation.
    half = slice(None, 2) if kind in ("two", "numbers") else slice(2, None)
    used = relations()[half] if attention in ("bilinear", "query-key") else relations()
    model = fitted(attention, kind, labels=attention in ("given", "query-key"), related=used)
    model.save(tmp_path / "one")
    again = load(tmp_path / "one")
    assert type(again) is type(model)
    np.testing.assert_array_equal(answer(again, asked()), answer(model, asked()))
    np.testing.assert_array_equal(again.predict(asked()), model.predict(asked()))
    assert again.predict(asked()).dtype == model.predict(asked()).dtype
    before, after = model.get_params(), again.get_params()
    assert before == after
    assert clone(again).get_params() == before
    pd.testing.assert_frame_equal(again.explain(asked()[5:8]).to_frame(), model.explain(asked()[5:8]).to_frame())
    assert list(again.get_feature_names_out()) == list(model.get_feature_names_out())
    again.save(tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")


@pytest.mark.parametrize(
    "parameters",
    [
        {"feedforward": "swiglu", "rank": 1, "heads": 1, "width": 3},
        {"normalize": "none"},
        {"related": [], "members": 2, "feedforward": "relu", "width": 2},
    ],
    ids=str,
)
def test_other_networks_come_back(parameters: dict[str, Any], tmp_path: Path) -> None:
    parameters = dict(parameters)
    members = parameters.pop("members", 1)
    related = parameters.pop("related", relations()[:1])
    X = table()
    model = AttentionClassifier(relations=related, members=members, labels=True, **parameters).fit(X, target("two", X))
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(asked()), model.predict_proba(asked()))
    assert again.explain(asked()).exact == model.explain(asked()).exact


def test_arrays_weights_and_class_weight(tmp_path: Path) -> None:
    X = table()[["age", "lat"]].to_numpy()
    y, weight = np.arange(N) % 2 == 0, np.arange(N) % 4 + 0.5
    model = AttentionClassifier("dot", class_weight={True: 2.0, False: 1.0}, random_state=np.random.RandomState(3))
    model.fit(X, y, sample_weight=weight).save(tmp_path / "m")
    again = load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.class_weight == {True: 2.0, False: 1.0} and again.random_state is None
    assert again.classes_.dtype == bool and not hasattr(again, "feature_names_in_")
    assert again.temperature_ == model.temperature_ and again.calibration_error_ == model.calibration_error_


def test_id_column_of_numbers_and_mixed_keys(tmp_path: Path) -> None:
    X = table().reset_index(drop=True).assign(number=np.arange(N) + 100)
    X["ticket"] = pd.Series([pd.Timestamp("2024-01-01") + pd.Timedelta(days=i % 22) for i in range(N)], dtype=object)
    edges = Edges(pd.DataFrame({"a": [100, 101, 103], "b": [102, 140, 104]}), "a", "b", both=False)
    model = AttentionRegressor("given", relations=[SameValue("ticket"), edges], id="number").fit(X, X["age"])
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert list(again.memory_.rows.ids[:2]) == [100, 101]


# --------------------------------------------------------------------------------------------------------------- contexts


@pytest.mark.parametrize("attention", ["given", "query-key"])
def test_hashed_context_answers_alike_and_holds_no_key(attention: str, tmp_path: Path) -> None:
    model = fitted(attention, labels=True, related=relations()[:3])
    model.save(tmp_path / "one", context="hashed")
    again = load(tmp_path / "one")
    np.testing.assert_allclose(again.predict_proba(asked()), model.predict_proba(asked()), rtol=1e-12)
    written = b"".join(files(tmp_path / "one").values())
    assert b"T17" not in written and b"w042" not in written
    again.save(tmp_path / "two", context="hashed")
    assert files(tmp_path / "one") == files(tmp_path / "two")
    with pytest.raises(
        UsageError, match="allowed for this model: 'hashed', for the ids and keys of this model are hashed already"
    ):
        again.save(tmp_path / "three")


def test_hashed_keys_of_another_kind_are_refused(tmp_path: Path) -> None:
    model = fitted(related=[SameValue("ticket")])
    model.save(tmp_path / "m", context="hashed")
    with pytest.raises(DataError, match="the column holds number; the model was fitted on text"):
        load(tmp_path / "m").predict(asked().assign(ticket=7))


def test_context_none_keeps_nobody(tmp_path: Path) -> None:
    model = fitted("none")
    model.save(tmp_path / "m", context="none")
    again = load(tmp_path / "m")
    features = asked().drop(columns=["spouse", "ticket"])
    np.testing.assert_array_equal(again.predict_proba(features), model.predict_proba(asked()))
    assert len(again.memory_.X) == 0 and again.relations == ()
    again.explain(features)
    assert "No row of the training table" in (tmp_path / "m" / "README.md").read_text()


def test_contexts_that_a_model_does_not_allow(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'none'; allowed for this model: 'full', 'hashed', for attention='dot' reads"):
        fitted("dot", related=[]).save(tmp_path / "m", context="none")
    with pytest.raises(UsageError, match="allowed for this model: 'full', for Near.* needs the numbers themselves"):
        fitted("given").save(tmp_path / "m", context="hashed")
    with pytest.raises(UsageError, match="context is 'all'; allowed for this model: 'full', 'hashed', 'none'."):
        fitted("none", related=[]).save(tmp_path / "m", context="all")
    assert not (tmp_path / "m").exists()


# ---------------------------------------------------------------------------------------------------------------- refusals


def test_save_refuses(tmp_path: Path) -> None:
    model = fitted("given", related=[SameValue("ticket")])
    model.save(tmp_path / "m")
    with pytest.raises(UsageError):
        model.save(tmp_path / "m")
    model.save(tmp_path / "m", overwrite=True)
    with pytest.raises(UsageError, match="The parameters were changed after fit"):
        model.set_params(attention="none").save(tmp_path / "n")
    dates = np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]")[np.arange(N) % 2]
    with pytest.raises(UsageError, match="Classes of the type datetime64"):
        AttentionClassifier("none").fit(table(), dates).save(tmp_path / "n")


def test_a_changed_byte_is_refused(tmp_path: Path) -> None:
    fitted("none", related=[]).save(tmp_path / "m")
    weights = tmp_path / "m" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-3] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelError, match="The file is damaged"):
        load(tmp_path / "m")


@pytest.fixture(scope="module")
def saved_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("saved") / "m"
    fitted("query-key", "many", related=relations()[:3]).save(path)
    folder = read_folder(path)
    return {name: folder.read(name) for name in folder.names}


def _at(*path: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(config: dict[str, Any]) -> None:
        for name in path[:-1]:
            config = config[name]
        config[path[-1]] = to

    return change


def _rank(config: dict[str, Any]) -> None:
    config["parameters"]["rank"] = config["fitted"]["network"]["rank"] = 10**9


def _huge(config: dict[str, Any]) -> None:
    config["parameters"]["rank"] = config["fitted"]["network"]["rank"] = 10**30


LIES: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (
        _at("class", to="Pipeline"),
        "'class' of config.json is 'Pipeline'. Allowed: AttentionClassifier, AttentionRegressor",
    ),
    (lambda config: config.pop("target"), "The keys of config.json are not those of a saved model; missing: target"),
    (_at("shell", to="rm"), "unknown: shell"),
    (_rank, "The tensors do not fit the configuration: another dtype or shape: 'network.parts.0.score"),
    (_huge, "The configuration is not one that axw writes"),
    (_at("parameters", "rank", to=5), "which is not what the parameters make of it"),
    (_at("parameters", "heads", to=0), "heads is 0; allowed: an integer of at least 1"),
    (_at("parameters", "attention", to="all"), "attention is 'all'"),
    (_at("format", to=2), "A model of format 2, made by axw >= "),
    (_at("classes", "values", to=[["integer", "0"], ["integer", "1"]]), "3 targets are named; 1 are expected"),
    (_at("classes", "values", to=[["integer", "2"], ["integer", "1"], ["integer", "0"]]), "in rising order"),
    (_at("classes", "dtype", to="<U99999999"), "are not possible"),
    (_at("fitted", "temperature", to=0), "'temperature' of fitted is 0.0; allowed: above 0"),
    (_at("memory", "rows", to=10**12), "another dtype or shape: 'memory.X'"),
    (_at("relations", to=[]), "The key columns are ('ticket', 'spouse'); the relations read ()"),
    (_at("reader", "columns", to={"version": 1}), "The description of the columns cannot be read"),
    (_at("context", to="hashed"), "The context is 'hashed', and there is no salt"),
    (_at("relations", to=[{"config": {"kind": "SameValue", "columns": 5}, "forms": None}]), "not one that axw writes"),
]


@pytest.mark.parametrize(("lie", "text"), LIES, ids=[text[:40] for _, text in LIES])
def test_config_that_lies(
    lie: Callable[[dict[str, Any]], Any], text: str, saved_files: dict[str, bytes], tmp_path: Path
) -> None:
    config = json.loads(saved_files["config.json"])
    lie(config)
    write_folder(
        tmp_path / "m", {**saved_files, "config.json": json.dumps(config).encode()}, meta={"kind": "table model"}
    )
    with pytest.raises(ModelError) as found:
        load(tmp_path / "m")
    assert text in str(found.value) and found.value.where and found.value.todo
    assert found.value.exit_code == 4


def test_weights_that_lie(saved_files: dict[str, bytes], tmp_path: Path) -> None:
    tensors = tensors_from_bytes(saved_files["model.safetensors"])
    bad = {**tensors, "memory.X": tensors["memory.X"] * float("nan")}
    lost = {name: tensor for name, tensor in tensors.items() if name != "target.prior"}
    wide = {**tensors, "network.bias": torch.zeros(7, dtype=torch.float64)}
    for number, (changed, text) in enumerate(
        [(bad, "not finite: 'memory.X'"), (lost, "missing: 'target.prior'"), (wide, "bias")]
    ):
        path = tmp_path / str(number)
        data = tensors_to_bytes(changed, finite=False)
        write_folder(path, {**saved_files, "model.safetensors": data}, meta={"kind": "table model"})
        with pytest.raises(ModelError, match=text):
            load(path)
    write_folder(tmp_path / "other", saved_files, meta={"kind": "checkpoint"})
    with pytest.raises(ModelError, match="holds a 'checkpoint'; allowed: 'table model'"):
        load(tmp_path / "other")
    with pytest.raises(ModelError):
        load(tmp_path / "nowhere")


# -------------------------------------------------------------------------------------------------------------- the parts


def test_card_says_what_is_known(saved_files: dict[str, bytes]) -> None:
    card = saved_files["README.md"].decode()
    for text in (
        "# AttentionClassifier",
        "X K Q' X'",
        "`SameValue('ticket')`",
        "calibration error",
        f"{N} training rows",
    ):
        assert text in card
    assert "column left out: `spouse`" in card or "key column, read by a relation: `spouse`" in card


def test_typed_values_round_trip_and_keys_are_canonical() -> None:
    values = [7, 7.5, "007", True, None, ("a", 1), pd.Timestamp("2024-02-03 04:05", tz="CET"), b"\0", "\ud800", 2**70]
    data, forms = table_to_bytes({"x": values, "n": np.arange(10)})
    assert forms == ["typed", "integer"]
    back = table_from_bytes(data, {"x": "typed", "n": "integer"}, 10, "here")
    assert back["x"].tolist() == values and back["n"].dtype == np.int64
    assert canonical(7) == canonical(7.0) == canonical(np.int8(7)) != canonical("7") != canonical("007")
    assert all(untyped(json.loads(json.dumps(typed(value)))) == value for value in values)
    with pytest.raises(UsageError, match="A set .* cannot be saved"):
        typed({1})
    with pytest.raises(ModelError, match="cannot be read"):
        untyped(["code", "print()"])
    with pytest.raises(ModelError, match="holds 10 rows"):
        table_from_bytes(data, {"x": "typed", "n": "integer"}, 11, "here")
    with pytest.raises(ModelError, match="is damaged"):
        table_from_bytes(data[:40], {"x": "typed", "n": "integer"}, 10, "here")
