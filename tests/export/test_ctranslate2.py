"""CTranslate2 says what the network says, and in 8 bits nearly so."""

import json

import pytest
import torch

from axw.errors import GateError, UsageError
from axw.export.exporting import export
from tests.export.made import asked, luong, translator, words

pytest.importorskip("ctranslate2", reason="needs pip install 'axw[export]'")

FORMS = [
    {},
    {"positions": "relative", "norm": "rms", "feedforward": "swiglu", "decoder_layers": 1},
    {"positions": "rotary", "feedforward": "glu", "shared": "none", "joint": False, "norm_place": "post"},
]
MORE = [
    {"positions": "learned", "feedforward": "swish", "bias": True, "attention_bias": True, "output_bias": True},
    {"embedding_norm": True, "positions": "none", "feedforward": "gelu"},
    {"norm_place": "post"},
    {"shared": "target", "joint": False, "feedforward": "geglu"},
    {"norm_place": "post", "norm": "rms", "feedforward": "swiglu"},
    {"positions": "relative", "feedforward": "reglu", "bias": True},
    {"positions": "rotary", "norm": "rms", "norm_epsilon": 1e-6},
]


def proved(model, folder, **how):
    return export(model, "ctranslate2", folder, asked(model)[1], beam=3, **how)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_it_says_the_same(form, tmp_path):
    assert proved(translator(**form), tmp_path / "ct2").difference < 1e-4
    assert json.loads((tmp_path / "ct2" / "proof.json").read_text())["precision"] == "fp32"


@pytest.mark.slow
@pytest.mark.parametrize("form", MORE, ids=str)
def test_it_says_the_same_in_more_forms(form, tmp_path):
    assert proved(translator(**form), tmp_path / "ct2").difference < 1e-4


def test_int8_is_proved_by_bleu(tmp_path):
    model = translator()
    before = {name: p.clone() for name, p in model.network.named_parameters()}
    proof = proved(model, tmp_path / "ct2", int8=True)
    assert all(torch.equal(p, before[name]) for name, p in model.network.named_parameters())
    assert proof.difference is None and set(proof.bleu) == {"greedy", "beam 3"}
    proved(translator(), tmp_path / "fp32")
    eight, full = ((tmp_path / name / "model.bin").stat().st_size for name in ("ct2", "fp32"))
    assert eight < 0.7 * full


def test_int8_without_references_and_with_another_bleu_is_refused(tmp_path, monkeypatch):
    model = translator()
    _, questions = asked(model)
    with pytest.raises(UsageError, match="there are no references for the lines"):
        export(model, "ctranslate2", tmp_path / "ct2", questions._replace(references=None), int8=True)
    scores = iter([31.0, 31.0, 31.0, 30.85])
    monkeypatch.setattr("axw.export.proof.bleu_chrf", lambda *_: [type("Score", (), {"value": next(scores)})])
    with pytest.raises(GateError, match=r"beam 3: BLEU is 31.00 here, 30.85 there; allowed: within 0.1"):
        proved(model, tmp_path / "ct2", int8=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "what", "who"),
    [
        (translator(feedforward="bilinear"), "feedforward is 'bilinear'; it holds relu, gelu, swish, glu", "onnx"),
        (translator(positions="alibi"), "positions is 'alibi'; it holds", "onnx"),
        (translator(d_k=4, d_v=6), "d_k is 4, d_v 6; it holds d_model / heads of each", "onnx"),
        (luong(window="local-p"), "architecture is 'luong'; it holds Transformers", "onnx"),
        (words(), "the network guesses hidden words", "huggingface, onnx"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_it_cannot_hold_is_said_with_who_can(model, what, who, tmp_path):
    with pytest.raises(UsageError) as told:
        proved(model, tmp_path / "ct2")
    assert what in told.value.what and told.value.todo.startswith(f"Targets that can: {who}")
