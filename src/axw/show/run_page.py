"""How the report of a training run is drawn: from the plain value `axw.run_report/1` and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from axw.show.any_model import display
from axw.show.escaping import name
from axw.show.page import bullets, code, facts, fold, page, paragraph, section, table
from axw.show.report_page import compact, decimals


def run_page(report: Mapping[str, Any]) -> str:
    """The page of a report: the verdict first, then what it rests on, then how to get the same again."""
    unit = report.get("unit", "line")
    box = "".join(paragraph(line) for line in report["verdict"])
    parts = [
        f'<h1>{name(report["title"])}</h1>\n<div class="verdict" role="note">\n{box}</div>\n',
        section("Measures", _measures(report)),
        section("How it learned", "" if report["curves"] is None else display(report["curves"]).markup()),
        section("Examples", _examples(report["examples"], unit)),
        section("One of them, looked at", _picture(report["picture"])),
        section(f"By kind of {unit}", _slices(report["slices"], unit)),
        section("Is its confidence right?", _picture(report["calibration"])),
        section("Met in the data", bullets(report["findings"])),
        section("The same again", _reproduce(report["reproduce"])),
        section("Notes", bullets(report["notes"])),
        "<footer>" + paragraph(f"axw {report['reproduce']['versions'].get('axw', '')}", "small soft") + "</footer>",
    ]
    return page(str(report["title"]), "".join(parts))


def _measures(report: Mapping[str, Any]) -> str:
    rows = [(key.replace("_", " "), decimals(value)) for key, value in report["measures"].items()]
    said = table(["held-out measure", "value"], rows, words=("held-out measure",)) if rows else ""
    against = [(b["name"], b["measure"], decimals(b["value"]), decimals(b["model"])) for b in report["baselines"]]
    if against:
        said += table(
            ["compared with", "measure", "it has", "the model has"], against, words=("compared with", "measure")
        )
    return said


def _examples(examples: Sequence[Mapping[str, Any]], unit: str) -> str:
    said = ""
    for kind in dict.fromkeys(example["kind"] for example in examples):
        mine = [example for example in examples if example["kind"] == kind]
        rows = [(e["source"], e["reference"], e["answer"], decimals(e["value"])) for e in mine]
        headings = [unit, "should be", "answer", mine[0]["measure"]]
        said += f"<h3>{name(kind)}</h3>\n{table(headings, rows, words=headings[:3])}"
    return said


def _picture(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return ""
    shown = display(value)
    return paragraph(shown.title()) + shown.markup()


def _slices(slices: Sequence[Mapping[str, Any]], unit: str) -> str:
    if not slices:
        return ""
    rows = [
        (
            f"{compact(s['from'])} to {compact(s['to'])}" if s["from"] != s["to"] else compact(s["from"]),
            s["lines"],
            f"{decimals(s['value'])} [{decimals(s['low'])}, {decimals(s['high'])}]" + ("*" if s["small"] else ""),
        )
        for s in slices
    ]
    small = f"In brackets: 95 % intervals by bootstrap over the {unit}s. * fewer than 20 {unit}s."
    return table([slices[0]["slice"], f"{unit}s", slices[0]["measure"]], rows) + paragraph(small, "small soft")


def _reproduce(reproduce: Mapping[str, Any]) -> str:
    shown: dict[str, object] = {f"data, {key}": compact(value) for key, value in reproduce["data"].items()}
    shown |= {f"file, {key}": value for key, value in reproduce["files"].items()}
    shown |= {"SHA-256 of the data": reproduce["sha256"]} if reproduce["sha256"] else {}
    shown |= {f"training, {key}": compact(value) for key, value in reproduce["training"].items()}
    shown |= {key: reproduce[key] for key in ("seed", "threads") if reproduce[key] is not None}
    shown["versions"] = ", ".join(f"{key} {value}" for key, value in reproduce["versions"].items())
    settings = json.dumps(reproduce["settings"], indent=1, sort_keys=True, ensure_ascii=False)
    lines = code(reproduce["command"]) if reproduce["command"] else ""
    return lines + facts(shown) + fold("Settings", _lines(settings))


def _lines(text: str) -> str:
    """Code of several lines: each is escaped by itself, so that the line breaks stay."""
    return "<pre><code>" + "\n".join(name(line, 400) for line in text.split("\n")) + "</code></pre>\n"
