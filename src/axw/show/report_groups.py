"""The part of a report that says how the answers of every rung fall on groups: drawn from `axw.by_group/1` and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from axw.show.page import fold, paragraph, section, table

MINUS = "\u2212"
NAMES = {
    "selection_rate": "selected",
    "false_positive_rate": "false positive",
    "false_negative_rate": "false negative",
    "calibration_error": "calibration error",
    "calibration_gap": "calibration gap",
}
NOTE = (
    "Calibration gap: mean probability less the share that it came true for. In brackets: 95 % intervals by bootstrap. "
    "What these numbers mean for a decision is not for a program to say."
)


def groups_section(value: Mapping[str, Any] | None, titles: Mapping[str, str]) -> str:
    """Rates of every rung and group, one table a question; the differences and the pairs below. Nothing where there is no value.

    titles  question -> its heading
    """
    if value is None:
        return ""
    counted = ", ".join(f"{group}: {rows}" for group, rows in value["groups"].items())
    cut = "where it is the likeliest answer" if value["cut"] is None else f"from a probability of {value['cut']:.4g} on"
    said = paragraph(f"Rows by {value['column']}: {counted}. Selected: {value['favourable']}, {cut}.")
    said += _pairs(value["homophily"], value["column"])
    for question in dict.fromkeys(line["question"] for line in value["measures"]):
        lines = [line for line in value["measures"] if line["question"] == question]
        said += f"{paragraph(titles.get(question, question))}{_rates(lines)}"
        said += fold(f"Compared with {value['reference']}", _differences(lines, value["reference"]))
    small = f"* fewer than {value['small']} rows. Intervals are drawn over {value['drawn']}."
    return section(f"By {value['column']}", said + paragraph(NOTE, "small soft") + paragraph(small, "small soft"))


def _pairs(homophily: Sequence[Mapping[str, Any]], column: str) -> str:
    if not homophily:
        return ""
    rows = [(each["relation"], _number(each["same_group"]), _number(each["by_chance"])) for each in homophily]
    return table(["relation", f"pairs of one {column}, share", "by chance"], rows, words=("relation",))


def _rates(lines: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for rung, group in dict.fromkeys((line["rung"], line["group"]) for line in lines):
        of = {line["measure"]: line for line in lines if (line["rung"], line["group"]) == (rung, group)}
        cells = (_interval(of[measure], "value", "low", "high") for measure in NAMES)
        rows.append((rung, group, *cells))
    return table(["rung", "group", *NAMES.values()], rows, words=("rung", "group"))


def _differences(lines: Sequence[Mapping[str, Any]], reference: str) -> str:
    rows = [
        (
            line["rung"],
            line["group"],
            NAMES[line["measure"]],
            _interval(line, "difference", "difference_low", "difference_high", sign="+"),
            _interval(line, "ratio", "ratio_low", "ratio_high"),
        )
        for line in lines
        if line["group"] != reference
    ]
    return table(["rung", "group", "measure", "difference", "ratio"], rows, words=("rung", "group", "measure"))


def _interval(line: Mapping[str, Any], value: str, low: str, high: str, sign: str = "") -> str:
    said = _number(line[value], sign)
    if said and line[low] is not None:
        said += f" [{_number(line[low], sign)}, {_number(line[high], sign)}]"
    return said + ("*" if said and line["small"] else "")


def _number(value: float | None, sign: str = "") -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:{sign}.3f}".replace("-", MINUS)
