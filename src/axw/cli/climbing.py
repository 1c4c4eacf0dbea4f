"""What `axw ladder table` and `axw demo` share: fit the ladder, print it, write the report."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from axw.cli.output import Progress, result, result_json
from axw.cli.report_place import Place
from axw.errors import UsageError, did_you_mean
from axw.version import __version__

if TYPE_CHECKING:
    import pandas as pd

    from axw.cli.tables import Parts, Table
    from axw.data import Finding
    from axw.ladders import ByGroup, Ladder
    from axw.relations import Relation


class Climb(NamedTuple):
    """How a ladder is fitted, as the command line says it. `task` None is told from the target, `names` None are all rungs.

    `group` and `favourable` say by which groups the rungs are measured, and the giving of which answer; None = by none.
    """

    folds: int
    repeats: int
    seed: int
    jobs: int
    task: str | None = None
    names: Sequence[str] | None = None
    group: pd.Series | None = None
    favourable: str | None = None


class Shown(NamedTuple):
    """What is done with the result: printed as text or as JSON, and written as a page where there is a place for it."""

    json: bool
    place: Place
    title: str
    command: str


def climb(
    table: Table,
    parts: Parts,
    identity: str | None,
    relations: Sequence[Relation],
    findings: Sequence[Finding],
    how: Climb,
    shown: Shown,
) -> None:
    """Fit every rung, say which one pays, write the report."""
    from axw.cli.tables import task_of
    from axw.ladders import KnownNeighbours, NewGroups, ladder
    from axw.ladders.rungs import table_rungs

    task = task_of(parts.y, how.task)
    _can_be_grouped(parts, task, how)
    every = table_rungs(task, relations, how.seed, identity)
    names = None if how.names is None else named(how.names, [rung.name for rung in every])
    rungs = table_rungs(task, relations, how.seed, identity, names)
    cv: list[Any] = [KnownNeighbours(how.folds, how.repeats, how.seed)]
    if relations:
        cv.append(NewGroups(how.folds, relations, how.repeats, how.seed, identity))
    began = time.monotonic()
    with Progress() as progress:
        found = ladder(
            parts.X,
            parts.y,
            relations=relations,
            cv=cv,
            rungs=rungs,
            seed=how.seed,
            jobs=how.jobs,
            progress=progress,
            id=identity,
        )
    took = time.monotonic() - began
    related = [describe(relation, parts, identity) for relation in relations]
    grouped = _grouped(found, how)
    width = max(60, min(140, shutil.get_terminal_size((110, 24)).columns))
    if shown.json:
        by_group = {} if grouped is None else {"by_group": grouped.to_json()}
        told = {**found.to_json(), "relations": [each.json for each in related], "file": table.facts()}
        result_json(told | by_group)
    else:
        groups = [] if grouped is None else [grouped.to_text(width).rstrip("\n")]
        result("\n\n".join([found.to_text(width).rstrip("\n"), *(each.text for each in related), *groups]))
    if shown.place.page is not None:
        from axw.show.report import Reproduce, ladder_report

        reproduce = Reproduce(shown.command, how.seed, took, versions(), [table.facts()])
        with shown.place.attempt():
            page, value = ladder_report(
                found,
                reproduce,
                title=shown.title,
                findings=findings,
                relations=[each.report for each in related],
                by_group=grouped,
                X=parts.X,
            )
            shown.place.write(page, value)


def _can_be_grouped(parts: Parts, task: str, how: Climb) -> None:
    """`UsageError` before anything is fitted where the rungs cannot be measured by group."""
    from axw.ladders.by_group import group_labels

    if how.group is None:
        return
    if task != "classification":
        what = "The rungs answer with numbers; by group they are measured where they answer with classes."
        raise UsageError(what, "--group", "Leave --group away, or say --task classification.")
    group_labels(how.group, len(parts.y))
    classes = {str(each) for each in parts.y.unique()}
    if how.favourable is not None and how.favourable not in classes:
        raise UsageError(
            f"There is no class {how.favourable!r}.", "--favourable", did_you_mean(how.favourable, classes)
        )


def _grouped(found: Ladder, how: Climb) -> ByGroup | None:
    from axw.ladders.by_group import by_group

    return None if how.group is None else by_group(found, how.group, favourable=how.favourable, seed=how.seed)


class Related(NamedTuple):
    """One relation over the whole table: for a terminal, for JSON, and for the report."""

    text: str
    json: dict[str, Any]
    report: dict[str, Any]


def describe(relation: Relation, parts: Parts, identity: str | None) -> Related:
    """What the relation is like among the rows: how many each reads, and whether they are alike."""
    from axw.ladders.groups import rows_of
    from axw.relations import summary
    from axw.show.report import degree_bars

    rows = rows_of(parts.X, [relation], identity)
    found = summary(relation, rows, parts.y)
    facts: dict[str, Any] = {
        "rows": found.rows,
        "rows that read nobody": found.isolated,
        "pairs": found.pairs,
        "rows read, mean": found.degree_mean,
        "rows read, median": found.degree_median,
        "rows read, most": found.degree_max,
    }
    if found.target is not None:
        kind = "pairs with the same answer" if found.target.kind == "classes" else "correlation within pairs"
        facts |= {f"{kind}, share" if found.target.kind == "classes" else kind: found.target.observed}
        facts |= {"the same by chance": found.target.chance}
    counted = {key: value for key, value in found.keys._asdict().items() if isinstance(value, int)}
    facts |= {f"keys: {key}": value for key, value in counted.items() if value and key != "keys"}
    degrees = degree_bars(relation.given(rows, rows).count().tolist())
    return Related(found.to_text(), found.to_dict(), {"name": relation.name, "facts": facts, "degrees": degrees})


def versions() -> dict[str, str]:
    """What was computed with."""
    from importlib.metadata import version

    libraries = ("torch", "numpy", "scipy", "scikit-learn", "pandas")
    return {"axw": __version__, "Python": platform.python_version()} | {name: version(name) for name in libraries}


def named(wanted: Sequence[str], every: Sequence[str]) -> list[str]:
    """Names of rungs from what the command line says: names, or numbers of the printed ladder such as "2,4,9"."""
    names: list[str] = []
    for text in wanted:
        parts = [text] if text in every else [part.strip() for part in text.split(",")]
        for part in parts if all(part in every or part.isdecimal() for part in parts) else [text]:
            if part.isdecimal() and not 1 <= int(part) <= len(every):
                raise UsageError(
                    f"There is no rung {part}; this ladder has rungs 1 to {len(every)}.",
                    "--rungs",
                    "See axw ladder table.",
                )
            names.append(every[int(part) - 1] if part.isdecimal() else part)
    return names
