"""Masked words: two ways, one answer; and what cannot be learned from is said."""

import os
import signal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from axw.data.sentences import Sentences
from axw.data.vocabulary import BOS, EOS, MASK, Vocabulary
from axw.errors import DataError, ModelError, UsageError
from axw.learning import Stopped
from axw.learning.hooks import Hook
from axw.models.text_model import Place
from axw.models.words.gap_lesson import held_out_spans, sentinel_names, span_measures
from axw.models.words.masked_words import MaskedLanguageModel
from axw.models.words.measures import guesses, held_out, line_of_window, unigram_guesses, windows
from axw.models.words.settings import WordsSettings
from axw.networks.transformer import Transformer
from tests.learning.tiny import digest, history
from tests.models.tiny_text import lines, words_settings

pytestmark = pytest.mark.filterwarnings("ignore:The text allows")


@pytest.fixture(scope="module")
def model():
    return MaskedLanguageModel(words_settings()).fit(lines())


@pytest.fixture(scope="module")
def spans():
    return MaskedLanguageModel(words_settings(6, task="fill-spans")).fit(lines())


@given(st.lists(st.lists(st.integers(5, 99), max_size=9), max_size=7), st.integers(1, 5))
def test_windows_hold_every_id_once_in_order(sentences, most):
    given = Sentences.of(sentences)
    found, line = windows(given, most), line_of_window(given, most)
    assert len(found) == len(line) == sum(-(-len(sentence) // most) for sentence in sentences)
    assert all(1 <= length <= most for length in found.lengths)
    assert [sum((found[i].tolist() for i in np.flatnonzero(line == n)), []) for n in range(len(sentences))] == sentences


def test_every_vocabulary_is_asked_for_the_same_words():
    text = [*lines(31), "", "   ", "one"]
    asked = [
        held_out(Vocabulary.learn(lines(), size, kind=kind), text, most)
        for size, kind, most in [(270, "bpe", 5), (300, "bpe", 22), (20, "words", 7)]
    ]
    assert len(asked[0].line) >= 32
    for other in asked[1:]:
        assert np.array_equal(other.line, asked[0].line) and np.array_equal(other.length, asked[0].length)
    assert {32, 31}.isdisjoint(asked[0].line) and 33 in asked[0].line


def test_what_is_hidden_is_hidden_and_nothing_else(model):
    vocabulary = model.vocabulary
    asked = held_out(vocabulary, lines(9), 7)
    for masked, word in asked.batches:
        flat = masked.ids.reshape(-1)
        assert (np.flatnonzero(flat == MASK) == masked.positions).all() and len(word) == len(masked.positions)
    pieces = np.bincount(np.concatenate([word for _, word in asked.batches]))
    assert len(pieces) == len(asked.line) and (pieces > 0).all()


def test_guesses_do_not_depend_on_the_batch(model):
    text = lines(23, seed=3)
    one, other = (guesses(model.network, held_out(model.vocabulary, text, 22, tokens)) for tokens in (50, 5000))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4)
    assert one.measures() == pytest.approx(model.evaluate(text), rel=1e-4)
    assert set(one.measures()) == {"loss", "nats_per_word", "bits_per_byte", "accuracy", "word_accuracy"}


def test_a_word_that_the_vocabulary_does_not_have_is_never_right():
    vocabulary = Vocabulary.learn(lines(), 12, kind="words")
    asked = held_out(vocabulary, ["xyzzy plugh frobnicate"] * 5, 9)
    found, _ = unigram_guesses(vocabulary.encode(lines()).ids, vocabulary, asked)
    assert found.words.sum() == 5 and found.pieces.sum() == 5 and found.right_words.sum() == 0
    assert found.nats.min() > 3


def test_the_score_is_that_of_one_place_at_a_time(model):
    text = [lines(3)[2], "", "Anna sees tea", "tea " * 15]
    expected = []
    for line in text:
        total = 0.0
        ids = model.vocabulary.encode([line])[0]
        for start in range(0, len(ids), 22):
            whole = np.concatenate([[BOS], ids[start : start + 22], [EOS]]).astype(np.int64)
            for place in range(1, len(whole) - 1):
                hidden = torch.from_numpy(np.where(np.arange(len(whole)) == place, MASK, whole))[None]
                with torch.no_grad():
                    logits = model.network.logits(model.network(hidden, torch.tensor([place])))
                total += float(torch.log_softmax(logits, -1)[0, whole[place]])
        expected.append(total)
    np.testing.assert_allclose(model.score(text), expected, rtol=1e-4, atol=1e-5)


def test_vectors_are_the_same_alone_and_beside_others(model, spans):
    text = [*lines(4), "", "tea " * 30]
    for each in (model, spans):
        together = each.vectors(text)
        assert together.shape == (6, 16) and together.dtype == np.float32 and not together[4].any()
        np.testing.assert_allclose(together, np.concatenate([each.vectors([line]) for line in text]), atol=1e-5)


def test_attention_rows_add_up_to_one(model):
    pieces, found = model.attention("Anna likes [MASK] .")
    assert list(found) == ["encoder 1", "encoder 2"] and "[MASK]" in pieces
    for A in found.values():
        assert A.shape == (2, len(pieces), len(pieces))
        np.testing.assert_allclose(A.sum(-1), 1, rtol=1e-5)
    with pytest.raises(DataError, match="The line has 41 pieces; allowed: 22"):
        model.attention("[MASK] " * 40)


@pytest.mark.parametrize("which", ["model", "spans"])
def test_what_is_loaded_is_what_was_saved(which, request, tmp_path):
    one = request.getfixturevalue(which)
    one.save(tmp_path / "m")
    other = MaskedLanguageModel.load(tmp_path / "m")
    assert digest(other.network.state_dict()) == digest(one.network.state_dict())
    assert other.settings == one.settings and other.facts == one.facts
    assert other.evaluate(lines(9)) == one.evaluate(lines(9))
    line = "Anna [MASK] tea ."
    assert other.fill(line) == one.fill(line)


class _Interrupts(Hook):
    """Ctrl-C after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_records(self, records):
        if records[0].step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("task", ["words", "fill-spans"])
def test_a_run_that_was_stopped_goes_on_to_the_same_weights(task, tmp_path):
    chosen = words_settings(9, task=task)
    with pytest.raises(Stopped, match="Stopped after step 3"):
        MaskedLanguageModel(chosen).fit(lines(), place=Place(tmp_path / "a", hooks=[_Interrupts(3)]))
    with pytest.raises(ModelError, match="The run has not ended, so it holds no model yet."):
        MaskedLanguageModel.load(tmp_path / "a")
    MaskedLanguageModel(chosen).fit(lines(), place=Place(tmp_path / "a", resume=True))
    whole = MaskedLanguageModel(chosen).fit(lines(), place=Place(tmp_path / "b"))
    went_on = MaskedLanguageModel.load(tmp_path / "a")
    assert digest(went_on.network.state_dict()) == digest(whole.network.state_dict())
    assert history(tmp_path / "a") == history(tmp_path / "b")


def test_spans_that_are_held_out_do_not_depend_on_the_batch(spans):
    asked = windows(spans.vocabulary.encode(lines(23)), 22)
    one, other = (
        span_measures(spans.network, held_out_spans(spans.vocabulary, asked, spans.settings, tokens))
        for tokens in (40, 4000)
    )
    assert one == pytest.approx(other, rel=1e-5) and one == pytest.approx(spans.evaluate(lines(23)), rel=1e-5)
    assert isinstance(spans.network, Transformer)


@pytest.mark.parametrize(("longest", "ratio"), [(24, 0.15), (128, 0.5), (8, 0.01)])
def test_there_are_sentinels_for_every_span(longest, ratio):
    settings = words_settings(task="fill-spans", longest=longest, ratio=ratio, batch_tokens=256)
    vocabulary = Vocabulary.learn(lines(), 300, extra=sentinel_names(settings))
    text = Sentences.of([np.full(longest - 2, vocabulary.first + 40)])
    assert len(held_out_spans(vocabulary, text, settings)) == 1


def test_a_model_of_spans_has_no_pseudo_log_likelihood(spans):
    with pytest.raises(UsageError, match="score is for a model of task 'words', and this one fills spans."):
        spans.score(["tea"])


@pytest.mark.parametrize("text", [[], ["", "  "], ["only one line"], ["one", "word", "each"]])
def test_too_little_text_is_said(text):
    with pytest.raises(
        DataError, match=r"There are \d lines with words to learn from; allowed: 2 or more, one of them"
    ):
        MaskedLanguageModel(words_settings()).fit(text)


def test_a_validation_text_without_words_is_said():
    with pytest.raises(DataError, match="The validation text has no line with words."):
        MaskedLanguageModel(words_settings()).fit(lines(), ["", " "])


def test_few_lines_are_learned_from_without_being_watched():
    found = MaskedLanguageModel(words_settings(2)).fit(lines(5))
    assert found.facts["validation"] == {} and found.facts["data"]["validation lines"] == 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ratio": 0.7}, "ratio is 0.7; allowed: 0.01 to 0.5"),
        ({"longest": 300}, "longest is 300, batch_tokens 256"),
        ({"task": "fill-spans", "network": {"shared": "none"}}, "network.shared is 'none' with task fill-spans"),
        ({"network": {"positions": "learned", "longest": 9}}, "network.longest is 9, longest 24"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, text):
    from dataclasses import replace

    if "network" in changes:
        changes = changes | {"network": replace(words_settings().network, **changes["network"])}
    with pytest.raises(UsageError, match=text):
        words_settings(**changes)
    assert WordsSettings().share == 0.2 and WordsSettings(task="fill-spans").share == 0.15


@pytest.mark.parametrize("masks", ["tokens", "words", "spans"])
def test_every_way_to_hide_can_be_learned_from(masks):
    found = MaskedLanguageModel(words_settings(2, masks=masks, ratio=0.4)).fit(lines(30))
    assert found.facts["training"]["steps"] == 2
