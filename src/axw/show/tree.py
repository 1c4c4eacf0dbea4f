"""A tree over its sentence: the phrases, what each word reads of the others, and what the tree loses where a word is hidden."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from axw.data.trees import Tree
from axw.models.units import Unit, known_unit
from axw.show.agreement import agreement_note, rank_correlation
from axw.show.charts import signed
from axw.show.escaping import visible
from axw.show.faces import CAUTION, Display, Drawing, matrix, one_of, texts
from axw.show.heat import grid, grid_table, plot_word
from axw.show.page import Twin
from axw.show.sentence_svg import sentence_svg
from axw.show.tree_nodes import Node, nodes_of
from axw.show.tree_svg import tree_svg
from axw.show.tree_text import tree_text

if TYPE_CHECKING:
    from axw.models.trees.parser import ConstituencyParser


class TreeDisplay(Display):
    """A tree in brackets; for a parser's, A between the words and what the tree loses where each word is hidden, in nats."""

    schema = "axw.tree/1"

    @classmethod
    def from_estimator(
        cls, model: ConstituencyParser, sentence: str, tree: str | None = None, *, unit: Unit = "words"
    ) -> Self:
        """A parser's tree of a sentence, or one that it is asked about; A of the last layer of words among themselves, or else
        of the decoder, the mean over the heads. Raises what `model.parse` and `model.attention` raise.

        unit   "words", or "pieces" as the network reads them: what each reads, and what the tree loses where it is hidden
        """
        from axw.models.leave_one_out import tree_words_hidden
        from axw.models.trees.parser import normal

        known_unit(unit, "TreeDisplay")
        best = model.parse([sentence])[0] if tree is None else normal([tree], "the tree")[0]
        found = model.attention(sentence, best, unit)
        names = [name for name in found if name.startswith("encoder")] or list(found)
        A = found[names[-1]].mean(0) if names else None
        lost = tree_words_hidden(model, best, unit)
        pieces = lost.words if unit == "pieces" else None
        layer = names[-1] if names else ""
        return cls.from_predictions(best.to_string(), attention=A, layer=layer, hidden=lost.drop, pieces=pieces)

    @classmethod
    def from_predictions(
        cls,
        tree: str,
        *,
        attention: Any = None,
        layer: str = "",
        hidden: Any = None,
        pieces: Sequence[str] | None = None,
    ) -> Self:
        """From a tree in brackets, of this program or of another, and where they are known A (words, words) and (words,) what the
        tree loses where each word is hidden.

        pieces   of the words, where these are what is read and hidden: A (pieces, pieces) or (words, pieces), hidden (pieces,)
        `DataError` for brackets or arrays that do not fit.
        """
        nodes = nodes_of(Tree.from_string(tree))
        words = [node.word for node in nodes if node.word is not None]
        read = words if pieces is None else texts(pieces, "pieces")
        asked = words if np.shape(attention)[:1] == (len(words),) else read
        A = None if attention is None else matrix(attention, len(asked), len(read), "attention")
        lost = None if hidden is None else matrix([hidden], 1, len(read), "hidden")[0]
        sums = None if A is None else A.sum(0)
        agreement = None if sums is None or lost is None else rank_correlation(sums, np.abs(lost))
        told = {"tree": tree, "words": words, "phrases": len(nodes) - len(words), "layer": layer}
        told |= {"unit": "words" if pieces is None else "pieces", "units": read, "asked": asked}
        return cls({"schema": cls.schema, **told, "attention": A, "read": sums, "hidden": lost, "agreement": agreement})

    def title(self) -> str:
        lost, phrases, words = self._value["hidden"], self._value["phrases"], len(self._value["words"])
        said = f"{words} {'word' if words == 1 else 'words'} in {phrases} {'phrase' if phrases == 1 else 'phrases'}"
        if lost and max(lost) > 0:
            said += f"; the tree leans most on \u201c{self._units()[int(np.argmax(lost))]}\u201d"
        return said

    def notes(self) -> list[str]:
        if self._value["hidden"] is None or self._value["attention"] is None:
            return [CAUTION] if self._value["attention"] is not None else []
        one = one_of(self._value)
        said = agreement_note(self._value["agreement"], one)
        return [said.replace(f"leaving each {one} out", f"hiding each {one}")]

    def drawings(self) -> list[Drawing]:
        value, units, one = self._value, self._units(), one_of(self._value)
        brackets = Twin(["brackets"], [[self._tree().to_string()]], ("brackets",))
        shown = [Drawing(tree_svg(self._tree(), title=self.title()), brackets)]
        if value["hidden"] is not None:
            twin = Twin([one, "lost where it is hidden, nats"], self._rows(), (one,))
            about = f"What the tree loses where a {one} is hidden"
            shown.append(Drawing(sentence_svg(units, value["hidden"], value["read"], title=about), twin))
        if value["attention"] is not None:
            asked = value.get("asked", units)
            A = np.array(value["attention"], dtype=float).reshape(len(asked), len(units))
            about = f"What each {one} reads of the others, {value['layer']}, mean over its heads"
            shown.append(Drawing(grid(A, asked, units, title=about), grid_table(A, asked, units, "reads"), about))
        return shown

    def lines(self, width: int) -> Iterable[str]:
        yield from tree_text(self._tree(), width=width).split("\n")
        if self._value["hidden"] is not None:
            yield ""
            for word, lost in self._rows():
                yield f"{lost:>9} nats where {word} is hidden"

    def to_frame(self) -> pd.DataFrame:
        """One row a word: word, tag, place, hidden, read (how much all words read of it); of pieces one row a piece, untagged."""
        units = self._units()
        none = [np.nan] * len(units)
        frame = pd.DataFrame(
            {
                one_of(self._value): units,
                "place": range(len(units)),
                "hidden": self._value["hidden"] or none,
                "read": self._value["read"] or none,
            }
        )
        if one_of(self._value) == "word":
            frame.insert(1, "tag", [node.label for node in nodes_of(self._tree()) if node.word is not None])
        return frame

    def draw(self, ax: Any) -> None:
        nodes = nodes_of(self._tree())
        places = [_place(node) for node in nodes]
        for node, (x, y) in zip(nodes, places, strict=True):
            for child in node.children:
                ax.plot([x, places[child][0]], [y, places[child][1]], color="lightgray", zorder=0)
            said = node.label if node.word is None else f"{node.label} {node.word}".strip()
            ax.annotate(
                plot_word(said), (x, y), ha="center", va="center", fontsize=8, rotation=0 if node.word is None else 30
            )
        ax.set_axis_off()

    def _tree(self) -> Tree:
        return Tree.from_string(self._value["tree"])

    def _units(self) -> list[str]:
        return list(self._value.get("units", self._value["words"]))

    def _rows(self) -> Sequence[tuple[str, str]]:
        return [(visible(word), signed(lost)) for word, lost in zip(self._units(), self._value["hidden"], strict=True)]


def _place(node: Node) -> tuple[float, float]:
    return (node.first + node.last) / 2, float(node.level)
