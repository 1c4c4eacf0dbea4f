"""Every rung by group as tables for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from axw.ladders.by_group import interval
from axw.measures.groups import SMALL, GroupMeasure

if TYPE_CHECKING:
    from axw.ladders.by_group import ByGroup

# In the order in which they are shown; those at the end are left out first where the terminal is narrow.
HEADINGS = {
    "selection_rate": "selected",
    "false_positive_rate": "false positive",
    "false_negative_rate": "false negative",
    "calibration_error": "calibration error",
    "calibration_gap": "calibration gap",
}
CELL = 20
ROOM_FOR_RATIOS = 90
GAP = "  "


def by_group_text(found: ByGroup, width: int = 110) -> str:
    """One table a question, the differences of the rung to use below it, then the pairs of each relation, then the notes."""
    width = max(width, 60)
    cut = "where it is the likeliest answer" if found.cut is None else f"from P = {found.cut:g} on"
    counted = ", ".join(f"{name} {rows:,}" for name, rows in found.groups.items())
    head = f"By {found.column} ({counted} rows); selected = {found.favourable}, {cut}"
    blocks = ["\n".join(wrap(head, width))]
    for question, rung in found.use.items():
        lines = [line for line in found.lines if line.question == question]
        rungs = {
            name: [line.found for line in lines if line.rung == name] for name in dict.fromkeys(x.rung for x in lines)
        }
        blocks.append("\n".join([question.replace("_", " "), *_rates(rungs, width)]))
        if rung in rungs:
            blocks.append("\n".join(_differences(rung, rungs[rung], found.reference, width)))
    blocks += [_pairs(found, width)] if found.homophily else []
    notes = (
        f"In brackets: 95 % intervals, drawn over {found.drawn}. * fewer than {SMALL} rows. Calibration gap: mean probability "
        "less the share that it came true for. What these numbers mean for a decision is not for a program to say."
    )
    return "\n\n".join([*blocks, "\n".join(wrap(notes, width))]) + "\n"


def _rates(rungs: Mapping[str, Sequence[GroupMeasure]], width: int) -> list[str]:
    groups = [found.group for measures in rungs.values() for found in measures]
    wide = {"rung": min(26, max([4, *map(len, rungs)])), "group": min(14, max([5, *map(len, groups)]))}
    shown = [each for k, each in enumerate(HEADINGS) if sum(wide.values()) + 2 + (k + 1) * (CELL + 2) <= width]
    shown = shown or ["selection_rate"]
    lines = [_line(("rung", "group"), [HEADINGS[each] for each in shown], wide)]
    lines.append("-" * len(lines[0]))
    for rung, measures in rungs.items():
        for number, group in enumerate(dict.fromkeys(found.group for found in measures)):
            of = {found.measure: found for found in measures if found.group == group}
            cells = [interval(of[each].value) + _star(of[each]) for each in shown]
            lines.append(_line((rung if not number else "", group), cells, wide))
    return [line.rstrip() for line in lines]


def _differences(rung: str, measures: Sequence[GroupMeasure], reference: str, width: int) -> list[str]:
    """Each group against the reference: one line a measure, difference and ratio."""
    said = "difference, and ratio" if width >= ROOM_FOR_RATIOS else "difference"
    lines = wrap(f"{rung}, compared with {reference}: {said}", width)
    for found in measures:
        if found.group != reference:
            wide = width >= ROOM_FOR_RATIOS and math.isfinite(found.ratio.value)
            ratio = f"   x {interval(found.ratio)}" if wide else ""
            name = f"{found.group[:14]:<14}  {HEADINGS[found.measure]:<17}"
            lines.append(f"  {name}  {interval(found.difference, signed=True) + _star(found):<22}{ratio}".rstrip())
    return lines


def _pairs(found: ByGroup, width: int) -> str:
    lines = []
    for relation, alike in found.homophily:
        if alike is None:
            lines.append(f"{relation}: no pair of rows with known groups")
        else:
            said = f"{alike.observed:.3f} of the pairs are of one group (by chance {alike.chance:.3f})"
            lines.append(f"{relation}: {said}")
    return "\n".join(part for line in lines for part in wrap(line, width, subsequent_indent="  "))


def _star(found: GroupMeasure) -> str:
    return "*" if found.small else ""


def _line(names: tuple[str, str], cells: Sequence[str], wide: Mapping[str, int]) -> str:
    first = GAP.join(_cut(name, size).ljust(size) for name, size in zip(names, wide.values(), strict=True))
    return GAP.join([first, *(cell.ljust(CELL) for cell in cells)])


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 1] + "…"
