"""How the report of a ladder is drawn: the verdict first, then what it rests on, then how to get the same again.

The page is drawn from the plain value `axw.report/1` (see `axw.show.report`) and from nothing else, so every number on the
page is in the JSON beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from axw.show.charts import Step, bar_chart, ladder_chart
from axw.show.escaping import name
from axw.show.numbers import compact, decimals, plus, probability, seconds
from axw.show.page import (
    Twin,
    bullets,
    code,
    facts,
    fold,
    head,
    page,
    paragraph,
    picture,
    section,
    table,
    versions_text,
)
from axw.show.report_groups import groups_section
from axw.show.samples_page import looked_part

LEGEND = (
    "Numbers in the chart are those of the table. Orange is the rung to use; lines join a rung with what it extends."
)
PAYS = {True: "yes", False: "no", None: ""}


def report_page(report: Mapping[str, Any]) -> str:
    """The page of a report, at most a megabyte: the verdict first, then what it rests on."""
    parts = [
        _head(report),
        *(_question(question) for question in report["questions"]),
        groups_section(report.get("by_group"), {q["name"]: q["question"] for q in report["questions"] if "name" in q}),
        section("Relations", "".join(_relation(relation) for relation in report["relations"])),
        section("Looked at in the data", _findings(report["findings"])),
        section("The same again", _reproduce(report["reproduce"])),
        section("Notes", bullets(report["notes"])),
        "<footer>" + paragraph(f"axw {report['reproduce']['versions'].get('axw', '')}", "small soft") + "</footer>",
    ]
    return page(str(report["title"]), "".join(parts))


def _head(report: Mapping[str, Any]) -> str:
    counts = [finding["severity"] for finding in report["findings"]]
    looked = ", ".join(f"{_plural(counts.count(kind), kind)}" for kind in ("error", "warning") if kind in counts)
    box = "".join(paragraph(line) for line in report["verdict"])
    if looked:
        box += paragraph(f"Found in the data: {looked}; see below.", "small warning")
    return head(report["title"], box)


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _question(question: Mapping[str, Any]) -> str:
    rungs, chosen = question["rungs"], question["chosen"]
    place = next((i for i, rung in enumerate(rungs) if rung["name"] == chosen), None)
    said = paragraph(question["verdict"]) if question["verdict"] else ""
    measure = f"{question['measure']}, {question['better']} is better"
    numbers = {rung["name"]: rung["number"] for rung in rungs}
    steps = [
        Step(
            number=rung["number"],
            name=rung["name"],
            cost=_nan(rung["seconds"]),
            value=_nan(rung["value"]),
            low=_nan(rung["low"]),
            high=_nan(rung["high"]),
            chosen=i == place,
            below=numbers.get(rung["below"]),
        )
        for i, rung in enumerate(rungs)
    ]
    finding = f"{question['question']}: {question['verdict'] or 'quality against cost'}"
    chart = ladder_chart(steps, measure=measure, cost="seconds to fit", title=finding)
    others = _others(rungs)
    said += _rung_table(question, place)
    said += f'<div class="scroll picture">{chart.to_text()}</div>\n'
    said += paragraph(LEGEND, "small soft")
    said += fold("The chart as a table", _chart_table(rungs)) + (fold("Other measures", others) if others else "")
    said += looked_part(question.get("looked"), 3)
    return section(question["question"], said)


def _rung_table(question: Mapping[str, Any], chosen: int | None) -> str:
    headings = ["", "rung", question["measure"], "95 % interval", "difference to the rung below", "p", "pays?", "reads"]
    rows = []
    for rung in question["rungs"]:
        change = ""
        if rung["difference"] is not None:
            ends = [plus(rung[key], rung["value"]) for key in ("difference", "difference_low", "difference_high")]
            change = f"{ends[0]} [{ends[1]}, {ends[2]}]"
        interval = f"[{decimals(rung['low'])}, {decimals(rung['high'])}]" if rung["low"] is not None else ""
        quality = (decimals(rung["value"]), interval, change, probability(rung["p"]), PAYS[rung["pays"]])
        rows.append((rung["number"], rung["name"], *quality, rung["reads"]))
    said: dict[str, list[str]] = {}
    for rung in question["rungs"]:
        if rung["note"]:
            said.setdefault(rung["note"], []).append(str(rung["number"]))
    notes = [f"{', '.join(numbers)}: {note}" for note, numbers in said.items()] + [question["explained"]]
    small = "".join(paragraph(note, "small soft") for note in notes)
    return table(headings, rows, words=("rung", "reads"), chosen=chosen) + small


def _chart_table(rungs: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (r["number"], r["name"], seconds(r["seconds"]), decimals(r["value"]), decimals(r["low"]), decimals(r["high"]))
        for r in rungs
    ]
    return table(["", "rung", "seconds", "value", "low", "high"], rows, words=("rung",))


def _others(rungs: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(measure for rung in rungs for measure in rung["measures"]))
    rows = [(r["number"], r["name"], *(decimals(r["measures"].get(measure)) for measure in names)) for r in rungs]
    return table(["", "rung", *names], rows, words=("rung",)) if names else ""


def _relation(relation: Mapping[str, Any]) -> str:
    shown = {key: value if isinstance(value, str) else compact(value) for key, value in relation["facts"].items()}
    said = f"<h3>{name(relation['name'])}</h3>\n{facts(shown)}"
    bars = [(f"reads {bar['read']}", float(bar["rows"])) for bar in relation["degrees"]]
    if bars:
        chart = bar_chart(bars, title=f"How many rows each row reads by {relation['name']}", unit="rows")
        twin = Twin(
            ["rows read", "rows that read so many"], [(bar["read"], bar["rows"]) for bar in relation["degrees"]]
        )
        said += picture(chart, twin)
    return said


def _findings(findings: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for finding in findings:
        tag = f'<span class="tag {_severity(finding["severity"])}">{name(finding["severity"])}</span>'
        todo = f"<br>{name(finding['todo'], 1000)}" if finding["todo"] else ""
        place = f"<strong>{name(finding['where'])}</strong> " if finding["where"] else ""
        lines.append(f"<li>{tag} {place}{name(finding['what'], 1000)}{todo}</li>\n")
    return f"<ul>\n{''.join(lines)}</ul>\n" if lines else ""


def _severity(word: str) -> str:
    return word if word in ("error", "warning", "note") else "note"


def _reproduce(reproduce: Mapping[str, Any]) -> str:
    shown = {"seed": reproduce["seed"]}
    if reproduce["seconds"] is not None:
        shown["took"] = f"{seconds(reproduce['seconds'])} seconds"
    shown["versions"] = versions_text(reproduce["versions"])
    said = code(reproduce["command"]) + facts(shown)
    for file in reproduce["data"]:
        said += facts(
            {
                "data": file["path"],
                "size": f"{file['rows']} rows, {file['columns']} columns, {file['bytes']} bytes",
                "SHA-256": file["sha256"],
            }
        )
    return said


def _nan(value: float | None) -> float:
    return math.nan if value is None else float(value)
