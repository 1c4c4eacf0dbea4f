"""What a ladder for words found: every rung at the same hidden words, which one pays, and which one to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from axw.ladders.statistics import Interval, holm, holm_intervals
from axw.measures.bootstrap import resampled
from axw.models.words.measures import Guesses, HiddenWords

if TYPE_CHECKING:
    from axw.ladders.words import WordsRung

SCHEMA = "axw.ladder.words/1"
LEVEL = 0.95
SAMPLES = 10_000
_SEEDS = (1.0, 1e-12)  # runs of other seeds do not overlap in what is random about them: the plain t interval


class WordsAnswer(NamedTuple):
    """What a rung guessed, once a seed; how many weights it has; seconds to train it once; why it failed, if it did.

    hidden   what the first seed guessed, word by word
    """

    guesses: list[Guesses]
    parameters: int
    seconds: float
    failed: str = ""
    hidden: HiddenWords | None = None


class WordsHeldOut(NamedTuple):
    """What the rung to use guessed for each hidden word, the first of its seeds.

    masked   each validation line with [MASK] for what was hidden
    line, words, seen, guesses (w,)   of each hidden word: its line, itself, how often it stands in the training text, and the
             first guess
    """

    masked: list[str]
    line: np.ndarray
    words: list[str]
    seen: np.ndarray
    guesses: list[str]
    hidden: HiddenWords


@dataclass(frozen=True)
class WordsRow:
    """One rung.

    measures      nats_per_word, nats_per_byte and word_accuracy, mean over the seeds
    lines, seeds  nats per word minus those of the rung `below`, negative = better: its interval over the validation lines
                  (paired bootstrap) and over the seeds (t; None for one seed), both corrected for many rungs (Holm)
    interval      95 % of nats_per_word itself (low, high) by bootstrap over the lines, corrected for nothing; None: it failed
    """

    rung: str
    reads: str
    below: str | None
    note: str
    parameters: int
    measures: Mapping[str, float]
    lines: Interval | None
    seeds: Interval | None
    seconds: float
    failed: str = ""
    interval: tuple[float, float] | None = None

    @property
    def pays(self) -> bool | None:
        """Whether it is better than the rung below by every interval there is; None for the lowest rung."""
        if self.lines is None:
            return None
        return self.lines.below_zero and (self.seeds is None or self.seeds.below_zero)


@dataclass(frozen=True)
class WordsLadder:
    """The rows, the simplest first; the rung to use, and why; what it was made from.

    held_out   what the rung to use guessed; not part of the JSON
    """

    rows: tuple[WordsRow, ...]
    use: Mapping[str, str]
    data: Mapping[str, Any]
    settings: Mapping[str, Any]
    held_out: WordsHeldOut | None = field(default=None, repr=False, compare=False)

    def to_text(self, width: int = 100) -> str:
        """A table for a terminal, at most 100 columns wide."""
        from axw.ladders.words_text import words_text

        return words_text(self, min(width, 100))

    def to_json(self) -> dict[str, Any]:
        """Plain values (`axw.ladder.words/1`)."""
        rungs = [
            {
                "rung": row.rung.strip(),
                "reads": row.reads,
                "below": row.below and row.below.strip(),
                "note": row.note,
                "parameters": row.parameters,
                "measures": dict(row.measures),
                "interval": None if row.interval is None else list(row.interval),
                "difference": None if row.lines is None else row.lines.mean,
                "interval_over_lines": _ends(row.lines),
                "interval_over_seeds": _ends(row.seeds),
                "pays": row.pays,
                "seconds": row.seconds,
                "failed": row.failed or None,
            }
            for row in self.rows
        ]
        return {
            "schema": SCHEMA,
            "rungs": rungs,
            "use": dict(self.use),
            "data": dict(self.data),
            "settings": dict(self.settings),
        }

    def __str__(self) -> str:
        return self.to_text()


def build(
    rungs: Sequence[WordsRung], answers: Sequence[WordsAnswer], data: Mapping[str, Any], settings: Mapping[str, Any]
) -> WordsLadder:
    """The ladder of these answers, one a rung."""
    alive = [i for i, answer in enumerate(answers) if not answer.failed]
    lower = {rung.name: rung.below for rung in _all_below(rungs)}
    names = {rungs[i].name: place for place, i in enumerate(alive)}
    pairs = [
        (place, names[below]) for i, place in zip(alive, range(len(alive)), strict=True)
        if (below := _nearest(rungs[i].name, lower, names)) is not None
    ]  # fmt: skip
    scores = _Scores.of([answers[i].guesses for i in alive]) if alive else None
    compared: dict[int, tuple[str, Interval, Interval | None]] = {}
    if scores is not None:
        for (a, b), over_lines, over_seeds in zip(pairs, *scores.compared(pairs), strict=True):
            compared[alive[a]] = (rungs[alive[b]].name, over_lines, over_seeds)
    rows = []
    for i, (rung, answer) in enumerate(zip(rungs, answers, strict=True)):
        below, lines, seeds = compared.get(i, (None, None, None))
        alone = None if scores is None or i not in alive else scores.alone(alive.index(i))
        note = "; ".join(filter(None, [rung.note, answer.failed and f"failed: {answer.failed}"]))
        rows.append(
            WordsRow(
                rung.name, rung.reads, below, note, answer.parameters, _measures(answer.guesses), lines, seeds,
                answer.seconds, answer.failed, alone,
            )
        )  # fmt: skip
    use = {"rung": "", "why": "No rung could be trained."} if scores is None else _use(rows, alive, scores)
    return WordsLadder(tuple(rows), use, data, settings)


class _Scores(NamedTuple):
    """nats per word: of each rung and seed (r k), and of each rung on resampled lines (samples r)."""

    by_seed: np.ndarray
    drawn: np.ndarray

    @classmethod
    def of(cls, answers: Sequence[Sequence[Guesses]]) -> _Scores:
        nats = np.array([[one.nats for one in seeds] for seeds in answers])  # (r k lines)
        words = answers[0][0].words
        counts = np.concatenate([nats.mean(1), words[None]]).T
        drawn = resampled(counts, lambda sums: sums[:, :-1] / np.maximum(sums[:, -1:], 1.0), samples=SAMPLES)
        return cls(nats.sum(2) / words.sum(), drawn)

    def alone(self, rung: int) -> tuple[float, float]:
        """The interval of one rung by itself."""
        low, high = np.quantile(self.drawn[:, rung], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)

    def compared(self, pairs: Sequence[tuple[int, int]]) -> tuple[list[Interval], list[Interval | None]]:
        """Rung a minus rung b of each pair, over lines and over seeds, each with Holm's correction."""
        if not pairs:
            return [], []
        by_seed = [self.by_seed[a] - self.by_seed[b] for a, b in pairs]
        draws = np.stack([self.drawn[:, a] - self.drawn[:, b] for a, b in pairs])
        over_lines = holm_bootstrap([float(d.mean()) for d in by_seed], draws)
        if self.by_seed.shape[1] < 2:
            return over_lines, [None] * len(pairs)
        return over_lines, list(holm_intervals(by_seed, [_SEEDS] * len(pairs), LEVEL))


def holm_bootstrap(means: Sequence[float], draws: np.ndarray, level: float = LEVEL) -> list[Interval]:
    """Percentile intervals of m differences, draws (m samples), that exclude 0 where Holm's procedure finds a difference.

    p is twice the smaller share of draws on either side of 0, adjusted as in `holm`; each interval is taken at the level of the
    test that decided it, as in `holm_intervals`.
    """
    m, samples = draws.shape
    side = np.minimum((draws <= 0).sum(1), (draws >= 0).sum(1))
    p = np.minimum(2 * (side + 1) / (samples + 1), 1.0)
    adjusted, share, stopped = holm(p), 1 - level, False
    found: dict[int, Interval] = {}
    for k, i in enumerate(np.argsort(p, kind="stable").tolist()):
        if not stopped:
            share = (1 - level) / (m - k)
            stopped = bool(p[i] > share)
        low, high = np.quantile(draws[i], [share / 2, 1 - share / 2])
        if stopped:  # rounding of quantiles must not say otherwise than the test
            low, high = min(low, 0.0), max(high, 0.0)
        found[i] = Interval(means[i], float(low), float(high), float(adjusted[i]))
    return [found[i] for i in range(m)]


def _all_below(rungs: Sequence[WordsRung]) -> list[WordsRung]:
    """All rungs of the ladder, also those that were not climbed: they say what is below what."""
    from axw.ladders.words import ladder_settings, words_rungs

    return [*words_rungs(ladder_settings().network), *rungs]


def _nearest(name: str, lower: Mapping[str, str | None], there: Mapping[str, int]) -> str | None:
    below = lower[name]
    while below is not None and below not in there:
        below = lower[below]
    return below


def _measures(guesses: Sequence[Guesses]) -> dict[str, float]:
    """Means over the seeds."""
    if not guesses:
        return {}
    each = [one.measures() for one in guesses]
    found = {name: float(np.mean([one[name] for one in each])) for name in ("nats_per_word", "word_accuracy")}
    return found | {"nats_per_byte": float(np.mean([one["bits_per_byte"] for one in each]) * np.log(2.0))}


def _use(rows: Sequence[WordsRow], alive: Sequence[int], scores: _Scores) -> dict[str, str]:
    """The simplest rung that is not significantly worse than the best; one is out, too, where a better rung on it pays."""
    means = scores.by_seed.mean(1)
    best = int(means.argmin())
    over_lines, over_seeds = scores.compared([(place, best) for place in range(best)])
    paid = {row.below for row in rows if row.pays}
    chosen = best
    for place, (lines, seeds) in enumerate(zip(over_lines, over_seeds, strict=True)):
        worse = lines.above_zero and (seeds is None or seeds.above_zero)
        if not worse and rows[alive[place]].rung not in paid:
            chosen = place
            break
    name, top = rows[alive[chosen]].rung.strip(), rows[alive[best]].rung.strip()
    if chosen == best:
        return {"rung": name, "why": f"Use {name} (lowest nats per hidden word, {means[best]:.4g})."}
    return {
        "rung": name,
        "why": f"Use {name} (nats per hidden word {means[chosen]:.4g}; the lowest, {means[best]:.4g} of {top}, "
        "is not significantly better).",
    }


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]
