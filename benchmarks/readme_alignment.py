"""The second picture of the README: which word each word of a translation was made from, as one SVG file.

    axw fit translation train.de train.en --save de-en.run
    python benchmarks/readme_alignment.py de-en.run "Ein Mann sitzt auf einer Bank." [--out FILE]

Draws the lines and the grid of `axw.show.explain(translator, sentence)`, with its colours inside the file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from axw.models import load
from axw.show import explain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="the run or the model folder of a translator")
    parser.add_argument("source", help="a sentence to translate")
    parser.add_argument("--target", help="what it is made to say; its own translation where this is not given")
    parser.add_argument("--out", type=Path, default=Path("docs/img/alignment.svg"))
    asked = parser.parse_args()
    shown = explain(load(asked.model), asked.source, asked.target)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    shown.write_svg(asked.out)
    print(shown.to_text())
    print(f"{asked.out}: {asked.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
