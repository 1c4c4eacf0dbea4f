"""A tree over its sentence: the phrases, what each word reads of the others, and what the tree loses where a word is hidden."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from axw.data.trees import Tree
from axw.show.agreement import agreement_note, rank_correlation
from axw.show.charts import signed
from axw.show.escaping import visible
from axw.show.faces import CAUTION, Display, Drawing, matrix
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
    def from_estimator(cls, model: ConstituencyParser, sentence: str, tree: str | None = None) -> Self:
        """A parser's tree of a sentence, or one that it is asked about; A of the last layer of words among themselves, or else
        of the decoder, the mean over the heads. Raises what `model.parse` and `model.attention` raise."""
        from axw.models.leave_one_out import tree_words_hidden
        from axw.models.trees.parser import normal

        best = model.parse([sentence])[0] if tree is None else normal([tree], "the tree")[0]
        found = model.attention(sentence, best)
        names = [name for name in found if name.startswith("encoder")] or list(found)
        A = found[names[-1]].mean(0) if names else None
        hidden = tree_words_hidden(model, best).drop
        return cls.from_predictions(best.to_string(), attention=A, layer=names[-1] if names else "", hidden=hidden)

    @classmethod
    def from_predictions(cls, tree: str, *, attention: Any = None, layer: str = "", hidden: Any = None) -> Self:
        """From a tree in brackets, of this program or of another, and where they are known A (words, words) and (words,) what the
        tree loses where each word is hidden. `DataError` for brackets or arrays that do not fit."""
        nodes = nodes_of(Tree.from_string(tree))
        words = [node.word for node in nodes if node.word is not None]
        A = None if attention is None else matrix(attention, len(words), len(words), "attention")
        lost = None if hidden is None else matrix([hidden], 1, len(words), "hidden")[0]
        read = None if A is None else A.sum(0)
        agreement = None if read is None or lost is None else rank_correlation(read, np.abs(lost))
        told = {"tree": tree, "words": words, "phrases": len(nodes) - len(words), "layer": layer}
        return cls({"schema": cls.schema, **told, "attention": A, "read": read, "hidden": lost, "agreement": agreement})

    def title(self) -> str:
        lost, phrases, words = self._value["hidden"], self._value["phrases"], len(self._value["words"])
        said = f"{words} {'word' if words == 1 else 'words'} in {phrases} {'phrase' if phrases == 1 else 'phrases'}"
        if lost and max(lost) > 0:
            said += f"; the tree leans most on \u201c{self._value['words'][int(np.argmax(lost))]}\u201d"
        return said

    def notes(self) -> list[str]:
        if self._value["hidden"] is None or self._value["attention"] is None:
            return [CAUTION] if self._value["attention"] is not None else []
        return [agreement_note(self._value["agreement"], "word").replace("leaving each word out", "hiding each word")]

    def drawings(self) -> list[Drawing]:
        value, words = self._value, self._value["words"]
        brackets = Twin(["brackets"], [[self._tree().to_string()]], ("brackets",))
        shown = [Drawing(tree_svg(self._tree(), title=self.title()), brackets)]
        if value["hidden"] is not None:
            twin = Twin(["word", "lost where it is hidden, nats"], self._rows(), ("word",))
            about = "What the tree loses where a word is hidden"
            shown.append(Drawing(sentence_svg(words, value["hidden"], value["read"], title=about), twin))
        if value["attention"] is not None:
            A = np.array(value["attention"], dtype=float).reshape(len(words), len(words))
            about = f"What each word reads of the others, {value['layer']}, mean over its heads"
            shown.append(Drawing(grid(A, words, words, title=about), grid_table(A, words, words, "reads"), about))
        return shown

    def lines(self, width: int) -> Iterable[str]:
        yield from tree_text(self._tree(), width=width).split("\n")
        if self._value["hidden"] is not None:
            yield ""
            for word, lost in self._rows():
                yield f"{lost:>9} nats where {word} is hidden"

    def to_frame(self) -> pd.DataFrame:
        """One row a word: word, tag, place, hidden, read (how much all words read of it)."""
        leaves = [node for node in nodes_of(self._tree()) if node.word is not None]
        none = [np.nan] * len(leaves)
        return pd.DataFrame(
            {
                "word": [node.word for node in leaves],
                "tag": [node.label for node in leaves],
                "place": range(len(leaves)),
                "hidden": self._value["hidden"] or none,
                "read": self._value["read"] or none,
            }
        )

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

    def _rows(self) -> Sequence[tuple[str, str]]:
        return [
            (visible(word), signed(lost))
            for word, lost in zip(self._value["words"], self._value["hidden"], strict=True)
        ]


def _place(node: Node) -> tuple[float, float]:
    return (node.first + node.last) / 2, float(node.level)
