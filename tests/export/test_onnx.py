"""onnxruntime says what the network says, one step at a time, under axw's own search."""

import pytest

from axw.export.exporting import export
from axw.networks.luong_settings import SCORES, WINDOWS
from tests.export.made import BERT, asked, luong, translator, words

pytest.importorskip("onnx", reason="needs pip install 'axw[export]'")
pytest.importorskip("onnxruntime", reason="needs pip install 'axw[export]'")

POST = {"norm_place": "post", "heads": 1}
FAST = [
    words(),
    words(**BERT),
    words(norm="rms", feedforward="swiglu", window=2),
    translator(),
    translator(positions="relative", feedforward="geglu", decoder_layers=1, d_k=4, d_v=6),
    luong(window="local-p"),
    luong(score="location", window="local-m", shared="target", joint=False),
]
MORE = [
    words(positions="relative", feedforward="relu2"),
    words(positions="alibi", feedforward="bilinear"),
    translator(
        positions="learned", feedforward="swish", bias=True, attention_bias=True, output_bias=True, embedding_norm=True
    ),
    translator(d_k=5, d_v=7, score="bilinear", normalize="mean", feedforward="none", **POST),
    translator(score="dot", feedforward="glu", d_v=7, **POST),
    translator(score="even", window=2, **POST),
    translator(positions="rotary", norm="rms", joint=False, shared="none", feedforward="reglu"),
    translator(positions="alibi", joint=False, shared="target", feedforward="gelu"),
    translator(layers=0, positions="none", decoder_layers=1),
    luong(shared="all", d_model=12),
    luong(joint=False, d_embedding=9),
    luong(score="none", input_feeding=False),
    *(
        luong(
            score=score,
            window=window,
            input_feeding=score != "concat",
            reverse=score != "dot",
            layers=1 + (score != "dot"),
        )
        for score in SCORES
        for window in WINDOWS
        if score != "none"
    ),
]


def form(model):
    return str(getattr(model.network, "settings", ""))


@pytest.mark.parametrize("model", FAST, ids=form)
def test_it_says_the_same(model, tmp_path):
    assert export(model, "onnx", tmp_path / "onnx", asked(model)[1], beam=3).difference < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("model", MORE, ids=form)
def test_it_says_the_same_in_every_form(model, tmp_path):
    assert export(model, "onnx", tmp_path / "onnx", asked(model)[1], beam=3).difference < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("model", [translator(), luong()], ids=form)
def test_int8_is_proved_by_bleu(model, tmp_path):
    proof = export(model, "onnx", tmp_path / "onnx", asked(model)[1], int8=True, beam=2)
    assert set(proof.bleu) == {"greedy", "beam 2"}
