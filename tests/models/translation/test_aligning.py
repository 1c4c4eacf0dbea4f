"""Alignments of words from A of pieces, words for `<unk>`, the coverage penalty, lines longer than what was learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from axw.data.vocabulary import BOS, UNK
from axw.errors import DataError, DataWarning, UsageError
from axw.learning import with_settings
from axw.models.translation.aligning import WordAlignment, align, learn_dictionary, replace_unknown
from axw.models.translation.ensemble import TranslatorEnsemble
from axw.models.translation.long_lines import flat, numbers_of_parts, parts_of
from axw.models.translation.readings import Reading, readings, usual_reading
from axw.models.translation.translator import Translator
from tests.models.translation.test_translator import SOURCE, TARGET, TINY, VALID

LUONG = with_settings(TINY, ["architecture=luong", "train.steps=3", "train.average=0"])


@pytest.fixture(scope="module")
def transformer() -> Translator:
    return Translator(with_settings(TINY, ["transformer.layers=3", "train.steps=3"])).fit(SOURCE, TARGET, VALID)


@pytest.fixture(scope="module")
def words() -> Translator:
    """Whole words, and too few of them; after a few steps of Adam it says <unk>."""
    changes = ["pieces=words", "vocabulary=12", "joint=false", "luong.score=location", "train.optimizer.name=adam"]
    settings = with_settings(LUONG, changes)
    return Translator(settings).fit(SOURCE, TARGET, VALID)


def by_hand(model: Translator, source: str, target: str, reading: Reading) -> np.ndarray:
    """The soft alignment, word by word from the definition."""
    one, other = model._sides("forward")
    A = model.attention(source, target)[reading.layer].mean(0)
    A = A[1:] if reading.word == "input" else A[:-1]
    s, t = one.word_numbers(one.encode([source])[0]), other.word_numbers(other.encode([target])[0])
    return np.array(
        [[A[t == j][:, np.flatnonzero(s == i)].sum(1).mean() for i in range(s.max() + 1)] for j in range(t.max() + 1)]
    )


def test_words_are_sums_and_means_of_pieces(transformer: Translator) -> None:
    pairs = ("ein Mannheim läuft", "MANN  EINE sitzt rot"), ("rot", "BLAU"), ("haus baum ein", "A B")
    for reading in readings(transformer.settings):
        found = align(transformer, *zip(*pairs, strict=True), reading)
        for pair, (source, target) in zip(found, pairs, strict=True):
            assert pair.source == source.split() and pair.target == target.split()
            np.testing.assert_allclose(pair.soft, by_hand(transformer, source, target, reading), rtol=1e-5, atol=1e-6)
            assert pair.links == {(int(row.argmax()), j) for j, row in enumerate(pair.soft)}
    assert transformer.alignment(*pairs[1]).pharaoh() == "0-0"


def test_alone_and_in_any_batch(transformer: Translator) -> None:
    together = align(transformer, SOURCE[:40], TARGET[:40])
    for i in (0, 7, 39):
        alone = transformer.alignment(SOURCE[i], TARGET[i])
        np.testing.assert_allclose(alone.soft, together[i].soft, rtol=1e-4, atol=1e-6)
    empty = align(transformer, ["", "ein"], ["MANN", "  "])
    assert [pair.links for pair in empty] == [frozenset(), frozenset()] and empty[0].pharaoh() == ""


def test_where_it_is_read(transformer: Translator, words: Translator) -> None:
    assert (
        usual_reading(transformer.settings) == Reading("cross 2", "output") and len(readings(transformer.settings)) == 6
    )
    assert usual_reading(words.settings) == Reading("cross 1", "output")
    assert usual_reading(LUONG) == Reading("cross 1", "input")
    none = with_settings(LUONG, ["luong.score=none", "luong.input_feeding=false"])
    assert readings(none) == []
    with pytest.raises(UsageError, match="no attention between the sentences"):
        usual_reading(none)
    with pytest.raises(UsageError, match=r"The layer is 'cross 9'. Allowed: cross 1, cross 2, cross 3"):
        transformer.alignment("ein", "A", reading=Reading("cross 9", "input"))
    with pytest.raises(DataError, match="1 source lines and 2 target lines"):
        align(transformer, ["a"], ["b", "c"])


def test_both_directions_and_an_ensemble() -> None:
    model = Translator(with_settings(TINY, ["both_directions=true", "train.steps=2"])).fit(SOURCE, TARGET, VALID)
    source, target = "ein mann rot", "ROT MANN"
    A = model.attention(source, target)["cross 1"].mean(0)[:-1, 1:]  # without the tag
    one, other = model._sides("forward")
    found = model.alignment(source, target)
    s, t = (v.word_numbers(v.encode([line])[0]) for v, line in ((one, source), (other, target)))
    np.testing.assert_allclose(found.soft[0, 0], A[t == 0][:, np.flatnonzero(s == 0)].sum(1).mean(), rtol=1e-5)
    both = TranslatorEnsemble([model, model])
    np.testing.assert_allclose(both.alignment(source, target).soft, found.soft, rtol=1e-6)


def test_members_of_other_depth_or_without_attention_are_read_each_where_it_is_read_alone(
    transformer: Translator, words: Translator
) -> None:
    flat_one = Translator(with_settings(TINY, ["train.steps=2"])).fit(SOURCE, TARGET, VALID)
    deaf = Translator(with_settings(LUONG, ["luong.score=none", "luong.input_feeding=false", "train.steps=1"]))
    deaf.fit(SOURCE, TARGET, VALID)
    both = TranslatorEnsemble([deaf, transformer, flat_one])
    source, target = "ein mann rot", "ROT MANN"
    expected = (transformer.alignment(source, target).soft + flat_one.alignment(source, target).soft) / 2
    np.testing.assert_allclose(both.alignment(source, target).soft, expected, rtol=1e-5, atol=1e-7)
    with pytest.raises(UsageError, match="The layer is 'cross 2'"):
        both.alignment(source, target, reading=Reading("cross 2", "output"))
    with pytest.raises(UsageError, match="no attention between the sentences"):
        TranslatorEnsemble([deaf, deaf]).alignment(source, target)


def test_unknown_words_are_copied_or_looked_up(words: Translator) -> None:
    one, other = words._sides("forward")
    source = "Zebra mann Gnu"
    ids = [other.first, UNK, UNK]
    read = torch.tensor([[BOS, *ids]])
    A = words._rows_read(torch.tensor([[*one.encode([source])[0].tolist(), 2]]), read, None)[0]
    places = A[:, :3].argmax(1)  # location: row t - 1 belongs to word t
    expected = [source.split()[i] for i in places[1:]]
    assert replace_unknown(words, source, ids) == " ".join([other.entries[other.first], *expected])
    looked_up = replace_unknown(words, source, ids, dict.fromkeys(source.split(), "DA"))
    assert looked_up.split()[1:] == ["DA", "DA"]
    plain = Translator(replace(words.settings, replace_unknown=False))
    plain._vocabularies, plain._network = words._vocabularies, words._network
    lines = ["Zebra mann Gnu", "mann Gnu", *VALID[0]]
    with_unknown, without = plain.translate(lines, beam=2), words.translate(lines, beam=2)
    assert "<unk>" in " ".join(with_unknown) and "<unk>" not in " ".join(without)


def test_a_dictionary_holds_the_usual_translation() -> None:
    def pair(source: str, target: str) -> WordAlignment:
        return WordAlignment(source.split(), target.split(), np.zeros((0, 0)), frozenset({(0, 0), (1, 1)}))

    found = learn_dictionary([pair("a b", "A B"), pair("a c", "A C"), pair("b a", "X Z"), pair("b q", "B Q")])
    assert found == {"a": "A", "b": "B"}


@pytest.mark.parametrize("architecture", ["transformer", "luong"])
def test_a_step_that_shows_what_it_reads_is_the_step(
    architecture: str, transformer: Translator, words: Translator
) -> None:
    network = (transformer if architecture == "transformer" else words).network
    source = torch.tensor([[7, 8, 9, 2], [9, 2, 0, 0]])
    said = torch.tensor([[[5], [7]], [[6], [5]]])
    state = network.select(network.start(network.encode(source)), torch.arange(2), torch.zeros(2, 2, dtype=torch.int64))
    tokens = torch.full((2, 2), BOS)
    with torch.no_grad():
        log_p, state_1 = network.step(tokens, state)
        shown, A, state_2 = network.step_with_attention(tokens, state)
        assert torch.equal(log_p, shown) and A.shape == (2, 2, 4) and not A[1, :, 2:].any()
        again, B, _ = network.step_with_attention(said[..., 0], state_2)
        assert torch.equal(again, network.step(said[..., 0], state_1)[0])
    name = "cross 3" if architecture == "transformer" else "cross 1"
    for i in range(2):
        for j in range(2):
            forced = network.attention(source[i : i + 1], torch.tensor([[BOS, int(said[i, j, 0])]]))[name][0].mean(0)
            torch.testing.assert_close(torch.stack([A[i, j], B[i, j]]), forced, rtol=1e-4, atol=1e-6)


def test_coverage_counts_in_the_score(transformer: Translator) -> None:
    plain = list(transformer.hypotheses(VALID[0][:3], search=replace(transformer.settings.search, beam=2)))
    covered = list(
        transformer.hypotheses(VALID[0][:3], search=replace(transformer.settings.search, beam=2, coverage=0.4))
    )
    for one, other in zip(plain, covered, strict=True):
        assert one[0].ids != other[0].ids or other[0].score <= one[0].score
    deaf = Translator(with_settings(LUONG, ["luong.score=none", "luong.input_feeding=false", "train.steps=1"]))
    deaf.fit(SOURCE[:10], TARGET[:10], VALID)
    with pytest.raises(UsageError, match="The network has no attention"):
        deaf.translate(["ein"], search=replace(deaf.settings.search, coverage=0.1))


def test_a_long_line_is_translated_in_parts(transformer: Translator) -> None:
    source, _ = transformer._sides("forward")
    sentence = "ein mann sitzt ."
    line = " ".join([sentence] * 30)
    parts = parts_of(line, source, 40)
    assert " ".join(parts) == line and all(len(ids) <= 40 for ids in source.encode(parts))
    assert all(part.endswith(".") for part in parts)
    word = "ß" * 300
    assert "".join(parts_of(word, source, 40)).replace(" ", "") == word
    with pytest.warns(DataWarning, match="1 of 2 lines are longer than longest=40 pieces"):
        said = transformer.translate([line, sentence], beam=1)
    assert said == [" ".join(transformer.translate(parts, beam=1)), transformer.translate([sentence], beam=1)[0]]


def test_a_long_line_of_blanks_is_a_line(transformer: Translator) -> None:
    lines = ["ein mann", " " * 90, "rot", "\u3000" * 90]
    plain = transformer.translate(["ein mann", "rot"], beam=1)
    assert transformer.translate(lines, beam=1) == [plain[0], "", plain[1], ""]
    assert transformer.translate([" " * 90]) == [""]
    texts, owner = flat(lines, np.array([2, 90, 1, 90]), transformer._sides("forward")[0], 40)
    assert texts == lines and owner.tolist() == [0, 1, 2, 3]


def test_a_line_has_its_samples_whatever_stands_before_it(transformer: Translator) -> None:
    drawn = replace(transformer.settings.search, beam=2, temperature=1.0)
    long = " ".join(["ein mann sitzt ."] * 30)

    def of_the_second(first: str) -> tuple[int, ...]:
        return list(transformer.hypotheses([first, "ein rot haus"], search=drawn))[1][0].ids

    with pytest.warns(DataWarning, match="longer than longest"):
        cut = of_the_second(long)
    alone = next(transformer.hypotheses(["ein rot haus"], search=drawn, first=1))[0].ids
    assert cut == of_the_second("rot") == alone
    assert numbers_of_parts(np.array([0, 0, 0, 1, 2, 2]), 5) == [5, 5 + 2**40, 5 + 2**41, 6, 7, 7 + 2**40]


def test_prefixes_that_cannot_be_said(transformer: Translator, words: Translator) -> None:
    best = list(transformer.hypotheses(["ein mann", "rot"], beam=2, prefix=["MA", "Ωμ"]))
    assert best[0][0].text.startswith("MA") and best[1][0].text.startswith("Ωμ")
    with pytest.raises(
        UsageError, match="'Zebra' holds a word that the vocabulary does not have.\nIn the prefix of line 2"
    ):
        list(words.hypotheses(["ein", "rot"], prefix=["", "Zebra"]))
    with pytest.raises(UsageError, match="There are 1 prefixes for more lines"):
        list(transformer.hypotheses(["ein", "rot"], prefix=["A"]))
