"""The parser: every answer a tree over exactly the words, trained in a folder or in memory, stopped, resumed, saved, loaded."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import axw
from axw.data import Tree
from axw.data.batches import pad
from axw.data.brackets import bracketing, linearise
from axw.data.vocabulary import EOS
from axw.decoding import score
from axw.errors import DataError, ModelError, UsageError
from axw.learning import Stopped, with_settings
from axw.learning.hooks import Hook, Record
from axw.models.text_model import Place
from axw.models.trees.ensemble import ParserEnsemble
from axw.models.trees.ids import encode_trees, word_beginnings
from axw.models.trees.parser import ConstituencyParser, normal
from axw.models.trees.settings import ParserSettings
from axw.models.words.masked_words import MaskedLanguageModel
from axw.models.words.settings import WordsSettings

CHANGES = [
    "transformer.d_model=16",
    "transformer.layers=1",
    "transformer.decoder_layers=2",
    "transformer.heads=2",
    "transformer.d_ff=32",
    "transformer.dropout=0.1",
    "luong.d_model=16",
    "vocabulary=290",
    "batch_tokens=300",
    "longest=120",
    "search.beam=3",
    "search.max_constant=16",
    "train.minutes=none",
    "train.steps=12",
    "train.evaluate_every=12",
    "train.ema=0.9",
    "train.checkpoint_every=4",
    "train.threads=1",
    "train.schedule.warmup=5",
    "train.schedule.rate=0.01",
]
TINY = with_settings(ParserSettings(), CHANGES)
ARCHITECTURES = ("guided", "transformer", "luong")
NOUNS, VERBS, PLACES = "cat dog man woman sun".split(), "sat ran slept".split(), "on under beside".split()


def treebank(count: int, seed: int = 0) -> list[str]:
    """Sentences of noun phrases around verbs, with a place behind some."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        subject, other = (f"(NP (DT the) (NN {draw.choice(NOUNS)}))" for _ in range(2))
        place = f" (PP (IN {draw.choice(PLACES)}) {other})" if draw.random() < 0.6 else ""
        found.append(f"( (S (NP-SBJ {subject[4:]} (VP (VBD {draw.choice(VERBS)}){place}) (. .)) )")
    return found


TRAIN, VALID = treebank(41), treebank(4, seed=1)
SENTENCES = ["the cat sat .", "the dog ran under the man .", "sun", ". . ,", "the xylophone ( sat ) qqq zürich 漢字 ."]


@functools.cache
def trained(architecture: str = "guided", leaves: str = "tags") -> ConstituencyParser:
    changed = with_settings(TINY, [f"architecture={architecture}", f"leaves={leaves}"])
    return ConstituencyParser(changed).fit(TRAIN, VALID)


@functools.cache
def untrained(architecture: str) -> ConstituencyParser:
    changed = with_settings(TINY, [f"architecture={architecture}", "train.steps=0"])
    return ConstituencyParser(changed).fit(TRAIN, VALID)


def weights(model: ConstituencyParser) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.network.named_parameters()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


WORD = st.sampled_from(["the", "cat", ".", ",", "``", "-LRB-", "%", "1\u00a0000"]) | st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters=" ()"), min_size=1, max_size=12
)


@settings(deadline=None, max_examples=9)
@given(
    st.lists(st.lists(WORD, min_size=1, max_size=11), min_size=1, max_size=4),
    st.sampled_from(ARCHITECTURES),
    st.sampled_from([1, 3]),
)
def test_every_answer_is_a_tree_over_the_words(sentences: list[list[str]], architecture: str, beam: int) -> None:
    for words, tree in zip(sentences, untrained(architecture).parse(sentences, beam=beam), strict=True):
        brackets = {"[": "-LSB-", "]": "-RSB-", "{": "-LCB-", "}": "-RCB-"}
        assert tree.words() == [brackets.get(word, word) for word in words]
        assert bracketing(tree).spans[0][1:] == (0, len(words)) and Tree.from_string(tree.to_string()) == tree


@pytest.mark.slow
def test_a_sentence_of_400_words() -> None:
    words = ("the cat sat on the dog . " * 58).split()[:400]
    assert untrained("guided").parse([words], beam=1)[0].words() == words


@pytest.mark.parametrize(
    ("architecture", "leaves"),
    [
        ("guided", "XX"),
        pytest.param("guided", "tags", marks=pytest.mark.slow),
        pytest.param("transformer", "tags", marks=pytest.mark.slow),
        ("luong", "tags"),
    ],
)
def test_alone_is_in_a_batch(architecture: str, leaves: str) -> None:
    model = trained(architecture, leaves)
    together = model.parse(SENTENCES, beam=2)
    assert [model.parse([sentence], beam=2)[0] for sentence in SENTENCES] == together
    assert model.parse([sentence.split() for sentence in SENTENCES[::-1]], beam=2) == together[::-1]
    assert model.parse([]) == []
    assert together[4].words() == "the xylophone -LRB- sat -RRB- qqq zürich 漢字 .".split()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_decoder_steps_as_it_is_forced(architecture: str) -> None:
    model = trained(architecture)
    source, target = model._sides()
    gold = normal(VALID, "the trees")
    ids = source.encode([" ".join(tree.words()) for tree in gold])
    begin = model._begin(torch.from_numpy(pad(ids, range(len(gold)), after=(EOS,))))
    written = encode_trees(target, gold, "tags")
    stepped = score(*begin, [written[i].tolist() for i in range(len(gold))])
    counts = sum(len(one) for one in stepped)
    assert model.likelihood(VALID)["loss"] == pytest.approx(-sum(float(s.sum()) for s in stepped) / counts, rel=1e-4)


def test_the_words_of_the_network_are_those_of_the_sentence() -> None:
    model = trained()
    source, _ = model._sides()
    lines = ["the cat sat .", "zürich 漢字 qqqqq ( . ."]
    for ids in (source.encode(lines), source.sample(lines, 0.7, 3)):
        padded = torch.from_numpy(pad(ids, [0, 1], after=(EOS,)))
        found = model.network.word_numbers(padded)  # type: ignore[operator]
        for i, row in enumerate(found):
            numbers = source.word_numbers(ids[i])
            assert row[: len(ids[i])].tolist() == numbers.tolist()
            assert int(row[len(ids[i])]) == numbers[-1] + 1 == len(lines[i].split())
    assert EOS in word_beginnings(source)


def test_saved_and_loaded_is_as_before(tmp_path: Path) -> None:
    model = trained()
    model.save(tmp_path / "model")
    loaded = axw.load(tmp_path / "model")
    assert type(loaded) is ConstituencyParser and same(weights(loaded), weights(model))
    assert loaded.parse(SENTENCES) == model.parse(SENTENCES) and loaded.settings == model.settings
    assert "architecture" in (tmp_path / "model" / "config.json").read_text()
    with pytest.raises(ModelError, match="kind 'trees', and not 'translation'"):
        axw.Translator.load(tmp_path / "model")


class StopAt(Hook):
    """Ctrl-C, at a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_records(self, records: Sequence[Record]) -> None:
        if records[0].step == self.step:
            import signal

            signal.raise_signal(signal.SIGINT)


@pytest.mark.slow  # the same trainer stops and resumes words and translations in the default run
def test_stopped_and_resumed_is_undisturbed(tmp_path: Path) -> None:
    changed = with_settings(TINY, ["subword_dropout=0.2", "train.log_every=1", "train.evaluate_every=5"])
    whole = ConstituencyParser(changed).fit(TRAIN, VALID, Place(tmp_path / "whole"))
    with pytest.raises(Stopped):
        ConstituencyParser(changed).fit(TRAIN, VALID, Place(tmp_path / "cut", hooks=[StopAt(7)]))
    resumed = ConstituencyParser(changed).fit(TRAIN, VALID, Place(tmp_path / "cut", resume=True))
    assert same(weights(whole), weights(resumed))
    histories = [
        [{**json.loads(line), "seconds": 0} for line in (tmp_path / name / "history.jsonl").read_text().splitlines()]
        for name in ("whole", "cut")
    ]
    assert histories[0] == histories[1]
    assert axw.load(tmp_path / "cut").parse(SENTENCES) == whole.parse(SENTENCES)
    with pytest.raises(ModelError, match="cannot go on exactly as it was: data was"):
        ConstituencyParser(changed).fit(TRAIN[1:], VALID, Place(tmp_path / "whole", resume=True))


def test_what_is_measured_is_what_evalb_counts() -> None:
    model = trained()
    found = model.evaluate(VALID, beam=1)
    scores = model.scores(VALID, beam=1)
    matched, gold, parsed = (sum(getattr(s, name) for s in scores) for name in ("matched", "gold", "parsed"))
    assert found["f1"] == pytest.approx(200 * matched / (gold + parsed)) and 0 <= found["tag_accuracy"] <= 100
    assert found["loss"] == model.likelihood(VALID)["loss"] and len(scores) == len(VALID)
    assert "tag_accuracy" not in trained("guided", "XX").evaluate(VALID, beam=1)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_attention_of_a_word(architecture: str) -> None:
    model = trained(architecture)
    sentence = "the xylophone sat on qqq ."
    found, n = model.attention(sentence), 6
    names = ["cross 1"] if architecture == "luong" else ["cross 1", "cross 2", "encoder 1"]
    assert sorted(found) == names
    for A in found.values():
        assert A.shape[1:] == (n, n) and (A >= 0).all() and (A.sum(-1) <= 1 + 1e-5).all()
    weights = model.word_attention(sentence, 4)
    assert weights.shape == (n,) and weights.sum() == pytest.approx(1)
    with pytest.raises(UsageError, match="word is 6; allowed: 0 to 5"):
        model.word_attention(sentence, 6)
    with pytest.raises(UsageError, match="There is no layer 'cross 9'"):
        model.word_attention(sentence, 0, "cross 9")


def test_an_ensemble_of_one_model_is_the_model() -> None:
    model = trained()
    assert ParserEnsemble([model, model]).parse(SENTENCES) == model.parse(SENTENCES)
    with pytest.raises(UsageError, match="have other vocabularies"):
        ParserEnsemble([model, trained("guided", "XX")])


@pytest.mark.parametrize("architecture", ["guided", "transformer", "luong"])
def test_an_ensemble_is_measured_as_it_writes_and_is_no_model_of_its_own(architecture: str, tmp_path: Path) -> None:
    one, other = untrained(architecture), trained()
    alone = ParserEnsemble([one]).likelihood(TRAIN[:5])
    assert alone["loss"] == pytest.approx(one.likelihood(TRAIN[:5])["loss"], rel=1e-4)
    both = ParserEnsemble([one, other]) if architecture == "guided" else ParserEnsemble([one, one])
    found = both.evaluate(TRAIN[:5])["loss"]
    assert found <= max(model.likelihood(TRAIN[:5])["loss"] for model in both.parsers) + 1e-4
    for name, ask in (
        ("save", lambda: both.save(tmp_path / "both")),
        ("attention", lambda: both.attention(SENTENCES[0])),
        ("fit", lambda: both.fit(TRAIN)),
    ):
        with pytest.raises(
            UsageError, match=rf"An ensemble of 2 parsers .*\n.*\nAsk a member: ensemble.parsers\[0\].{name}"
        ):
            ask()
    assert not (tmp_path / "both").exists()


def test_it_starts_from_a_masked_word_model(tmp_path: Path) -> None:
    network = ["d_model=16", "layers=1", "heads=2", "d_ff=32", "feedforward=geglu", "positions=rotary"]
    steps = ["train.minutes=none", "train.steps=2", "vocabulary=290", "train.threads=1"]
    words = with_settings(WordsSettings(), [*(f"network.{change}" for change in network), *steps])
    lines = [" ".join(Tree.from_string(tree[2:-2]).words()) for tree in TRAIN]
    given = MaskedLanguageModel(words).fit(lines, place=Place(tmp_path / "words"))
    model = ConstituencyParser(with_settings(TINY, [f"pretrained={tmp_path / 'words'}", "train.steps=0"]))
    model.fit(TRAIN, VALID, Place(tmp_path / "trees"))
    taught = weights(model)
    for name, value in given.network.encoder.named_parameters():  # type: ignore[union-attr, operator]
        assert torch.allclose(taught[f"encoder.{name}"], value, atol=1e-2)  # as near as bf16
    assert axw.load(tmp_path / "trees").parse(SENTENCES[:1])[0].words() == SENTENCES[0].split()
    with pytest.raises(UsageError, match="d_ff is 64, there 32(.|\n)*--set transformer.d_ff=32"):
        other = with_settings(TINY, [f"pretrained={tmp_path / 'words'}", "transformer.d_ff=64"])
        ConstituencyParser(other).fit(TRAIN, VALID)


def test_three_trees_and_none_to_watch() -> None:
    model = ConstituencyParser(with_settings(TINY, ["vocabulary=265"])).fit(TRAIN[:3])
    assert model.facts["validation"] == {} and model.parse(["qqq"])[0].words() == ["qqq"]


def test_bad_input_is_said() -> None:
    model = trained()
    with pytest.raises(DataError, match="tree 2 of the training trees, the text, line 1, column 1"):
        ConstituencyParser(TINY).fit([TRAIN[0], "(S (NN cat)"])
    with pytest.raises(DataError, match="holds no word but traces"):
        ConstituencyParser(TINY).fit([TRAIN[0], "(S (-NONE- *))"])
    with pytest.raises(DataError, match="There is no tree"):
        ConstituencyParser(TINY).fit([])
    with pytest.raises(DataError, match="There is no constituent but tags"):
        ConstituencyParser(TINY).fit(["(NN cat)"] * 3, ["(NN cat)"])
    with pytest.raises(DataError, match="The sentence has no word.\nsentence 2"):
        model.parse(["the cat", " \t"])
    with pytest.raises(DataError, match="The word 'the cat' is empty or holds a blank"):
        model.parse([["the cat"]])
    with pytest.raises(UsageError, match="The sentences are one text"):
        model.parse("the cat")
    with pytest.raises(DataError, match="Word 2 of the tree is 'dog', of the sentence 'cat'"):
        model.attention("the cat", "(NP (DT the) (NN dog))")
    with pytest.raises(UsageError, match="is not fitted"):
        ConstituencyParser(TINY).parse(["a"])
    with pytest.raises(UsageError, match="search.max_factor is 2.0; allowed: 1"):
        replace(TINY, search=replace(TINY.search, max_factor=2.0))
    with pytest.raises(UsageError, match="search.no_repeat_ngram is 3"):
        model.parse(["a"], search=replace(TINY.search, no_repeat_ngram=3))
    with pytest.raises(UsageError, match="words and brackets are two vocabularies"):
        with_settings(TINY, ["transformer.shared=all"])
    with pytest.raises(UsageError, match="pretrained is set with architecture 'luong'"):
        replace(TINY, architecture="luong", pretrained="words.run")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_learns_a_small_grammar(architecture: str) -> None:
    more = [
        "train.steps=250",
        "train.schedule.warmup=30",
        "train.schedule.rate=0.02",
        "transformer.d_model=32",
        "luong.d_model=48",
    ]
    model = ConstituencyParser(with_settings(TINY, [*more, f"architecture={architecture}"]))
    assert model.fit(treebank(300, seed=3)).evaluate(treebank(40, seed=4))["f1"] > 97


@pytest.mark.data
def test_treebank_trees_go_there_and_back() -> None:
    folder = Path(os.environ.get("AXW_DATA", "../shared/data")) / "treebank"
    if not folder.exists():
        pytest.skip(f"AXW_DATA: there is no folder {folder}")
    from axw.data import read_trees
    from axw.models.trees.ids import tree_vocabulary

    trees = normal(read_trees(str(folder / "valid.mrg.gz")), "valid")
    vocabulary = tree_vocabulary(trees, "tags")
    ids = encode_trees(vocabulary, trees, "tags")
    for i, tree in enumerate(trees):
        assert [vocabulary.entries[token] for token in ids[i]] == linearise(tree, "tags")
