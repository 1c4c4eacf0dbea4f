"""`axw explain --reasons`: what moved a prediction most towards the adverse answer, in the user's words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from axw.cli.output import to_json
from axw.errors import DataError, ModelError, UsageError

if TYPE_CHECKING:
    import pandas as pd

MOST_BYTES = 1_000_000


class Asked(NamedTuple):
    """The options of `axw explain` that are about reasons; `top` None = none are asked for."""

    top: int | None
    adverse: str | None
    wording: Path | None
    reference: str
    applicant: bool

    def check(self) -> None:
        """`UsageError` where options do not go together; before anything is read."""
        others = {
            "--adverse": self.adverse is not None,
            "--wording": self.wording is not None,
            "--reference": self.reference != "training",
            "--applicant-view": self.applicant,
        }
        for flag, said in others.items():
            if said and self.top is None:
                raise UsageError(f"{flag} is about reasons, and none are asked for.", flag, "Add --reasons 4.")
        if self.top is not None and self.adverse is None:
            what = "Reasons are for one answer, and which is not said: what counts for one counts against the other."
            raise UsageError(
                what, "--reasons", "Add --adverse CLASS, such as --adverse refused; of numbers high or low."
            )

    def only_of_rows(self) -> None:
        """`UsageError` where reasons are asked of a model of text."""
        if self.top is not None:
            raise UsageError(
                "Reasons are given for rows of a table.", "--reasons", "Leave it away: axw explain RUN --text LINE"
            )


def tell(fitted: Any, frame: pd.DataFrame, asked: Asked, json: bool) -> str:
    """The reasons of the rows, as text or JSON; in the applicant's view nothing of any other row."""
    from axw.models.tables.reasons import reasons

    words = None if asked.wording is None else read_wording(asked.wording)
    found = reasons(fitted, frame, adverse=asked.adverse, top=asked.top or 4, reference=asked.reference, wording=words)
    told = found.applicant_view() if asked.applicant else found
    return to_json(told.to_json()) if json else told.to_text()


def read_wording(path: Path) -> dict[str, str]:
    """{column or relation: text} of a JSON file; `DataError` where it holds something else."""
    from axw.storage import json_from_bytes

    try:
        data = path.read_bytes()
    except OSError as refused:
        raise DataError(f"The wording cannot be read: {refused.strerror}.", str(path), "Name a JSON file.") from refused
    todo = 'Write {"income": "income of the applicant", "same household": "accounts of your household"}.'
    if len(data) > MOST_BYTES:
        raise DataError(f"The wording has {len(data):,} bytes; allowed: {MOST_BYTES:,}.", str(path), todo)
    try:
        value = json_from_bytes(data, str(path))
    except ModelError as error:
        raise DataError(error.what, str(path), todo) from error
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise DataError("The wording is not one text for each key.", str(path), todo)
    return dict(value)
