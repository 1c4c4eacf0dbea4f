"""Scores of translations: sacreBLEU and ours agree, the public protocol by hand, and counts that add up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from axw.errors import DataError, UsageError
from axw.measures.translation import bleu_chrf, by_source_length, measure, public_bleu4, tokenised_note

words = st.sampled_from(["a", "b", "cat", "cat,", "Dog", "<unk>", "é", "x-ray", "."])
lines = st.lists(words, max_size=9).map(" ".join)
corpora = st.integers(1, 7).flatmap(
    lambda n: st.tuples(st.lists(lines, min_size=n, max_size=n), st.lists(lines, min_size=n, max_size=n))
)

HYPOTHESES = ["the cat sat on the mat .", "a dog ran", "it is raining again today"]
REFERENCES = ["the cat sat on a mat .", "a dog ran away quickly", "it rains again today"]


@given(corpora)
@settings(max_examples=80, deadline=None)
def test_scores_from_summed_counts_are_sacrebleu_s(corpus: tuple[list[str], list[str]]):
    hypotheses, references = corpus
    bleu, chrf = bleu_chrf(hypotheses, references)
    for name, wanted in [("bleu", bleu), ("chrf", chrf)]:
        kind = measure(name)
        assert float(kind.score(kind.count(hypotheses, references).sum(0))) == pytest.approx(wanted.value, abs=1e-9)
        assert kind.name == wanted.name


@given(corpora)
@settings(max_examples=60, deadline=None)
def test_the_public_bleu_is_unsmoothed_sacrebleu_where_no_line_is_empty_or_unknown(corpus: tuple[list[str], list[str]]):
    hypotheses, references = ([f"z {line}".replace("<unk>", "u") for line in side] for side in corpus)
    wanted = BLEU(tokenize="none", smooth_method="none", force=True).corpus_score(hypotheses, [references])
    found = public_bleu4(hypotheses, references)
    assert found.value == pytest.approx(wanted.score, abs=1e-9)
    assert found.precisions == pytest.approx(tuple(wanted.precisions), abs=1e-9)
    assert (found.brevity, found.hypothesis_words) == (pytest.approx(wanted.bp), wanted.sys_len)


def test_the_public_bleu_by_hand():
    found = public_bleu4(HYPOTHESES, REFERENCES)
    # 15 words for 16. 1-grams: 6 + 3 + 3 of 7 + 3 + 5; 2-grams: 4 + 2 + 1 of 6 + 2 + 4; 3-grams: 2 + 1 + 0 of 5 + 1 + 3.
    wanted = [12 / 15, 7 / 12, 3 / 9, 1 / 6]
    assert found.precisions == pytest.approx([100 * p for p in wanted])
    assert found.brevity == pytest.approx(math.exp(1 - 16 / 15))
    assert found.value == pytest.approx(100 * math.exp(1 - 16 / 15) * math.prod(wanted) ** 0.25)
    assert "tok:none|smooth:none" in found.protocol and "brevity 0.936, 15 words for 16" in str(found)


def test_unknown_words_of_the_reference_match_nothing_and_an_empty_line_is_its_end():
    assert public_bleu4(["a b <unk> d e"], ["a b <unk> d e"]).precisions[0] == pytest.approx(80)
    empty = public_bleu4(["", "a b c d"], ["", "a b c d"])
    assert (empty.hypothesis_words, empty.reference_words, empty.precisions[0]) == (5, 5, 100)
    assert public_bleu4(["a b c"], ["a b c"]).value == 0


def test_every_score_says_how_it_was_counted():
    bleu, chrf = bleu_chrf(HYPOTHESES, REFERENCES)
    assert bleu.protocol.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert chrf.protocol.startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")
    assert bleu.value == BLEU().corpus_score(HYPOTHESES, [REFERENCES]).score
    assert chrf.value == CHRF().corpus_score(HYPOTHESES, [REFERENCES]).score
    assert measure("bleu").protocol() == bleu.protocol and measure("chrf").protocol() == chrf.protocol
    assert str(chrf) == f"chrF2 {chrf.value:.2f} ({chrf.protocol})"


def test_tokenised_text_is_said_in_one_line_and_not_by_sacrebleu(caplog: pytest.LogCaptureFixture):
    lines = [f"a man sits on bench {i} ." for i in range(120)]
    bleu_chrf(lines, lines)
    assert not caplog.records
    assert tokenised_note([*lines, "and another"]) == (
        "note: 120 of 121 references end in ' .', as tokenised text does. BLEU and chrF2 are made for text as people write it; "
        "for tokenised text compare BLEU4."
    )
    assert tokenised_note([line.replace(" .", ".") for line in lines]) is None
    assert tokenised_note(["no full stop at all"]) is None


def test_buckets_by_source_length_are_the_corpora_of_their_sentences():
    sources = ["w " * n for n in (3, 3, 4, 9, 5)]
    hypotheses, references = HYPOTHESES + ["a b c d e", "k l m n"], REFERENCES + ["a b c d f", "k l m n"]
    found = by_source_length("bleu4", sources, hypotheses, references, ends=(3, 5, 7))
    assert [(name, n) for name, n, _ in found] == [("0-3", 2), ("4-5", 2), ("over 7", 1)]
    for index, (_, _, score) in zip([[0, 1], [2, 4], [3]], found, strict=True):
        wanted = public_bleu4([hypotheses[i] for i in index], [references[i] for i in index])
        assert score.value == pytest.approx(wanted.value) and score.protocol.endswith("|length:source words")
    [(name, n, score)] = by_source_length("bleu", sources, hypotheses, references, ends=(20,))
    assert (name, n) == ("0-20", 5) and score.value == pytest.approx(bleu_chrf(hypotheses, references)[0].value)


def test_what_cannot_be_scored():
    for wrong in ([], ["a"]):
        with pytest.raises(
            DataError, match=rf"{len(wrong)} lines and 3 lines; allowed: as many of both, at least one.\n.*\nGive"
        ):
            public_bleu4(wrong, REFERENCES)
    with pytest.raises(DataError):
        bleu_chrf([], [])
    with pytest.raises(UsageError, match="Lines are one text; allowed: several lines"):
        public_bleu4("a b c", ["a"])
    with pytest.raises(UsageError, match="The measure is 'blue'. Allowed: bleu, bleu4, chrf. Did you mean 'bleu'?"):
        measure("blue")
    with pytest.raises(UsageError, match=r"ends are \[5, 5\]; allowed: rising numbers"):
        by_source_length("bleu", REFERENCES, HYPOTHESES, REFERENCES, ends=(5, 5))


def test_counts_of_one_sentence_add_up_to_those_of_the_corpus():
    for name in ("bleu", "chrf", "bleu4"):
        kind = measure(name)
        together = kind.count(HYPOTHESES, REFERENCES)
        alone = [kind.count([h], [r])[0] for h, r in zip(HYPOTHESES, REFERENCES, strict=True)]
        assert np.array_equal(together, np.array(alone))
