"""The doors on another device: the numbers are those of the CPU, and nothing is on the wrong one (`tests.learning.elsewhere`)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.optim

from axw.learning import Trainer, with_settings
from axw.learning.hooks import Hook
from axw.models.shelf import Shelf
from axw.models.translation.data import translation_data
from axw.models.translation.translator import Translator
from axw.models.trees.parser import ConstituencyParser, TreeData, normal
from axw.models.trees.settings import ParserSettings
from axw.models.words.masked_words import MaskedLanguageModel, words_data
from tests.learning import tiny
from tests.learning.elsewhere import ELSEWHERE, Elsewhere
from tests.models.tiny_text import lines, words_settings
from tests.models.translation.test_translator import TINY, pairs

DATA = translation_data(*pairs(61), pairs(7, seed=1))
TREES = normal(
    [f"(S (NP (D the) (N {a})) (VP (V {b}) (NP (N {a}))))" for a in "cats dogs men".split() for b in "eat see".split()],
    "the trees",
)
SMALL = ("d_model=16", "layers=1", "heads=2", "d_ff=32")
PARSER = with_settings(
    ParserSettings(),
    [*(f"transformer.{each}" for each in SMALL), "vocabulary=275", "train.minutes=none", "train.steps=3"],
)
# Dropout is drawn in another way there, for speed.
DRY = [f"transformer.{name}=0" for name in ("dropout", "attention_dropout", "feedforward_dropout")]
CASES: dict[str, tuple[Any, Any, Any, list[str]]] = {
    "transformer": (Translator, TINY, DATA, DRY),
    "transformer, fp32, ema": (
        Translator,
        TINY,
        DATA,
        [*DRY, "train.precision=fp32", "train.ema=0.9", "train.average=0"],
    ),
    "rotary, r-drop": (Translator, TINY, DATA, [*DRY, "transformer.positions=rotary", "r_drop=1", "word_dropout=0.1"]),
    "luong": (Translator, TINY, DATA, ["architecture=luong", "luong.dropout=0"]),
    "luong, local-p": (Translator, TINY, DATA, ["architecture=luong", "luong.dropout=0", "luong.window=local-p"]),
    "words": (MaskedLanguageModel, words_settings(), words_data(lines(), None), ["network.dropout=0"]),
    "gaps": (
        MaskedLanguageModel,
        words_settings(),
        words_data(lines(), None),
        ["network.dropout=0", "task=fill-spans"],
    ),
    "trees": (ConstituencyParser, PARSER, TreeData(TREES * 3, TREES), DRY),
}


class Heard(Hook):
    def __init__(self) -> None:
        self.records: list[Any] = []

    def on_records(self, records: Any) -> None:
        self.records += [(r.step, r.split, r.name, r.value) for r in records]


def trained(door: Any, settings: Any, data: Any, device: torch.device) -> tuple[dict[str, torch.Tensor], list[Any]]:
    model, heard = door(settings), Heard()
    model._vocabularies = model._learn_vocabularies(data)
    network = model._make_network(model._vocabularies).to(device)
    lesson = model._lesson(data, network, Shelf(Path("nowhere")))
    Trainer(network, lesson.loss, model._train_settings(), hooks=[heard]).fit(lesson.batches, lesson.evaluate)
    return {name: p.detach().cpu() for name, p in network.named_parameters()}, heard.records


@pytest.fixture(autouse=True)
def fused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys.modules["torch.optim.optimizer"], "_get_fused_kernels_supported_devices", lambda: ["cpu", "meta"]
    )
    # The kernel that is for training on a CPU alone adds up in another order: here both sides use the plain one.
    monkeypatch.setattr("axw.equation.sentences.trains_here", lambda queries, dropout: False)


@pytest.mark.filterwarnings("ignore:The text allows")
@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=[] if name in ("transformer", "words") else [pytest.mark.slow]) for name in CASES]
)
def test_a_door_elsewhere(case: str) -> None:
    door, settings, data, changes = CASES[case]
    settings = with_settings(settings, [*changes, "train.threads=1"])
    here, told_here = trained(door, settings, data, torch.device("cpu"))
    with Elsewhere():
        there, told_there = trained(door, settings, data, ELSEWHERE)
    assert here.keys() == there.keys() and all(torch.equal(here[name], there[name]) for name in here)
    assert told_here == told_there and any(split == "evaluation" for _, split, _, _ in told_here)


@pytest.mark.parametrize("changes", [{}, {"precision": "bf16", "on_nan": "rewind"}, {"average": 2}])
def test_a_run_elsewhere_is_stopped_and_goes_on(changes: dict[str, Any], tmp_path: Path) -> None:
    """Buffers, averages, optimizer and best weights go to the disk and back."""
    settings = tiny.settings(**changes)
    whole, history = tiny.train(tmp_path / "whole", settings)

    def cut(model: Any, batch: Any) -> Any:
        if trainer.progress.step == 14:
            raise KeyboardInterrupt
        return tiny.loss(model, batch)

    with Elsewhere():
        for loss in (cut, tiny.loss):
            model = tiny.Net().to(ELSEWHERE)
            with tiny.start_or_resume(tmp_path / "cut", settings) as run:
                trainer = Trainer(model, loss, settings)
                try:
                    trainer.fit(tiny.batches, evaluate, run=run)
                except KeyboardInterrupt:
                    assert trainer.progress.step == 14
        found = {name: value.cpu() for name, value in model.state_dict().items()}
    assert tiny.digest(found) == whole and tiny.history(tmp_path / "cut") == history


def evaluate(model: Any) -> dict[str, float]:
    rows = tiny.Batch(*(part.to(ELSEWHERE) for part in tiny.made_rows()))
    right = (model(rows.X).argmax(1) == rows.y).double().mean()
    return {"loss": tiny.loss(model, rows).mean, "accuracy": float(right)}


def test_what_is_on_two_devices_is_found() -> None:
    with Elsewhere(), pytest.raises(RuntimeError, match="tensors on two devices"):
        torch.ones(3, device=ELSEWHERE) + torch.ones(3)
    with Elsewhere(), pytest.raises(TypeError, match="must be brought back"):
        torch.ones(3, device=ELSEWHERE).numpy()
