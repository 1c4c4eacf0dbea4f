"""Which source word each word of a translation was made from: a grid, lines between two sentences, and what leaving a word out
changes. From A of any program: `AlignmentDisplay.from_predictions(source, target, A)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from axw.measures.alignment import best_links
from axw.models.units import Unit, known_unit
from axw.show.agreement import agreement_note, rank_correlation
from axw.show.faces import CAUTION, Display, Drawing, column, matrix, one_of, texts
from axw.show.heat import grid, grid_table, plot_grid
from axw.show.lines_between import lines_between
from axw.show.page import Twin

if TYPE_CHECKING:
    from axw.models.translation.readings import Reading
    from axw.models.translation.translator import Translator

DROPPED = 0.2  # a source word that all target words together read less than this much is called dropped
INVENTED = 0.2  # a target word that reads no source word more than this is called invented


class AlignmentDisplay(Display):
    """soft (target words, source words): what each word of the target reads of each word of the source.

    A source word whose column sums to less than 0.2 is marked as dropped, a target word that reads no word more than 0.2 as
    invented. Both are signs and no proof: attention may have gone to the end of the sentence and the word been translated.
    """

    schema = "axw.alignment/1"

    @classmethod
    def from_estimator(
        cls,
        model: Translator,
        source: str,
        target: str | None = None,
        *,
        reading: Reading | None = None,
        unit: Unit = "words",
    ) -> Self:
        """The alignment of a translator, of its own translation where there is no `target`; with each source word left out.

        reading   the layer and the row of A that are read: see `axw.models.translation.aligning`
        unit      "words", or "pieces" as the network reads and writes them
        Raises what `model.alignment` raises.
        """
        from axw.models.leave_one_out import source_words_left_out

        known_unit(unit, "AlignmentDisplay")
        said = model.translate([source])[0] if target is None else target
        found = model.alignment(source, said, reading=reading, unit=unit)
        left_out = None
        if found.soft.size:
            left_out = source_words_left_out(model, source, said, unit)
        return cls.from_predictions(found.source, found.target, found.soft, left_out=left_out, unit=unit)

    @classmethod
    def from_predictions(
        cls, source: Sequence[str], target: Sequence[str], soft: Any, *, left_out: Any = None, unit: Unit = "words"
    ) -> Self:
        """From plain words and weights (target words, source words), of this program or of another.

        left_out   (target words, source words) what each target word loses without each source word; None = not measured
        unit       "pieces" where source and target are pieces of words: it is what the picture calls them
        `DataError` for arrays that do not fit the words.
        """
        one, other = texts(source, "source"), texts(target, "target")
        A = matrix(soft, len(other), len(one), "soft") if one and other else np.zeros((len(other), len(one)))
        lost = None if left_out is None else matrix(left_out, len(other), len(one), "left_out")
        reads = A.max(1) if A.size else np.zeros(len(other))
        return cls(
            {
                "schema": cls.schema,
                "unit": unit,
                "source": one,
                "target": other,
                "soft": A,
                "links": sorted(best_links(A), key=lambda link: (link[1], link[0])),
                "dropped": [j for j in range(len(one)) if A[:, j].sum() < DROPPED],
                "invented": [i for i in range(len(other)) if reads[i] < INVENTED],
                "limits": {"dropped": DROPPED, "invented": INVENTED},
                "left_out": lost,
                "agreement": None if lost is None else _mean_correlation(A, lost),
            }
        )

    @property
    def soft(self) -> np.ndarray:
        """(target words, source words)"""
        return np.array(self._value["soft"], dtype=float).reshape(len(self.target), len(self.source))

    @property
    def left_out(self) -> np.ndarray | None:
        """(target words, source words), in nats; None where it was not measured."""
        found = self._value["left_out"]
        return None if found is None else np.array(found, dtype=float).reshape(len(self.target), len(self.source))

    @property
    def one(self) -> str:
        """What one of them is called: a word, or a piece."""
        return one_of(self._value)

    @property
    def source(self) -> list[str]:
        return list(self._value["source"])

    @property
    def target(self) -> list[str]:
        return list(self._value["target"])

    def title(self) -> str:
        source, target = self.source, self.target
        if not source or not target:
            return "There is nothing to align: one side is empty."
        said = f"{len(target)} {self.one}{'' if len(target) == 1 else 's'} made from {len(source)}"
        lost, made = self._value["dropped"], self._value["invented"]
        if lost:
            said += f"; perhaps dropped: {_some(source, lost)}"
        if made:
            said += f"; perhaps invented: {_some(target, made)}"
        return said if lost or made else f"{said}; every {self.one} has its partner"

    def notes(self) -> list[str]:
        if self._value["left_out"] is None or not self.soft.size:
            return [CAUTION]
        return [agreement_note(self._value["agreement"], f"source {self.one}")]

    def drawings(self) -> list[Drawing]:
        A, source, target, value = self.soft, self.source, self.target, self._value
        if not A.size:
            return []
        lines = lines_between(A, source, target, set(value["dropped"]), set(value["invented"]), title=self.title())
        dots = frozenset((i, j) for j, i in value["links"])
        shown = [
            Drawing(lines, Twin(["target", "reads most", "weight"], self._links(), words=("target", "reads most"))),
            Drawing(
                grid(A, target, source, title=f"What each {self.one} of the translation reads", dots=dots),
                grid_table(A, target, source, "target"),
            ),
        ]
        lost = self.left_out
        if lost is not None:
            about = f"What each {self.one} of the translation loses without a source {self.one}, in nats"
            twin = grid_table(lost, target, source, "target")
            shown.append(
                Drawing(grid(lost, target, source, title=about), twin, f"With each source {self.one} left out")
            )
        return shown

    def _links(self) -> list[tuple[str, str, str]]:
        A, rows = self.soft, []
        for i, word in enumerate(self.target):
            j = int(A[i].argmax())
            rows.append((word, self.source[j], f"{A[i, j]:.3f}"))
        return rows

    def lines(self, width: int) -> Iterable[str]:
        A = self.soft
        if not A.size:
            return
        wide = (width - 22) // 2
        for i, (word, read, weight) in enumerate(self._links()):
            mark = "?" if i in self._value["invented"] else " "
            bar = "#" * round(8 * float(A[i].max()))
            yield f"{column(word, wide, right=True)}{mark}<- {column(read, wide)} {weight} {bar}"
        if self._value["dropped"]:
            yield f"read by no {self.one}: {_some(self.source, self._value['dropped'])}"

    def to_frame(self) -> pd.DataFrame:
        """One row a pair of words: target, source, their places, weight, linked, and left_out where it was measured."""
        A, lost = self.soft, self.left_out
        i, j = (places.ravel() for places in np.indices(A.shape))
        links = {(a, b) for b, a in self._value["links"]}
        frame = pd.DataFrame(
            {
                "target": [self.target[a] for a in i],
                "source": [self.source[b] for b in j],
                "target_place": i,
                "source_place": j,
                "weight": A.ravel(),
                "linked": [(int(a), int(b)) in links for a, b in zip(i, j, strict=True)],
            }
        )
        return frame if lost is None else frame.assign(left_out=lost.ravel())

    def draw(self, ax: Any) -> None:
        plot_grid(ax, self.soft, self.target, self.source)
        links = self._value["links"]
        ax.scatter([j for j, _ in links], [i for _, i in links], s=16, color="tab:orange")


def _mean_correlation(A: np.ndarray, lost: np.ndarray) -> float | None:
    """The mean over the target words whose ranks can be compared."""
    known = [found for found in map(rank_correlation, A, lost) if found is not None]
    return float(np.mean(known)) if known else None


def _some(words: Sequence[str], places: Sequence[int], most: int = 4) -> str:
    named = ", ".join(words[place] for place in places[:most])
    return f"{named}, \u2026" if len(places) > most else named
