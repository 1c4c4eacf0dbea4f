"""Hugging Face's library says what the network says, with classes of its own."""

import pytest

from axw.data.vocabulary import BOS, EOS
from axw.errors import UsageError
from axw.export.exporting import export
from axw.export.questions import subject
from tests.export.made import BERT, LINES, OTHER, asked, luong, translator, words

transformers = pytest.importorskip("transformers", reason="needs pip install 'axw[export]'")
RMS = {"norm": "rms", "positions": "relative"}

WORDS = {
    "EuroBertForMaskedLM": {},
    "XLMRobertaXLForMaskedLM": {"feedforward": "relu", "positions": "sinusoidal"},
}
MORE_WORDS = [
    BERT,
    {"norm": "rms"},
    {"norm": "rms", "feedforward": "swiglu", "bias": True},
    {"feedforward": "bilinear", "d_k": 6, "d_v": 6},
    {"feedforward": "gelu", "positions": "learned", "norm_epsilon": 1e-6},
    {"feedforward": "relu2", "positions": "none"},
]
WRITERS = {
    "PegasusForConditionalGeneration": {},
    "MarianMTModel": {"norm_place": "post", "shared": "none", "joint": False, "bias": True, "output_bias": True},
    "T5ForConditionalGeneration": {**RMS, "feedforward": "geglu", "decoder_layers": 1, "d_k": 4, "d_v": 4},
}
MORE_WRITERS = [
    {"positions": "learned", "feedforward": "swish", "bias": True, "attention_bias": True, "output_bias": True},
    {"positions": "none", "feedforward": "gelu"},
    {"norm_place": "post"},
    {"norm_place": "post", "shared": "target", "joint": False},
    {"norm_place": "post", "shared": "target"},
    {"norm_place": "post", "shared": "none"},
    *({**RMS, "feedforward": kind} for kind in ("relu", "relu2", "glu", "bilinear", "reglu", "swiglu")),
    {**RMS, "positions": "none"},
]


def proved(model, folder):
    return export(model, "huggingface", folder, asked(model)[1], beam=3)


@pytest.mark.parametrize("name", WORDS)
def test_a_masked_word_model_is_one_of_its_classes(name, tmp_path):
    assert proved(words(**WORDS[name]), tmp_path / "hf").difference < 1e-4
    loaded = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "hf")
    assert type(loaded).__name__ == name


@pytest.mark.parametrize("name", WRITERS)
def test_a_translator_is_one_of_its_classes(name, tmp_path):
    assert proved(translator(**WRITERS[name]), tmp_path / "hf").difference < 1e-4
    loaded = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "hf")
    assert type(loaded).__name__ == name


@pytest.mark.slow
@pytest.mark.parametrize("form", MORE_WORDS, ids=str)
def test_more_masked_word_models(form, tmp_path):
    assert proved(words(**form), tmp_path / "hf").difference < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("form", MORE_WRITERS, ids=str)
def test_more_translators(form, tmp_path):
    assert proved(translator(**form), tmp_path / "hf").difference < 1e-4


def test_the_pipeline_fills_masks_as_the_network_does(tmp_path):
    model = words()
    proved(model, tmp_path / "hf")
    fill = transformers.pipeline("fill-mask", model=str(tmp_path / "hf"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    line = "Anna likes [MASK] and tea ."
    ids = [BOS, *model.vocabulary.encode([line], mask_token="[MASK]")[0].tolist(), EOS]
    assert tokenizer(line)["input_ids"] == ids
    filler = model.filler()
    log_p = filler._log_p(_window(ids), 1)[0]
    best = log_p.argsort()[::-1][:3]
    assert [found["token"] for found in fill(line, top_k=3)] == best.tolist()


def _window(ids):
    import torch

    from axw.models.words.filling import _Window

    return _Window(torch.tensor([ids]), ids.index(4), 0, len(ids) - 2)


def test_generate_says_what_translate_says_with_what_is_written_beside_it(tmp_path):
    model = translator()
    proved(model, tmp_path / "hf")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    loaded = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "hf")
    made = loaded.generate(**tokenizer(LINES[:3], return_tensors="pt", padding=True), num_beams=1, max_new_tokens=12)
    from axw.decoding import SearchSettings

    search = SearchSettings(beam=1, max_factor=0.0, max_constant=12)
    assert tokenizer.batch_decode(made, skip_special_tokens=True) == model.translate(LINES[:3], search=search)


@pytest.mark.slow
def test_two_vocabularies_are_two_tokenizers(tmp_path):
    model = translator(norm_place="post", shared="target", joint=False)
    proved(model, tmp_path / "hf")
    target = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "hf" / "target-tokenizer.json"))
    ids = OTHER.encode([LINES[0]])[0].tolist()
    assert target(LINES[0])["input_ids"] == [*ids, EOS] and target.decode(ids) == LINES[0]


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (words(window=3), "window is 3 with norm_place 'pre'; eurobert holds None."),
        (words(norm_place="post"), "bert"),
        (words(feedforward="none", positions="alibi"), "positions is 'alibi'"),
        (
            translator(positions="rotary"),
            "positions is 'rotary' with norm 'layer', norm_place 'pre'; pegasus holds sinusoidal",
        ),
        (translator(feedforward="swiglu"), "pegasus holds relu, gelu, swish, relu2."),
        (
            translator(norm="rms"),
            "positions is 'sinusoidal' with norm 'rms', norm_place 'pre'; t5 holds relative, none.",
        ),
        (translator(shared="target", joint=False), "shared is 'target'; pegasus holds one matrix for both languages"),
        (luong(), "architecture is 'luong'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_class_holds_is_said_with_who_does(model, what, tmp_path):
    with pytest.raises(UsageError) as told:
        proved(model, tmp_path / "hf")
    assert "huggingface cannot hold this network" in told.value.what and what in told.value.what
    assert told.value.todo.startswith("Targets that can: ") and "onnx, safetensors" in told.value.todo
    assert not (tmp_path / "hf").exists()


@pytest.mark.slow
def test_a_tag_stands_before_every_line(tmp_path):
    from dataclasses import replace

    from axw.data.vocabulary import Vocabulary
    from axw.models.translation.lesson import BACKWARD, FORWARD
    from axw.models.translation.translator import Translator

    plain = translator()
    model = Translator(replace(plain.settings, both_directions=True))
    model._vocabularies = {"source": Vocabulary.learn(LINES, 290, extra=(FORWARD, BACKWARD))}
    model._network = model._make_network(model._vocabularies).eval()
    proved(model, tmp_path / "hf")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    assert subject(model).before == (5,) and tokenizer(LINES[0])["input_ids"][0] == 5
