"""Which rung pays for text: from counting words to every feed-forward kind, on the same batches and the same hidden words."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from axw.data.line_file import LineFile
from axw.data.sentences import Sentences
from axw.data.vocabulary import Vocabulary
from axw.equation import KINDS
from axw.errors import DataError, NotFiniteError, UsageError, did_you_mean
from axw.ladders.words_result import WordsAnswer, WordsHeldOut, WordsLadder, build
from axw.learning import OptimizerSettings, ScheduleSettings, Trainer, TrainSettings, to_dict
from axw.models.words.filled import TOKEN
from axw.models.words.lesson import words_lesson
from axw.models.words.measures import AROUND, HeldOut, held_out, hidden_in, unigram_guesses, windows, word_guesses
from axw.models.words.settings import WordsSettings
from axw.networks.blocks import TransformerSettings
from axw.networks.masked_words import MaskedWords

NEAR = 2  # words to either side that A X W reads
Lines = Sequence[str] | LineFile
Progress = Callable[[int, int, str], None]


class WordsRung(NamedTuple):
    """A network of the ladder; None counts words and learns nothing else. `below` is the rung that it adds one thing to."""

    name: str
    reads: str
    network: TransformerSettings | None
    below: str | None
    note: str = ""


def ladder_settings() -> WordsSettings:
    """A ladder that a laptop climbs in minutes: d 128, two layers, 400 steps of 4,096 pieces a rung."""
    network = TransformerSettings(
        d_model=128,
        layers=2,
        heads=4,
        d_ff=384,
        positions="sinusoidal",
        attention_dropout=0.0,
        feedforward_dropout=0.0,
    )
    train = TrainSettings(
        optimizer=OptimizerSettings(name="adamw", weight_decay=0.01),
        schedule=ScheduleSettings(rate=3e-3, warmup=100),
        steps=400,
        keep="last",
    )
    return WordsSettings(network=network, train=train, vocabulary=4000, batch_tokens=4096)


def words_rungs(base: TransformerSettings) -> list[WordsRung]:
    """Every rung, the simplest first; each adds one thing to the one `below` it. All else is `base`'s.

    `UsageError` where `base` cannot be climbed to: d_ff that is no multiple of 48, places that are not added to X.
    """
    _check(base)
    one = replace(base, heads=1, d_k=None, d_v=None, feedforward="none", normalize="mean")
    near, heads = f"{NEAR} words to either side", f"{base.heads} heads"
    softmax = replace(one, normalize="softmax")
    many = replace(base, feedforward="none")
    rungs = [
        WordsRung("unigram", "nothing", None, None, "p(word) is its share of the training text"),
        WordsRung("A = I", "its own place", replace(softmax, layers=0), "unigram"),
        WordsRung("A X W", near, replace(softmax, score="even", window=NEAR), "A = I"),
        WordsRung("A = X X'", "the line", replace(one, score="dot"), "A X W"),
        WordsRung(
            "A = X W X', rank r", "the line", replace(one, score="bilinear", d_k=base.key_width), "A = X X'",
            f"rank {base.key_width}",
        ),
        WordsRung("softmax(X K Q' X')", "the line", softmax, "A = X W X', rank r", "one head"),
        WordsRung("+ heads", "the line", many, "softmax(X K Q' X')", heads),
        WordsRung("+ feed-forward relu", "the line", replace(many, feedforward="relu"), "+ heads"),
    ]  # fmt: skip
    kinds = [kind for kind in KINDS if kind != "relu"]
    note = f"in place of relu, with as many weights: {base.d_ff} wide, gated kinds {2 * base.d_ff // 3}"
    rungs += [
        WordsRung(f"  {kind}", "the line", replace(many, feedforward=kind), "+ feed-forward relu", note)
        for kind in kinds
    ]
    return rungs


def _check(base: TransformerSettings) -> None:
    wrong = []
    if base.d_ff % 48:
        wrong.append(
            f"network.d_ff is {base.d_ff}; allowed: a multiple of 48, so that gated kinds have as many weights."
        )
    if base.positions not in ("sinusoidal", "learned"):
        wrong.append(
            f"network.positions is {base.positions!r}; allowed: sinusoidal or learned, which every rung can use."
        )
    if base.score != "query-key" or base.window is not None or base.layers < 1:
        wrong.append("network.score, window and layers are what the rungs set; allowed: query-key, none, 1 or more.")
    if wrong:
        raise UsageError(" ".join(wrong), "In the settings of the ladder.", "Correct each of them.")


def words_ladder(
    train: Lines,
    valid: Lines,
    *,
    settings: WordsSettings | None = None,
    seeds: int = 1,
    rungs: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> WordsLadder:
    """Train every rung on `train`, ask each for the same hidden words of `valid`, and compare each with the rung below it.

    settings   what all rungs share: `ladder_settings()` unless given. Batches and masks of a seed are the same for all
    seeds      how often each rung is trained: first weights, batches and masks anew
    rungs      names of those to climb; None: all

    Raises `DataError` where one of the texts holds nothing, `UsageError`.
    """
    settings = ladder_settings() if settings is None else settings
    if settings.task != "words" or seeds < 1:
        raise UsageError(
            f"task is {settings.task!r}, seeds {seeds}; allowed: words, and 1 or more.", "In the ladder for words."
        )
    chosen = _named(words_rungs(settings.network), rungs)
    lines, asked_lines = ([line for line in text if line.strip()] for text in (train, valid))
    if not lines or not asked_lines:
        which = "training" if not lines else "validation"
        raise DataError(f"The {which} text has no line with words.", f"In the {which} text.", "Give one with text.")
    vocabulary = Vocabulary.learn(lines, settings.vocabulary, kind=settings.pieces)
    text = windows(vocabulary.encode(lines), settings.longest - AROUND)
    asked = held_out(vocabulary, asked_lines, settings.longest - AROUND)
    answers: list[WordsAnswer] = []
    for number, rung in enumerate(chosen):
        if progress is not None:
            progress(number, len(chosen), rung.name.strip())
        answers.append(_answer(rung, settings, vocabulary, text, asked, seeds))
    data = {
        "training lines": len(lines),
        "validation lines": len(asked_lines),
        "hidden words": len(asked.line),
        "pieces": vocabulary.size,
    }
    found = build(chosen, answers, data, {"seeds": seeds, "words": to_dict(settings)})
    return replace(found, held_out=_held_out(found, chosen, answers, lines, asked_lines, vocabulary))


def _held_out(  # noqa: PLR0913 (the data, and what came of it)
    ladder: WordsLadder,
    rungs: Sequence[WordsRung],
    answers: Sequence[WordsAnswer],
    lines: Sequence[str],
    asked_lines: Sequence[str],
    vocabulary: Vocabulary,
) -> WordsHeldOut | None:
    """What the rung to use guessed, the first of its seeds."""
    by_name = {rung.name.strip(): answer.hidden for rung, answer in zip(rungs, answers, strict=True)}
    hidden = by_name.get(ladder.use["rung"])
    if hidden is None:
        return None
    found = [[match for _, match in hidden_in(line, number)] for number, line in enumerate(asked_lines)]
    words = [match.group() for matches in found for match in matches]
    asked, counts = set(words), Counter[str]()
    for line in lines:
        counts.update(word for word in line.split() if word in asked)
    order = np.argsort(hidden.word, kind="stable")
    pieces = np.split(hidden.first[order], np.cumsum(np.bincount(hidden.word, minlength=len(words)))[:-1])
    return WordsHeldOut(
        masked=[_masked(line, matches) for line, matches in zip(asked_lines, found, strict=True)],
        line=np.repeat(np.arange(len(found)), [len(matches) for matches in found]),
        words=words,
        seen=np.array([counts[word] for word in words], dtype=float),
        guesses=[vocabulary.decode(ids.tolist()).strip() for ids in pieces],
        hidden=hidden,
    )


def _masked(line: str, hidden: Sequence[re.Match[str]]) -> str:
    ends = [0, *(match.end() for match in hidden)]
    parts = [line[end : match.start()] for end, match in zip(ends, hidden, strict=False)]
    return TOKEN.join([*parts, line[ends[-1] :]])


def _named(rungs: list[WordsRung], names: Sequence[str] | None) -> list[WordsRung]:
    """The rungs of these names; each is then compared with the nearest one below it that is there."""
    if names is None:
        return rungs
    offered = {rung.name.strip(): rung for rung in rungs}
    for name in names:
        if name.strip() not in offered:
            raise UsageError(f"There is no rung {name!r}.", "rungs", did_you_mean(name, offered))
    wanted = {name.strip() for name in names}
    return [rung for rung in rungs if rung.name.strip() in wanted]


def _answer(
    rung: WordsRung, settings: WordsSettings, vocabulary: Vocabulary, text: Sentences, asked: HeldOut, seeds: int
) -> WordsAnswer:
    """The rung trained `seeds` times, and what it guessed each time."""
    started = time.monotonic()
    if rung.network is None:
        counted, hidden = unigram_guesses(text.ids, vocabulary, asked)
        return WordsAnswer([counted] * seeds, vocabulary.size, time.monotonic() - started, hidden=hidden)
    found, count = [], 0
    for seed in range(settings.train.seed, settings.train.seed + seeds):
        own = replace(settings, network=rung.network, train=replace(settings.train, seed=seed))
        network = MaskedWords(own.network, vocabulary.size, seed=seed)
        count = sum(p.numel() for p in network.parameters())
        lesson = words_lesson(own, vocabulary, text, asked, network)
        trainer: Trainer[Any] = Trainer(network, lesson.loss, own.train)
        try:
            trainer.fit(lesson.batches)
        except NotFiniteError as error:
            return WordsAnswer([], count, time.monotonic() - started, error.what)
        found.append(word_guesses(network, asked))
    by_line = [lines for lines, _ in found]
    return WordsAnswer(by_line, count, (time.monotonic() - started) / seeds, hidden=found[0][1])
