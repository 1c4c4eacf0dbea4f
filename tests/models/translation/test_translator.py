"""The translator: trained in a folder or in memory, stopped and resumed, saved and loaded, one line in and one line out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import axw
from axw.data.vocabulary import EOS, PAD, UNK
from axw.decoding import SearchSettings
from axw.errors import DataError, DataWarning, ModelError, UsageError
from axw.learning import Stopped, with_settings
from axw.learning.hooks import Hook, Record
from axw.models.text_model import Place
from axw.models.translation.ensemble import TranslatorEnsemble
from axw.models.translation.laid_out import LaidOutTranslator
from axw.models.translation.lesson import BACKWARD, FORWARD, BothWays, Encoded, _rows, r_drop, translation_lesson
from axw.models.translation.settings import TranslationSettings
from axw.models.translation.translator import Translator

WORDS = "ein mann frau hund sitzt läuft rot blau haus baum".split()
CHANGES = [
    "transformer.d_model=16",
    "transformer.layers=1",
    "transformer.heads=2",
    "transformer.d_ff=32",
    "transformer.dropout=0.1",
    "luong.d_model=16",
    "vocabulary=300",
    "batch_tokens=200",
    "longest=40",
    "train.minutes=none",
    "train.steps=12",
    "train.evaluate_every=5",
    "train.ema=none",
    "train.average=2",
    "train.checkpoint_every=4",
    "train.threads=1",
    "train.schedule.warmup=5",
    "train.schedule.rate=0.01",
]
TINY = with_settings(TranslationSettings(), CHANGES)


def pairs(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Sentences, and the same read backwards in capitals."""
    draw = np.random.default_rng(seed)
    lines = [" ".join(draw.choice(WORDS, size=draw.integers(1, 8))) for _ in range(count)]
    return lines, [" ".join(reversed(line.upper().split())) for line in lines]


SOURCE, TARGET = pairs(101)
VALID = pairs(7, seed=1)


@pytest.fixture(scope="module")
def trained() -> Translator:
    return Translator(TINY).fit(SOURCE, TARGET, VALID)


def weights(model: Translator) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.network.named_parameters()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_one_line_in_one_line_out(trained: Translator) -> None:
    lines = [*VALID[0], "", "   ", "Ωμέγα 漢字", VALID[0][0]]
    said = r"^1 of \d+ lines are mostly characters .* such as line \d+: 'Ωμέγα 漢字'. Their translations are guesses.$"
    with pytest.warns(DataWarning, match=said):
        out = trained.translate(lines, beam=3)
    assert len(out) == len(lines) and out[len(VALID[0])] == out[len(VALID[0]) + 1] == ""
    assert out[-1] == out[0]
    assert trained.translate([]) == []


def test_alone_is_in_a_batch(trained: Translator) -> None:
    together = trained.translate(VALID[0], beam=4)
    assert [trained.translate([line], beam=4)[0] for line in VALID[0]] == together
    assert trained.translate(VALID[0][::-1], beam=4) == together[::-1]


@pytest.mark.parametrize("changes", [[], ["architecture=luong"], ["transformer.positions=relative"]])
def test_laid_out_once_it_says_the_same(changes: list[str]) -> None:
    model = Translator(with_settings(TINY, changes)).fit(SOURCE, TARGET, VALID)
    laid_out = LaidOutTranslator(model)
    lines = [*VALID[0] * 3, ""]
    assert laid_out.translate(lines, beam=3) == model.translate(lines, beam=3)
    assert [laid_out.translate([line], beam=3) for line in lines] == [[line] for line in model.translate(lines, beam=3)]
    assert laid_out.score(VALID[0], VALID[1]) == pytest.approx(model.score(VALID[0], VALID[1]))


def test_several_are_laid_out_in_any_precision(trained: Translator) -> None:
    both, search = TranslatorEnsemble([trained, trained]), SearchSettings(beam=2)
    lines = VALID[0] * 3
    laid_out = LaidOutTranslator(both, "int8")
    assert len(laid_out.steps) == 2
    one, other = (list(m.hypotheses(lines, search=search, precision="int8")) for m in (both, laid_out))
    assert [own[0].ids for own in one] == [own[0].ids for own in other]
    assert laid_out.translate(lines, beam=2) == both.translate(lines, beam=2)  # in fp32, which is not what it holds


def test_the_score_of_what_was_said_is_its_own(trained: Translator) -> None:
    settings, (_, vocabulary) = SearchSettings(beam=3, nbest=2, length_penalty="none"), trained._sides("forward")
    for line, answers in zip(VALID[0], trained.hypotheses(VALID[0], search=settings), strict=True):
        for answer in answers:
            if answer.finished and vocabulary.encode([answer.text])[0].tolist() == list(answer.ids):
                assert trained.score([line], [answer.text])[0] == pytest.approx(answer.log_probability, abs=1e-3)


def test_a_prefix_is_kept(trained: Translator) -> None:
    begun = ["HAUS" if i % 2 else "" for i in range(len(VALID[0]))]
    found = [best[0].text for best in trained.hypotheses(VALID[0], beam=2, prefix=begun)]
    assert all(text.startswith(start) for text, start in zip(found, begun, strict=True))


def test_the_likelihood_is_that_of_all_rows_at_once(trained: Translator) -> None:
    source, target = trained._sides("forward")
    encoded = Encoded(source.encode(VALID[0]), target.encode(VALID[1]))
    nats = count = 0.0
    for i in range(len(VALID[0])):
        batch = encoded.at(np.array([i]))
        log_p = torch.log_softmax(trained.network.logits(trained.network(batch.source, batch.read)), -1)  # type: ignore[operator]
        nats -= float(log_p.gather(-1, batch.said[..., None]).sum().detach())
        count += int((batch.said != PAD).sum())
        assert batch.said[0, -1] == EOS
    assert trained.evaluate(*VALID)["loss"] == pytest.approx(nats / count, rel=1e-5)


def test_saved_and_loaded_is_as_before(trained: Translator, tmp_path: Path) -> None:
    trained.save(tmp_path / "model")
    loaded = axw.load(tmp_path / "model")
    assert type(loaded) is Translator and same(weights(loaded), weights(trained))
    assert loaded.translate(VALID[0]) == trained.translate(VALID[0]) and loaded.settings == trained.settings
    with pytest.raises(ModelError, match="kind 'translation', and not 'words'"):
        axw.MaskedLanguageModel.load(tmp_path / "model")


class StopAt(Hook):
    """Ctrl-C, at a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_records(self, records: Sequence[Record]) -> None:
        if records[0].step == self.step:
            import signal

            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("changes", [[], ["subword_dropout=0.1", "both_directions=true", "word_dropout=0.1"]], ids=str)
def test_stopped_and_resumed_is_undisturbed(changes: list[str], tmp_path: Path) -> None:
    settings = with_settings(TINY, [*changes, "train.log_every=1"])
    whole = Translator(settings).fit(SOURCE, TARGET, VALID, Place(tmp_path / "whole"))
    with pytest.raises(Stopped) as stopped:
        Translator(settings).fit(SOURCE, TARGET, VALID, Place(tmp_path / "cut", hooks=[StopAt(7)]))
    assert stopped.value.exit_code == 130
    with pytest.raises(ModelError, match="has not ended.*\n.*\nGo on: axw resume"):
        axw.load(tmp_path / "cut")
    resumed = Translator(settings).fit(SOURCE, TARGET, VALID, Place(tmp_path / "cut", resume=True))
    assert same(weights(whole), weights(resumed))
    histories = [
        [{**json.loads(line), "seconds": 0} for line in (tmp_path / name / "history.jsonl").read_text().splitlines()]
        for name in ("whole", "cut")
    ]
    assert histories[0] == histories[1]
    assert axw.load(tmp_path / "cut").translate(VALID[0]) == whole.translate(VALID[0])


def test_other_data_or_settings_are_refused(tmp_path: Path) -> None:
    Translator(TINY).fit(SOURCE, TARGET, VALID, Place(tmp_path / "run"))
    with pytest.raises(ModelError, match="cannot go on exactly as it was: data was"):
        Translator(TINY).fit(SOURCE[1:], TARGET[1:], VALID, Place(tmp_path / "run", resume=True))
    with pytest.raises(ModelError, match="smoothing was 0.1, is 0.2"):
        Translator(replace(TINY, smoothing=0.2)).fit(SOURCE, TARGET, VALID, Place(tmp_path / "run", resume=True))
    with pytest.raises(UsageError, match="holds a run already"):
        Translator(TINY).fit(SOURCE, TARGET, VALID, Place(tmp_path / "run"))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["transformer", "luong"])
def test_it_learns_to_turn_a_sentence_round(architecture: str) -> None:
    more = [
        "train.steps=1000",
        "train.schedule.warmup=50",
        "train.schedule.rate=0.02",
        "transformer.d_model=32",
        "luong.d_model=64",
        "smoothing=0",
        "train.dropout_epochs=0",
    ]
    settings = with_settings(TINY, [*more, f"architecture={architecture}", "luong.input_feeding=true"])
    source, target = pairs(2003, seed=5)
    model = Translator(settings).fit(source, target)
    fresh = pairs(53, seed=9)
    right = sum(a == b for a, b in zip(model.translate(fresh[0]), fresh[1], strict=True))
    assert right > 40


def test_luong_goes_the_same_way() -> None:
    model = Translator(replace(TINY, architecture="luong")).fit(SOURCE, TARGET, VALID)
    out = model.translate(VALID[0], beam=3)
    assert [model.translate([line], beam=3)[0] for line in VALID[0]] == out
    assert list(model.attention("ein mann", "MANN EIN")) == ["cross 1"]


def test_both_directions(trained: Translator) -> None:
    model = Translator(replace(TINY, both_directions=True)).fit(SOURCE, TARGET, VALID)
    assert len(model.translate(VALID[1], direction="backward")) == len(VALID[1])
    with pytest.raises(UsageError, match="knows one direction"):
        trained.translate(VALID[1], direction="backward")


def test_an_ensemble_of_one_model_is_the_model(trained: Translator) -> None:
    both = TranslatorEnsemble([trained, trained])
    assert both.translate(VALID[0], beam=3) == trained.translate(VALID[0], beam=3)
    other = Translator(replace(TINY, vocabulary=280)).fit(SOURCE, TARGET, VALID)
    with pytest.raises(UsageError, match="have other vocabularies"):
        TranslatorEnsemble([trained, other])


def test_an_ensemble_is_evaluated_as_it_scores_and_is_no_model_of_its_own(trained: Translator, tmp_path: Path) -> None:
    other = Translator(with_settings(TINY, ["train.steps=2", "train.seed=3"])).fit(SOURCE, TARGET, VALID)
    both = TranslatorEnsemble([trained, other])
    assert TranslatorEnsemble([trained]).evaluate(*VALID)["loss"] == pytest.approx(trained.evaluate(*VALID)["loss"])
    pieces = (trained._sides("forward")[1].encode(VALID[1]).lengths + 1).sum()
    assert both.evaluate(*VALID)["loss"] == pytest.approx(-both.score(*VALID).sum() / pieces)
    for name, ask in (
        ("save", lambda: both.save(tmp_path / "both")),
        ("attention", lambda: both.attention("ein", "EIN")),
        ("fit", lambda: both.fit(SOURCE, TARGET)),
    ):
        with pytest.raises(
            UsageError, match=rf"An ensemble of 2 .*\n.*\nAsk a member: ensemble.translators\[0\].{name}"
        ):
            ask()
    assert not (tmp_path / "both").exists()


def test_one_text_is_not_translated_letter_by_letter(trained: Translator) -> None:
    with pytest.raises(UsageError, match="The lines are one text; allowed: several lines"):
        trained.translate("ein mann")
    with pytest.raises(UsageError, match="The lines are one text"):
        Translator(TINY).fit("abc", "abd")
    with pytest.raises(DataError, match="Line 1 is a NoneType; allowed: text"):
        Translator(TINY).fit([None, "a"], ["b", "c"])  # type: ignore[list-item]


def test_a_dropped_word_is_never_the_tag_of_a_direction(trained: Translator) -> None:
    settings = with_settings(TINY, ["both_directions=true", "word_dropout=0.5", "train.steps=1"])
    model = Translator(settings).fit(SOURCE, TARGET, VALID)
    source, target = model._sides("forward")
    pairs = Encoded(source.encode(SOURCE), target.encode(TARGET))
    tags = {source.extra[FORWARD], source.extra[BACKWARD]}
    both = BothWays(pairs, *(source.extra[name] for name in (FORWARD, BACKWARD)))
    lesson = translation_lesson(settings, lambda epoch: both, pairs, model.network)
    batches = list(lesson.batches(1))
    assert {int(i) for batch in batches for i in batch.source[:, 0]} == tags
    assert any((batch.source == UNK).any() for batch in batches)


def test_learned_positions_have_places_for_all_that_is_read_and_said() -> None:
    with pytest.raises(UsageError, match=r"transformer.longest is 60 with learned positions; allowed: 92 or more"):
        with_settings(TINY, ["transformer.positions=learned", "transformer.longest=60"])
    model = Translator(
        with_settings(TINY, ["transformer.positions=learned", "transformer.longest=92", "train.steps=1"])
    )
    long = " ".join(["rot"] * 100)
    with pytest.warns(DataWarning, match="1 of 2 validation pairs are longer than the 92 places"):
        model.fit(SOURCE, TARGET, (["rot", long], ["ROT", long.upper()]))


def test_r_drop_without_dropout_is_the_plain_loss(trained: Translator) -> None:
    source, target = trained._sides("forward")
    batch = Encoded(source.encode(VALID[0]), target.encode(VALID[1])).at(np.arange(5))
    rows, said = _rows(trained.network, batch), batch.said[batch.said != PAD]
    plain = torch.nn.functional.cross_entropy(
        trained.network.logits(rows),
        said,
        reduction="sum",
        label_smoothing=0.1,  # type: ignore[operator]
    )
    found = r_drop(trained.network, rows, rows, said, 0.1, 5.0)
    torch.testing.assert_close(found.sum, plain, rtol=1e-5, atol=1e-5)


def test_bad_pairs_and_settings_are_said() -> None:
    with pytest.raises(DataError, match="3 source lines and 2 target lines"):
        Translator(TINY).fit(["a", "b", "c"], ["a", "b"])
    with pytest.raises(DataError, match="No pair is left of 2: one side of each is empty"):
        Translator(TINY).fit(["a", ""], ["", "b"])
    with pytest.raises(UsageError, match="is not fitted"):
        Translator(TINY).translate(["a"])
    with pytest.raises(UsageError, match="beam is 0; allowed: 1 to 1000"):
        replace(TINY.search, beam=0)
    with pytest.raises(UsageError, match="joint is false with shared 'all'"):
        replace(TINY, joint=False)
    with pytest.raises(UsageError, match="r_drop is -1"):
        replace(TINY, r_drop=-1.0)
