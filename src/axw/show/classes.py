"""The class of a line: how likely each is, and which words it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from axw.errors import DataError
from axw.models.units import Unit, known_unit
from axw.show.charts import bar_chart, signed
from axw.show.escaping import visible
from axw.show.faces import Display, Drawing, column, matrix, one_of, texts
from axw.show.page import Twin
from axw.show.sentence_svg import sentence_svg

if TYPE_CHECKING:
    from axw.models.words.classifier import FineTunedClassifier

MOST_CLASSES = 20  # that are drawn, the likeliest first


class ClassesDisplay(Display):
    """The probability of each class, and for each word what the likeliest one loses without it, in nats."""

    schema = "axw.classes/1"

    @classmethod
    def from_estimator(cls, model: FineTunedClassifier, line: str, *, unit: Unit = "words") -> Self:
        """What a classifier says of a line, each word left out in turn; or each of its pieces, where `unit` is "pieces".
        `UsageError` for a line without words."""
        from axw.models.leave_one_out import class_words_left_out

        known_unit(unit, "ClassesDisplay")
        lost = class_words_left_out(model, line, unit)
        chances = model.predict_proba([line])[0].tolist()
        said = dict(zip(model.classes, chances, strict=True))
        return cls.from_predictions(lost.words, said, left_out=lost.drop, unit=unit)

    @classmethod
    def from_predictions(
        cls,
        words: Sequence[str],
        probabilities: Mapping[str, float],
        *,
        left_out: Any = None,
        unit: Unit = "words",
    ) -> Self:
        """From plain values: the words, {class: probability}, and what the likeliest class loses without each word
        (or piece, where `unit` says so).

        `DataError` for lists that do not fit, and for no class.
        """
        said = texts(words, "words")
        if not probabilities:
            raise DataError(
                "There is no class; allowed: one or more.", "In ClassesDisplay.", "Give {class: probability}."
            )
        lost = None if left_out is None else matrix([left_out], 1, len(said), "left_out")[0]
        ranked = sorted(((str(name), float(p)) for name, p in probabilities.items()), key=lambda item: -item[1])
        classes = [{"class": name, "probability": p} for name, p in ranked]
        return cls({"schema": cls.schema, "unit": unit, "words": said, "classes": classes, "left_out": lost})

    def title(self) -> str:
        best, lost = self._value["classes"][0], self._value["left_out"]
        said = f"\u201c{best['class']}\u201d, {best['probability']:.1%}"
        most = int(np.argmax(lost)) if lost else None
        return (
            said
            if most is None or lost[most] <= 0
            else f"{said}; it leans most on \u201c{self._value['words'][most]}\u201d"
        )

    def notes(self) -> list[str]:
        if self._value["left_out"] is None:
            return []
        one = one_of(self._value)
        return [
            f"Each {one} was left out in turn. Two {one}s that say the same may both count for nothing, since one stays."
        ]

    def drawings(self) -> list[Drawing]:
        value = self._value
        shown = [(each["class"], each["probability"]) for each in value["classes"][:MOST_CLASSES]]
        chances = Twin(["class", "probability"], [(name, f"{p:.4f}") for name, p in self._classes()], ("class",))
        found = [Drawing(bar_chart(shown, title=self.title(), unit="probability"), chances)]
        if value["left_out"] is not None:
            one = one_of(value)
            about = f"What the likeliest class loses without each {one}"
            twin = Twin([one, "lost without it, nats"], self._rows(), (one,))
            found.append(Drawing(sentence_svg(value["words"], value["left_out"], None, title=about), twin))
        return found

    def lines(self, width: int) -> Iterable[str]:
        for name, p in self._classes()[:MOST_CLASSES]:
            yield f"{column(name, 28, right=True)}  {p:6.1%} {'#' * min(round(24 * p), max(width - 40, 0))}"
        if self._value["left_out"] is not None:
            yield ""
            yield f"{column(one_of(self._value), 28, right=True)}  lost without it, nats"
            for word, lost in self._rows():
                yield f"{column(word, 28, right=True)}  {lost:>8}"

    def to_frame(self) -> pd.DataFrame:
        """One row a word: word, place, left_out."""
        words, lost = self._value["words"], self._value["left_out"]
        return pd.DataFrame({"word": words, "place": range(len(words)), "left_out": lost or [np.nan] * len(words)})

    def draw(self, ax: Any) -> None:
        classes = self._classes()[:MOST_CLASSES][::-1]
        ax.barh(range(len(classes)), [p for _, p in classes])
        ax.set_yticks(range(len(classes)), [visible(name, 30).replace("$", r"\$") for name, _ in classes])
        ax.set_xlabel("probability")

    def _classes(self) -> list[tuple[str, float]]:
        return [(each["class"], each["probability"]) for each in self._value["classes"]]

    def _rows(self) -> list[tuple[str, str]]:
        return [(word, signed(lost)) for word, lost in zip(self._value["words"], self._value["left_out"], strict=True)]
