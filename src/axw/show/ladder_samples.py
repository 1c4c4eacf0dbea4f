"""What the report of a ladder shows of the rung that its verdict names: held-out rows, pairs or words; see `run_samples`.

looked   rung, said, unit ("row", "line" or "word"), examples, slices, picture (the JSON of a display, or null), calibration
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from axw.show.evaluation import spread
from axw.show.faces import plain
from axw.show.ladder import CalibrationDisplay
from axw.show.run_samples import Samples, aligned, chosen, of_translations, slices
from axw.show.table_samples import by_reads, of_classes, of_numbers

if TYPE_CHECKING:
    import pandas as pd

    from axw.ladders.result import Ladder
    from axw.ladders.translation_result import TranslationLadder
    from axw.ladders.verdict import Question
    from axw.ladders.words_result import WordsHeldOut, WordsLadder
    from axw.models.translation.translator import Translator

MOST_PAIRS = 1000
MOST_SHOWN = 240  # characters of an example
LEAST = 100  # answers, for a calibration


def of_question(ladder: Ladder, question: Question, X: pd.DataFrame) -> dict[str, Any] | None:
    """What the rung to use for a question answered for the rows X (n) of the ladder, each held out; of repeats the first.

    None where the ladder keeps no such answers.
    """
    held, rung = ladder.held_out, ladder.choices[question.name].rung
    if held is None or rung not in held.predictions.get(question.name, {}):
        return None
    rows, first = np.unique(held.places[question.name], return_index=True)
    said, asked = held.of(question.name, rung)[first], X.iloc[rows]
    if held.classes is None:
        found = of_numbers(float(held.y.mean()), asked, held.y[rows], said)
    else:
        shares = np.bincount(held.y, minlength=len(held.classes)) / len(held.y)
        found = of_classes(held.classes.tolist(), shares, asked, held.classes[held.y[rows]], said)
    samples = found.samples
    if held.who is not None:
        reads = np.sum([relation.given(held.who, held.who).count() for relation in held.relations], axis=0)
        more = by_reads(reads[rows], found.each, found.measure, "related rows in the table")
        samples = replace(samples, slices=[*samples.slices, *more])
    text = (
        f"Answers of {rung} to the question of {question.title}: {len(rows):,} rows, each answered by a fit that did not learn"
        " from it."
    )
    return _looked(rung, text, "row", samples)


def of_translation_ladder(ladder: TranslationLadder, model: Translator | None = None) -> dict[str, Any] | None:
    """What the rung with the most BLEU made of the measured pairs; model: its run, which is asked for one alignment."""
    held = ladder.held_out
    pairs = [] if held is None else list(zip(held.source, held.reference, held.said, strict=True))
    pairs = [pair for pair in pairs if pair[0].strip() and pair[1].strip()]
    some = spread(pairs, MOST_PAIRS)
    if not some:
        return None
    samples, typical = of_translations(*(list(side) for side in zip(*some, strict=True)))
    if model is not None:
        source, reference, said = some[typical]
        samples = replace(samples, picture=aligned(model, source, said if said.strip() else reference))
    rung = ladder.best.rung
    return _looked(
        rung, f"Translations of {rung}, seed 0: {len(some):,} of {len(pairs):,} measured pairs.", "line", samples
    )


def of_words_ladder(ladder: WordsLadder) -> dict[str, Any] | None:
    """What the rung to use guessed for the hidden words."""
    held, rung = ladder.held_out, ladder.use["rung"]
    if held is None or not held.words:
        return None
    right, n = held.hidden.right.astype(float), len(held.words)
    lengths = np.array([len(line.split()) for line in held.masked], dtype=float)[held.line]
    parts = slices("times the word is in the training text", held.seen, right, "first guess right, share")
    parts += slices("words in its line", lengths, right, "first guess right, share")
    calibration = CalibrationDisplay.from_confidences(held.hidden.confidence, held.hidden.right).to_json()
    samples = Samples(examples=_guessed(held), slices=parts, calibration=calibration if n >= LEAST else None)
    text = (
        f"Guesses of {rung}, its first seed: {n:,} hidden words. The probability of a line is the geometric mean over those"
        " hidden in it."
    )
    return _looked(rung, text, "word", samples)


def _guessed(held: WordsHeldOut) -> list[dict[str, Any]]:
    """Lines by the mean log-probability of their hidden words: typical, best and worst."""
    count = np.bincount(held.line, minlength=len(held.masked))
    nats = np.bincount(held.line, held.hidden.nats, minlength=len(held.masked))
    asked = np.flatnonzero(count)
    chance = np.exp(-nats[asked] / count[asked])
    found = []
    for kind, i in chosen(np.argsort(chance, kind="stable")):
        words = np.flatnonzero(held.line == asked[i]).tolist()
        found.append(
            {
                "kind": kind,
                "source": held.masked[asked[i]],
                "reference": ", ".join(held.words[word] for word in words),
                "answer": ", ".join(held.guesses[word] or "\u2026" for word in words),
                "measure": "probability of the words",
                "value": chance[i],
            }
        )
    return found


def _looked(rung: str, said: str, unit: str, samples: Samples) -> dict[str, Any]:
    texts = ("source", "reference", "answer")
    examples = [{**one, **{key: one[key][:MOST_SHOWN] for key in texts}} for one in samples.examples]
    value = {"rung": rung, "said": said, "unit": unit, "examples": examples, "slices": samples.slices}
    return dict(plain({**value, "picture": samples.picture, "calibration": samples.calibration}))
