"""What the reports of the two ladders of text share: how the ladder was made, the frame of the page, and the value beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from axw.show.ladder import LadderDisplay
from axw.show.page import again, bullets, head, page, paragraph, section
from axw.show.samples_page import looked_part

if TYPE_CHECKING:
    from axw.ladders.translation_result import TranslationLadder
    from axw.ladders.words_result import WordsLadder


class About(NamedTuple):
    """What is said of a ladder beside its rungs.

    command    what makes it again;  findings: what was met in the data;  versions: what it was computed with
    looked     what the rung to use answered, as `axw.show.ladder_samples` says it
    """

    title: str
    command: str
    findings: Sequence[str] = ()
    looked: Mapping[str, Any] | None = None
    versions: Mapping[str, str] | None = None

    def value(self, ladder: TranslationLadder | WordsLadder) -> dict[str, Any]:
        """What is written as JSON: the ladder, its picture, and all that is said of it."""
        return {**ladder.to_json(), **self._asdict(), "picture": LadderDisplay.from_estimator(ladder).to_json()}

    def page(self, verdict: str, rungs: Iterable[str], data: str, notes: Iterable[object]) -> str:
        """The page that stands alone; rungs, data: its own sections, before and after what the rung to use answered."""
        parts = [
            head(self.title, paragraph(verdict)),
            *rungs,
            looked_part(self.looked, 2),
            data,
            section("Met in the data", bullets(self.findings)),
            section("The same again", again(self.command, self.versions)),
            section("Notes", bullets(notes)),
        ]
        return page(self.title, "".join(parts))
