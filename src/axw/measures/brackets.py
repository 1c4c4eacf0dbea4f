"""Labelled brackets of constituency trees, counted as the program EVALB counts them.

    precision = matched / brackets of the parser      recall = matched / brackets of the treebank
    F1        = 2 precision recall / (precision + recall)

Brackets are counted over the corpus, not averaged over sentences. A sentence whose words differ between parser and treebank
("error"), or that the parser left empty ("skipped"), is left out of every figure, as in EVALB; so read its count as well.

Black et al. 1991, "A procedure for quantitatively comparing the syntactic coverage of English grammars"; Collins 1997;
EVALB by S. Sekine and M. Collins, with its parameters COLLINS.prm.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from axw.errors import DataError, UsageError
from axw.measures.bootstrap import PairedInterval, bootstrap, paired_bootstrap


class Span(NamedTuple):
    """A constituent over the words start, start + 1, ..., end - 1."""

    label: str
    start: int
    end: int


class Bracketing(NamedTuple):
    """What is scored of a tree: n words, their n tags, and the constituents; `axw.data.brackets.bracketing(tree)` gives it."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class BracketRules:
    """What counts. The defaults are those of COLLINS.prm.

    deleted     a word with such a tag is deleted, and a constituent with such a label loses its brackets (DELETE_LABEL)
    unmeasured  a word with such a tag is left out of the length of a sentence (DELETE_LABEL_FOR_LENGTH)
    same_labels, same_words    groups that count as equal (EQ_LABEL, EQ_WORD)
    labelled    False: only the span of a bracket has to agree (LABELED)
    tags_of     whose tags say which words are deleted: of "each" tree its own, as in EVALB, where a comma that the parser calls
                a noun makes the whole sentence an error; or "gold" for both, for a parser that says no tags
    """

    deleted: frozenset[str] = frozenset({"TOP", "-NONE-", ",", ":", "``", "''", "."})
    unmeasured: frozenset[str] = frozenset({"-NONE-"})
    same_labels: tuple[tuple[str, ...], ...] = (("ADVP", "PRT"),)
    same_words: tuple[tuple[str, ...], ...] = ()
    labelled: bool = True
    tags_of: Literal["each", "gold"] = "each"

    def __post_init__(self) -> None:
        if self.tags_of not in ("each", "gold"):
            raise UsageError(f"tags_of={self.tags_of!r}", "BracketRules", 'Allowed: "each", "gold".')


COLLINS = BracketRules()


class SentenceScore(NamedTuple):
    """The counts of one sentence; all but `length` and `status` are 0 where it is not valid.

    length     words of the treebank's tree, punctuation too, traces not
    matched    brackets with the same label and span, each used once;  gold, parsed  brackets of the two trees
    crossing   brackets of the parser that cross a bracket of the treebank
    words      words that are scored;  right_tags  those with the same tag
    why        what is wrong with an "error" sentence
    """

    length: int
    status: Literal["valid", "error", "skipped"] = "valid"
    matched: int = 0
    gold: int = 0
    parsed: int = 0
    crossing: int = 0
    words: int = 0
    right_tags: int = 0
    why: str = ""

    @property
    def exact(self) -> bool:
        """Whether every bracket of each tree has its equal in the other."""
        return self.status == "valid" and self.matched == self.gold == self.parsed


class BracketSummary(NamedTuple):
    """The figures of a corpus. Shares are between 0 and 1, and 0 where there is nothing to count.

    exact         share of valid sentences whose brackets are all right
    crossing      mean number of crossing brackets a sentence;  no_crossing, two_or_less  shares of sentences
    tag_accuracy  share of scored words with the right tag
    """

    sentences: int
    errors: int
    skipped: int
    valid: int
    precision: float
    recall: float
    f1: float
    exact: float
    crossing: float
    no_crossing: float
    two_or_less: float
    tag_accuracy: float


def score_sentence(gold: Bracketing, parsed: Bracketing | None, rules: BracketRules = COLLINS) -> SentenceScore:
    """Compare one parse with the tree of the treebank. `None` is a sentence without a parse, and skipped."""
    length = sum(tag not in rules.unmeasured for tag in gold.tags)
    if parsed is None:
        return SentenceScore(length, "skipped")
    gold, parsed = _only_scored(gold, parsed, rules)
    if not parsed.words:
        return SentenceScore(length, "skipped")
    if len(gold.words) != len(parsed.words):
        why = f"The tree has {len(gold.words)} words to score, the parse {len(parsed.words)}."
        return SentenceScore(length, "error", why=why)
    same_word, same_label = _first_of(rules.same_words), _first_of(rules.same_labels)
    for want, got in zip(gold.words, parsed.words, strict=True):
        if same_word.get(want, want) != same_word.get(got, got):
            return SentenceScore(length, "error", why=f"The tree has the word {want[:60]!r}, the parse {got[:60]!r}.")
    brackets, guesses = (_brackets(side.spans, rules, same_label) for side in (gold, parsed))
    return SentenceScore(
        length,
        matched=(Counter(brackets) & Counter(guesses)).total(),
        gold=len(brackets),
        parsed=len(guesses),
        crossing=_crossing(brackets, guesses, len(gold.words)),
        words=len(gold.words),
        right_tags=sum(
            same_label.get(a, a) == same_label.get(b, b) for a, b in zip(gold.tags, parsed.tags, strict=True)
        ),
    )


def score_sentences(
    gold: Iterable[Bracketing], parsed: Iterable[Bracketing | None], rules: BracketRules = COLLINS
) -> list[SentenceScore]:
    """`score_sentence` for each pair. Raises `DataError` where there are not as many parses as trees."""
    trees, parses = list(gold), list(parsed)
    if len(trees) != len(parses):
        raise DataError(
            f"There are {len(trees)} trees and {len(parses)} parses.",
            "score_sentences",
            "Give one parse for each tree, in the same order; None where there is no parse.",
        )
    return [score_sentence(tree, parse, rules) for tree, parse in zip(trees, parses, strict=True)]


def summarise_brackets(scores: Iterable[SentenceScore], longest: int | None = None) -> BracketSummary:
    """The figures over all sentences, or over those of at most `longest` words: 40 is the custom."""
    some = [score for score in scores if longest is None or score.length <= longest]
    valid = [score for score in some if score.status == "valid"]
    matched, gold, parsed, crossing, words, right = (
        sum(getattr(score, name) for score in valid)
        for name in ("matched", "gold", "parsed", "crossing", "words", "right_tags")
    )
    n = len(valid)
    return BracketSummary(
        sentences=len(some),
        errors=sum(score.status == "error" for score in some),
        skipped=sum(score.status == "skipped" for score in some),
        valid=n,
        precision=_share(matched, parsed),
        recall=_share(matched, gold),
        f1=_share(2 * matched, gold + parsed),  # the same as 2 P R / (P + R)
        exact=_share(sum(score.exact for score in valid), n),
        crossing=_share(crossing, n),
        no_crossing=_share(sum(score.crossing == 0 for score in valid), n),
        two_or_less=_share(sum(score.crossing <= 2 for score in valid), n),
        tag_accuracy=_share(right, words),
    )


class F1Interval(NamedTuple):
    """F1 and an interval for it, between 0 and 1."""

    f1: float
    low: float
    high: float


def f1_interval(scores: Iterable[SentenceScore], *, level: float = 0.95, samples: int = 1000, seed: int) -> F1Interval:
    """F1 with a percentile bootstrap interval: sentences are drawn with replacement, their counts added (Efron 1979).

    NaN for an interval of fewer than two valid sentences. Raises `UsageError` for a level outside (0, 1) or no samples.
    """
    some = list(scores)
    valid = [one for one in some if one.status == "valid"]
    if len(valid) < 2:
        return F1Interval(summarise_brackets(some).f1, float("nan"), float("nan"))
    found = bootstrap(_f1_counts(valid), _f1_of, "f1", samples=samples, seed=seed, level=level)
    return F1Interval(found.value, found.low, found.high)


def f1_difference(
    first: Sequence[SentenceScore], second: Sequence[SentenceScore], *, samples: int = 1000, seed: int
) -> PairedInterval:
    """F1 of the first parser minus that of the second, on the same sentences in the same order: see `paired_bootstrap`.

    A sentence that was not scored counts for nothing on its side. Raises `DataError` for other numbers of sentences, or none.
    """
    return paired_bootstrap(_f1_counts(first), _f1_counts(second), _f1_of, "f1", samples=samples, seed=seed)


def _f1_counts(scores: Sequence[SentenceScore]) -> np.ndarray:
    """(n 2): twice the brackets that match, and all brackets of both sides, of each sentence."""
    counts = [(2 * s.matched, s.gold + s.parsed) if s.status == "valid" else (0, 0) for s in scores]
    return np.array(counts, dtype=np.int64).reshape(-1, 2)


def _f1_of(counts: np.ndarray) -> np.ndarray:
    """Of sums (... 2) of such counts."""
    return np.asarray(counts[..., 0] / np.maximum(counts[..., 1], 1))


def brackets_to_text(scores: Sequence[SentenceScore], longest: int = 40) -> str:
    """The two summaries of EVALB side by side, in percent: all sentences, and those of at most `longest` words."""
    both = summarise_brackets(scores), summarise_brackets(scores, longest)
    lines = [f"{'':22}{'all':>10}{f'<= {longest} words':>14}"]
    for name in BracketSummary._fields:
        plain = name in ("sentences", "errors", "skipped", "valid")
        values = [getattr(one, name) for one in both]
        texts = [str(v) if plain else f"{v:.2f}" if name == "crossing" else f"{100 * v:.2f}" for v in values]
        lines.append(f"{name.replace('_', ' '):22}{texts[0]:>10}{texts[1]:>14}")
    return "\n".join(lines)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _first_of(groups: tuple[tuple[str, ...], ...]) -> dict[str, str]:
    """Every member of a group, and the first member, which stands for all."""
    return {name: group[0] for group in groups for name in group}


def _only_scored(gold: Bracketing, parsed: Bracketing, rules: BracketRules) -> tuple[Bracketing, Bracketing]:
    if rules.tags_of == "each":
        return _without(gold, gold.tags, rules.deleted), _without(parsed, parsed.tags, rules.deleted)
    gold, parsed = (_without(side, side.tags, rules.unmeasured) for side in (gold, parsed))
    tags = gold.tags if len(gold.words) == len(parsed.words) else parsed.tags
    return _without(gold, gold.tags, rules.deleted), _without(parsed, tags, rules.deleted)


def _without(side: Bracketing, tags: tuple[str, ...], deleted: frozenset[str]) -> Bracketing:
    """The bracketing without the words whose tag is deleted, and without constituents that are then empty."""
    stays = [tag not in deleted for tag in tags]
    before = np.concatenate([[0], np.cumsum(stays, dtype=np.int64)]).tolist()  # words that stay before each place
    moved = (Span(label, before[start], before[end]) for label, start, end in side.spans)
    return Bracketing(
        tuple(word for word, stay in zip(side.words, stays, strict=True) if stay),
        tuple(tag for tag, stay in zip(side.tags, stays, strict=True) if stay),
        tuple(span for span in moved if span.start < span.end),
    )


def _brackets(spans: Iterable[Span], rules: BracketRules, same: dict[str, str]) -> list[Span]:
    """The spans that count: function tags cut (NP-SBJ is NP), deleted labels left out, equal labels made one."""
    deleted = {same.get(label, label) for label in rules.deleted}
    some = []
    for label, start, end in spans:
        label = re.split("[-=]", label, maxsplit=1)[0]
        label = same.get(label, label)
        if label not in deleted:
            some.append(Span(label if rules.labelled else "", start, end))
    return some


def _crossing(gold: Iterable[Span], parsed: Iterable[Span], n: int) -> int:
    """Number of parsed brackets [s, e) with a gold bracket [a, b) so that  a < s < b < e  or  s < a < e < b.

    For each place, the nearest end of the gold brackets around it settles both; that costs n steps a bracket, not a pair.
    """
    nearest_end, nearest_start = np.full(n + 1, n + 1), np.full(n + 1, -1)
    for _, a, b in set(gold):
        inside = slice(a + 1, b)
        nearest_end[inside] = np.minimum(nearest_end[inside], b)
        nearest_start[inside] = np.maximum(nearest_start[inside], a)
    return sum(bool(nearest_end[s] < e or nearest_start[e] > s) for _, s, e in parsed)
