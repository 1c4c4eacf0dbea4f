"""Every rung by group: how the answers for held-out rows fall on people of one sex, age or neighbourhood, and whether relations
join those who are alike in it. The group is measured and need not be a feature; what is printed are numbers, and no judgement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from axw.errors import DataError, UsageError, did_you_mean
from axw.ladders.held_out import HeldOut
from axw.ladders.result import Ladder
from axw.measures.groups import SMALL, Draws, Estimate, GroupMeasure, group_measures
from axw.relations import Likeness, components
from axw.relations.summary import likeness

SCHEMA = "axw.by_group/1"
MISSING = "(missing)"
MOST_GROUPS = 20
LARGEST = 0.1  # share of the rows in one unit above which units say nothing about chance


class GroupLine(NamedTuple):
    """One measure of one group, of one rung on one question."""

    question: str
    rung: str
    found: GroupMeasure


class Homophily(NamedTuple):
    """Whether rows that read each other are of one group: the share of pairs, and what it would be by chance.

    None where no pair has two known groups.
    """

    relation: str
    likeness: Likeness | None


@dataclass(frozen=True)
class ByGroup:
    """What `by_group` found.

    column      what the groups are called;  groups: rows of each
    favourable  the answer whose giving is to be selected;  cut: from which probability on, None = where it is the likeliest
    reference   the group that the others are compared with
    drawn       what intervals were drawn over: "rows", or "groups of related rows"
    lines       every measure;  homophily: of the group along each relation
    use         question -> the rung to use
    """

    column: str
    groups: dict[str, int]
    favourable: str
    cut: float | None
    reference: str
    drawn: str
    lines: tuple[GroupLine, ...]
    homophily: tuple[Homophily, ...]
    use: dict[str, str]

    def to_frame(self) -> pd.DataFrame:
        """One line a question, rung, group and measure, with its interval, and difference and ratio to the reference group."""
        return pd.DataFrame([_flat(line) for line in self.lines])

    def to_json(self) -> dict[str, Any]:
        """Plain values (`axw.by_group/1`); what is not a number is None."""
        lines = [{key: _known(value) for key, value in _flat(line).items()} for line in self.lines]
        pairs = [
            {
                "relation": each.relation,
                "same_group": None if each.likeness is None else each.likeness.observed,
                "by_chance": None if each.likeness is None else each.likeness.chance,
            }
            for each in self.homophily
        ]
        head: dict[str, Any] = {
            "schema": SCHEMA,
            "column": self.column,
            "groups": self.groups,
            "favourable": self.favourable,
        }
        head |= {"cut": self.cut, "reference": self.reference, "drawn": self.drawn, "small": SMALL}
        return {**head, "homophily": pairs, "measures": lines}

    def to_text(self, width: int = 110) -> str:
        """Tables for a terminal."""
        from axw.ladders.by_group_text import by_group_text

        return by_group_text(self, width)

    def __str__(self) -> str:
        return self.to_text()


def by_group(
    ladder: Ladder,
    group: Any,
    *,
    favourable: Any = None,
    cut: float | None = None,
    reference: Any = None,
    resamples: int = 1000,
    seed: int = 0,
) -> ByGroup:
    """Selection rate, error rates and calibration by group, of every rung, on the rows that it did not learn from.

    ladder      from `axw.ladder`, of classes
    group       (n,) one value for each row of the table that the ladder was given, in its order; missing ones are a group
    favourable  the class whose giving is to be selected; None = the last in order, as in scikit-learn
    cut         selected where its probability is at least this; None = where it is the likeliest
    reference   the group that the others are compared with; None = the largest
    resamples, seed  of the bootstrap, over groups of related rows where there are relations, else over rows

    Raises `UsageError` for a ladder of numbers, an unknown class or group, or more than 20 groups; `DataError` for another number
    of rows.
    """
    held = ladder.held_out
    if held is None or held.classes is None:
        what = "This ladder answers with numbers" if held is not None else "This ladder keeps no held-out answers"
        raise UsageError(
            f"{what}; allowed: one of classes, from axw.ladder.", "ladder", "Make two classes of the target first."
        )
    labels = group_labels(group, len(held.y))
    chosen = _class(held.classes, favourable)
    units, drawn = _units(held)
    names, counts = np.unique(labels, return_counts=True)
    groups = dict(zip(names.tolist(), counts.tolist(), strict=True))
    compared = _text(reference) or _largest(groups, [labels[at] for at in held.places.values()])
    lines = []
    for question in ladder.questions:
        at = held.places[question.name]
        weight = 1.0 / np.bincount(at, minlength=len(held.y))[at]
        draws = Draws(units[at], weight, resamples, seed)
        for rung, P in held.predictions[question.name].items():
            found = group_measures(
                held.y[at], P, labels[at], favourable=chosen, cut=cut, reference=compared, draws=draws
            )
            lines += [GroupLine(question.name, rung, each) for each in found]
    use = {question.name: ladder.choices[question.name].rung for question in ladder.questions}
    name = str(getattr(group, "name", None) or "group")
    return ByGroup(
        name, groups, str(held.classes[chosen]), cut, compared, drawn, tuple(lines), _homophily(held, labels), use
    )


def _largest(groups: dict[str, int], asked: list[np.ndarray]) -> str:
    """The largest group of those that every question asks about; of all where there is none."""
    everywhere = [name for name in groups if all((labels == name).any() for labels in asked)]
    return max(everywhere or groups, key=lambda name: groups[name])


def group_labels(group: Any, rows: int) -> np.ndarray:
    """The groups (n,) as text. Raises `DataError` for another number of rows, `UsageError` for more than 20 groups."""
    values = pd.Series(np.asarray(group) if isinstance(group, list | tuple) else group).reset_index(drop=True)
    if len(values) != rows:
        raise DataError(
            f"{len(values)} groups for {rows} rows.", "group", "Give one for each row of the ladder's table."
        )
    texts = values.astype(object).map(lambda value: MISSING if pd.isna(value) else str(value))
    count = texts.nunique()
    if count > MOST_GROUPS:
        todo = "Make ranges of the numbers, such as pandas.cut(age, [0, 30, 60, 120]), or put rare groups together."
        raise UsageError(
            f"{count} groups; allowed: at most {MOST_GROUPS}.", f"group {values.name or ''}".rstrip(), todo
        )
    return np.asarray(texts.to_numpy(dtype=str))


def _class(classes: np.ndarray, favourable: Any) -> int:
    if favourable is None:
        return len(classes) - 1
    places = [c for c, label in enumerate(classes.tolist()) if label == favourable or str(label) == str(favourable)]
    if not places:
        raise UsageError(
            f"There is no class {favourable!r}.", "favourable", did_you_mean(str(favourable), map(str, classes))
        )
    return places[0]


def _units(held: HeldOut) -> tuple[np.ndarray, str]:
    """What is drawn together (n,): related rows have like answers. Where they are nearly all related, each row for itself."""
    alone = np.arange(len(held.y))
    if held.who is None:
        return alone, "rows"
    units = components(held.relations, held.who)
    if np.bincount(units).max() > LARGEST * len(units):
        return alone, "rows"
    return units, "groups of related rows"


def _homophily(held: HeldOut, labels: np.ndarray) -> tuple[Homophily, ...]:
    if held.who is None:
        return ()
    known = pd.Series(labels, dtype=object).where(labels != MISSING, None)
    return tuple(Homophily(r.name, likeness(r.given(held.who, held.who), known)) for r in held.relations)


def _flat(line: GroupLine) -> dict[str, Any]:
    found = line.found
    flat: dict[str, Any] = {
        "question": line.question,
        "rung": line.rung,
        "group": found.group,
        "measure": found.measure,
    }
    flat |= {"rows": found.rows, "small": found.small}
    for name, estimate in (("", found.value), ("difference", found.difference), ("ratio", found.ratio)):
        flat |= dict(zip(_columns(name), (float(number) for number in estimate), strict=True))
    return flat


def _columns(name: str) -> Sequence[str]:
    return (name, f"{name}_low", f"{name}_high") if name else ("value", "low", "high")


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def interval(estimate: Estimate, signed: bool = False) -> str:
    """`0.34 [0.30, 0.38]`."""
    if not math.isfinite(estimate.value):
        return "-"
    form = "+.2f" if signed else ".2f"
    if not math.isfinite(estimate.low):
        return f"{estimate.value:{form}}"
    return f"{estimate.value:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"
