"""Training on a corpus that is larger than memory should be: time, lines a second, and peak memory of `axw fit translation`.

    python -m benchmarks.corpus_scale --pairs 1e7 --steps 5
    python -m benchmarks.corpus_scale --pairs 1e7 --steps 5 --set subword_dropout=0.1 --set both_directions=true

The pairs are made up: 6 to 20 words a line, drawn by Zipf's law from 200,000 words; a translation is word by word, some words in
another order. They lie in a temporary folder (1.5 GB for 1e7 pairs, and 1.5 GB more for the run) and are removed. `axw` runs in
a process of its own, and what it says is printed with the seconds at which it said so. Peak memory is the resident set of that
process, files that are mapped included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WORDS, BLOCK = 200_000, 50_000
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "el", "ir", "ost")]


def words(seed: int) -> np.ndarray:
    """(WORDS,) made-up words, frequent ones short."""
    draw = np.random.default_rng(seed)
    lengths = 1 + (np.log10(np.arange(WORDS) + 1) / 2 + draw.random(WORDS) * 2).astype(int)
    found = ["".join(SYLLABLES[i] for i in draw.integers(0, len(SYLLABLES), n)) for n in lengths]
    return np.array(found, dtype=object)


def make(folder: Path, pairs: int) -> None:
    """train.source and train.target."""
    tables, draw = (words(1), words(2)), np.random.default_rng(3)
    with open(folder / "train.source", "w") as source, open(folder / "train.target", "w") as target:
        for first in range(0, pairs, BLOCK):
            lengths = draw.integers(6, 21, min(BLOCK, pairs - first))
            ends = np.cumsum(lengths)
            ids = np.minimum(draw.pareto(0.6, ends[-1]).astype(np.int64), WORDS - 1)
            order = np.arange(len(ids))
            swapped = np.flatnonzero(draw.random(len(ids) - 1) < 0.1)[::2]
            order[swapped], order[swapped + 1] = order[swapped + 1], order[swapped].copy()
            for file, table, chosen in ((source, tables[0], ids), (target, tables[1], ids[order])):
                said = table[chosen].tolist()
                begins = np.concatenate([[0], ends[:-1]])
                file.writelines(" ".join(said[a:b]) + "\n" for a, b in zip(begins.tolist(), ends.tolist(), strict=True))


def fit(folder: Path, steps: int, changes: list[str], command: list[str]) -> dict[str, float]:
    """Run `axw`, say what it says and when, and how much memory it took."""
    settings = [part for change in changes for part in ("--set", change)]
    files = [str(folder / "train.source"), str(folder / "train.target")]
    start = [sys.executable, "-c", "import sys; from axw.cli import main; sys.exit(main())"]
    program = [*start, *command, *files, "--save", str(folder / "a.run")]
    begun = time.perf_counter()
    with subprocess.Popen([*program, "--steps", str(steps), *settings], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            print(f"{time.perf_counter() - begun:7.1f} s  {line.rstrip()}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    return {
        "exit_code": process.returncode,
        "seconds": round(time.perf_counter() - begun, 1),
        "peak_gb": round(peak if sys.platform != "darwin" else peak / 1024, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=float, default=1e7)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the translator")
    parser.add_argument("--folder", type=Path, help="keep the corpus here, and use it again where it is there")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as scratch:
        folder = Path(scratch)
        kept = chosen.folder or folder
        if not (kept / "train.target").exists():
            begun = time.perf_counter()
            make(kept, int(chosen.pairs))
            print(f"the corpus was made in {time.perf_counter() - begun:.0f} s")
        for name in ("train.source", "train.target"):
            if kept != folder:
                (folder / name).symlink_to((kept / name).absolute())
        size = sum((kept / name).stat().st_size for name in ("train.source", "train.target")) / 1e9
        found = fit(folder, chosen.steps, chosen.set, ["fit", "translation"])
        print(json.dumps({"pairs": int(chosen.pairs), "corpus_gb": round(size, 2), "steps": chosen.steps, **found}))


if __name__ == "__main__":
    main()
