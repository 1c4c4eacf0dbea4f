"""What a report shows of held-out lines: typical, best and worst ones, slices, baselines, and one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from axw.measures.translation import bleu_chrf
from axw.show.alignment import AlignmentDisplay
from axw.show.ladder import CalibrationDisplay
from axw.show.masked_word import MaskedWordDisplay

if TYPE_CHECKING:
    from axw.models.translation.translator import Translator
    from axw.models.words.masked_words import MaskedLanguageModel

EACH = 3  # examples of a kind
PARTS = 4  # slices
SMALL = 20  # rows of a slice below which its number is marked
DRAWN = 1000
MANY = 5000  # rows of a slice from which on its interval is not drawn
TOKEN = "[MASK]"


@dataclass(frozen=True)
class Samples:
    """The parts of a report that come from held-out lines; see `run_report`."""

    measures: dict[str, float] = field(default_factory=dict)
    baselines: list[dict[str, Any]] = field(default_factory=list)
    examples: list[dict[str, Any]] = field(default_factory=list)
    slices: list[dict[str, Any]] = field(default_factory=list)
    picture: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None


def of_translator(model: Translator, pairs: Sequence[tuple[str, str]]) -> Samples:
    """Each pair translated and compared with its reference by chrF; the typical one aligned."""
    if not pairs:
        return Samples()
    source, reference = [a for a, _ in pairs], [b for _, b in pairs]
    said = model.translate(source)
    found, typical = of_translations(source, reference, said)
    target = said[typical] if said[typical].strip() else reference[typical]
    return replace(found, picture=aligned(model, source[typical], target))


def of_translations(source: Sequence[str], reference: Sequence[str], said: Sequence[str]) -> tuple[Samples, int]:
    """What was said for each source, compared with its reference by chrF; and which pair is a typical one."""
    chrf = np.array([_chrf([one], [two]) for one, two in zip(said, reference, strict=True)])
    lengths = np.array([len(line.split()) for line in source], dtype=float)
    ranked = np.argsort(chrf, kind="stable")
    examples = [
        {
            "kind": kind,
            "source": source[i],
            "reference": reference[i],
            "answer": said[i],
            "measure": "chrF",
            "value": chrf[i],
        }
        for kind, i in chosen(ranked)
    ]
    copied, found = _chrf(source, reference), _chrf(said, reference)
    samples = Samples(
        measures={"chrF2 of the lines below": found},
        baselines=[
            {"name": "copying the source", "measure": "chrF2", "value": copied, "model": found, "better": "higher"}
        ],
        examples=examples,
        slices=slices("words in the source", lengths, chrf, "chrF, mean"),
    )
    return samples, int(ranked[len(ranked) // 2])


def of_words(model: MaskedLanguageModel, lines: Sequence[str]) -> Samples:
    """One word hidden in each line, in its middle; how likely the model holds it, and whether its first guess is right."""
    if not lines:
        return Samples()
    filler = model.filler()
    asked, truths, chances, first, right = [], [], [], [], []
    for line in lines:
        words = line.split()
        place = len(words) // 2
        truth, hidden = words[place], " ".join([*words[:place], TOKEN, *words[place + 1 :]])
        guesses = filler.fill(hidden, top=1000).masks[0].guesses
        asked.append(hidden)
        truths.append(truth)
        chances.append(next((guess.probability for guess in guesses if guess.word == truth), 0.0))
        first.append(guesses[0])
        right.append(guesses[0].word == truth)
    P, hits = np.array(chances), np.array(right, dtype=float)
    ranked = np.argsort(P, kind="stable")
    examples = [
        {
            "kind": kind,
            "source": asked[i],
            "reference": truths[i],
            "answer": first[i].word,
            "measure": "probability of the word",
            "value": P[i],
        }
        for kind, i in chosen(ranked)
    ]
    said = np.array([guess.probability for guess in first])
    common = _commonest(model, truths)
    seen = _times_seen(model, truths)
    return Samples(
        measures={"first guess right, one word a line": float(hits.mean())},
        baselines=[] if common is None else [{**common, "model": float(hits.mean())}],
        examples=examples,
        slices=slices("times the word was seen in training", seen, hits, "first guess right, share"),
        picture=MaskedWordDisplay.from_estimator(model, asked[int(ranked[len(ranked) // 2])]).to_json(),
        calibration=CalibrationDisplay.from_confidences(said, hits).to_json() if len(hits) >= 100 else None,
    )


def aligned(model: Translator, source: str, target: str) -> dict[str, Any] | None:
    """The alignment of a pair; None where the model has no attention, or there are no words."""
    from axw.models.translation.readings import readings

    if not readings(model.settings) or not target.strip():
        return None
    return AlignmentDisplay.from_estimator(model, source, target).to_json()


def _chrf(said: Sequence[str], reference: Sequence[str]) -> float:
    return float(next(score.value for score in bleu_chrf(list(said), list(reference)) if score.name == "chrF2"))


def chosen(ranked: np.ndarray) -> list[tuple[str, int]]:
    """Numbers of the typical, best and worst lines, none of them twice; `ranked` has the worst first."""
    n, each = len(ranked), min(EACH, max(1, len(ranked) // 3))
    middle = max(0, n // 2 - each // 2)
    parts = {
        "typical": ranked[middle : middle + each],
        "best": ranked[::-1][:each],
        "worst": ranked[:each],
    }
    seen: set[int] = set()
    found = []
    for kind, numbers in parts.items():
        for i in numbers.tolist():
            if i not in seen:
                seen.add(i)
                found.append((kind, int(i)))
    return found


def slices(name: str, by: np.ndarray, value: np.ndarray, measure: str) -> list[dict[str, Any]]:
    """The mean of `value` in parts of equal count by `by`, with 95 % intervals by bootstrap over the lines."""
    order = np.argsort(by, kind="stable")
    ends = np.unique(np.quantile(by, np.linspace(0, 1, PARTS + 1), method="lower"))
    ends = np.repeat(ends, 2) if len(ends) == 1 else ends  # all alike: one part
    rng = np.random.default_rng(0)
    found = []
    for low, high, last in zip(ends, ends[1:], [False] * (len(ends) - 2) + [True], strict=False):
        part = order[(by[order] >= low) & ((by[order] <= high) if last else (by[order] < high))]
        if len(part):
            to = float(high if last else by[part].max())
            found.append(a_slice(name, float(low), to, value[part], measure, rng))
    return found


def a_slice(  # noqa: PLR0913 (what a slice says)
    name: str, low: Any, high: Any, value: np.ndarray, measure: str, rng: np.random.Generator
) -> dict[str, Any]:
    """The mean of `value` (n) with its 95 % interval, of what lies from `low` to `high`."""
    mean, many = float(value.mean()), len(value) >= MANY
    if many:  # both intervals are the same there, and 1000 drawings of a large table are not free
        half = 1.959964 * float(value.std()) / math.sqrt(len(value))
        ends = (mean - half, mean + half)
    else:
        drawn = value[rng.integers(0, len(value), (DRAWN, len(value)))].mean(1)
        ends = (float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975)))
    return {
        "slice": name,
        "from": low,
        "to": high,
        "lines": len(value),
        "measure": measure,
        "value": mean,
        "low": ends[0],
        "high": ends[1],
        "interval": "normal" if many else "bootstrap",
        "small": len(value) < SMALL,
    }


def _commonest(model: MaskedLanguageModel, truths: Sequence[str]) -> dict[str, Any] | None:
    """How often the word that the training text has most often is right."""
    words = model.facts.get("words", {}).get("words", [])
    if not words:
        return None
    share = sum(truth == words[0] for truth in truths) / len(truths)
    return {
        "name": f"always saying \u201c{words[0]}\u201d",
        "measure": "first guess right",
        "value": share,
        "better": "higher",
    }


def _times_seen(model: MaskedLanguageModel, truths: Sequence[str]) -> np.ndarray:
    facts = model.facts.get("words", {})
    counts = dict(zip(facts.get("words", []), facts.get("counts", []), strict=False))
    found = np.array([counts.get(truth, 0) for truth in truths], dtype=float)
    return np.where(np.isfinite(found), found, math.nan)
