"""Attention over words, and what is lost when a word or a row is left out: two ways to one answer."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

from axw import AttentionClassifier, SameValue, explain
from axw.data.trees import Tree
from axw.data.vocabulary import EOS, PAD
from axw.errors import UsageError
from axw.learning import with_settings
from axw.models.attention_by_word import of_line, of_pair
from axw.models.leave_one_out import rows_left_out, source_words_left_out, tree_words_hidden, words_left_out
from axw.models.tables.nearby import MemoryIndex
from axw.models.translation.translator import Translator
from axw.models.trees.ids import word_beginnings
from axw.models.words.masked_words import MaskedLanguageModel
from axw.models.words.settings import WordsSettings
from tests.models.tables.made_up import HOUSEHOLD, answers, features, model, outputs, table
from tests.models.translation.test_translator import SOURCE, TARGET, TINY, VALID
from tests.serve import tiny

CHANGES = [
    "network.d_model=16",
    "network.layers=2",
    "network.heads=2",
    "network.d_ff=32",
    "vocabulary=290",
    "longest=40",
]
CHANGES += ["train.minutes=none", "train.steps=6", "train.threads=1", "train.evaluate_every=3"]


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator(TINY).fit(SOURCE, TARGET, VALID)


@pytest.fixture(scope="module")
def words() -> MaskedLanguageModel:
    return MaskedLanguageModel(with_settings(WordsSettings(), CHANGES)).fit(SOURCE * 3, VALID[0])


def test_each_row_of_a_words_attention_adds_up_to_what_its_pieces_did(translator: Translator) -> None:
    source, target = "ein großer Hund sitzt", "TZTIS DNUH"
    by_word, by_piece = of_pair(translator, source, target), of_pair(translator, source, target, "pieces")
    for one, other in zip(by_word, by_piece, strict=True):
        assert one.name == other.name and one.A.shape == (len(other.A), len(one.rows), len(one.columns))
        np.testing.assert_allclose(one.A.sum(2), 1, atol=1e-5)
        np.testing.assert_array_equal(other.A, translator.attention(source, target)[other.name])
    cross = next(layer for layer in by_word if layer.name == "cross 1")
    assert cross.columns == [*source.split(), "</s>"] and cross.rows == ["<s>", *target.split()]


def test_the_words_of_a_line_with_a_mask(words: MaskedLanguageModel) -> None:
    layer = of_line(words, "ein [MASK] sitzt")[0]
    assert layer.rows == layer.columns == ["<s>", "ein", "[MASK]", "sitzt", "</s>"]
    np.testing.assert_allclose(layer.A.sum(2), 1, atol=1e-5)


def test_leaving_a_source_word_out_is_the_difference_of_two_scores(translator: Translator) -> None:
    source, target = "ein rot hund sitzt", "TZTIS DNUH TOR"
    lost = source_words_left_out(translator, source, target)
    assert lost.shape == (3, 4)
    whole, *less = translator.score(
        [source, "rot hund sitzt", "ein hund sitzt", "ein rot sitzt", "ein rot hund"], [target] * 5
    )
    # A score counts the end of the sentence as well, so what is left of the difference is that of the end.
    ends = (whole - np.array(less)) - lost.sum(0)
    assert np.abs(ends).max() < 1.0 and np.isfinite(lost).all()
    one = source_words_left_out(translator, "ein", "NIE")
    assert one.shape == (1, 1)
    with pytest.raises(UsageError, match="A side is empty; allowed: one word or more on each"):
        source_words_left_out(translator, " ", "A")


def test_leaving_a_word_out_of_a_line_is_asking_without_it(words: MaskedLanguageModel) -> None:
    line = "ein mann [MASK] rot"
    found = words_left_out(words, line)
    best = words.fill(line, top=1).masks[0].guesses[0]
    without = {guess.word: guess.probability for guess in words.fill("ein [MASK] rot", top=1000).masks[0].guesses}
    assert found.words == line.split() and np.isnan(found.drop[2])
    np.testing.assert_allclose(found.drop[1], np.log(best.probability / without[best.word]), rtol=1e-6)
    with pytest.raises(UsageError, match=r"There is no \[MASK\] number 2; allowed: 1 to 1"):
        words_left_out(words, line, 2)


def test_a_word_of_one_piece_is_left_out_alike_in_words_and_in_pieces(translator: Translator, words) -> None:
    spelled = translator._sides("forward")[0].encode(["ein", "mann", "hund", "sitzt", "rot", "blau", "frau"])
    known = [w for w, n in zip("ein mann hund sitzt rot blau frau".split(), spelled.lengths, strict=True) if n == 1]
    assert len(known) >= 2
    source, target = " ".join([known[0], "xyzzy", *known[1:]]), "TZTIS DNUH"
    by_word, by_piece = (source_words_left_out(translator, source, target, unit) for unit in ("words", "pieces"))
    names = translator.pieces(source, target)
    assert by_piece.shape == (len(names[1]) - 1, len(names[0]) - 1) and by_piece.shape[1] > by_word.shape[1]
    np.testing.assert_allclose(by_piece.sum(0)[-1], by_word.sum(0)[-1], atol=1e-4)
    np.testing.assert_allclose(by_piece.sum(0)[0], by_word.sum(0)[0], atol=1e-4)
    line = "ein [MASK] sitzt xyzzy"
    by_word, by_piece = (words_left_out(words, line, unit=unit) for unit in ("words", "pieces"))
    ids = words.vocabulary.encode([line], mask_token="[MASK]")[0]
    assert by_piece.words == words.vocabulary.pieces(ids) and np.isnan(by_piece.drop).sum() == 1
    one, other = by_piece.words.index("[MASK]"), by_word.words.index("[MASK]")
    if one == 1:
        np.testing.assert_allclose(by_piece.drop[0], by_word.drop[0], rtol=1e-5)
    assert other == 1 and np.isfinite(np.delete(by_piece.drop, one)).all()


def test_gaps_are_left_out_by_pieces_too() -> None:
    changes = [*CHANGES, "task=fill-spans", "train.steps=2"]
    model = MaskedLanguageModel(with_settings(WordsSettings(), changes)).fit(SOURCE * 3, VALID[0])
    line = "ein [MASK] sitzt"
    found = words_left_out(model, line, unit="pieces")
    assert np.isnan(found.drop).sum() == 1 and found.words[int(np.isnan(found.drop).argmax())] == "[MASK]"
    filled = model.fill(line, top=4).masks[0].guesses
    ids = model.vocabulary.encode([line], mask_token="[MASK]")[0]
    assert model.filler().guesses(ids, 1, 4) == filled


@pytest.mark.parametrize("unit", ["words", "pieces"])
def test_a_hidden_word_stays_one_word_however_many_pieces_it_has(unit, monkeypatch) -> None:
    parser = tiny.parser()
    vocabulary, seen = parser._sides()[0], []
    begin = parser._begin
    monkeypatch.setattr(parser, "_begin", lambda ids: (seen.append(ids), begin(ids))[1])
    tree = Tree.from_string("(S (NP (DT the) (NN skateboarder)) (VP (VBD sat)))")
    found = tree_words_hidden(parser, tree, unit)
    pieces = vocabulary.encode([" ".join(tree.words())])[0]
    assert found.words == (tree.words() if unit == "words" else vocabulary.pieces(pieces)) and len(pieces) > 4
    beginnings = set(word_beginnings(vocabulary).tolist()) - {EOS}
    for row in seen[0].tolist():
        assert sum(i in beginnings for i in row if i not in (EOS, PAD)) == 3
    whole = tree_words_hidden(parser, Tree.from_string("(S (NN the))"), unit)
    assert len(whole.words) == len(whole.drop)


@pytest.mark.parametrize("task", ["binary", "several"])
@pytest.mark.parametrize("kind", ["given", "query-key"])
def test_leaving_a_row_out_of_a_large_memory_is_leaving_out_that_row(kind: str, task: str) -> None:
    """The memory is large enough that rows are found by their keys: by place, another row than the named one would go."""
    frame = table(households=31)
    X = features(frame)
    fitted = model(kind, task, relations=[HOUSEHOLD], labels=True).fit(X, answers(frame, task))
    row, mates = X.iloc[[7]], ["r6", "r8"]
    drops = rows_left_out(fitted, row, mates)
    whole = outputs(fitted, row)[0]
    for name, drop in zip(mates, drops, strict=True):
        other = copy.deepcopy(fitted)
        other.memory_ = fitted.memory_.take(np.flatnonzero(fitted.memory_.rows.ids != name))
        other._index = MemoryIndex.of(other.step_, other.memory_, other._reader)
        np.testing.assert_allclose(drop, whole - outputs(other, row)[0], rtol=1e-9, atol=1e-9)
        assert np.abs(drop).max() > 1e-6


@pytest.mark.parametrize("kind", ["given", "query-key"])
def test_leaving_a_row_out_is_a_memory_without_it(kind: str) -> None:
    frame = table()
    X, y = features(frame), answers(frame, "binary")
    fitted = model(kind, relations=[HOUSEHOLD], labels=True).fit(X, y)
    row = X.iloc[[5]]
    lines = fitted.explain(row).contributions
    read = list(dict.fromkeys(lines.loc[lines["read"] != "", "read"]))
    assert 0 < len(read) < 5
    before = fitted.memory_
    drops = rows_left_out(fitted, row, [*read, "r60"])
    assert fitted.memory_ is before and drops.shape == (len(read) + 1, 1)
    assert np.abs(drops[:-1]).max() > 0 and drops[-1, 0] == pytest.approx(0, abs=1e-9)  # r60 lives elsewhere
    # Nobody left to read: what remains is the answer of a row that lives alone.
    places = [i for i, each in enumerate(before.rows.ids.tolist()) if each not in read]
    fitted.memory_ = before.take(np.array(places))
    alone = outputs(fitted, row)
    fitted.memory_ = before
    assert np.isfinite(alone).all()
    assert rows_left_out(fitted, row, []).shape == (0, 1)
    with pytest.raises(UsageError, match="There is no row 'nobody' in the memory"):
        rows_left_out(fitted, row, ["nobody"])
    with pytest.raises(UsageError, match="X has 2 rows; allowed: 1"):
        rows_left_out(fitted, X.head(2), read)


def test_an_explanation_in_a_notebook_is_its_text_and_safe() -> None:
    frame = table()
    X = features(frame).rename(columns={"age": "<b>\u202eage"})
    told = model("given", relations=[HOUSEHOLD]).fit(X, answers(frame, "binary")).explain(X.head(1))
    assert "<b>" not in told._repr_html_() and "&lt;b&gt;\u27e8U+202E\u27e9age" in told._repr_html_()


def test_a_row_that_reads_nobody_has_nothing_to_leave_out():
    """A passenger without relatives: found on the page that a user of a notebook sees first."""
    X = pd.DataFrame({"x": [0.1, 0.9, 0.4, 0.7], "family": ["a", "a", "b", "c"]}, index=list("abcd"))
    fitted = AttentionClassifier("given", relations=[SameValue("family")]).fit(X, [0, 1, 0, 1])
    assert rows_left_out(fitted, X.loc[["d"]], []).shape == (0, 1)
    assert "Row d" in explain(fitted, X.loc[["d"]]).to_text()
