"""Bracket scores: the sample of EVALB, counts by hand, and another way to count."""

from __future__ import annotations

import math
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.made_up_trees import chain, constituents, right_branching

from axw.data import Tree, read_trees
from axw.data.brackets import NormalForm, bracketing, linearise, normalise, tagged_words
from axw.data.trees import events, from_events
from axw.errors import DataError, UsageError
from axw.measures.brackets import (
    COLLINS,
    Bracketing,
    BracketRules,
    SentenceScore,
    Span,
    brackets_to_text,
    f1_difference,
    f1_interval,
    score_sentence,
    score_sentences,
    summarise_brackets,
)

# The sample that comes with EVALB (public domain): sample.gld, sample.tst, sample.prm, and from sample.rsl
# the status (0 valid, 1 error, 2 skipped), matched, gold, parsed, crossing, words and right tags of each sentence.
THIS = "(S (A (P this)) (B (Q is) (A (R a) (T test))))"
LONG = "(S " + " ".join(["(A (P this)) (B (Q is) (A (R a) (T test)))"] * 11) + ")"
SAMPLE = [
    (THIS, THIS, 4, 0, 4, 4, 4, 0, 4, 4),
    (THIS, "(S (A (P this)) (B (Q is) (C (R a) (T test))))", 4, 0, 3, 4, 4, 0, 4, 4),
    (THIS, "(S (A (P this)) (B (Q is) (A (R a) (U test))))", 4, 0, 4, 4, 4, 0, 4, 3),
    (THIS, "(S (C (P this)) (B (Q is) (A (R a) (U test))))", 4, 0, 3, 4, 4, 0, 4, 3),
    (THIS, "(S (A (P this)) (B (Q is) (R a) (A (T test))))", 4, 0, 3, 4, 4, 0, 4, 4),
    (THIS, "(S (A (P this) (Q is)) (A (R a) (T test)))", 4, 0, 2, 4, 3, 1, 4, 4),
    (THIS, "(S (P this) (Q is) (R a) (T test))", 4, 0, 1, 4, 1, 0, 4, 4),
    (THIS, "(P this) (Q is) (R a) (T test)", 4, 0, 0, 4, 0, 0, 4, 4),
    (THIS, "(S (A (P this)) (B (Q is) (A (A (R a) (T test)))))", 4, 0, 4, 4, 5, 0, 4, 4),
    (THIS, "(S (A (P this)) (B (Q is) (A (A (A (A (A (R a) (T test))))))))", 4, 0, 4, 4, 8, 0, 4, 4),
    (THIS, "", 4, 2, 0, 0, 0, 0, 0, 0),
    (THIS, "(S (A (P this)) (B (Q was) (A (A (R a) (T test)))))", 4, 1, 0, 0, 0, 0, 0, 0),
    (THIS, "(S (A (P this)) (B (Q is) (U not) (A (A (R a) (T test)))))", 4, 1, 0, 0, 0, 0, 0, 0),
    (THIS, "", 4, 2, 0, 0, 0, 0, 0, 0),
    (THIS, "(TOP (S (A (P this)) (B (Q is) (A (R a) (T test)))))", 4, 0, 4, 4, 4, 0, 4, 4),
    (THIS, "(S (A (P this)) (NONE *) (B (Q is) (A (R a) (T test))))", 4, 1, 0, 0, 0, 0, 0, 0),
    (THIS, "(S (A (P this)) (S (NONE abc) (A (NONE *))) (B (Q is) (A (R a) (T test))))", 4, 1, 0, 0, 0, 0, 0, 0),
    (THIS, "(S (A (P this)) (B (Q is) (A (R a) (TT test))))", 4, 0, 4, 4, 4, 0, 4, 4),
    (THIS, "(S (A (P This)) (B (Q is) (A (R a) (T test))))", 4, 0, 4, 4, 4, 0, 4, 4),
    (THIS, "(S (A (P That)) (B (Q is) (A (R a) (T test))))", 4, 1, 0, 0, 0, 0, 0, 0),
    ("(S (A-SBJ-1 (P this)) (B-WHATEVER (Q is) (A (R a) (T test))))", THIS, 4, 0, 4, 4, 4, 0, 4, 4),
    (LONG, LONG, 44, 0, 34, 34, 34, 0, 44, 44),
    (THIS[:-1] + " (-NONE- *))", THIS[:-1] + " (-NONE- *))", 4, 0, 4, 4, 4, 0, 4, 4),
    (THIS[:-1] + " (: *))", THIS[:-1] + " (: *))", 5, 0, 4, 4, 4, 0, 4, 4),
]
SAMPLE_RULES = BracketRules(
    deleted=frozenset({"TOP", "-NONE-", ",", ":", "``", "''"}),
    same_labels=(("T", "TT"),),
    same_words=(("This", "this"),),
)
STATUS = ("valid", "error", "skipped")


def read(text: str) -> Bracketing | None:
    """One line of the sample, which may also hold no tree or several."""
    return bracketing(Tree.from_string(f"(TOP {text})")) if text else None


def sample_scores() -> list[SentenceScore]:
    return score_sentences([read(row[0]) for row in SAMPLE], [read(row[1]) for row in SAMPLE], SAMPLE_RULES)


@pytest.mark.parametrize("number", range(len(SAMPLE)))
def test_each_sentence_of_the_sample_of_evalb(number: int) -> None:
    row, found = SAMPLE[number], sample_scores()[number]
    assert (found.length, STATUS.index(found.status), *found[2:8]) == row[2:]
    assert bool(found.why) == (found.status == "error")


def test_the_summary_of_the_sample_of_evalb() -> None:
    scores = sample_scores()
    whole, short = summarise_brackets(scores), summarise_brackets(scores, 40)
    assert whole[:4] == (24, 5, 2, 17) and short[:4] == (23, 5, 2, 16)

    def shown(summary: tuple) -> list[str]:
        # As EVALB prints them; the F-measure is of its newer version.
        scale = [100, 100, 100, 100, 1, 100, 100, 100]
        return [f"{by * value:.2f}" for by, value in zip(scale, summary[4:], strict=True)]

    assert shown(whole) == ["90.53", "87.76", "89.12", "52.94", "0.06", "94.12", "100.00", "98.15"]
    assert shown(short) == ["85.25", "81.25", "83.20", "50.00", "0.06", "93.75", "100.00", "96.88"]
    text = brackets_to_text(scores)
    assert text.splitlines()[0].split() == ["all", "<=", "40", "words"]
    assert "f1                         89.12         83.20" in text and max(map(len, text.splitlines())) <= 80


def test_why_a_sentence_is_an_error() -> None:
    scores = sample_scores()
    assert scores[11].why == "The tree has the word 'is', the parse 'was'."
    assert scores[12].why == "The tree has 4 words to score, the parse 5."
    # A comma that the parser calls a noun is not deleted: that is why tags_of="gold" is offered.
    gold, parsed = read("(S (NP (NN a)) (, ,) (VP (VB b)))"), read("(S (NP (XX a) (XX ,)) (VP (XX b)))")
    assert score_sentence(gold, parsed).status == "error"
    found = score_sentence(gold, parsed, BracketRules(tags_of="gold"))
    assert found == SentenceScore(3, "valid", 3, 3, 3, 0, 2, 0) and found.exact
    traces = read("(S (NP (NN a)) (, ,) (VP (VB b) (NP (-NONE- *))))")
    assert score_sentence(traces, parsed, BracketRules(tags_of="gold")) == found
    assert score_sentence(traces, read("(S (XX a))"), BracketRules(tags_of="gold")).status == "error"


def test_collins_counts_prt_as_advp_and_leaves_punctuation_out() -> None:
    gold = read("(S (NP-SBJ (NN a)) (, ,) (VP (VB b) (PRT (RP up)) (NP (-NONE- *))) (. .))")
    parsed = read("(S (NP (NN a) (, ,)) (VP (VB b) (ADVP (RB up))) (. .))")
    assert score_sentence(gold, parsed) == SentenceScore(5, "valid", 4, 4, 4, 0, 3, 2)
    assert score_sentence(gold, parsed, BracketRules(same_labels=())).matched == 3
    assert score_sentence(gold, parsed, BracketRules(same_labels=(), labelled=False)).matched == 4


def test_a_sentence_of_punctuation_is_skipped_and_nothing_gives_zero() -> None:
    dots = read("(NP (. .) (: --))")
    assert score_sentence(dots, dots) == SentenceScore(2, "skipped")
    empty = summarise_brackets([])
    assert empty[:4] == (0, 0, 0, 0) and set(empty[4:]) == {0.0}


def test_as_many_parses_as_trees() -> None:
    with pytest.raises(DataError, match="There are 2 trees and 1 parses"):
        score_sentences([read(THIS), read(THIS)], [None])
    with pytest.raises(UsageError, match='Allowed: "each", "gold"'):
        BracketRules(tags_of="mine")  # type: ignore[arg-type]


def crossing_by_pairs(gold: list[Span], parsed: list[Span]) -> int:
    return sum(any(a < s < b < e or s < a < e < b for _, a, b in gold) for _, s, e in parsed)


def matched_one_by_one(gold: list[Span], parsed: list[Span]) -> int:
    left = list(parsed)
    for span in gold:
        if span in left:
            left.remove(span)
    return len(parsed) - len(left)


@st.composite
def span_lists(draw: st.DrawFn) -> list[Span]:
    pairs = draw(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 7)).filter(lambda p: p[0] < p[1]), max_size=7))
    return [Span(draw(st.sampled_from("AB")), *pair) for pair in pairs]


@settings(max_examples=200, deadline=None)
@given(span_lists(), span_lists())
def test_counts_as_of_every_pair_of_brackets(gold: list[Span], parsed: list[Span]) -> None:
    words, tags = tuple("abcdefg"), ("X",) * 7
    found = score_sentence(Bracketing(words, tags, tuple(gold)), Bracketing(words, tags, tuple(parsed)))
    assert found.crossing == crossing_by_pairs(gold, parsed)
    assert found.matched == matched_one_by_one(gold, parsed)
    assert (found.gold, found.parsed) == (len(gold), len(parsed))
    other = score_sentence(Bracketing(words, tags, tuple(parsed)), Bracketing(words, tags, tuple(gold)))
    assert other.matched == found.matched  # precision and recall change places


@settings(max_examples=80, deadline=None)
@given(constituents())
def test_a_tree_is_all_right_against_itself_and_its_normal_form(tree: Tree) -> None:
    for rules in (COLLINS, BracketRules(tags_of="gold"), BracketRules(deleted=frozenset())):
        found = score_sentence(bracketing(tree), bracketing(tree), rules)
        if found.status == "valid":
            assert found.exact and found.crossing == 0 and found.right_tags == found.words
        else:
            assert found.status == "skipped"
    plain = normalise(tree, NormalForm(wrappers=()))
    assert (
        len(bracketing(plain).spans)
        == len(bracketing(tree).spans)
        == sum(token.startswith("(") for token in linearise(tree))
    )


@pytest.mark.parametrize("tree", [chain(10_000), right_branching(10_000)], ids=["deep", "deep and long"])
def test_ten_thousand_levels_are_scored(tree: Tree) -> None:
    side = bracketing(tree)
    assert score_sentence(side, side)[2:6] == (10_000, 10_000, 10_000, 0)
    assert len(tagged_words(tree)) == len(side.words)


def test_the_interval_of_f1() -> None:
    rng = random.Random(0)
    scores = [SentenceScore(9, "valid", rng.randint(3, 10), 10, 10 + rng.randint(0, 2)) for _ in range(97)]
    scores += [SentenceScore(9, "error"), SentenceScore(9, "skipped")]
    found = f1_interval(scores, seed=1)
    assert found == f1_interval(scores, seed=1) != f1_interval(scores, seed=2)
    assert found.f1 == summarise_brackets(scores).f1 and found.low < found.f1 < found.high
    # Against the delta method for a ratio of sums.
    x, y = (np.array(v, float) for v in zip(*[(2 * s.matched, s.gold + s.parsed) for s in scores[:97]], strict=True))
    half = 1.96 * np.std(x - found.f1 * y) / (y.mean() * math.sqrt(97))
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.15)
    narrow = f1_interval(scores, level=0.5, seed=1)
    assert found.low < narrow.low < narrow.high < found.high
    same = f1_interval([SentenceScore(9, "valid", 3, 4, 5)] * 5, seed=0)
    assert same.low == same.high == pytest.approx(6 / 9)
    assert math.isnan(f1_interval(scores[:1], seed=0).low)


@pytest.mark.parametrize(("name", "value"), [("level", 1.0), ("samples", 0)])
def test_what_an_interval_needs(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"{name} is {value}"):
        f1_interval([SentenceScore(9, "valid", 3, 4, 5)] * 2, seed=0, **{name: value})  # type: ignore[arg-type]


def test_two_parsers_on_the_same_sentences() -> None:
    rng = random.Random(3)
    first = [SentenceScore(9, "valid", rng.randint(3, 10), 10, 11) for _ in range(97)]
    second = [s._replace(matched=max(0, s.matched - rng.randint(0, 1))) for s in first[:-1]] + [
        SentenceScore(9, "error")
    ]
    found, back = f1_difference(first, second, seed=1), f1_difference(second, first, seed=1)
    alone = [f1_interval(scores, seed=1) for scores in (first, second)]
    assert found.difference == pytest.approx(alone[0].f1 - alone[1].f1) == -back.difference
    # Paired, so a small gap stands out against the spread of sentences that both have in common.
    assert 0 < found.low < found.high < alone[0].high - alone[0].low
    assert (found.low, found.high) == (-back.high, -back.low)
    same = f1_difference(first, first, seed=1)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    with pytest.raises(DataError, match="the same sentences"):
        f1_difference(first, second[1:], seed=1)


def disturbed(tree: Tree, rng: random.Random) -> Tree:
    """The tree with some constituents taken out, doubled, renamed or made longer, and some tags changed; no word is."""

    def steps() -> Iterator[tuple[str, str]]:
        plans: list[str] = []
        found = list(events(tree))
        for i, (kind, text) in enumerate(found):
            if kind == "open":
                is_tag = found[i + 1][0] == "word"
                plan = "keep" if is_tag or not plans else rng.choice(["keep"] * 6 + ["out", "double", "rename"])
                plans.append(plan)
                label = rng.choice(["NP", "VP", "PRT", "ADVP"]) if plan == "rename" else text
                label = "JJ" if is_tag and text.isalpha() and rng.random() < 0.1 else label
                yield from [("open", label)] * {"out": 0, "double": 2}.get(plan, 1)
            elif kind == "close":
                yield from [("close", text)] * {"out": 0, "double": 2}.get(plans.pop(), 1)
            else:
                yield kind, text

    moved = list(steps())
    for i in range(len(moved) - 5):  # a tag that follows a constituent is taken into it
        if [kind for kind, _ in moved[i : i + 5]] == ["close", "close", "open", "word", "close"] and rng.random() < 0.2:
            moved[i + 1 : i + 5] = [*moved[i + 2 : i + 5], moved[i + 1]]
    return from_events(moved)  # type: ignore[arg-type]


@pytest.mark.skipif(not shutil.which("evalb"), reason="the program evalb is not installed")
@pytest.mark.data
def test_every_count_is_that_of_the_program_evalb(tmp_path: Path) -> None:
    folder = Path(os.environ.get("AXW_DATA", "../shared/data")) / "treebank"
    if not folder.is_dir():
        pytest.skip(f"AXW_DATA: there is no folder {folder}")
    rng = random.Random(0)
    gold = [tree for name in ("train", "valid") for tree in read_trees(folder / f"{name}.mrg.gz")]
    gold = [tree for tree in gold if len(bracketing(tree).spans) < 90]  # evalb holds 200 brackets a sentence
    parsed = [disturbed(tree, rng) for tree in gold]
    labels = " ".join(f"DELETE_LABEL {label}\n" for label in sorted(COLLINS.deleted)).replace(" DELETE", "DELETE")
    (tmp_path / "prm").write_text(f"{labels}DELETE_LABEL_FOR_LENGTH -NONE-\nEQ_LABEL ADVP PRT\n")
    for name, trees in (("gold", gold), ("parsed", parsed)):
        (tmp_path / name).write_text("".join(tree.to_string() + "\n" for tree in trees))
    arguments = ["evalb", "-e", "99999", "-p", "prm", "gold", "parsed"]
    said = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split() for line in said[3 : 3 + len(gold)]]
    scores = score_sentences(map(bracketing, gold), map(bracketing, parsed))
    for row, found in zip(rows, scores, strict=True):
        ours = (found.length, STATUS.index(found.status), *found[2:8])
        assert (*map(int, row[1:3]), *map(int, row[5:11])) == ours
    assert sum(found.crossing > 0 for found in scores) > 200
