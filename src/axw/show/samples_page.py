"""The parts of a report that come from held-out rows or lines, drawn from their plain values: see `run_samples`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from axw.show.any_model import display
from axw.show.escaping import name
from axw.show.numbers import compact, decimals
from axw.show.page import paragraph, section, table


def looked_part(looked: Mapping[str, Any] | None, level: int) -> str:
    """Of a ladder: what the rung to use answered, under headings of that level. Nothing where there is no value."""
    if looked is None:
        return ""
    unit = looked["unit"]
    parts = {
        "One of them, looked at": picture_part(looked["picture"]),
        f"By kind of {unit}": slices_part(looked["slices"], unit),
        "Is its confidence right?": picture_part(looked["calibration"]),
    }
    shown = paragraph(looked["said"]) + examples_part(looked["examples"], "line" if unit == "word" else unit, level + 1)
    shown += "".join(section(title, markup, level + 1) for title, markup in parts.items())
    return section(f"Looked at: {looked['rung']}", shown, level)


def examples_part(examples: Sequence[Mapping[str, Any]], unit: str, level: int) -> str:
    """Typical, best and worst ones, a table each."""
    said = ""
    for kind in dict.fromkeys(example["kind"] for example in examples):
        mine = [example for example in examples if example["kind"] == kind]
        rows = [(e["source"], e["reference"], e["answer"], decimals(e["value"])) for e in mine]
        headings = [unit, "should be", "answer", mine[0]["measure"]]
        said += f"<h{level}>{name(kind)}</h{level}>\n{table(headings, rows, words=headings[:3])}"
    return said


def picture_part(value: Mapping[str, Any] | None) -> str:
    """The display that the value is of, below what it says."""
    if value is None:
        return ""
    shown = display(value)
    return paragraph(shown.title()) + shown.markup()


def slices_part(slices: Sequence[Mapping[str, Any]], unit: str) -> str:
    """A table for each thing that the rows or lines are told apart by."""
    if not slices:
        return ""
    said = ""
    for by, found in groupby(slices, key=lambda one: one["slice"]):
        parts = list(found)
        said += table([by, f"{unit}s", parts[0]["measure"]], [_slice(part) for part in parts], words=(by,))
    how = f"by bootstrap over the {unit}s"
    if any(part["interval"] == "normal" for part in slices):
        how += ", where there are very many by the normal distribution"
    return said + paragraph(f"In brackets: 95 % intervals {how}. * fewer than 20 {unit}s.", "small soft")


def _slice(part: Mapping[str, Any]) -> tuple[Any, ...]:
    low, high = compact(part["from"]), compact(part["to"])
    interval = f"{decimals(part['value'])} [{decimals(part['low'])}, {decimals(part['high'])}]"
    return low if low == high else f"{low} to {high}", part["lines"], interval + ("*" if part["small"] else "")
