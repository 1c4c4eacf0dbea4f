"""The picture of the README: the ladder on the bundled Titanic table, as one SVG file.

    python benchmarks/readme_picture.py [--folds 10] [--seed 0] [--out docs/img/ladder.svg]

Draws the chart of the report of `axw demo`, of the question "rows whose relatives are known", with its colours inside the file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from axw.data import samples
from axw.ladders import KnownNeighbours, Ladder, ladder, table_rungs
from axw.relations import SameValue
from axw.show.charts import Step, ladder_chart
from axw.show.style import CHART, COLOURS
from axw.storage import write_text


def drawn(found: Ladder) -> str:
    """The first question of a ladder as an SVG document with a list of its rungs under the chart."""
    question, number = found.questions[0], {row.rung: at for at, row in enumerate(found.rows, 1)}
    chosen = found.choices[question.name].rung
    # Like the report: the constant is left out, since beside it all other rungs would be one point.
    steps = []
    for row in found.rows[1:]:
        cell, below = row.cells[question.name], number.get(row.below or "")
        loss = cell.loss
        steps.append(
            Step(number[row.rung], row.rung, cell.seconds, loss.mean, loss.low, loss.high, row.rung == chosen, below)
        )
    title = f"Which rung pays for {question.title}: {chosen}"
    svg = ladder_chart(steps, measure="log loss (lower is better)", cost="seconds to fit (log scale)", title=title)
    columns, top = 3, svg.height + 14
    for at, step in enumerate(steps):
        x, y = 62 + 218 * (at % columns), top + 20 * (at // columns)
        svg.text(x, y, f"{step.number}  {step.name}", "soft")
    svg.height = top + 20 * -(-len(steps) // columns)
    # A picture of its own carries its style, a ground to stand on, and a size.
    head, _, rest = svg.to_text().partition(">")
    ground = '<rect width="100%" height="100%" style="fill:var(--ground)"/>'
    size = f' width="{svg.width:g}" height="{svg.height:g}"'
    own = f"svg{{width:{svg.width:g}px;height:{svg.height:g}px;max-width:none}}"
    return f"{head}{size}><style>{COLOURS}{CHART}{own}</style>{ground}{rest}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/img/ladder.svg"))
    asked = parser.parse_args()
    table, relation = samples.titanic(), SameValue("family", "class")
    X, y = table.drop(columns=["survived", "name"]), table["survived"]
    found = ladder(
        X,
        y,
        relations=[relation],
        cv=[KnownNeighbours(asked.folds, seed=asked.seed)],
        rungs=table_rungs("classification", [relation], asked.seed, "passenger"),
        seed=asked.seed,
        id="passenger",
    )
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    write_text(asked.out, drawn(found))
    print(f"{asked.out}: {asked.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
