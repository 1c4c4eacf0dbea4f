"""Writes the golden models of `tests/models/golden`, each once: a folder as this version saves it, and what it says.

    python benchmarks/make_golden.py

A later version must load them and say the same. What is there is left as it is: a golden model that is made anew proves nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from axw.learning import with_settings
from axw.models.translation.settings import TranslationSettings
from axw.models.translation.translator import Translator
from axw.storage import write_json

FOLDER = Path(__file__).parent.parent / "tests" / "models" / "golden"
WORDS = "ein mann frau hund sitzt läuft rot blau haus baum".split()
SMALL = (
    "transformer.d_model=16 transformer.layers=1 transformer.heads=2 transformer.d_ff=32 luong.d_model=16 vocabulary=333 "
    "batch_tokens=400 longest=40 train.minutes=none train.steps=300 train.evaluate_every=100 train.average=0 train.threads=1 "
    "train.schedule.warmup=20 train.schedule.rate=0.01 transformer.dropout=0 train.precision=fp32"
).split()
MODELS = {
    "transformer": ["transformer.feedforward=swiglu", "transformer.positions=rotary"],
    "luong": [
        "train.schedule.rate=0.02",
        "architecture=luong",
        "luong.window=local-m",
        "luong.dropout=0",
        "luong.initial_range=0.5",
    ],
    "words": [
        "architecture=luong",
        "pieces=words",
        "joint=false",
        "vocabulary=12",
        "luong.dropout=0",
        "luong.initial_range=0.5",
    ],
}
LINES = ["ein mann sitzt", "hund", "", "die Frau läuft blau rot", "Ωμέγα 漢字", "baum haus baum haus mann frau"]


def pairs(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Sentences, and the same in capitals."""
    draw = np.random.default_rng(seed)
    lines = [" ".join(draw.choice(WORDS, size=draw.integers(1, 6))) for _ in range(count)]
    return lines, [line.upper() for line in lines]


def main() -> None:
    for name, changes in MODELS.items():
        folder = FOLDER / name
        if folder.exists():
            print(f"{folder}: there already, left as it is")
            continue
        settings = with_settings(TranslationSettings(), [*SMALL, *changes])
        model = Translator(settings).fit(*pairs(600, 0), pairs(30, 1))
        folder.mkdir(parents=True)
        model.save(folder / "model")
        best = [found[0] if found else None for found in model.hypotheses(LINES, beam=3)]
        said = [
            {"text": "", "log_probability": 0.0}
            if b is None
            else {"text": b.text, "log_probability": b.log_probability}
            for b in best
        ]
        links = [model.alignment(line).pharaoh() for line in LINES]
        write_json(folder / "expected.json", {"beam": 3, "lines": LINES, "said": said, "links": links})
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"{folder}: {size / 1000:.0f} kB", [each["text"] for each in said])


if __name__ == "__main__":
    main()
