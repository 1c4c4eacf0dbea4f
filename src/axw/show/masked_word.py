"""A hidden word: the sentence, what the guess rests on, and the candidates. Also from plain arrays of any program."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from axw.errors import DataError
from axw.models.units import Unit, known_unit
from axw.show.agreement import agreement_note, rank_correlation
from axw.show.charts import bar_chart
from axw.show.escaping import visible
from axw.show.faces import CAUTION, Display, Drawing, column, one_of, texts
from axw.show.page import Twin
from axw.show.sentence_svg import sentence_svg

if TYPE_CHECKING:
    from axw.models.words.masked_words import MaskedLanguageModel

MOST_GUESSES = 20


class MaskedWordDisplay(Display):
    """One [MASK]: the candidates, and for each other word its attention and what the best guess loses without it, in nats."""

    schema = "axw.masked_word/1"

    @classmethod
    def from_estimator(
        cls, model: MaskedLanguageModel, line: str, *, number: int = 1, top: int = 5, unit: Unit = "words"
    ) -> Self:
        """What a model guesses for [MASK] number `number` of the line; the mean of its attention over layers and heads.

        unit   "words", or "pieces" as the network reads them; a guess is a word with both
        Raises what `model.fill` raises, and in pieces what `model.attention` raises.
        """
        from axw.models.leave_one_out import TOKEN, words_left_out

        known_unit(unit, "MaskedWordDisplay")
        line = model.vocabulary.spaced(line, TOKEN)
        filled = model.fill(line, top=min(top, MOST_GUESSES))
        left_out = words_left_out(model, line, number, unit)
        places = [place for place, lost in enumerate(left_out.drop) if math.isnan(lost)]
        guesses = [(guess.word, guess.probability) for guess in filled.masks[number - 1].guesses]
        attention = _attention(model, line, places[number - 1], len(left_out.words), unit)
        if attention is None and unit == "pieces":
            attention = np.full(len(left_out.words), math.nan)
        elif attention is None:
            attention = np.zeros(len(left_out.words))
            for word in filled.masks[number - 1].attended:
                attention[word.place] = word.weight
        found = cls.from_predictions(
            left_out.words, places[number - 1], guesses, attention=attention, left_out=left_out.drop, unit=unit
        )
        return cls({**found.to_json(), "notes": list(filled.notes)})

    @classmethod
    def from_predictions(
        cls,
        words: Sequence[str],
        mask: int,
        guesses: Sequence[tuple[str, float]] | Mapping[str, float],
        *,
        attention: Any,
        left_out: Any = None,
        unit: Unit = "words",
    ) -> Self:
        """From plain values: the words (or pieces, where `unit` says so), the place of the hidden one from 0, (word, probability)
        of each candidate, a weight for each word, and what the guess loses without it (NaN for the mask). `DataError` for lists
        that do not fit."""
        said = texts(words, "words")
        if not 0 <= mask < len(said):
            raise DataError(f"mask is {mask}; allowed: 0 to {len(said) - 1}, a place among the words.", "In mask.")
        pairs = list(guesses.items()) if isinstance(guesses, Mapping) else [(str(a), float(b)) for a, b in guesses]
        weights = _each(attention, said, "attention")
        lost = None if left_out is None else _each(left_out, said, "left_out")
        others = np.arange(len(said)) != mask
        if lost is not None:
            lost[mask] = math.nan
        correlation = None if lost is None else rank_correlation(weights[others], lost[others])
        ranked = sorted(pairs, key=lambda pair: -pair[1])[:MOST_GUESSES]
        return cls(
            {
                "schema": cls.schema,
                "unit": unit,
                "words": said,
                "mask": mask,
                "guesses": [{"word": word, "probability": chance} for word, chance in ranked],
                "attention": weights,
                "left_out": lost,
                "agreement": correlation,
                "notes": [],
            }
        )

    # ------------------------------------------------------------------------------------------------------------ faces

    def title(self) -> str:
        guesses = self._value["guesses"]
        if not guesses:
            return "There is no guess for the hidden word."
        best = guesses[0]
        said = f"\u201c{best['word']}\u201d, {best['probability']:.1%}"
        most, verb = self._ranked(), "leans most on" if self._value["left_out"] else "attends most to"
        return f"{said}; it {verb} \u201c{most[0][0]}\u201d" if most else said

    def notes(self) -> list[str]:
        measured = self._value["left_out"] is not None
        return [
            agreement_note(self._value["agreement"], one_of(self._value)) if measured else CAUTION,
            *self._value["notes"],
        ]

    def drawings(self) -> list[Drawing]:
        value = self._value
        bars = [(guess["word"], guess["probability"]) for guess in value["guesses"]]
        one = one_of(value)
        twin = Twin([one, "attention", "lost without it, nats"], self._rows(), words=(one,))
        chances = Twin(["candidate", "probability"], [(w, f"{p:.4f}") for w, p in bars], words=("candidate",))
        return [
            Drawing(
                sentence_svg(value["words"], value["left_out"], value["attention"], value["mask"], title=self.title()),
                twin,
            ),
            Drawing(bar_chart(bars, title="The likeliest words", unit="probability"), chances),
        ]

    def lines(self, width: int) -> Iterable[str]:
        for guess in self._value["guesses"]:
            bar = "#" * round(24 * guess["probability"])
            yield f"{column(guess['word'], 28, right=True)}  {guess['probability']:6.1%} {bar}"
        yield ""
        yield f"{column(one_of(self._value), 28, right=True)}  attention  lost without it, nats"
        for word, weight, lost in self._rows():
            yield f"{column(word, 28, right=True)}  {weight:>9}  {lost:>8}"

    def to_frame(self) -> pd.DataFrame:
        """One row a word: word, place, attention, left_out, mask."""
        words, lost = self._value["words"], self._value["left_out"]
        return pd.DataFrame(
            {
                "word": words,
                "place": range(len(words)),
                "attention": self._value["attention"],
                "left_out": [math.nan] * len(words) if lost is None else [math.nan if x is None else x for x in lost],
                "mask": [place == self._value["mask"] for place in range(len(words))],
            }
        )

    def draw(self, ax: Any) -> None:
        guesses = self._value["guesses"][::-1]
        ax.barh(range(len(guesses)), [guess["probability"] for guess in guesses])
        names = [visible(guess["word"], 30).replace("$", r"\$") for guess in guesses]
        ax.set_yticks(range(len(guesses)), names)
        ax.set_xlabel("probability")

    def _ranked(self) -> list[tuple[str, float]]:
        """Words by what the guess loses without them, or where that was not measured by attention; only those above 0."""
        value = self._value
        by = value["left_out"] or value["attention"]
        known = [(word, by[i]) for i, word in enumerate(value["words"]) if i != value["mask"] and (by[i] or 0) > 0]
        return sorted(known, key=lambda item: -item[1])

    def _rows(self) -> list[tuple[str, str, str]]:
        value = self._value
        lost = value["left_out"] or [None] * len(value["words"])
        said = ["" if x is None else f"{x:+.3f}".replace("-", "\u2212") for x in lost]
        weights = ["" if x is None else f"{x:.3f}" for x in value["attention"]]
        return list(zip(value["words"], weights, said, strict=True))


def _attention(model: MaskedLanguageModel, line: str, place: int, words: int, unit: Unit) -> np.ndarray | None:
    """(words,) what the mask reads of each word, the mean over layers and heads; None where the network is not of this kind."""
    from axw.models.attention_by_word import of_line
    from axw.networks.masked_words import MaskedWords

    if not isinstance(model.network, MaskedWords):
        return None
    layers = of_line(model, line, unit)
    if not layers or len(layers[0].columns) != words + 2:  # a mask that hangs on other letters is a word of its own
        return None
    return np.mean([layer.A.mean(0)[place + 1, 1:-1] for layer in layers], axis=0)


def _each(values: Any, words: Sequence[str], where: str) -> np.ndarray:
    try:
        found = np.asarray([math.nan if x is None else x for x in values], dtype=float)
    except (TypeError, ValueError):
        found = np.zeros((0, 0))
    if found.shape != (len(words),):
        raise DataError(
            f"{where} has shape {found.shape}; allowed: ({len(words)},), one number for each word.",
            f"In {where}.",
            "Give as many numbers as words.",
        )
    return found
