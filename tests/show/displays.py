"""One display of each kind, made of plain values, with any words where words come from data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from axw.data.trees import Tree
from axw.show import (
    AlignmentDisplay,
    AttentionDisplay,
    CalibrationDisplay,
    ClassesDisplay,
    CurvesDisplay,
    LadderDisplay,
    MaskedWordDisplay,
    RowsDisplay,
    TreeDisplay,
)
from axw.show.faces import Display

PLAIN = "a man with one small dog sits on seven benches".split()


def history(name: str = "loss", split: str = "train") -> list[dict]:
    lines = [{"step": 10 * k, "split": split, "name": name, "value": 5.0 / k, "seconds": 2.5 * k} for k in range(1, 24)]
    lines += [
        {"step": 50 * k, "split": "evaluation", "name": "loss", "value": 4.0 / k + 0.01 * k * k, "seconds": 12.5 * k}
        for k in range(1, 5)
    ]
    return lines


def explained(words: Sequence[str]) -> dict:
    lines = [
        {
            "output": words[0],
            "relation": "own row",
            "read": "",
            "feature": f"{word}",
            "weight": 1.0,
            "contribution": 0.1 * i,
        }
        for i, word in enumerate([*words, "(base)"])
    ]
    lines += [
        {
            "output": words[0],
            "relation": words[-1],
            "read": word,
            "feature": "label",
            "weight": 1.0 / (i + 2),
            "contribution": -0.7 + 0.2 * i,
        }
        for i, word in enumerate(words)
    ]
    total = sum(line["contribution"] for line in lines)
    left_out = [{"read": word, "output": words[0], "drop": 0.05 * i - 0.1} for i, word in enumerate(words)]
    row = {"id": words[-1], "outputs": {words[0]: total}, "contributions": lines, "left_out": left_out}
    return {"schema": "axw.explanation/1", "exact": words[0], "rows": [row]}


def tree_over(words: Sequence[str]) -> str:
    """A tree in brackets, each word without what brackets cannot hold."""
    plain = ["".join(letter for letter in word if letter not in "()" and not letter.isspace()) or "-" for word in words]
    return Tree("S", [Tree("NP", [Tree("N", [word])]) for word in plain]).to_string()


def displays(words: Sequence[str] = PLAIN, seed: int = 3) -> dict[str, Display]:
    """All of them; every word of `words` is somewhere in each that holds words."""
    rng, n = np.random.default_rng(seed), len(words)
    other = [*words[::-1], "end"]
    A = rng.dirichlet(np.full(n + 1, 0.3), (2, 3, n))
    soft = rng.dirichlet(np.full(n, 0.2), n + 1)
    intervals = [(0.4, 0.7 + 0.01 * i) for i in range(n)]
    return {
        "rows": RowsDisplay.from_predictions(explained(words)),
        "attention": AttentionDisplay.from_predictions({words[0]: A[0], "second": A[1]}, words, other),
        "alignment": AlignmentDisplay.from_predictions(words, other, soft, left_out=rng.normal(size=(n + 1, n))),
        "masked word": MaskedWordDisplay.from_predictions(
            words,
            n // 2,
            [(word, 0.5 / (i + 1)) for i, word in enumerate(words)],
            attention=rng.random(n),
            left_out=rng.normal(size=n),
        ),
        "classes": ClassesDisplay.from_predictions(
            words, {word: 0.4 / (i + 1) for i, word in enumerate(words)}, left_out=rng.normal(size=n)
        ),
        "tree": TreeDisplay.from_predictions(
            tree_over(words), attention=rng.dirichlet(np.full(n, 0.3), n), layer="encoder 2", hidden=rng.normal(size=n)
        ),
        "curves": CurvesDisplay.from_predictions(history(words[0], words[-1])),
        "ladder": LadderDisplay.from_predictions(
            words, [0.1 * 2**i for i in range(n)], [0.6] * n, intervals, measure=words[0]
        ),
        "calibration": CalibrationDisplay.from_predictions(rng.integers(0, 2, 211), rng.random(211)),
    }
