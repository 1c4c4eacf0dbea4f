"""What is refused, and that then nothing is left behind; what is proved again, and what a damaged export is."""

import json
import sys
from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from axw.data.vocabulary import Vocabulary
from axw.errors import DataError, GateError, ModelError, UsageError
from axw.export import exporting
from axw.export.exporting import TARGETS, export, prove_again
from axw.export.questions import questions, subject
from axw.models.words.gap_lesson import sentinel_names
from axw.models.words.masked_words import MaskedLanguageModel
from tests.export.made import LINES, asked, luong, translator, words


@pytest.mark.parametrize("model", [words(), translator(), luong(joint=False)], ids=lambda m: type(m.network).__name__)
def test_plain_weights_make_the_network_again(model, tmp_path):
    _, lines = asked(model)
    proof = export(model, "safetensors", tmp_path / "plain", lines, beam=2)
    assert proof.difference == 0.0 and str(proof).startswith("proved on 5 lines: the same")
    assert prove_again(model, tmp_path / "plain", lines, beam=2) == proof
    assert json.loads((tmp_path / "plain" / "proof.json").read_text())["schema"] == "axw.proof/1"
    assert "proved on 5 lines" in (tmp_path / "plain" / "README.md").read_text()


@pytest.mark.parametrize("to", ["safetensors", "ctranslate2", "onnx"])
def test_a_model_that_fills_gaps_is_an_encoder_and_a_decoder(to, tmp_path):
    for package in TARGETS[to].needs:
        pytest.importorskip(package, reason="needs pip install 'axw[export]'")
    plain = words()
    model = MaskedLanguageModel(replace(plain.settings, task="fill-spans", longest=20))
    model._vocabularies = {"vocabulary": Vocabulary.learn(LINES, 290, extra=sentinel_names(model.settings))}
    model._network = model._make_network(model._vocabularies).eval()
    lines = questions(subject(model), LINES[:3])
    assert any(5 <= i < model.vocabulary.first for source in lines.sources for i in source)
    assert export(model, to, tmp_path / "spans", lines, beam=2).difference < 1e-4


def test_a_folder_that_is_there_is_refused(tmp_path):
    model = words()
    with pytest.raises(UsageError, match=r"Something is there already(.|\n)*Name another folder"):
        export(model, "safetensors", tmp_path, asked(model)[1])


@pytest.mark.parametrize("to", [name for name, target in TARGETS.items() if target.needs])
def test_a_missing_package_says_its_pip_line(to, tmp_path, monkeypatch):
    model = translator()
    for package in TARGETS[to].needs:
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError) as told:
        export(model, to, tmp_path / "out", asked(model)[1])
    assert f"The package '{TARGETS[to].needs[0]}' is not installed" in told.value.what
    assert told.value.todo == "pip install 'axw[export]'" and list(tmp_path.iterdir()) == []


def another(network, change):
    """A copy of the network with some of its weights changed."""
    copy = deepcopy(network)
    with torch.no_grad():
        change(dict(copy.named_parameters()))
    return copy


@pytest.mark.parametrize(
    ("model", "change", "told"),
    [
        (words(), lambda w: w["frequency"][9].add_(50.0), r"line \d+, piece \d+: '.*' here, '.*' there"),
        (words(), lambda w: w["frequency"][9].add_(0.1), r"line \d+: log p of a piece differs by .*, above 1e-04"),
        (
            translator(),
            lambda w: w["layers.0.own.out.weight"].mul_(-3),
            r"line \d+, greedy, from piece \d+ on: '.*' here, '.*' there",
        ),
        (
            translator(output_bias=True),
            lambda w: w["output_bias"][9].sub_(1.0),
            r"log p per piece is -\d.* here, -\d.* there; allowed: within 1e-04",
        ),
    ],
    ids=["another guess", "another score", "other pieces", "other scores"],
)
def test_where_the_two_part_is_said_and_nothing_is_left(model, change, told, tmp_path, monkeypatch):
    def files(given):
        return TARGETS["safetensors"].files(given._replace(network=another(given.network, change)))

    monkeypatch.setitem(exporting.TARGETS, "huggingface", TARGETS["safetensors"]._replace(files=files))
    with pytest.raises(GateError, match=told) as refused:
        export(model, "huggingface", tmp_path / "out", asked(model)[1], beam=2)
    assert refused.value.what.startswith("The export does not say what the model says: ")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_export_is_noticed_before_it_is_loaded(tmp_path):
    model = words()
    _, lines = asked(model)
    export(model, "safetensors", tmp_path / "out", lines)
    weights = tmp_path / "out" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelError, match="The file is damaged"):
        prove_again(model, tmp_path / "out", lines)
    model.save(tmp_path / "saved")
    with pytest.raises(ModelError, match="The folder is no export of axw"):
        prove_again(model, tmp_path / "saved", lines)


def test_an_export_of_another_model_is_noticed(tmp_path):
    model, other = words(), words(norm="rms")
    _, lines = asked(model)
    export(other, "safetensors", tmp_path / "out", lines)
    with pytest.raises(GateError, match="The export does not say what the model says"):
        prove_again(model, tmp_path / "out", lines)


def test_what_cannot_be_asked_is_said(tmp_path):
    given = subject(words())
    with pytest.raises(DataError, match="No line of 2 can be asked: all are empty or longer than 38 pieces"):
        questions(given, ["", "x " * 60])
    with pytest.raises(DataError, match="There are 2 lines and 1 references"):
        questions(given, ["a", "b"], ["a"])
    with pytest.raises(
        UsageError, match="A model of class Vocabulary cannot be exported; allowed: a translator, a masked-word model"
    ):
        subject(Vocabulary.learn(LINES, 290))
    with pytest.raises(UsageError, match=r"There is no target 'onx'(.|\n)*Did you mean 'onnx'"):
        export(words(), "onx", tmp_path / "out", asked(words())[1])
    with pytest.raises(UsageError, match="no int8; those that have: ctranslate2, onnx"):
        export(words(), "huggingface", tmp_path / "out", asked(words())[1], int8=True)
    with pytest.raises(UsageError, match="int8 is for translators"):
        export(words(), "onnx", tmp_path / "out", asked(words())[1], int8=True)
