"""How the report of a training run is drawn: from the plain value `axw.run_report/1` and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from axw.show.any_model import display
from axw.show.charts import Part, contribution_chart, signed
from axw.show.escaping import name
from axw.show.faces import fit
from axw.show.numbers import compact, decimals
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
from axw.show.samples_page import examples_part, picture_part, slices_part

MOST_WEIGHTS = 12  # bars of one output
MOST_OUTPUTS = 6  # of a model of many classes, on the page
MOST_TARGETS = 12  # sections of the page


def run_page(report: Mapping[str, Any]) -> str:
    """The page of a report: the verdict first, then what it rests on, then how to get the same again."""
    unit = report.get("unit", "line")
    box = "".join(paragraph(line) for line in report["verdict"])
    several = report.get("targets")
    parts = [
        head(report["title"], box),
        _about(report, unit, 2) if several is None else _targets(several, unit),
        section("Weights", _weights(report.get("weights"))),
        section("Met in the data", bullets(report["findings"])),
        section("Not computed", bullets(report.get("not_computed", []))),
        section("The same again", _reproduce(report["reproduce"])),
        section("Notes", bullets(report["notes"])),
        "<footer>" + paragraph(f"axw {report['reproduce']['versions'].get('axw', '')}", "small soft") + "</footer>",
    ]
    return page(str(report["title"]), "".join(parts))


def _targets(targets: Sequence[Mapping[str, Any]], unit: str) -> str:
    shown = "".join(section(f"Target: {one['name']}", _about(one, unit, 3)) for one in targets[:MOST_TARGETS])
    if len(targets) > MOST_TARGETS:
        shown += paragraph(f"Shown are {MOST_TARGETS} of {len(targets)} targets; the JSON holds all.", "soft")
    return shown


def _about(report: Mapping[str, Any], unit: str, level: int) -> str:
    """What is said of one target, each part under a heading of that level."""
    curves = report.get("curves")
    parts = {
        "Measures": _measures(report),
        "How it learned": "" if curves is None else display(curves).markup(),
        "Examples": examples_part(report["examples"], unit, level + 1),
        "One of them, looked at": picture_part(report["picture"]),
        f"By kind of {unit}": slices_part(report["slices"], unit),
        "Is its confidence right?": picture_part(report["calibration"]),
    }
    return "".join(section(title, markup, level) for title, markup in parts.items())


def _measures(report: Mapping[str, Any]) -> str:
    rows = [(key.replace("_", " "), decimals(value)) for key, value in report["measures"].items()]
    said = table(["held-out measure", "value"], rows, words=("held-out measure",)) if rows else ""
    against = [(b["name"], b["measure"], decimals(b["value"]), decimals(b["model"])) for b in report["baselines"]]
    if against:
        said += table(
            ["compared with", "measure", "it has", "the model has"], against, words=("compared with", "measure")
        )
    return said


def _weights(weights: Mapping[str, Any] | None) -> str:
    """The greatest weights of each output as bars, and all of them as a table."""
    if weights is None or not weights["lines"]:
        return ""
    outputs = weights["outputs"][:MOST_OUTPUTS]
    said = paragraph(weights["unit"])
    for k, output in enumerate(outputs):
        ranked = sorted(weights["lines"], key=lambda line: -abs(line["weights"][k]))[:MOST_WEIGHTS]
        title = f"The greatest weights for {output}"
        chart = contribution_chart(
            [Part(fit(line["column"], 46), line["weights"][k]) for line in ranked], title=title, unit="weights"
        )
        twin = Twin(
            ["column", "weight"], [(line["column"], signed(line["weights"][k])) for line in ranked], ("column",)
        )
        said += picture(chart, twin)
    blocks = [
        (b["block"], b["columns"], *(decimals(size) for size in b["sizes"][:MOST_OUTPUTS])) for b in weights["blocks"]
    ]
    said += table(["block", "columns", *(f"size for {output}" for output in outputs)], blocks, words=("block",))
    said += paragraph("Size of a block: the square root of the sum of its squared weights.", "small soft")
    rows = [(line["block"], line["column"], *map(signed, line["weights"][:MOST_OUTPUTS])) for line in weights["lines"]]
    said += fold("All weights", table(["block", "column", *outputs], rows, words=("block", "column")))
    if len(weights["outputs"]) > MOST_OUTPUTS:
        said += paragraph(
            f"Shown are {MOST_OUTPUTS} of {len(weights['outputs'])} outputs; the JSON holds all.", "small soft"
        )
    return said


def _reproduce(reproduce: Mapping[str, Any]) -> str:
    shown: dict[str, object] = {f"data, {key}": compact(value) for key, value in reproduce["data"].items()}
    shown |= {f"file, {key}": value for key, value in reproduce["files"].items()}
    shown |= {"SHA-256 of the data": reproduce["sha256"]} if reproduce["sha256"] else {}
    shown |= {f"training, {key}": compact(value) for key, value in reproduce["training"].items()}
    shown |= {key: reproduce[key] for key in ("seed", "threads") if reproduce[key] is not None}
    shown["versions"] = versions_text(reproduce["versions"])
    settings = json.dumps(reproduce["settings"], indent=1, sort_keys=True, ensure_ascii=False)
    lines = code(reproduce["command"]) if reproduce["command"] else ""
    return lines + facts(shown) + fold("Settings", _lines(settings))


def _lines(text: str) -> str:
    """Code of several lines: each is escaped by itself, so that the line breaks stay."""
    return "<pre><code>" + "\n".join(name(line, 400) for line in text.split("\n")) + "</code></pre>\n"
