"""An exact explanation: contributions by relation, row read and column, which add up to the output.

Every rung but the feed-forward one is a sum of terms A Z W. With A given, what column f of row j adds to output c of row i is

    A[i, j] Z[j, f] W[f, c]

and nothing is left over. Where A itself was learned from the columns, the sum is exact given A: it says what was read and what
that added, and not why the row looked there.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from axw.models.tables.cells import Cells, Texts

OWN = "own row"
COUNT = "n"  # the feature that says how many rows are read
WIDTH = 80
MOST_LETTERS = 32  # of a value, where it stands beside others
LINE = ("place", "row", "output", "relation", "read", "feature", "weight", "contribution", "column", "value")


class Term(NamedTuple):
    """One A Z W of the equation.

    relation  by which rows are read; "own row" where A = I
    A         (n r)  how much
    places    (n r)  which remembered row; None where the term belongs to the asking row itself, and Z is (n e)
    Z         (m e) or (n e)
    W         (e c)
    features  e names
    """

    relation: str
    A: np.ndarray
    places: np.ndarray | None
    Z: np.ndarray
    W: np.ndarray
    features: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """Why each row got its answer.

    contributions  one line a (row, output, relation, row read, feature): weight A[i, j], and contribution to the output;
                   the column of the table that the feature was made of, and the value that stands there, as text: of the row
                   itself, or of the row that was read. A feature without a column has a value too where it counts rows or is
                   a mean over rows
    outputs        (n c)  the outputs that the contributions of a row add up to (log-odds, class scores, or the number itself)
    names          what each output is
    exact          which part of this is exact, in one sentence
    """

    contributions: pd.DataFrame
    outputs: np.ndarray
    ids: tuple[Any, ...]
    names: tuple[str, ...]
    exact: str

    def to_frame(self) -> pd.DataFrame:
        """The contributions as a table: row, output, relation, read, feature, weight, contribution, column, value."""
        return self.contributions.copy()

    def to_json(self) -> dict[str, Any]:
        """The same as a JSON-able value, with the schema's name."""
        rows = []
        for place, identity in enumerate(self.ids):
            mine = self.contributions[self.contributions["place"] == place]
            rows.append(
                {
                    "id": _plain(identity),
                    "outputs": dict(zip(self.names, self.outputs[place].tolist(), strict=True)),
                    "contributions": [
                        {key: _plain(value) for key, value in line.items() if key not in ("place", "row")}
                        for line in mine.to_dict("records")
                    ],
                }
            )
        return {"schema": "axw.explanation/1", "exact": self.exact, "rows": rows}

    def by(self, *keys: str) -> pd.DataFrame:
        """Contributions summed over everything but `keys`, such as by("relation") or by("read"), for each row and output."""
        grouping = ["place", "row", "output", *keys]
        return self.contributions.groupby(grouping, sort=False, as_index=False, dropna=False)["contribution"].sum()

    def to_text(self, most: int = 8) -> str:
        """At most `most` greatest contributions of each row, then the rest as one line, so that the lines add up."""
        return "\n\n".join(self._row_text(place, most) for place in range(len(self.ids)))

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        """The text, safe in a notebook. This room draws nothing: `axw.show.display(explanation)` is the picture."""
        return f"<pre>{html.escape(''.join(map(_seen, self.to_text())))}</pre>"

    def _row_text(self, place: int, most: int) -> str:
        lines = []
        for number, output in enumerate(self.names):
            mine = self.contributions[(self.contributions["place"] == place) & (self.contributions["output"] == output)]
            total = float(self.outputs[place, number])
            answer = f" = {total:+.3f}, the sum of"
            lines.append(_shorten(f"row {self.ids[place]}: {output}", WIDTH - len(answer)) + answer)
            mine = _by_column(mine)
            order = mine["contribution"].abs().sort_values(ascending=False, kind="stable").index
            for line in mine.loc[order[:most]].itertuples():
                read = "" if line.read == "" else f", row {line.read} (weight {line.weight:.2f})"
                where = line.said if line.relation == OWN else f"{line.said} of {line.relation}{read}"
                lines.append(f"  {line.contribution:+8.3f}  {_shorten(where)}")
            rest = mine.loc[order[most:], "contribution"]
            if len(rest):
                lines.append(f"  {rest.sum():+8.3f}  {len(rest)} others")
        return "\n".join([*lines, textwrap.fill(f"({self.exact})", WIDTH, initial_indent="  ", subsequent_indent="  ")])


def said(feature: str, column: str = "", value: str = "") -> str:
    """A feature for a reader: "age = 39" where its column and value are known, and else the feature itself."""
    value = value if len(value) <= MOST_LETTERS else value[: MOST_LETTERS - 1] + "…"
    if column:
        return f"{column} = {value}"
    if not value:
        return feature
    return f"{feature} = {value}" if feature == COUNT else f"{feature} ({value})"


def _by_column(lines: pd.DataFrame) -> pd.DataFrame:
    """One line a column where a feature has one: what a category is written as, or that a number is missing, is one thing."""
    told = map(said, lines["feature"], lines["column"], lines["value"])
    lines = lines.assign(said=pd.Series(list(told), index=lines.index, dtype=object))
    keys = ["relation", "read", "said"]
    return lines.groupby(keys, sort=False, as_index=False, dropna=False)[["weight", "contribution"]].agg(
        {"weight": "first", "contribution": "sum"}
    )


def explain(  # noqa: PLR0913 (what an explanation is made of)
    terms: Sequence[Term],
    ids: Sequence[Any],
    memory_ids: np.ndarray,
    names: Sequence[str],
    exact: str,
    outputs: np.ndarray,
    cells: Cells,
) -> Explanation:
    """Write terms out as contributions. `outputs` (n c) is what the model answered: the sum must be it."""
    texts = cells.texts(terms)
    frames = [
        frame
        for term, told in zip(terms, texts, strict=True)
        for frame in _lines(term, ids, memory_ids, names, cells, told)
    ]
    keys = ["place", "row", "output", "relation", "read", "feature"]
    lines = pd.concat(frames, ignore_index=True)
    # Heads read the same row: one line a row read, with the weight of all heads together.
    summed = {"weight": "sum", "contribution": "sum", "column": "first", "value": "first"}
    lines = lines.groupby(keys, sort=False, as_index=False, dropna=False).agg(summed)[[*LINE]]
    return Explanation(lines, outputs, tuple(ids), tuple(names), exact)


def _lines(  # noqa: PLR0913 (a term, and what its rows and cells are called)
    term: Term, ids: Sequence[Any], memory_ids: np.ndarray, names: Sequence[str], cells: Cells, texts: Texts
) -> list[pd.DataFrame]:
    n, r = term.A.shape
    rows = np.arange(n)[:, None] if term.places is None else term.places
    content = term.Z[rows]  # (n r e)
    frames, columns = [], np.array(cells.behind(term), dtype=object)
    for number, output in enumerate(names):
        contribution = term.A[:, :, None] * content * term.W[None, None, :, number]
        place, slot, feature = np.nonzero(contribution)
        read = np.full(len(place), "", dtype=object)
        if term.places is not None:
            read = memory_ids.astype(object)[term.places[place, slot]]
        frames.append(
            pd.DataFrame(
                {
                    "place": place,
                    "row": pd.Series([ids[int(i)] for i in place], dtype=object),
                    "output": output,
                    "relation": term.relation,
                    "read": pd.Series(read, dtype=object),
                    "feature": np.array(term.features, dtype=object)[feature],
                    "weight": term.A[place, slot],
                    "contribution": contribution[place, slot, feature],
                    "column": columns[feature],
                    "value": pd.Series(cells.values(term, texts, place, slot, feature), dtype=object),
                }
            )
        )
    return frames


def _seen(letter: str) -> str:
    """A letter that is not printed, such as one that turns the direction of the text, as its number."""
    return letter if letter.isprintable() or letter == "\n" else f"\u27e8U+{ord(letter):04X}\u27e9"


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _shorten(text: str, width: int = 66) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
