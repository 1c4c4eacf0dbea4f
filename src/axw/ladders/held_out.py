"""What every rung answered for the rows that it did not learn from, kept for whoever wants to measure something else on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from axw.errors import UsageError, did_you_mean
from axw.relations import Relation, Rows


@dataclass(frozen=True)
class HeldOut:
    """Held-out answers of a ladder.

    y            (n,) the target, as class numbers or numbers;  classes (c,), None for numbers
    ids          (n,) what the rows are called
    places       question -> (t,) place in the table of each tested row; a row stands there once a repeat
    predictions  question -> rung -> (t c) probabilities or (t,) numbers; a rung that failed is not there
    relations, who  the relations of the ladder, and the rows as they see them; None without relations
    """

    y: np.ndarray
    classes: np.ndarray | None
    ids: np.ndarray
    places: Mapping[str, np.ndarray]
    predictions: Mapping[str, Mapping[str, np.ndarray]]
    relations: tuple[Relation, ...] = ()
    who: Rows | None = None

    def to_frame(self, question: str, rung: str) -> pd.DataFrame:
        """One line a tested row: id, true, predicted, and P(class) of each class; for fairlearn's `MetricFrame`, for one.

        Raises `UsageError` for a question or a rung that is not there.
        """
        P = self.of(question, rung)
        at = self.places[question]
        if self.classes is None:
            return pd.DataFrame({"true": self.y[at], "predicted": P}, index=pd.Index(self.ids[at], name="id"))
        columns = {"true": self.classes[self.y[at]], "predicted": self.classes[P.argmax(1)]}
        columns |= {f"P({label})": P[:, c] for c, label in enumerate(self.classes)}
        return pd.DataFrame(columns, index=pd.Index(self.ids[at], name="id"))

    def of(self, question: str, rung: str) -> np.ndarray:
        """The predictions of one rung on one question."""
        if question not in self.predictions:
            raise UsageError(
                f"There is no question {question!r}.", "question", did_you_mean(question, self.predictions)
            )
        if rung not in self.predictions[question]:
            raise UsageError(f"There is no rung {rung!r}.", "rung", did_you_mean(rung, self.predictions[question]))
        return self.predictions[question][rung]
