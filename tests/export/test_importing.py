"""A BERT and a Marian of Hugging Face's library say here what they say there."""

import json
import shutil

import pytest
import torch

import axw
from axw.data.foreign_vocabulary import ForeignVocabulary
from axw.data.vocabulary import MASK, UNK, Vocabulary
from axw.errors import GateError, ModelError, UsageError
from axw.export.exporting import export
from axw.export.imported.importing import import_model
from axw.export.imported.sentencepiece import tokenizer_of
from tests.export.foreign import bert, marian
from tests.export.made import LINES

transformers = pytest.importorskip("transformers", reason="needs pip install 'axw[export]'")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    bert(folder / "bert")
    marian(folder / "marian")
    return folder


def test_a_bert_fills_masks_and_its_attention_can_be_explored(folders, tmp_path):
    model, difference = import_model(folders / "bert")
    assert difference < 1e-4
    model.save(tmp_path / "bert")
    loaded = axw.load(tmp_path / "bert")
    line = "Anna likes [MASK] and tea ."
    theirs = transformers.BertForMaskedLM.from_pretrained(folders / "bert", attn_implementation="eager")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folders / "bert" / "tokenizer.json"))
    ids = tokenizer("[CLS] anna likes [MASK] and tea . [SEP]", add_special_tokens=False, return_tensors="pt").input_ids
    with torch.no_grad():
        A = theirs(ids, output_attentions=True).attentions
    pieces, found = loaded.attention(line)
    assert pieces == ["<s>", "anna", "likes", "[MASK]", "and", "tea", ".", "</s>"]
    for layer, (mine, other) in enumerate(zip(found.values(), A, strict=True)):
        assert torch.allclose(torch.from_numpy(mine), other[0], atol=1e-5), layer
    assert loaded.fill(line, top=3).masks[0].guesses[0].probability > 0
    shown = axw.explain(loaded, "Anna's [MASK], (tea) Ω.").to_json()["words"]
    assert shown == ["Anna", "'", "s", "[MASK]", ",", "(", "tea", ")", "Ω", "."]


@pytest.mark.parametrize(
    "form",
    [
        {"scale_embedding": False},
        {"share_encoder_decoder_embeddings": False},
        {"tie_word_embeddings": False, "activation_function": "relu"},
    ],
    ids=str,
)
def test_a_marian_of_every_sharing(form, tmp_path):
    marian(tmp_path / "marian", **form)
    assert import_model(tmp_path / "marian").difference < 1e-4


def test_a_marian_translates_as_it_did(folders, tmp_path):
    model, difference = import_model(folders / "marian")
    assert difference < 1e-4
    model.save(tmp_path / "saved")
    loaded = axw.load(tmp_path / "saved")
    theirs = transformers.MarianMTModel.from_pretrained(folders / "marian")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folders / "marian" / "tokenizer.json"))
    ids = tokenizer(LINES[0] + "</s>", return_tensors="pt").input_ids
    bad = [[theirs.config.pad_token_id]]
    with torch.no_grad():
        said = theirs.generate(ids, num_beams=1, max_new_tokens=9, bad_words_ids=bad, forced_eos_token_id=None)
    search = axw_search(9)
    mine = next(iter(loaded.hypotheses(LINES[:1], search=search)))[0].ids
    vocabulary = loaded._vocabularies["source"]
    names = tokenizer.convert_ids_to_tokens(said[0, 1:].tolist())
    assert [vocabulary.entries[i] for i in mine] == [name for name in names if name != "</s>"]
    assert vocabulary.decode(vocabulary.encode(LINES[:1])[0]) == LINES[0]


def axw_search(most):
    from axw.decoding import SearchSettings

    return SearchSettings(beam=1, max_factor=0.0, max_constant=most)


def test_an_imported_model_is_exported_again(folders, tmp_path):
    from tests.export.made import asked

    model = import_model(folders / "bert").model
    with pytest.raises(UsageError, match="its tokenizer cannot be exported again"):
        export(model, "huggingface", tmp_path / "again", asked(model)[1])


def test_sentencepiece_models_are_cut_as_sentencepiece_cuts(tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece", reason="writes the models that are read here")
    marian(tmp_path / "marian", spm=True)
    model, difference = import_model(tmp_path / "marian")
    assert difference < 1e-4
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "marian" / "source.spm"))
    vocabulary = model._vocabularies["source"]
    for line in [*LINES, "  Two  blanks ", "ﬁne Ｗide", "unseen: Ω"]:
        known = [piece if piece in vocabulary._ids else "<unk>" for piece in processor.encode(line, out_type=str)]
        assert vocabulary.pieces(vocabulary.encode([line])[0]) == known
    with pytest.raises(ModelError, match="This is no SentencePiece model"):
        tokenizer_of(b"\x0a\xff\xff", "x.spm")


def test_a_foreign_vocabulary_is_kept_and_names_in_a_text_are_text(folders):
    words = import_model(folders / "bert").model.vocabulary
    again = Vocabulary.from_bytes(words.to_bytes(), "words.json")
    assert isinstance(again, ForeignVocabulary) and again == words and again.to_bytes() == words.to_bytes()
    assert MASK not in words.encode(["Anna [MASK] tea"])[0]
    assert words.encode(["Anna [MASK] tea"], mask_token="[MASK]")[0].tolist().count(MASK) == 1
    assert words.words_of(words.encode(["Anna likes appletea"])[0])[0] == ["anna", "likes", "appletea"]
    with pytest.raises(ModelError, match="This is not an imported vocabulary"):
        Vocabulary.from_bytes(words.to_bytes().replace(b'"pieces"', b'"piece"'), "words.json")
    with pytest.raises(ModelError, match="The tokenizer cannot be read"):
        Vocabulary.from_bytes(words.to_bytes().replace(b"WordPiece", b"WordPeace"), "words.json")


@pytest.mark.parametrize("kind", ["bert", "marian"])
def test_what_a_foreign_tokenizer_does_not_know_is_counted(kind, folders):
    words = next(iter(import_model(folders / kind).model._vocabularies.values()))
    ids = words.encode([*LINES, "ΩΩ Ω", ""])
    known = [sum(int(i) != UNK for i in line) / max(len(line), 1) for line in ids]
    assert words.strange(ids)[:-1].tolist() == pytest.approx([1 - share for share in known[:-1]])
    assert words.strange(ids)[len(LINES)] >= 0.5 and words.strange(ids)[-1] == 0


@pytest.mark.parametrize("kind", ["bert", "marian"])
def test_what_a_foreign_tokenizer_does_not_know_is_still_in_its_word(kind, folders):
    words = next(iter(import_model(folders / kind).model._vocabularies.values()))
    line = "Anna likes Ωmega and Ω"
    found, numbers = words.words_of(words.encode([line])[0])
    assert len(found) == len(line.split()) and numbers.tolist() == sorted(numbers.tolist())


def changed(folders, tmp_path, kind="bert", **config):
    shutil.copytree(folders / kind, tmp_path / kind)
    path = tmp_path / kind / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return tmp_path / kind


def test_what_cannot_be_imported_is_said(folders, tmp_path):
    with pytest.raises(UsageError, match="a model of type 'gpt2'; allowed: bert, marian"):
        import_model(changed(folders, tmp_path / "1", model_type="gpt2"))
    with pytest.raises(UsageError, match="hidden_act is 'relu'; allowed: 'gelu'"):
        import_model(changed(folders, tmp_path / "2", hidden_act="relu"))
    with pytest.raises(UsageError, match="encoder_ffn_dim is 41, decoder_ffn_dim 40; allowed: equal ones"):
        import_model(changed(folders, tmp_path / "3", "marian", encoder_ffn_dim=41))
    with pytest.raises(ModelError, match="The weights are not those of the configuration: "):
        import_model(changed(folders, tmp_path / "4", intermediate_size=44))


def test_what_would_say_something_else_is_refused(folders, monkeypatch):
    from axw.export.imported import bert as reader

    right = reader.weights
    monkeypatch.setattr(reader, "weights", lambda *given: {**right(*given), "embed.norm.bias": torch.ones(24)})
    with pytest.raises(GateError, match="The imported model does not say what it said: log p differs by"):
        import_model(folders / "bert")


def test_a_folder_that_is_not_whole_is_said(folders, tmp_path):
    with pytest.raises(ModelError, match="There is no such folder"):
        import_model(tmp_path / "nowhere")
    copy = changed(folders, tmp_path)
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="The folder holds no tokenizer.json"):
        import_model(copy)
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(UsageError, match="The weights are a pickle, which may run code and is not opened"):
        import_model(copy)
    (copy / "config.json").unlink()
    with pytest.raises(ModelError, match="The folder holds no config.json"):
        import_model(copy)


def test_without_the_library_nothing_is_compared(folders, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert import_model(folders / "bert").difference is None
