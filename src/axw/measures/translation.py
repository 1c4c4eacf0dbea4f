"""How good translations are. A score without its protocol says little, so each carries the line that says how it was counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from axw.errors import DataError, UsageError, did_you_mean

MeasureName = Literal["bleu", "chrf", "bleu4"]
ORDER, CHARACTERS, BETA = 4, 6, 2

# Counted as fairseq's `bleu` scorer counts: on words between blanks, a reference word <unk> matches nothing, and a line
# without words counts as its end, one word.
PUBLIC_PROTOCOL = "bleu4|nrefs:1|case:mixed|tok:none|smooth:none|level:corpus|unk:never matches"
UNKNOWN, END = "<unk>", "</s>"


@dataclass(frozen=True)
class Score:
    """A measure's value, from 0 to 100, and its protocol: how it was counted."""

    name: str
    value: float
    protocol: str

    def __str__(self) -> str:
        return f"{self.name} {self.value:.2f} ({self.protocol})"


@dataclass(frozen=True)
class BleuScore(Score):
    """BLEU with its parts: precisions of 1- to 4-grams in percent, the brevity penalty, and the words of both sides."""

    precisions: tuple[float, ...]
    brevity: float
    hypothesis_words: int
    reference_words: int

    def __str__(self) -> str:
        precisions = "/".join(f"{p:.1f}" for p in self.precisions)
        words = f"{self.hypothesis_words} words for {self.reference_words}"
        return f"{self.name} {self.value:.2f} {precisions} (brevity {self.brevity:.3f}, {words}; {self.protocol})"


@dataclass(frozen=True)
class Measure:
    """A corpus score from counts that add up over sentences.

    count(hypotheses, references) -> (n s), the sufficient statistics of each sentence;  score (... s) -> (...), of their sums
    """

    name: str
    count: Callable[[Sequence[str], Sequence[str]], np.ndarray]
    score: Callable[[np.ndarray], np.ndarray]
    protocol: Callable[[], str]


def bleu_chrf(hypotheses: Sequence[str], references: Sequence[str]) -> tuple[BleuScore, Score]:
    """BLEU (13a, exponential smoothing) and chrF2 as sacreBLEU counts them, on text that is not tokenised (Post 2018).

    hypotheses, references: one line each. Raises `DataError` where there are none or not as many of one as of the other.
    """
    from sacrebleu.metrics.bleu import BLEU  # only who scores translations waits for it
    from sacrebleu.metrics.chrf import CHRF

    _paired(hypotheses, references)
    # `force` keeps sacreBLEU from writing three lines about text that looks tokenised: `tokenised_note` is one, for who asks.
    bleu, chrf = BLEU(force=True), CHRF()
    found = bleu.corpus_score(list(hypotheses), [list(references)])
    character = chrf.corpus_score(list(hypotheses), [list(references)])
    precisions = tuple(float(p) for p in found.precisions)
    return (
        BleuScore("BLEU", found.score, str(bleu.get_signature()), precisions, found.bp, found.sys_len, found.ref_len),
        Score("chrF2", character.score, str(chrf.get_signature())),
    )


def tokenised_note(references: Sequence[str]) -> str | None:
    """What to say where half of the lines that end in a full stop have a blank before it; None for text that looks raw."""
    ends = [line.rstrip().endswith(" .") for line in references if line.rstrip().endswith(".")]
    if not ends or 2 * sum(ends) < len(ends):
        return None
    return (
        f"note: {sum(ends)} of {len(references)} references end in ' .', as tokenised text does. BLEU and chrF2 are made for "
        "text as people write it; for tokenised text compare BLEU4."
    )


def public_bleu4(hypotheses: Sequence[str], references: Sequence[str]) -> BleuScore:
    """BLEU4 as fairseq's `bleu` scorer counts it, on text that is tokenised already: words are what stands between blanks.

    100 min(1, exp(1 - r / c)) (p1 p2 p3 p4)^(1/4), p_n the share of the corpus's hypothesis n-grams that occur in their
    reference, none more often than there; c and r the words of both sides (Papineni et al. 2002). No smoothing: 0 where any p_n
    is 0.
    A reference word `<unk>` matches nothing. An empty line counts as one word, its end. `DataError` as in `bleu_chrf`.
    """
    _paired(hypotheses, references)
    total = _public_counts(hypotheses, references).sum(0)
    precisions = tuple(100 * float(p) for p in _precisions(total))
    value = float(_bleu(total, smooth=False))
    return BleuScore("BLEU4", value, PUBLIC_PROTOCOL, precisions, float(_brevity(total)), int(total[0]), int(total[1]))


def measure(name: MeasureName) -> Measure:
    """bleu, chrf: as `bleu_chrf`; bleu4: as `public_bleu4`. `UsageError` for another name."""
    known = {
        "bleu": Measure("BLEU", _sacre_counts, lambda total: _bleu(total, smooth=True), lambda: _signature("BLEU")),
        "chrf": Measure("chrF2", _character_counts, _chrf, lambda: _signature("CHRF")),
        "bleu4": Measure("BLEU4", _public_counts, lambda total: _bleu(total, smooth=False), lambda: PUBLIC_PROTOCOL),
    }
    if name not in known:
        raise UsageError(
            f"The measure is {name!r}. {did_you_mean(str(name), known)}", "In measure.", "Use one of them."
        )
    return known[name]


def by_source_length(
    name: MeasureName,
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str],
    ends: Sequence[int] = (10, 20, 30, 40, 50),
) -> list[tuple[str, int, Score]]:
    """The score of each bucket of source lengths, in words: (its name, its sentences, its score); as Luong et al. 2015, fig. 6.

    ends: the longest source of each bucket, rising; the last bucket holds what is longer. Empty buckets are left out.
    """
    _paired(hypotheses, references)
    _paired(sources, references)
    if list(ends) != sorted(set(ends)):
        raise UsageError(f"ends are {list(ends)}; allowed: rising numbers.", "In by_source_length.", "Sort them.")
    kind = measure(name)
    counts = kind.count(hypotheses, references)
    bucket = np.searchsorted(np.asarray(ends, dtype=int), [len(line.split()) for line in sources])
    names = [f"{low + 1}-{high}" for low, high in zip((-1, *ends), ends, strict=False)] + [
        f"over {max(ends, default=0)}"
    ]
    protocol = f"{kind.protocol()}|length:source words"
    return [
        (names[i], int((bucket == i).sum()), Score(kind.name, float(kind.score(counts[bucket == i].sum(0))), protocol))
        for i in range(len(names))
        if (bucket == i).any()
    ]


def _paired(first: Sequence[str], second: Sequence[str]) -> None:
    for lines in (first, second):
        if isinstance(lines, str):
            raise UsageError(
                "Lines are one text; allowed: several lines.", "In the measures of translation.", "Give a list."
            )
    if not len(first) or len(first) != len(second):
        raise DataError(
            f"{len(first)} lines and {len(second)} lines; allowed: as many of both, at least one.",
            "In the measures of translation.",
            "Give one line for each sentence, empty where nothing was said.",
        )


def _ngram_counts(hypothesis: Sequence[str], reference: Sequence[str]) -> list[int]:
    """[c, r, matches of order 1 .. 4, hypothesis n-grams of order 1 .. 4]."""
    matches, totals = [], []
    for n in range(1, ORDER + 1):
        said = Counter(zip(*(hypothesis[i:] for i in range(n)), strict=False))
        wanted = Counter(zip(*(reference[i:] for i in range(n)), strict=False))
        matches.append(sum((said & wanted).values()))
        totals.append(sum(said.values()))
    return [len(hypothesis), len(reference), *matches, *totals]


def _public_counts(hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
    # An unknown word of the reference is made a word that no hypothesis has: split text holds no blank.
    wanted = [[" " if word == UNKNOWN else word for word in line.split() or [END]] for line in references]
    pairs = zip(hypotheses, wanted, strict=True)
    return np.array([_ngram_counts(line.split() or [END], words) for line, words in pairs], dtype=float)


def _sacre_counts(hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
    from sacrebleu.metrics.bleu import BLEU

    bleu = BLEU(effective_order=True)
    scores = [bleu.sentence_score(h, [r]) for h, r in zip(hypotheses, references, strict=True)]
    return np.array([[s.sys_len, s.ref_len, *s.counts, *s.totals] for s in scores], dtype=float)


def _signature(name: Literal["BLEU", "CHRF"]) -> str:
    """sacreBLEU's own line; it is known once something has been scored."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    scorer = BLEU() if name == "BLEU" else CHRF()
    scorer.corpus_score(["a"], [["a"]])
    return str(scorer.get_signature())


def _precisions(total: np.ndarray) -> np.ndarray:
    """(... 10) -> (... 4), 0 where there are no n-grams."""
    matches, ngrams = total[..., 2 : 2 + ORDER], total[..., 2 + ORDER :]
    return np.asarray(matches / np.maximum(ngrams, 1))


def _brevity(total: np.ndarray) -> np.ndarray:
    """min(1, exp(1 - r / c)); 0 where nothing was said."""
    c, r = total[..., 0], total[..., 1]
    return np.where(c > 0, np.exp(np.minimum(0.0, 1 - r / np.maximum(c, 1))), 0.0)


def _bleu(total: np.ndarray, smooth: bool) -> np.ndarray:
    """(... 10) -> (...). smooth: the k-th order without a match gets 1 / (2^k n-grams), as long as any n-gram matched."""
    p, ngrams = _precisions(total), total[..., 2 + ORDER :]
    if smooth:
        zero = (p == 0) & (ngrams > 0)
        smoothed = 1 / (2.0 ** np.cumsum(zero, -1) * np.maximum(ngrams, 1))
        p = np.where(zero & (p > 0).any(-1, keepdims=True), smoothed, p)
    with np.errstate(divide="ignore"):
        return np.asarray(100 * _brevity(total) * np.exp(np.log(p).mean(-1)))


def _character_counts(hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """(n 18): for characters' n-grams of order 1 .. 6, those of the hypothesis, of the reference, and of both (Popović 2015)."""
    rows = []
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        row = []
        said_text, wanted_text = "".join(hypothesis.split()), "".join(reference.split())
        for n in range(1, CHARACTERS + 1):
            said = Counter(said_text[i : i + n] for i in range(len(said_text) - n + 1))
            wanted = Counter(wanted_text[i : i + n] for i in range(len(wanted_text) - n + 1))
            row += [sum(said.values()) if wanted else 0, sum(wanted.values()), sum((said & wanted).values())]
        rows.append(row)
    return np.array(rows, dtype=float)


def _chrf(total: np.ndarray) -> np.ndarray:
    """(... 18) -> (...): F2 of the mean precision and the mean recall over the orders that both sides have."""
    said, wanted, both = (total[..., i::3] for i in range(3))
    there = (said > 0) & (wanted > 0)
    orders = np.maximum(there.sum(-1), 1)
    precision = np.where(there, both / np.maximum(said, 1), 0.0).sum(-1) / orders
    recall = np.where(there, both / np.maximum(wanted, 1), 0.0).sum(-1) / orders
    below = BETA**2 * precision + recall
    return np.asarray(100 * (1 + BETA**2) * precision * recall / np.where(below > 0, below, 1.0))
