"""What a piece of information is called: in the user's words, else as an analyst or as an applicant may read it."""

from __future__ import annotations

from collections.abc import Mapping

from axw.errors import UsageError, did_you_mean
from axw.models.tables.explanation import OWN
from axw.models.tables.reason_parts import ANSWERS, COUNT, PRESENCE, TOGETHER, Part

LINKED = "information from linked applications, or that there is none"
COMBINED = "a combination of several pieces of information"


def worded(wording: Mapping[str, str] | None, parts: tuple[Part, ...]) -> dict[Part, str]:
    """The text of each part that the wording names: by what is read, before by the relation alone."""
    given = dict(wording or {})
    known = {part.key for part in parts} | {part.relation for part in parts if part.relation != OWN}
    for key, text in given.items():
        if key not in known:
            raise UsageError(
                f"The wording speaks of {key!r}, and the model reads no such thing.",
                "wording",
                did_you_mean(str(key), known),
            )
        if not isinstance(text, str) or not text.strip():
            raise UsageError(
                f"The wording of {key!r} is {text!r}; allowed: text.", "wording", "Write what an applicant would say."
            )
    texts = {
        part: given.get(part.key) or (given.get(part.relation) if part.relation != OWN else None) for part in parts
    }
    return {part: text for part, text in texts.items() if text is not None}


def analysts_name(part: Part) -> str:
    """What an analyst calls it."""
    if part.kind == TOGETHER:
        return COMBINED
    if part.relation == OWN:
        return part.column
    said = {COUNT: "number of rows read", ANSWERS: "answers of rows read", PRESENCE: "that rows are read"}
    return f"{said.get(part.kind, part.column)}, {part.relation}"


def applicants_name(part: Part) -> str:
    """What an applicant may read: the columns of the application, and of other rows only that they played a part."""
    if part.kind == TOGETHER:
        return COMBINED
    return part.column if part.relation == OWN else LINKED
