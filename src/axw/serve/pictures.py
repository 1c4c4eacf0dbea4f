"""The pictures of an answer: drawn by the same room that draws those of a notebook and of a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from axw.errors import AxwError
from axw.models.leave_one_out import TOKEN
from axw.models.units import Unit
from axw.serve.limits import CELLS
from axw.serve.refusals import Refusal
from axw.serve.table_answers import RowItem
from axw.serve.table_form import TableForm
from axw.serve.text_answers import LineItem, LookKey, tree_of
from axw.show import AttentionDisplay, ClassesDisplay, MaskedWordDisplay, RowsDisplay, explain
from axw.show.faces import CAUTION, Display, Drawing

Explain = Callable[[LookKey, Sequence[Any]], Sequence[Any]]
Draw = Callable[[Any, Unit], list[Display]]


def with_pictures(answers: Explain, draw: Draw) -> Explain:
    """The same answers, and where the key says so the pictures of each: what stands in `pictures` is asked of `draw`."""

    def explained(key: LookKey, items: Sequence[Any]) -> list[Any]:
        found = list(answers(key, items))
        if key.pictures:
            for i, item in enumerate(items):
                if not isinstance(found[i], Refusal):
                    found[i] = {**found[i], "pictures": _told(draw, item, key.unit)}
        return found

    return explained


def draws(model: Any, form: TableForm | None) -> Draw:
    """What draws a question of this model: why, and for text all its heads."""

    def row(item: RowItem, _: Unit) -> list[Display]:
        assert form is not None
        values, name = form.row(item.row, item.name)
        value = RowsDisplay.from_estimator(model, form.frame([values], [name])).to_json()
        if name is None:
            value["rows"][0]["id"] = "asked about"
        return [RowsDisplay.from_predictions(value)]

    def line(item: LineItem, unit: Unit) -> list[Display]:
        masked = model.kind != "words" or any(TOKEN in word for word in item.line.split())
        target = item.target if model.kind == "translation" else None
        if model.kind == "trees":
            target = tree_of(model, item).to_string()
        shown = [explain(model, item.line, target, unit=unit)] if masked else []
        if model.kind in ("words", "translation"):
            heads = AttentionDisplay.from_estimator(model, item.line, target, unit=unit)
            if sum(len(layer.rows) * len(layer.columns) for layer in heads.heads()) <= CELLS:
                shown.append(heads)
        return shown

    return line if form is None else row


def _told(draw: Draw, item: Any, unit: Unit) -> dict[str, Any] | None:
    """{"title", "notes", "drawings", "heads"}, the last two lists of {"title", "svg", "folded", "headings", "rows"}; None where
    there is nothing to draw. `heads`: all of them small, then one after the other large."""
    try:
        shown = draw(item, unit)
    except AxwError:  # a line that has an answer, and nothing that could be left out of it
        return None
    if not shown:
        return None
    heads = [each for display in shown if isinstance(display, AttentionDisplay) for each in display.drawings()]
    others = [each for display in shown if not isinstance(display, AttentionDisplay) for each in _beyond(display)]
    notes = [note for display in shown for note in display.notes()]
    return {
        "title": "" if isinstance(shown[0], AttentionDisplay) else shown[0].title(),
        "notes": [note for i, each in enumerate(notes) if (note := _once(each, notes[:i]))],
        "drawings": [_drawing(each) for each in others],
        "heads": [_drawing(each) for each in heads],
    }


def _once(note: str, before: Sequence[str]) -> str:
    """The note, without the caution that it begins with where another began with it already."""
    return note.removeprefix(CAUTION).strip() if any(each.startswith(CAUTION) for each in before) else note


def _beyond(display: Display) -> list[Drawing]:
    """Without the bars that the answer itself has."""
    drawings = display.drawings()
    if isinstance(display, MaskedWordDisplay | ClassesDisplay):
        return [each for each in drawings if each.svg.description != "Bars: probability."]
    return drawings


def _drawing(drawing: Drawing) -> dict[str, Any]:
    twin = drawing.twin
    return {
        "title": drawing.svg.title,
        "svg": drawing.svg.to_text(),
        "folded": drawing.folded,
        "headings": list(twin.headings) if twin else [],
        "rows": [[str(cell) for cell in row] for row in twin.rows] if twin else [],
    }
