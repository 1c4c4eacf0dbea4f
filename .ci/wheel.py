"""What a wheel must hold, and what it must not: `python .ci/wheel.py dist`."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

MOST = 1_000_000
NEEDED = (
    "axw/py.typed",
    "axw/data/samples/titanic.csv",
    "axw/data/samples/titanic.ORIGIN.md",
    "axw/serve/page/index.html",
)
KINDS = {".py", ".typed", ".csv", ".md", ".html", ".js", ".css", ".svg", ".txt", ".json", ""}


def main(folder: Path) -> int:
    """Print sizes; 1 where something is wrong."""
    wrong = []
    (wheel,) = folder.glob("*.whl")
    (source,) = folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        metadata = opened.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    if wheel.stat().st_size >= MOST:
        wrong.append(f"the wheel has {wheel.stat().st_size:,} bytes; allowed: below {MOST:,}")
    wrong += [f"the wheel lacks {name}" for name in NEEDED if name not in names]
    wrong += [
        f"the wheel lacks its licence {name}"
        for name in ("LICENSE",)
        if not any(n.endswith(f"/licenses/{name}") for n in names)
    ]
    inside = [name for name in names if name.startswith("axw/")]
    wrong += [f"the wheel holds {name}" for name in inside if Path(name).suffix not in KINDS]
    samples = [Path(name) for name in inside if "/samples/" in name and not name.endswith((".py", ".md"))]
    wrong += [
        f"{path} has no {path.stem}.ORIGIN.md beside it"
        for path in samples
        if str(path.with_suffix(".ORIGIN.md")) not in names
    ]
    wrong += [
        f"the metadata lack {field}"
        for field in ("License-Expression: Apache-2.0", "Requires-Python: >=3.11")
        if field not in metadata
    ]
    with tarfile.open(source) as opened:
        sources = {name.partition("/")[2] for name in opened.getnames()}
    wrong += [
        f"the source archive lacks {name}"
        for name in ("LICENSE", "CITATION.cff", "mkdocs.yml", "tests/conftest.py", "docs/index.md")
        if name not in sources
    ]
    print(
        f"{wheel.name}: {wheel.stat().st_size / 1000:,.0f} kB, {len(inside)} files; source {source.stat().st_size / 1000:,.0f} kB"
    )
    print("\n".join(f"PROBLEM: {line}" for line in wrong) or "whole")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
