"""The fastest engine that gives the same answers: whichever is chosen, these are the same; and the n best are never a guess."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from axw.decoding import Hypothesis, SearchSettings
from axw.models.translation.many import Job

pytest.importorskip("ctranslate2")

from axw.export import fastest as module
from axw.export.engine import CTranslate2Translator, _sure
from axw.export.fastest import fastest
from tests.export.made import LINES, translator


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fastest") / "model"
    translator().save(path)
    return path


def seconds(*taken: float) -> Any:
    """A clock by which PyTorch, then CTranslate2, take so long."""
    ticks = iter([tick for number, each in enumerate(taken) for tick in (10.0 * number, 10.0 * number + each)])
    return lambda: next(ticks)


@pytest.mark.parametrize("search", [SearchSettings(beam=1), SearchSettings(beam=4, nbest=3, max_constant=9)], ids=str)
def test_whichever_is_chosen_says_the_same(folder: Path, search: SearchSettings) -> None:
    job, lines = Job((folder,), search), [*LINES, ""]
    base = job.load(job)
    slow, quick = (fastest(job, base, lines, seconds(1.0, theirs)) for theirs in (1.0, 0.5))
    assert slow.translator is base and slow.job == job and slow.why.startswith("torch: ")
    assert isinstance(quick.translator, CTranslate2Translator) and quick.why.startswith("ctranslate2: ")
    again = quick.job.load(quick.job)
    own, *others = (
        [[(t.text, t.ids, t.finished) for t in each] for each in made.hypotheses(lines, search=search)]
        for made in (base, quick.translator, again)
    )
    assert others == [own, own]


def test_another_answer_is_not_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job((folder,), SearchSettings(beam=2))
    base = job.load(job)
    monkeypatch.setattr(CTranslate2Translator, "_search", lambda self, decoders, ids, index, *rest: [[] for _ in index])
    choice = fastest(job, base, LINES, seconds(1.0, 0.1))
    assert choice.translator is base and "another translation of one of the first lines" in choice.why
    monkeypatch.setattr(module, "is_installed", lambda package: False)
    assert "is not installed (pip install" in fastest(job, base, LINES).why


def said(log_probability: float, length: int, penalty: float, finished: bool = True) -> Hypothesis:
    return Hypothesis((7,) * (length - finished), log_probability / penalty, log_probability, finished)


def test_what_may_be_missing_is_noticed() -> None:
    """Of a beam of two, a third may have been left out: with a log p of the lesser of the two, and as many ids as the longer."""
    average, none = SearchSettings(beam=2, length_penalty="average"), SearchSettings(beam=2, length_penalty="none")
    short, long, likely = said(-4.0, 2, 2.0), said(-4.1, 9, 9.0), said(-0.1, 2, 2.0)
    assert _sure([short, long], average, 50) is None
    assert _sure([likely, long], average, 50) == [likely]
    assert _sure([likely, long], average, 9) == [likely] and _sure([likely, long], average, 8) is None
    assert _sure([likely, long], replace(average, nbest=2), 50) is None
    assert _sure([likely, said(-9.0, 3, 3.0, finished=False)], average, 50) is None
    assert _sure([said(-4.0, 2, 1.0), said(-4.1, 9, 1.0)], none, 50) == [said(-4.0, 2, 1.0)]
