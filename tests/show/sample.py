"""A report with every part in it, and any words where words come from data."""

from __future__ import annotations

from typing import Any


def rung(
    number: int, name: str, seconds: float, value: float | None, difference: float | None, note: str = ""
) -> dict[str, Any]:
    known = value is not None
    return {
        "number": number,
        "name": name,
        "reads": "nothing" if number < 3 else "rows of the same family",
        "value": value,
        "low": value - 0.021 if known else None,
        "high": value + 0.0234 if known else None,
        "seconds": seconds,
        "below": None if number == 1 else "mean" if number == 2 else "linear",
        "difference": difference,
        "difference_low": None if difference is None else difference - 0.0123,
        "difference_high": None if difference is None else difference + 0.0117,
        "p": None if difference is None else min(1.0, 0.5 ** (-difference * 900)),
        "pays": None if difference is None else difference < -0.0117,
        "measures": {"AUROC": 0.8123 + number / 100, "Brier score": 0.1398},
        "note": note,
    }


def sample(words: str = "") -> dict[str, Any]:
    def called(plain: str) -> str:
        return words if words else plain

    rungs = [
        rung(1, "mean", 0.012, 0.6653, None),
        rung(2, "linear", 0.31, 0.4712, -0.1941),
        rung(3, called("smoothing, same family, class"), 0.34, 0.4466, -0.0246),
        rung(4, "neighbours' labels", 0.38, 0.4301, -0.0165),
        rung(
            5,
            "X X'",
            0.36,
            0.4721,
            -0.0009,
            called("predicts inside the span of X W: cannot beat linear but by penalty"),
        ),
        rung(6, "query-key attention", 4.7, 0.4283, -0.0018),
        rung(7, "attention, heads, feed-forward", 11.2, 0.4344, 0.0061),
        rung(8, "not fitted", 0.5, None, None),
    ]
    question = {
        "question": "Rows whose neighbours are known",
        "measure": "log loss",
        "better": "lower",
        "chosen": rungs[3]["name"],
        "explained": "10 tests, about 1178 rows learned from and 131 tested.",
        "verdict": "neighbours' labels is the cheapest rung within noise of the best.",
        "rungs": rungs,
    }
    other = {**question, "question": called("Whole new groups"), "chosen": "linear", "verdict": "Nothing beats linear."}
    relation = {
        "name": called("same family, class"),
        "facts": {"rows": 1309, "isolated": 0.2941, "mean degree": 1.84, "homophily": 0.731},
        "degrees": [{"read": "0", "rows": 385}, {"read": "1", "rows": 402}, {"read": "2 to 3", "rows": 522}],
    }
    return {
        "schema": "axw.report/1",
        "title": called("survived in titanic.csv: which rung pays"),
        "verdict": [called("Use neighbours' labels: log loss 0.4301."), "For whole new groups use linear."],
        "questions": [question, other],
        "relations": [relation],
        "findings": [
            {
                "severity": "warning",
                "where": called("boat"),
                "what": called("predicts survived"),
                "todo": called("Drop it."),
            },
            {"severity": "note", "where": "age", "what": "263 of 1309 cells are missing.", "todo": ""},
        ],
        "reproduce": {
            "command": called("axw ladder table titanic.csv --target survived --relation same:family,class"),
            "seed": 7,
            "seconds": 21.347,
            "versions": {"axw": "0.1.0", "torch": "2.13.0", "Python": "3.11"},
            "data": [
                {"path": called("titanic.csv"), "rows": 1309, "columns": 8, "bytes": 71234, "sha256": "ab12" * 16}
            ],
        },
        "notes": [called("Attention shows where the model looked, not why.")],
    }
