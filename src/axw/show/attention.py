"""Who reads whom, head by head: all heads small, one of them large. Of this program's models, or of any other's plain arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from axw.errors import DataError, UsageError, did_you_mean
from axw.models.attention_by_word import LayerAttention
from axw.models.units import Unit
from axw.show.faces import CAUTION, Display, Drawing, column, matrix, one_of, texts
from axw.show.head_agreement import Compared, layers_of
from axw.show.heads import entropy, head_kind, heads_grid
from axw.show.heat import grid, grid_table, most_read, plot_grid
from axw.show.page import Twin

MOST_WORDS = 160  # rows or columns of a picture
MOST_FOLDED = 16_000  # cells of the heads that are drawn large under a fold


class AttentionDisplay(Display):
    """A of every layer and head: (h n m) each, with the words (or pieces) that its rows and columns are."""

    schema = "axw.attention/1"

    @classmethod
    def from_estimator(
        cls,
        model: Any,
        X: Any,
        target: str | None = None,
        *,
        unit: Unit = "words",
        layer: str | None = None,
        head: int | None = None,
    ) -> Self:
        """What a model reads: rows of a table for the models of tables, a line for the models of text.

        target       for a translator: what it is made to say; None = its own translation
        unit         "words", or "pieces" as the network sees them
        layer, head  shown large: the name of a layer, and the number of a head from 1 (None = the mean over its heads)
        Raises `UsageError` for a model without attention and for a layer or head that is not there.
        """
        layers, compared = layers_of(model, X, target, unit)
        return cls.of_layers(layers, unit=unit, layer=layer, head=head, compared=compared)

    @classmethod
    def from_predictions(
        cls,
        A: Any,
        rows: Sequence[str],
        columns: Sequence[str] | None = None,
        *,
        layer: str | None = None,
        head: int | None = None,
    ) -> Self:
        """From plain arrays: A (n m), (h n m), or {layer: (h n m)}; `columns` None = the same words as the rows.

        `DataError` for arrays that do not fit the words.
        """
        asked = texts(rows, "rows")
        read = asked if columns is None else texts(columns, "columns")
        found = A if isinstance(A, Mapping) else {"attention": A}
        layers = [
            LayerAttention(str(name), asked, read, _heads(part, asked, read, str(name))) for name, part in found.items()
        ]
        return cls.of_layers(layers, unit="words", layer=layer, head=head)

    @classmethod
    def of_layers(
        cls,
        layers: Sequence[LayerAttention],
        *,
        unit: Unit = "words",
        layer: str | None = None,
        head: int | None = None,
        compared: Compared | None = None,
    ) -> Self:
        """From layers; `compared`: how far each head agrees with leaving one out."""
        if not layers:
            raise UsageError(
                "There is no layer of attention to show.", "In AttentionDisplay.", "Use a model that has attention."
            )
        names = [one.name for one in layers]
        picked = names[-1] if layer is None else layer
        if picked not in names:
            raise UsageError(f"There is no layer {picked!r}.", "layer", did_you_mean(picked, names))
        of = layers[names.index(picked)]
        if head is not None and not 1 <= head <= len(of.A):
            raise UsageError(f"There is no head {head} in {picked!r}; allowed: 1 to {len(of.A)}.", "head")
        large = of.A[head - 1] if head else of.A.mean(0)
        value = {"schema": cls.schema, "unit": unit, "layer": picked, "head": head, "large": np.round(large, 6)}
        return cls({**value, "layers": [_layer(one, compared) for one in layers]})

    # ------------------------------------------------------------------------------------------------------------ faces

    def heads(self) -> list[LayerAttention]:
        """Every head by itself, A (1 n m)."""
        return [
            LayerAttention(f"{layer['name']}, head {number}", layer["rows"], layer["columns"], A[None])
            for layer in self._value["layers"]
            for number, A in enumerate(_array(layer), 1)
        ]

    def picked(self) -> LayerAttention:
        """The layer that is shown large, A (1 n m): of one head, or the mean."""
        found = next(layer for layer in self._value["layers"] if layer["name"] == self._value["layer"])
        A = np.array(self._value["large"], dtype=float).reshape(1, len(found["rows"]), len(found["columns"]))
        return LayerAttention(found["name"], found["rows"], found["columns"], A)

    def title(self) -> str:
        of, head = self.picked(), self._value["head"]
        who = f"{of.name}, " + (f"head {head}" if head else "mean over its heads")
        if not of.A.size or not of.A.any():
            return f"{who}: nothing is read"
        i, j = np.unravel_index(int(np.abs(of.A[0]).argmax()), of.A[0].shape)
        return f"{who}: \u201c{of.rows[i]}\u201d reads \u201c{of.columns[j]}\u201d most, {of.A[0, i, j]:.2f}"

    def notes(self) -> list[str]:
        known = [kind for layer in self._value["layers"] for kind in layer["kinds"] if kind["agreement"] is not None]
        if not known:
            return [CAUTION]
        best = max(kind["agreement"] for kind in known)
        said = f"The head that agrees most with leaving each {one_of(self._value)} out has a rank correlation of {best:.2f}."
        return [f"{CAUTION} {said}".replace("-", "\u2212")]

    def drawings(self) -> list[Drawing]:
        of, layers = self.picked(), self._value["layers"]
        rows, columns = of.rows[:MOST_WORDS], of.columns[:MOST_WORDS]
        A = of.A[0][:MOST_WORDS, :MOST_WORDS]
        shown = []
        if sum(len(layer["heads"]) for layer in layers) > 1:
            small = heads_grid(layers, (of.name, self._value["head"]), title="All heads")
            shown.append(
                Drawing(
                    small,
                    Twin(
                        ["layer", "head", "kind", "entropy, bits", "agreement"], self._kinds(), words=("layer", "kind")
                    ),
                )
            )
        shown.append(Drawing(grid(A, rows, columns, title=self.title()), grid_table(A, rows, columns, "reads")))
        return shown + self._large()

    def _large(self) -> list[Drawing]:
        """Every head large, under folds, where that keeps the page small."""
        layers = self._value["layers"]
        cells = sum(_array(layer).size for layer in layers)
        if cells > MOST_FOLDED or sum(len(layer["heads"]) for layer in layers) < 2:
            return []
        found = []
        for layer in layers:
            for number, (A, kind) in enumerate(zip(_array(layer), layer["kinds"], strict=True), 1):
                who = f"{layer['name']}, head {number}: {kind['kind']}"
                found.append(Drawing(grid(A, layer["rows"], layer["columns"], title=who, hints=False), None, who))
        return found

    def _kinds(self) -> list[tuple[str, int, str, str, str]]:
        rows = []
        for layer in self._value["layers"]:
            for number, kind in enumerate(layer["kinds"], 1):
                agrees = "" if kind["agreement"] is None else f"{kind['agreement']:.2f}".replace("-", "\u2212")
                rows.append((layer["name"], number, kind["kind"], f"{kind['entropy']:.1f}", agrees))
        return rows

    def lines(self, width: int) -> Iterable[str]:
        of = self.picked()
        wide = min(24, width // 3)
        for word, said in most_read(of.A[0], of.rows, of.columns):
            yield f"{column(word, wide, right=True)} <- {said}"
        yield ""
        for layer, number, kind, bits, agrees in self._kinds():
            yield f"{layer}, head {number}: {kind}, {bits} bits" + (f", agreement {agrees}" if agrees else "")

    def to_frame(self) -> pd.DataFrame:
        """One row a layer, head and pair: layer, head, row, column, weight."""
        frames = []
        for layer in self._value["layers"]:
            A = _array(layer)
            h, i, j = (places.ravel() for places in np.indices(A.shape))
            names = {"row": [layer["rows"][a] for a in i], "column": [layer["columns"][b] for b in j]}
            frames.append(pd.DataFrame({"layer": layer["name"], "head": h + 1, **names, "weight": A.ravel()}))
        return pd.concat(frames, ignore_index=True)

    def draw(self, ax: Any) -> None:
        of = self.picked()
        plot_grid(ax, of.A[0], of.rows, of.columns)


def _layer(one: LayerAttention, compared: Compared | None) -> dict[str, Any]:
    same = one.rows == one.columns
    agrees = compared(one) if compared else [None] * len(one.A)
    kinds = [
        {"kind": head_kind(A, same), "entropy": entropy(A), "agreement": agreement}
        for A, agreement in zip(one.A, agrees, strict=True)
    ]
    return {"name": one.name, "rows": one.rows, "columns": one.columns, "heads": np.round(one.A, 6), "kinds": kinds}


def _array(layer: Mapping[str, Any]) -> np.ndarray:
    shape = (len(layer["heads"]), len(layer["rows"]), len(layer["columns"]))
    return np.array(layer["heads"], dtype=float).reshape(shape)


def _heads(A: Any, rows: Sequence[str], columns: Sequence[str], name: str) -> np.ndarray:
    try:
        found = np.asarray(A, dtype=float)
    except (TypeError, ValueError):
        found = np.zeros(0)
    if found.ndim not in (2, 3):
        raise DataError(
            f"A has {found.ndim} axes; allowed: (rows, columns) or (heads, rows, columns).",
            f"In A, layer {name!r}.",
            "Give the weights of one sentence.",
        )
    heads = found if found.ndim == 3 else found[None]
    return np.stack([matrix(head, len(rows), len(columns), f"A, layer {name!r}") for head in heads])
