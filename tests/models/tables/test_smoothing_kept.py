"""attention="smoothing" written out and written down: contributions add up, and what is loaded predicts the same, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from axw.errors import ModelError, UsageError
from axw.models import AttentionClassifier, load
from axw.models.tables.saved_smoothing import view_of
from axw.models.tables.smoothing import Smoothed, Voice
from axw.models.tables.smoothing_ground import described, directions, ground_of
from axw.models.tables.smoothing_views import View, candidates, commonness, forms_of
from axw.relations import SameValue
from axw.storage import read_folder, tensors_from_bytes, tensors_to_bytes, write_folder
from tests.models.tables.test_smoothing import fitted, graph, partly

THREE = graph(n=97, seed=1)
TWO = graph(n=89, seed=2, classes=2)


def with_every_view(model: AttentionClassifier, seed: int = 0) -> AttentionClassifier:
    """The model with a voice of every view there is, W at random: what fitting chooses are but one or two."""
    rng = np.random.default_rng(seed)
    step, memory = model.step_, model.memory_
    often = commonness(memory.X)
    views = candidates(often, len(step.relations), True)
    chosen: Smoothed = model.fitted_
    forms = forms_of(memory.X, sorted({view.common for view in views}), often, 0)
    names = directions(step.relations, memory)
    ground = ground_of(step.relations, forms, names, memory, memory)
    c = len(chosen.b)
    voices = tuple(Voice(view, Z.mean(0), rng.normal(size=(Z.shape[1], c)) / 9) for view, Z in described(views, ground))
    model.fitted_ = chosen._replace(forms=forms, names=names, voices=voices)
    return model


@pytest.fixture(scope="module")
def models() -> dict[str, tuple[AttentionClassifier, pd.DataFrame]]:
    """One with three classes and two relations, one with two classes and one, one without a relation; every view is a voice."""
    X, links, y, train, valid, _ = THREE
    X = X.assign(room=np.random.default_rng(0).integers(0, 13, len(X)))
    both = AttentionClassifier("smoothing", relations=[links, SameValue("room")], validation=X.index[valid])
    own = AttentionClassifier("smoothing", validation=X.index[valid])
    return {
        "two relations": (with_every_view(both.fit(X, partly(y, train, valid))), X),
        "two classes": (with_every_view(fitted(TWO)), TWO[0]),
        "no relation": (with_every_view(own.fit(X, partly(y, train, valid))), X),
    }


CASES = ("two relations", "two classes", "no relation")


def asked(X: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows that are remembered; and some of them beside rows that are new."""
    changed = X.iloc[:5].rename(index={X.index[2]: "somebody new"}) * 1.0
    changed.iloc[3, 0] += 2.0
    return {"known": X.iloc[[7, 3, 11]], "new": changed}


# ------------------------------------------------------------------------------------------------------------ written out


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("who", ["known", "new"])
def test_contributions_by_hop_and_column_add_up(models: Any, case: str, who: str) -> None:
    model, X = models[case]
    rows = asked(X)[who]
    told = model.explain(rows)
    total = (
        told.contributions.groupby(["place", "output"], sort=False)["contribution"].sum().unstack()[list(told.names)]
    )
    expected = model.decision_function(rows).reshape(len(rows), -1)
    np.testing.assert_allclose(total.to_numpy(), expected, atol=1e-9)
    np.testing.assert_allclose(told.outputs, expected, atol=1e-9)
    assert "lengths" in told.exact


def test_the_hops_are_named_by_relation(models: Any) -> None:
    model, X = models["two relations"]
    told = model.explain(X.iloc[:2]).contributions
    found = set(told["relation"])
    for name in ("links", "same room", "all relations"):
        assert {f"{name}, hop 1", f"{name}, hop 2"} <= found
    assert "links and nearest rows, hops 3 to 16" in found and "own row" in found
    by_name = told[told["feature"] == "(being that row)"]
    assert set(by_name["relation"]) == {"links", "same room", "all relations"} and set(by_name["read"]) <= set(X.index)


# ----------------------------------------------------------------------------------------------------------- written down


@pytest.mark.parametrize("case", CASES)
def test_loaded_model_predicts_bit_for_bit_the_same(models: Any, case: str, tmp_path: Path) -> None:
    model, X = models[case]
    model.save(tmp_path / "one")
    again = load(tmp_path / "one")
    for rows in asked(X).values():
        np.testing.assert_array_equal(again.predict_proba(rows), model.predict_proba(rows))
        pd.testing.assert_frame_equal(again.explain(rows).to_frame(), model.explain(rows).to_frame())
    np.testing.assert_array_equal(again.memory_.Y, model.memory_.Y)
    assert again.fitted_.chosen == model.fitted_.chosen and again.validation is None
    again.save(tmp_path / "two")
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    card = (tmp_path / "one" / "README.md").read_text()
    assert "sum over voices of A X W" in card and "which held-out rows chose" in card


def test_hashed_names_answer_alike(models: Any, tmp_path: Path) -> None:
    model, X = models["two relations"]
    model.save(tmp_path / "m", context="hashed")
    again = load(tmp_path / "m")
    for rows in asked(X).values():
        np.testing.assert_allclose(again.predict_proba(rows), model.predict_proba(rows), rtol=1e-9)
    written = b"".join(file.read_bytes() for file in (tmp_path / "m").iterdir())
    assert b"p42" not in written
    with pytest.raises(UsageError, match="attention='smoothing' reads remembered rows"):
        model.save(tmp_path / "n", context="none")


def test_changed_parameters_are_not_saved(tmp_path: Path) -> None:
    model = fitted(THREE).set_params(penalty=2.0)
    with pytest.raises(UsageError, match="The parameters were changed after fit"):
        model.save(tmp_path / "m")


# --------------------------------------------------------------------------------------------------------------- refusals


@pytest.fixture(scope="module")
def saved(models: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("smoothed") / "m"
    models["two classes"][0].save(path)
    folder = read_folder(path)
    return {name: folder.read(name) for name in folder.names}


def _views(change: Callable[[list[Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda told: change(told["views"])


LIES: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (_views(lambda views: views.clear()), "0 voices; allowed: from 1 to 1,000"),
    (_views(lambda views: views.append(views[0])), "each another view"),
    (_views(lambda views: views.extend([["own", 0, 0.0, k / 10**7] for k in range(2000)])), "1001 voices"),
    (_views(lambda views: views[0].__setitem__(0, "__class__")), "is none that 1 relations lead to"),
    (_views(lambda views: views[0].__setitem__(1, 7)), "is none that 1 relations lead to"),
    (_views(lambda views: views[0].__setitem__(1, -1)), "is none that 1 relations lead to"),
    (_views(lambda views: views[0].__setitem__(3, float("inf"))), "not one that axw writes"),
    (_views(lambda views: views[0].pop()), "allowed: a kind, a relation, and two numbers"),
    (lambda told: told["forms"].pop(), "are not those of the voices"),
    (lambda told: told["forms"][0].__setitem__(1, 10**9), "are not those of the voices"),
    (lambda told: told["names"].clear(), "are not those of the voices"),
    (lambda told: told["names"][0].__setitem__(1, 10**9), "are not those of the voices"),
    (lambda told: told["names"][0].__setitem__(1, 3), "another dtype or shape"),
    (lambda told: told.update(chosen=[["x", 7.0]]), "allowed: texts with shares from 0 to 1"),
    (lambda told: told.update(chosen=[1]), "1 is no pair"),
    (lambda told: told.update(run="rm"), "unknown: run"),
]


@pytest.mark.parametrize(("lie", "text"), LIES, ids=[f"{n} {text[:30]}" for n, (_, text) in enumerate(LIES)])
def test_config_that_lies(lie: Any, text: str, saved: dict[str, bytes], tmp_path: Path) -> None:
    config = json.loads(saved["config.json"])
    lie(config["fitted"]["smoothing"])
    data = json.dumps(config).encode()
    write_folder(tmp_path / "m", {**saved, "config.json": data}, meta={"kind": "table model"})
    with pytest.raises(ModelError) as found:
        load(tmp_path / "m")
    assert (text in str(found.value) or "Infinity" in data.decode()) and found.value.where and found.value.todo


def test_tensors_that_lie(saved: dict[str, bytes], tmp_path: Path) -> None:
    tensors = tensors_from_bytes(saved["model.safetensors"])
    lost = {name: tensor for name, tensor in tensors.items() if name != "smoothing.b"}
    wide = {**tensors, "smoothing.voice-0.W": torch.zeros(3, 4, dtype=torch.float64)}
    bad = {**tensors, "smoothing.voice-0.centre": tensors["smoothing.voice-0.centre"] * float("nan")}
    for number, (changed, text) in enumerate([(lost, "missing"), (wide, "shape"), (bad, "not finite")]):
        files = {**saved, "model.safetensors": tensors_to_bytes(changed, finite=False)}
        write_folder(tmp_path / str(number), files, meta={"kind": "table model"})
        with pytest.raises(ModelError, match=text):
            load(tmp_path / str(number))


def test_every_view_that_fitting_tries_can_come_back() -> None:
    words = (np.random.default_rng(0).random((50, 30)) < 0.1).astype(float)
    for relations in (0, 1, 2):
        for nearest in (False, True):
            for view in candidates(commonness(words), relations, nearest):
                assert view_of([view.kind, view.relation, float(view.alike), float(view.common)], relations) == view
    with pytest.raises(ModelError, match="is none that 0 relations lead to"):
        view_of(list(View("apart 1", 0, 0.0, -1.0)), 0)
