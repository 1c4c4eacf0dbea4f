"""The ladder of translation: tiny rungs, kept and gone on with, compared on the same sentences."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from axw.errors import UsageError
from axw.ladders.translation import Corpus, Gold, alignment_errors, equal_budget, translation_ladder
from axw.ladders.translation_result import over_seeds
from axw.ladders.translation_rungs import RUNGS, chosen
from axw.learning import with_settings
from axw.measures.alignment import Alignment, alignment_error_rate
from axw.measures.translation import bleu_chrf
from axw.models import load
from axw.models.translation.aligning import align
from axw.models.translation.readings import readings
from axw.models.translation.settings import TranslationSettings
from axw.storage import json_to_bytes
from tests.models.translation.test_translator import CHANGES, pairs

SETTINGS = with_settings(
    TranslationSettings(), [*CHANGES, "train.steps=3", "train.average=0", "train.evaluate_every=3", "search.beam=1"]
)
CORPUS = Corpus(pairs(61), pairs(7, seed=1), pairs(11, seed=2), {"source": "a", "target": "b"})
SURE = [frozenset((i, n - 1 - i) for i in range(n)) for n in (len(line.split()) for line in CORPUS.test[0])]
GOLD = Gold(*CORPUS.test, [Alignment(links, links) for links in SURE])
WANTED = ["base", "6", "Transformer"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("ladder")
    return out, translation_ladder(CORPUS, out, SETTINGS, rungs=WANTED, gold=GOLD)


def test_rungs_have_one_folder_each_and_stand_on_lower_ones():
    names = [rung.name for rung in RUNGS]
    assert len({rung.folder for rung in RUNGS}) == len(set(names)) == len(RUNGS) == 15
    assert all(rung.below is None or names.index(rung.below) < i for i, rung in enumerate(RUNGS))
    for rung in RUNGS:
        assert rung.settings(SETTINGS, 3).train.seed == 3
    assert [(rung.name, rung.below) for rung in chosen(WANTED)] == [
        ("base", None),
        ("global (general)", "base"),
        ("Transformer", "global (general)"),
    ]
    with pytest.raises(UsageError, match=r"There is no rung 'Transfomer'.*Did you mean 'Transformer'\?"):
        chosen(["Transfomer"])


def test_every_number_is_that_of_the_saved_model(made):
    out, found = made
    for row in found.rows:
        rung = next(rung for rung in RUNGS if rung.name == row.rung)
        model = load(out / rung.folder / "seed-0")
        said = model.translate(CORPUS.test[0])
        assert row.bleu.mean == pytest.approx(bleu_chrf(said, CORPUS.test[1])[0].value)
        assert row.perplexity.mean == pytest.approx(model.evaluate(*CORPUS.test)["perplexity"])
        assert row.parameters == sum(p.numel() for p in model.network.parameters()) and row.steps == 3
        assert row.tokens_per_second > 0 and (row.aer is None) == (row.rung == "base")
    assert [row.pays for row in found.rows] == [None, False, False]
    assert "global (general)" in found.to_text() and "AER read at cross 1, input: global (general)" in found.to_text()
    told = json.loads(json_to_bytes(found.to_json()))
    assert told["schema"] == "axw.ladder.translation/1" and len(told["rungs"]) == 3


def test_a_second_call_reads_what_is_there(made, monkeypatch):
    out, found = made
    monkeypatch.setattr("axw.models.translation.translator.Translator.fit", None)
    assert translation_ladder(CORPUS, out, SETTINGS, rungs=WANTED, gold=GOLD).to_json() == found.to_json()
    with pytest.raises(UsageError, match="result of other settings: smoothing was 0.1, is 0.0"):
        translation_ladder(CORPUS, out, with_settings(SETTINGS, ["smoothing=0"]), rungs=WANTED, gold=GOLD)
    with pytest.raises(UsageError, match="the data are others"):
        translation_ladder(CORPUS._replace(test=CORPUS.valid), out, SETTINGS, rungs=WANTED, gold=GOLD)


def test_a_run_that_was_trained_but_not_measured_is_measured(made):
    out, found = made
    result = out / "base" / "seed-0" / "result.json"
    before = json.loads(result.read_text())
    result.unlink()
    translation_ladder(CORPUS, out, SETTINGS, rungs=["base"], gold=GOLD)
    assert {**json.loads(result.read_text()), "seconds": 0, "tokens_per_second": 0} == {
        **before,
        "seconds": 0,
        "tokens_per_second": 0,
    }


def test_a_transformers_alignment_is_chosen_on_other_sentences_than_it_is_measured_on(made):
    model = load(made[0] / "transformer" / "seed-0")
    offered = readings(model.settings)
    sets = [[pair.links for pair in align(model, GOLD.source, GOLD.target, reading)] for reading in offered]

    def rate(which, found):
        return alignment_error_rate(SURE[which], SURE[which], found[which]).error

    halves, crossed = [slice(0, None, 2), slice(1, None, 2)], [frozenset()] * len(SURE)
    for half, other in (halves, halves[::-1]):
        best = min(sets, key=lambda found: rate(half, found))
        crossed[other] = best[other]
    found = alignment_errors(model, GOLD)
    assert found is not None and found["aer"] == pytest.approx(rate(slice(None), crossed))
    assert len(found["by_reading"]) == len(offered) == 2


def test_seeds_and_budgets():
    mean, low, high, _ = over_seeds([1.0, 2.0, 4.0])
    assert (mean, high - mean) == pytest.approx((7 / 3, 4.302653 * np.std([1, 2, 4], ddof=1) / 3**0.5))
    assert mean - low == pytest.approx(high - mean) and np.isnan(over_seeds([1.0]).low)
    with pytest.raises(UsageError, match="seeds is 0"):
        translation_ladder(CORPUS, Path("nowhere"), SETTINGS, seeds=0)
    with pytest.raises(UsageError, match="Both --steps and --minutes"):
        equal_budget(SETTINGS, steps=1, minutes=1.0)
    assert equal_budget(SETTINGS, steps=None, minutes=2.0).train.steps is None
