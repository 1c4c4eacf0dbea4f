"""Models that an earlier version saved still load, and say what they said. `benchmarks/make_golden.py` wrote them, once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from axw.models import load
from axw.models.translation.translator import Translator

GOLDEN = Path(__file__).parent / "golden"
# Where a model is lost (an unseen script), word after word is nearly a tie, and another processor's rounding decides.
_WANDERS = -10.0


@pytest.mark.filterwarnings("ignore:.*mostly characters.*:axw.errors.DataWarning")  # one line is Greek and Chinese
@pytest.mark.parametrize("name", ["transformer", "luong", "words"])
def test_a_golden_model_says_what_it_said(name: str) -> None:
    expected = json.loads((GOLDEN / name / "expected.json").read_text(encoding="utf-8"))
    model = load(GOLDEN / name / "model")
    assert isinstance(model, Translator)
    found = [best[0] if best else None for best in model.hypotheses(expected["lines"], beam=expected["beam"])]
    for line, best, said, links in zip(expected["lines"], found, expected["said"], expected["links"], strict=True):
        if said["log_probability"] < _WANDERS:
            assert best is not None and best.text.split()[0] == said["text"].split()[0]
            continue
        assert (best.text if best else "") == said["text"]
        assert (best.log_probability if best else 0.0) == pytest.approx(said["log_probability"], rel=1e-3, abs=1e-3)
        assert model.alignment(line).pharaoh() == links


def test_they_are_small() -> None:
    for folder in GOLDEN.iterdir():
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 100_000
