"""One translator that learns from others: what they hold likely is what their ensemble says, and all else is as without them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from axw.data.vocabulary import PAD
from axw.errors import ModelError, UsageError
from axw.learning import Stopped, with_settings
from axw.learning.projected import projected_cross_entropy
from axw.models.text_model import Place
from axw.models.translation.ensemble import TranslatorEnsemble
from axw.models.translation.lesson import Encoded, _rows
from axw.models.translation.teaching import Teaching
from axw.models.translation.translator import Translator
from tests.models.translation.test_translator import SOURCE, TARGET, TINY, VALID, StopAt, same, weights

SHORT = with_settings(TINY, ["train.steps=5"])
TINY_FULL = with_settings(TINY, ["train.precision=fp32"])


@pytest.fixture(scope="module")
def teachers() -> list[Translator]:
    """Two of the same text, one of either architecture."""
    seeds = [with_settings(TINY, changes) for changes in ([], ["architecture=luong", "train.seed=1"])]
    return [Translator(settings).fit(SOURCE, TARGET, VALID) for settings in seeds]


def taught(teachers: list[Translator], *changes: str) -> Translator:
    return Translator(with_settings(SHORT, changes)).fit(SOURCE, TARGET, VALID, teachers=teachers)


def test_what_they_hold_likely_is_what_their_ensemble_says(teachers: list[Translator]) -> None:
    ensemble = TranslatorEnsemble(teachers)
    one, other = ensemble._sides("forward")
    batch = Encoded(one.encode(VALID[0]), other.encode(VALID[1])).at(np.arange(7))
    weight = teachers[0].network.projection
    likely = Teaching(ensemble._as_teachers(), TINY_FULL, weight, _rows).of(batch).q
    said = batch.said[batch.said != PAD]
    whole = torch.cat([likely(slice(0, 11)), likely(slice(11, len(said)))])
    torch.testing.assert_close(whole.sum(-1), torch.ones(len(said)))
    of_each = whole.gather(1, said[:, None])[:, 0].log().split((batch.said != PAD).sum(1).tolist())
    found = np.array([float(logs.sum()) for logs in of_each])
    np.testing.assert_allclose(found, ensemble.score(*VALID), rtol=1e-5)


def test_who_is_taught_by_its_own_equal_has_nothing_to_learn(teachers: list[Translator]) -> None:
    model = teachers[0]
    one, other = model._sides("forward")
    batch = Encoded(one.encode(VALID[0]), other.encode(VALID[1])).at(np.arange(7))
    rows = _rows(model.network, batch).detach().requires_grad_()
    teaching = Teaching(model._as_teachers(), with_settings(TINY_FULL, ["taught=1"]), rows, _rows)
    said = batch.said[batch.said != PAD]
    found = projected_cross_entropy(rows, model.network.projection, said, smoothing=0.1, taught=teaching.of(batch))
    (slope,) = torch.autograd.grad(found.sum, rows)
    assert float(slope.abs().max()) < 1e-5


def test_taught_by_none_of_the_loss_is_not_taught(teachers: list[Translator]) -> None:
    alone = Translator(SHORT).fit(SOURCE, TARGET, VALID)
    assert same(weights(taught(teachers, "taught=0")), weights(alone))
    learned = taught(teachers)
    assert same(weights(taught([TranslatorEnsemble(teachers)])), weights(learned))
    assert not same(weights(learned), weights(alone))
    assert learned.facts["data"]["teachers"] == 2 and "teachers" not in alone.facts["data"]


def test_teachers_stay_as_they_were(teachers: list[Translator]) -> None:
    before = [weights(teacher) for teacher in teachers]
    taught(teachers, "train.precision=bf16")
    assert all(same(weights(teacher), was) for teacher, was in zip(teachers, before, strict=True))
    assert all(p.requires_grad for teacher in teachers for p in teacher.network.parameters())


def test_a_student_has_another_form_and_the_pieces_of_its_teachers(teachers: list[Translator]) -> None:
    student = taught(teachers, "transformer.d_model=8", "transformer.heads=1", "transformer.d_ff=16")
    assert student._vocabularies["source"].to_bytes() == teachers[0]._vocabularies["source"].to_bytes()
    assert len(student.translate(VALID[0])) == len(VALID[0])


def test_stopped_and_resumed_is_undisturbed(teachers: list[Translator], tmp_path: Path) -> None:
    settings = with_settings(SHORT, ["train.log_every=1"])

    def fit(place: Place, by: list[Translator]) -> Translator:
        return Translator(settings).fit(SOURCE, TARGET, VALID, place, teachers=by)

    whole = fit(Place(tmp_path / "whole"), teachers)
    with pytest.raises(Stopped):
        fit(Place(tmp_path / "cut", hooks=[StopAt(3)]), teachers)
    with pytest.raises(ModelError, match="cannot go on exactly as it was: data was"):
        fit(Place(tmp_path / "cut", resume=True), teachers[:1])
    assert same(weights(fit(Place(tmp_path / "cut", resume=True), teachers)), weights(whole))


def test_teachers_that_do_not_suit_are_said(teachers: list[Translator]) -> None:
    other = Translator(replace(SHORT, vocabulary=280)).fit(SOURCE, TARGET, VALID)
    with pytest.raises(UsageError, match=r"The 2 teachers have other vocabularies.*\n.*\nTrain them on the same text"):
        taught([teachers[0], other])
    with pytest.raises(
        UsageError, match=r"vocabulary is 280, the teachers' 300, joint is False, the teachers' True.*\n.*\nSet vocab"
    ):
        taught(teachers, "vocabulary=280", "joint=false", "transformer.shared=target")
    with pytest.raises(
        UsageError, match=r"longest is 50; allowed with these teachers: 40 or less.*\n.*\nSet longest=40"
    ):
        taught(teachers, "longest=50")
    with pytest.raises(UsageError, match=r"r_drop is 1\.0 beside teachers; allowed: one of the two"):
        taught(teachers, "r_drop=1")
    with pytest.raises(UsageError, match=r"taught is 1\.5; allowed: 0 to 1"):
        replace(SHORT, taught=1.5)
    with pytest.raises(UsageError, match="is not fitted"):
        taught([Translator(SHORT)])
