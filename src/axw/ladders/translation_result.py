"""What a ladder of translation found: each rung over its seeds, and against the rung below on the same sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from axw.ladders.statistics import holm
from axw.ladders.translation_rungs import TranslationRung
from axw.measures.bootstrap import PairedInterval, bootstrap, paired_bootstrap
from axw.measures.translation import measure

SCHEMA = "axw.ladder.translation/1"
LEVEL = 0.95
SAMPLES = 4000  # enough for the smallest of 14 corrected p values
SEEDS = "t interval over seeds"
SENTENCES = "bootstrap over sentences, counts summed over seeds"


class Estimate(NamedTuple):
    """A mean and its interval; no ends where there is one number only. `of`: what it is over."""

    mean: float
    low: float
    high: float
    of: str


@dataclass(frozen=True)
class TranslationRow:
    """One rung.

    perplexity, bleu, bleu4  over seeds where there are several; one seed's BLEU: over sentences
    compared                 BLEU (13a) minus that of `below`, on the same resampled sentences; None for the lowest
    pays                     whether the difference is above 0, corrected for all comparisons of the ladder (Holm 1979)
    aer                      mean over seeds, a share from 0 to 1; None without attention, or without hand-made links
    aligned                  where the alignment was read
    """

    rung: str
    below: str | None
    perplexity: Estimate
    bleu: Estimate
    bleu4: Estimate
    compared: PairedInterval | None
    pays: bool | None
    aer: float | None
    aligned: str
    parameters: int
    tokens_per_second: float
    steps: float
    seconds: float
    runs: tuple[dict[str, Any], ...]


class TranslationHeldOut(NamedTuple):
    """The measured pairs, what the first run of the best rung translated each source to, and the folder of that run."""

    source: Sequence[str]
    reference: Sequence[str]
    said: Sequence[str]
    run: Path


@dataclass(frozen=True)
class TranslationLadder:
    """The result of `translation_ladder`; held_out: what the best rung made of the measured pairs, not part of the JSON."""

    rows: tuple[TranslationRow, ...]
    data: Mapping[str, Any]
    settings: Mapping[str, Any]
    protocols: Mapping[str, str]
    held_out: TranslationHeldOut | None = field(default=None, repr=False, compare=False)

    @property
    def best(self) -> TranslationRow:
        """The rung with the most BLEU."""
        return max(self.rows, key=lambda row: row.bleu.mean)

    def to_json(self) -> dict[str, Any]:
        """`axw.ladder.translation/1`: plain values; what is not a number is None."""
        return {
            "schema": SCHEMA,
            "rungs": [_row_json(row) for row in self.rows],
            "data": dict(self.data),
            "settings": dict(self.settings),
            "protocols": dict(self.protocols),
        }

    def to_text(self) -> str:
        """A table for a terminal."""
        lines = [[cell(row) for cell in COLUMNS.values()] for row in self.rows]
        wide = [max(len(name), *(len(line[i]) for line in lines)) for i, name in enumerate(COLUMNS)]
        shown = [
            "  ".join(
                text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(zip(line, wide, strict=True))
            )
            for line in ([*COLUMNS], ["-" * w for w in wide], *lines)
        ]
        return "\n".join([*(line.rstrip() for line in shown), "", *self.notes()]) + "\n"

    def notes(self) -> list[str]:
        """What the reader must know of the numbers."""
        notes = [
            f"{self.data['training pairs']:,} training pairs; {self.data['measured pairs']:,} pairs measured; seeds: "
            f"{len(self.rows[0].runs)}",
            f"ppl, BLEU, BLEU4: {SEEDS if len(self.rows[0].runs) > 1 else SENTENCES + ' (ppl: none)'}",
            "Δ BLEU: against the rung named behind it, paired bootstrap over sentences; pays: above 0, "
            "p by Holm over the ladder at most 0.05",
            *(f"{name}: {protocol}" for name, protocol in self.protocols.items()),
        ]
        read: dict[str, list[str]] = {}
        for row in self.rows:
            if row.aer is not None:
                read.setdefault(row.aligned, []).append(row.rung)
        return [*notes, *(f"AER read at {where}: {'; '.join(names)}" for where, names in read.items())]


def build(
    rungs: Sequence[TranslationRung],
    results: Mapping[str, Sequence[dict[str, Any]]],
    references: Sequence[str],
    data: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> TranslationLadder:
    """The ladder of results[rung], one a seed."""
    kinds = {name: measure(name) for name in ("bleu", "bleu4")}
    counts = {
        kind: {
            rung.name: np.stack([counted.count(run["said"], references) for run in results[rung.name]])
            for rung in rungs
        }
        for kind, counted in kinds.items()
    }
    compared = _compared(rungs, counts["bleu"], kinds["bleu"])
    adjusted = dict(zip(compared, holm([min(1.0, 2 * found.p) for found in compared.values()]), strict=True))
    rows = []
    for rung in rungs:
        scores = {kind: _score(kinds[kind], counts[kind][rung.name]) for kind in kinds}
        found = compared.get(rung.name)
        pays = None if found is None else bool(found.difference > 0 and adjusted[rung.name] <= 1 - LEVEL)
        rows.append(_row(rung, results[rung.name], scores, found, pays))
    protocols = {kinds[kind].name: kinds[kind].protocol() for kind in kinds}
    return TranslationLadder(tuple(rows), data, settings, protocols)


def _compared(
    rungs: Sequence[TranslationRung], counts: Mapping[str, np.ndarray], kind: Any
) -> dict[str, PairedInterval]:
    """Each rung against the one below, counts (seeds n s) summed over the seeds; both on the same resampled sentences."""
    return {
        rung.name: paired_bootstrap(
            counts[rung.name].sum(0),
            counts[rung.below].sum(0),
            kind.score,
            kind.protocol(),
            samples=SAMPLES,
            level=LEVEL,
        )
        for rung in rungs
        if rung.below is not None
    }


def over_seeds(values: Sequence[float]) -> Estimate:
    """mean ± t(k - 1) s / sqrt(k)."""
    x = np.asarray(values, dtype=float)
    mean = float(x.mean())
    if len(x) < 2:
        return Estimate(mean, math.nan, math.nan, "one seed")
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))
    return Estimate(mean, mean - half, mean + half, SEEDS)


def _score(kind: Any, counts: np.ndarray) -> Estimate:
    """counts (seeds n s): over the seeds where there are several, over the sentences of one."""
    if len(counts) > 1:
        return over_seeds([float(kind.score(each.sum(0))) for each in counts])
    found = bootstrap(counts[0], kind.score, kind.protocol(), level=LEVEL)
    return Estimate(found.value, found.low, found.high, SENTENCES)


def _row(
    rung: TranslationRung,
    runs: Sequence[dict[str, Any]],
    scores: Mapping[str, Estimate],
    compared: PairedInterval | None,
    pays: bool | None,
) -> TranslationRow:
    aligned = [run["alignment"] for run in runs if run["alignment"] is not None]
    told = ("perplexity", "valid_perplexity", "alignment", "parameters", "steps", "seconds", "tokens_per_second")
    return TranslationRow(
        rung.name,
        rung.below,
        over_seeds([run["perplexity"] for run in runs]),
        scores["bleu"],
        scores["bleu4"],
        compared,
        pays,
        float(np.mean([each["aer"] for each in aligned])) if aligned else None,
        " / ".join(dict.fromkeys(each["read"] for each in aligned)),
        runs[0]["parameters"],
        float(np.mean([run["tokens_per_second"] for run in runs])),
        float(np.mean([run["steps"] for run in runs])),
        float(np.mean([run["seconds"] for run in runs])),
        tuple({name: run[name] for name in told} | {"seed": run["settings"]["train"]["seed"]} for run in runs),
    )


def _row_json(row: TranslationRow) -> dict[str, Any]:
    names = ("rung", "below", "pays", "aer", "aligned", "parameters", "tokens_per_second", "steps", "seconds")
    plain = {name: getattr(row, name) for name in names}
    plain |= {name: getattr(row, name)._asdict() for name in ("perplexity", "bleu", "bleu4")}
    compared = None if row.compared is None else row.compared._asdict()
    return {**plain, "compared": compared, "runs": list(row.runs)}


def _interval(found: Estimate) -> str:
    if math.isnan(found.low):
        return f"{found.mean:.2f}"
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _difference(row: TranslationRow) -> str:
    if row.compared is None:
        return ""
    return f"{row.compared.difference:+.2f} [{row.compared.low:+.2f}, {row.compared.high:+.2f}] {row.below}"


COLUMNS: dict[str, Callable[[TranslationRow], str]] = {
    "rung": lambda row: row.rung,
    "ppl": lambda row: _interval(row.perplexity),
    "BLEU": lambda row: _interval(row.bleu),
    "BLEU4": lambda row: _interval(row.bleu4),
    "Δ BLEU [95 % CI] of": _difference,
    "pays?": lambda row: {True: "yes", False: "no", None: ""}[row.pays],
    "AER": lambda row: "" if row.aer is None else f"{row.aer:.3f}",
    "parameters": lambda row: f"{row.parameters:,}",
    "tokens/s": lambda row: f"{row.tokens_per_second:,.0f}",
    "time": lambda row: f"{row.seconds / 60:.1f} min",
}
