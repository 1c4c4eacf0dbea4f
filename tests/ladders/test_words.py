"""The ladder for words: one thing more at each rung, the same words for all, and claims that are corrected."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from axw.data.vocabulary import Vocabulary
from axw.equation import KINDS
from axw.errors import DataError, UsageError
from axw.ladders.statistics import holm
from axw.ladders.words import ladder_settings, words_ladder, words_rungs
from axw.ladders.words_result import WordsAnswer, build, holm_bootstrap
from axw.models.words.masked_words import MaskedLanguageModel
from axw.models.words.measures import Guesses
from axw.networks.masked_words import MaskedWords
from axw.show.text_ladder import About
from axw.show.words_ladder import words_page
from tests.models.tiny_text import lines, words_settings

pytestmark = pytest.mark.filterwarnings("ignore:The text allows")
RUNGS = words_rungs(ladder_settings().network)


def tiny(steps=4, **train):
    settings = words_settings(steps)
    network = replace(settings.network, positions="sinusoidal", feedforward="relu")
    start = {"keep": "last", "evaluate_every": 0}
    return replace(settings, network=network, train=replace(settings.train, **(start | train)))


def made_up(nats, words=3):
    """A rung that costs nats (lines,) on lines of `words` hidden words."""
    n = len(nats)
    full = np.full(n, float(words))
    return Guesses(np.asarray(nats, float), full, full * 2, full * 5, full * 0, full * 0)


def test_every_kind_has_as_many_weights():
    counts = {}
    for rung in RUNGS:
        if rung.network is not None:
            with torch.device("meta"):
                counts[rung.name.strip()] = sum(p.numel() for p in MaskedWords(rung.network, 4000).parameters())
    kinds = {counts[kind] for kind in KINDS if kind != "relu"} | {counts["+ feed-forward relu"]}
    assert len(kinds) == 1 and counts["softmax(X K Q' X')"] == counts["+ heads"]
    assert counts["A = I"] < counts["A X W"] == counts["A = X X'"] < counts["A = X W X', rank r"] < counts["+ heads"]


def test_every_rung_is_compared_with_one_that_comes_before_it():
    names = [rung.name for rung in RUNGS]
    assert names[:3] == ["unigram", "A = I", "A X W"] and len(names) == len(set(names)) == 16
    for place, rung in enumerate(RUNGS):
        assert (rung.below is None) if place == 0 else rung.below in names[:place]


def test_a_rung_is_the_model_that_anybody_can_train():
    settings, text, valid = tiny(), lines(), lines(20, seed=5)
    found = words_ladder(text, valid, settings=settings, rungs=["unigram", "+ heads", "+ feed-forward relu"])
    model = MaskedLanguageModel(settings).fit(text, valid)
    measures = model.evaluate(valid)
    row = found.rows[-1]
    assert row.measures["nats_per_word"] == pytest.approx(measures["nats_per_word"], rel=1e-6)
    assert row.measures["word_accuracy"] == measures["word_accuracy"]
    assert row.parameters == sum(p.numel() for p in model.network.parameters())
    assert [r.below for r in found.rows] == [None, "unigram", "+ heads"]
    pieces = Vocabulary.learn(text, 300).encode(text).ids
    assert found.rows[0].parameters == found.data["pieces"] and len(pieces) > 0
    text = found.to_text()
    assert max(map(len, text.splitlines())) <= 100 and "pays?" in text and found.use["why"] in text


def test_seeds_are_compared_pair_by_pair_and_the_whole_is_repeatable():
    once, again = (
        words_ladder(lines(), lines(9, seed=5), settings=tiny(2), seeds=2, rungs=["A = I", "A X W", "A = X X'"])
        for _ in range(2)
    )
    told = [
        [
            {k: v for k, v in rung.items() if k != "seconds"}
            for rung in json.loads(json.dumps(x.to_json(), allow_nan=False))["rungs"]
        ]
        for x in (once, again)
    ]
    assert told[0] == told[1] and once.to_json()["schema"] == "axw.ladder.words/1"
    assert once.rows[1].seeds is not None and once.rows[0].seeds is None
    assert "over 2 seeds" in once.to_text() and "Δ over seeds" in once.to_text()


def test_what_pays_is_better_on_the_lines_and_over_the_seeds():
    random = np.random.default_rng(0)
    base = random.gamma(4.0, 2.0, 200)
    chosen = [rung for rung in RUNGS if rung.name in ("unigram", "A = I", "A X W", "A = X X'")]
    better, same = base - 0.8 + random.normal(0, 0.2, 200), base - 0.8 + random.normal(0, 0.2, 200)
    answers = [WordsAnswer([made_up(x), made_up(x + 0.01)], 9, 1.0) for x in (base, better, same)]
    found = build(chosen, [*answers, WordsAnswer([], 9, 1.0, "The loss is nan.")], {"lines": 200}, {"seeds": 2})
    assert [row.pays for row in found.rows] == [None, True, False, None]
    assert found.rows[1].lines.mean == pytest.approx((better - base).sum() / 600)
    assert found.rows[1].lines.low < found.rows[1].lines.mean < found.rows[1].lines.high < 0
    assert found.use["rung"] == "A = I" and found.rows[3].failed and "failed: The loss is nan." in found.to_text()
    page = words_page(found, About("a <b>", "axw ladder words x"))
    assert "&lt;b&gt;" in page and "<script" not in page and "axw ladder words x" in page
    assert all(f"{row.measures['nats_per_word']:.3f}" in page for row in found.rows[:3])


def test_a_rung_that_is_better_on_one_seed_only_does_not_pay():
    base = np.random.default_rng(1).gamma(4.0, 2.0, 100)
    chosen = [rung for rung in RUNGS if rung.name in ("unigram", "A = I")]
    answers = [
        WordsAnswer([made_up(base), made_up(base)], 9, 1.0),
        WordsAnswer([made_up(base - 2), made_up(base)], 9, 1.0),
    ]
    row = build(chosen, answers, {"lines": 100}, {"seeds": 2}).rows[1]
    assert row.lines.below_zero and not row.seeds.below_zero and row.pays is False


def test_intervals_exclude_zero_exactly_where_holm_finds_a_difference():
    random = np.random.default_rng(2)
    draws = random.normal(np.array([0.0, -0.15, -0.25, 0.3, -0.22])[:, None], 0.1, (5, 4000))
    found = holm_bootstrap(list(draws.mean(1)), draws)
    side = np.minimum((draws <= 0).sum(1), (draws >= 0).sum(1))
    expected = holm(np.minimum(2 * (side + 1) / 4001, 1.0))
    assert [x.p for x in found] == pytest.approx(list(expected))
    assert [x.below_zero or x.above_zero for x in found] == [bool(p <= 0.05) for p in expected]
    assert sum(p <= 0.05 for p in expected) not in (0, 5)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"d_ff": 64}, "network.d_ff is 64; allowed: a multiple of 48"),
        ({"positions": "rotary"}, "network.positions is 'rotary'; allowed: sinusoidal or learned"),
        ({"window": 3}, "network.score, window and layers are what the rungs set"),
    ],
)
def test_what_cannot_be_climbed_is_said(changes, text):
    with pytest.raises(UsageError, match=text):
        words_rungs(replace(ladder_settings().network, **changes))


def test_texts_and_names_that_are_not_there():
    with pytest.raises(DataError, match="The validation text has no line with words."):
        words_ladder(lines(), ["", " "], settings=tiny())
    with pytest.raises(DataError, match="The training text has no line with words."):
        words_ladder([], lines(), settings=tiny())
    with pytest.raises(UsageError, match=r"There is no rung 'unigramm'.\nrungs\n.*Did you mean 'unigram'"):
        words_ladder(lines(), lines(), settings=tiny(), rungs=["unigramm"])
    with pytest.raises(UsageError, match="seeds 0; allowed: words, and 1 or more"):
        words_ladder(lines(), lines(), settings=tiny(), seeds=0)


def test_the_benchmark_of_feed_forward_kinds_compares_like_with_like():
    import importlib.util
    from pathlib import Path

    path = Path(__file__).parents[2] / "benchmarks" / "feedforward.py"
    spec = importlib.util.spec_from_file_location("feedforward", path)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    for task in bench.TASKS:
        assert len({bench.parameters(task, kind, bench.Size()) for kind in bench.KINDS}) == 1
    assert set(bench.KINDS) == set(KINDS)
    losses = {kind: [2.0 + 0.1 * i, 2.1 + 0.1 * i, 2.2 + 0.1 * i] for i, kind in enumerate(bench.KINDS)}
    table = bench.table("words", losses)
    assert "1.997 (0.005)" in table and "relu < gelu" in table and "yes" in table


@pytest.mark.slow
def test_the_whole_ladder_is_climbed():
    found = words_ladder(lines(80), lines(30, seed=5), settings=tiny(6))
    assert len(found.rows) == 16 and not any(row.failed for row in found.rows)
    assert max(map(len, found.to_text().splitlines())) <= 100
