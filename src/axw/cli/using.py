"""`axw predict`, `axw explain` and `axw evaluate`: what a saved model is used for."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axw.cli.evaluating import is_text
from axw.cli.options import Json, examples
from axw.cli.output import result, result_json, say, to_json, writable_file
from axw.cli.report_place import NoReport, Place, ReportFile, checked, none_of_stdin, stem, usual
from axw.errors import DataError, GateError, UsageError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from axw.cli.tables import Table

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="The folder that `axw fit` saved.")]
Rows = Annotated[Path, typer.Argument(metavar="FILE", help="The rows; - or nothing is stdin.")]
Out = Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead of to stdout.", metavar="FILE")]

PREDICT = examples(
    "axw predict family.axw test.csv",
    "axw predict family.axw test.csv -o predictions.csv",
    "axw predict family.axw --json < test.csv",
)
EXPLAIN = examples(
    "axw explain family.axw test.csv --row 1305",
    "axw explain family.axw test.csv --row 1305 --format html -o why.html",
    "axw explain family.axw test.csv --row 1305 --json",
    'axw explain words.run --text "I like to [MASK] in the winter." --format svg -o why.svg',
    'axw explain words.run --text "I like to [MASK] in the winter." --unit pieces',
    "axw explain family.axw test.csv --row 1305 --reasons 4 --adverse no --applicant-view",
)
EVALUATE = examples(
    "axw evaluate family.axw test.csv",
    "axw evaluate family.axw test.csv --report family.html",
    "axw evaluate family.axw test.csv --json",
    "axw evaluate family.axw test.csv --fail-under accuracy=0.7 --fail-under log_loss=0.69",
)
HIGHER_IS_BETTER = (
    *("auroc", "accuracy", "r2", "word_accuracy", "BLEU", "chrF2", "BLEU4"),
    *("f1", "precision", "recall", "exact", "no_crossing", "tag_accuracy"),
)


class Format(StrEnum):
    """How an explanation is written."""

    txt = "txt"
    json = "json"
    html = "html"
    svg = "svg"


class Shown(StrEnum):
    """What a line is shown in."""

    words = "words"
    pieces = "pieces"


def predict(model: Model, file: Rows = Path("-"), json: Json = False, output: Out = None) -> None:
    """Predict: N rows in, N rows out, in their order.

    Out come the id of each row, the prediction, and for classes the probability of each, as CSV.
    """
    if output is not None:
        writable_file(output)
    from axw.models import load

    fitted = load(model)
    if getattr(fitted, "kind", None) == "sentences":
        from axw.cli.sentences import predicted

        _write(output, predicted(fitted, file, json))
        return
    table, frame = _rows(file, fitted)
    answers = fitted.predict(frame)
    for column, count in _unseen(fitted, frame).items():
        say(f"{count} of {len(frame)} rows have a {column} that the model did not learn from")
    classes = [str(value) for value in getattr(fitted, "classes_", [])]
    chances = fitted.predict_proba(frame) if classes else None
    name, ids = _ids(fitted, table)
    if json:
        rows = [{"id": each, "prediction": answer} for each, answer in zip(ids, _plain(answers), strict=True)]
        for row, chance in zip(rows, _plain(chances) if classes else [], strict=bool(classes)):
            row["probabilities"] = dict(zip(classes, chance, strict=True))
        _write(output, to_json({"schema": "axw.predict/1", "rows": rows}))
        return
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n")
    several = [str(each) for each in fitted.targets_] if getattr(answers, "ndim", 1) > 1 else ["prediction"]
    write.writerow([name, *several, *(f"P({each})" for each in classes)])
    for i, each in enumerate(ids):
        answer = _plain(answers[i]) if len(several) > 1 else [_plain(answers[i])]
        write.writerow([each, *answer, *(_plain(chances[i]) if chances is not None else [])])
    _write(output, text.getvalue())


def explain(  # noqa: PLR0913 (a command line has as many parameters as it has options)
    model: Model,
    file: Rows = Path("-"),
    row: Annotated[str, typer.Option("--row", help="The id of the row, or its number from 1.", metavar="ID")] = "1",
    text: Annotated[
        str | None, typer.Option("--text", help="For a model of text: the line that is asked about.", metavar="LINE")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="With --text: the translation, or the tree, that it is held against.")
    ] = None,
    unit: Annotated[
        Shown | None,
        typer.Option("--unit", help="With --text: words, or the pieces that the network reads. Default: words."),
    ] = None,
    format: Annotated[Format, typer.Option("--format", help="Text, JSON, a page, or the picture alone.")] = Format.txt,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    reasons: Annotated[
        int | None,
        typer.Option("--reasons", min=1, help="The N reasons that counted most for the adverse answer.", metavar="N"),
    ] = None,
    adverse: Annotated[
        str | None,
        typer.Option(
            "--adverse", help="With --reasons: the class nobody wants; of numbers high or low.", metavar="CLASS"
        ),
    ] = None,
    wording: Annotated[
        Path | None, typer.Option("--wording", help="With --reasons: JSON, {column or relation: text}.", metavar="FILE")
    ] = None,
    reference: Annotated[
        str, typer.Option("--reference", help="Compared with all rows learned from (training), or those granted.")
    ] = "training",
    applicant_view: Annotated[
        bool, typer.Option("--applicant-view", help="With --reasons: only what the person of the row may read.")
    ] = False,
    output: Out = None,
) -> None:
    """Explain one prediction: what each row that was read, and each column, added to it.

    The parts add up to the output exactly. With --reasons, what moved it most towards the adverse answer, in your words.
    Of a model of text: which words it read for its answer to --text, and what the answer loses without each.
    """
    from axw.cli.explaining import face, tell_text
    from axw.cli.reasons import Asked, tell

    asked = Asked(reasons, adverse, wording, reference, applicant_view)
    asked.check()
    _one_format(json, format)
    if output is not None:
        writable_file(output)
    fitted = _loaded(model)
    if is_text(fitted):
        asked.only_of_rows()
        _no_rows(file, row)
        shown = "words" if unit is None else unit.value
        _write(output, tell_text(fitted, text, target, shown, "json" if json else format.value))
        return
    if text is not None or target is not None or unit is not None:
        raise UsageError(
            "A model of a table has no --text, --target or --unit.",
            "axw explain",
            "Name a row: axw explain MODEL FILE --row ID",
        )
    table, frame = _rows(file, fitted)
    _, ids = _ids(fitted, table)
    places = [i for i, each in enumerate(ids) if str(each) == row]
    if not places:
        what = f"There is no row {row!r} in {table.name}; it has {len(ids)} rows."
        raise UsageError(what, "--row", f"Name one, such as {', '.join(str(each) for each in ids[:5])}.")
    if reasons is not None:
        if format in (Format.html, Format.svg):
            raise UsageError(
                "Reasons are written as text or JSON.",
                f"--format {format.value}",
                "Leave --format away, or say --json.",
            )
        _write(output, tell(fitted, frame.iloc[places], asked, json or format is Format.json))
        return
    told = fitted.explain(frame.iloc[places])
    value = told.to_json()
    if json or format is Format.json:
        _write(output, to_json(value))
    elif format is Format.txt:
        _write(output, told.to_text())
    elif format is Format.svg:
        from axw.show.rows import RowsDisplay

        _write(output, face(RowsDisplay.from_estimator(fitted, frame.iloc[places]), "svg"))
    else:
        from axw.show.explanation import explanation_page

        _write(output, explanation_page(value, f"Why this prediction for row {row}"))


def _one_format(json: bool, format: Format) -> None:
    if json and format in (Format.html, Format.svg):
        raise UsageError(f"--json is said beside --format {format.value}; allowed: one of the two.", "axw explain")


def _no_rows(file: Path, row: str) -> None:
    if str(file) != "-" or row != "1":
        raise UsageError("A model of text has no FILE and no --row.", "axw explain", "Ask about a line: --text LINE")


def evaluate(  # noqa: PLR0913 (a command line has as many parameters as it has options)
    context: typer.Context,
    model: Model,
    file: Rows = Path("-"),
    reference: Annotated[
        Path | None, typer.Argument(metavar="REFERENCE", help="For a translator: what the lines of FILE mean.")
    ] = None,
    json: Json = False,
    buckets: Annotated[
        bool, typer.Option("--buckets", help="For a translator: BLEU by the length of the source, too.")
    ] = False,
    report: ReportFile = None,
    no_report: NoReport = False,
    fail_under: Annotated[
        list[str] | None,
        typer.Option("--fail-under", help="Exit with 7 where a measure is worse, repeatable.", metavar="MEASURE=VALUE"),
    ] = None,
) -> None:
    """Measure a model on rows, lines or pairs whose answers are known and that it did not learn from.

    The folder of the model gets report-FILE.html, with examples, slices and baselines, and its JSON.
    """
    from axw.cli import evaluating, reports
    from axw.cli.again import typed_again
    from axw.cli.training import refuse_stdin
    from axw.models import load
    from axw.models.tables.answers import target_columns

    gates = [_gate(text) for text in fail_under or []]
    place = checked(report, no_report)
    if report is not None:
        refuse_stdin("A report reads its data twice", file)
    fitted = load(model)
    if is_text(fitted):
        found = evaluating.text_measures(fitted, file, reference, buckets)
        _told(found.measures, found.lines, json, {"schema": "axw.evaluate/1", **found.facts})
        place = place or _beside(model, file)
        if place.page is not None:
            with place.attempt():
                reports.of_text_evaluation(fitted, file, reference, found.measures, place, typed_again(context))
        _hold(gates, found.measures)
        return
    if buckets:
        raise UsageError("Only a translator has buckets of source lengths.", "--buckets", "Leave it away.")
    if reference is not None:
        raise UsageError("A model of a table has no REFERENCE: the answers are a column of FILE.", str(reference))
    table, frame = _rows(file, fitted)
    targets = target_columns(fitted)
    known = _answered(table, targets)
    measures = evaluating.table_measures(fitted, known, targets)
    facts = {"schema": "axw.evaluate/1", "rows": len(known), "data": table.facts()}
    _told(measures, [f"{len(known)} rows"], json, facts)
    place = place or _beside(model, file)
    if place.page is not None:
        with place.attempt():
            reports.of_table_evaluation(fitted, table, known, targets, measures, place, typed_again(context))
    _hold(gates, measures)


def _answered(table: Table, targets: Sequence[str]) -> pd.DataFrame:
    """The rows whose answers are known; how many are not is said. `DataError` where there is no such column, or no such row."""
    for target in targets:
        if target not in table.frame.columns:
            todo = "Give a table that holds the answers, or use axw predict."
            raise DataError(f"{table.name} has no column {target!r}, which the model predicts.", table.name, todo)
    frame = table.frame
    known = frame[frame[targets].notna().all(axis=1)]
    if known.empty:
        what = f"No row of {table.name} has {' and '.join(targets)}."
        raise DataError(what, table.name, "Give rows whose answers are known, or use axw predict.")
    if len(known) < len(frame):
        say(f"{len(frame) - len(known)} of {len(frame)} rows have no {' or '.join(targets)} and were left out")
    return known


def _beside(model: Path, file: Path) -> Place:
    """The usual place of a report: in the model's folder, called after the data."""
    return none_of_stdin() if str(file) == "-" else usual(model, f"report-{stem(file)}")


def _told(measures: dict[str, float], lines: Sequence[str], json: bool, facts: dict[str, Any]) -> None:
    if json:
        result_json({**facts, "measures": measures})
    else:
        width = max(map(len, measures))
        result("\n".join([*(f"{key:<{width}}  {value:.4f}" for key, value in measures.items()), *lines]))


def _gate(text: str) -> tuple[str, float]:
    measure, equals, value = text.partition("=")
    try:
        return measure.strip(), float(value)
    except ValueError:
        what = (
            f"A gate cannot be read: {value!r} is not a number." if equals else "A gate cannot be read: no '=' in it."
        )
        raise UsageError(what, f"--fail-under {text}", "Write MEASURE=VALUE, such as auroc=0.8") from None


def _hold(gates: Sequence[tuple[str, float]], measures: dict[str, float]) -> None:
    missed = []
    for measure, limit in gates:
        if measure not in measures:
            raise UsageError(f"There is no measure {measure!r}.", "--fail-under", did_you_mean(measure, measures))
        higher = measure.rpartition(" ")[2] in HIGHER_IS_BETTER  # of several targets: "fare r2"
        if not (measures[measure] >= limit if higher else measures[measure] <= limit):
            missed.append(f"{measure} is {measures[measure]:.4f}, {'below' if higher else 'above'} {limit:g}")
    if missed:
        raise GateError(f"The model does not meet the gate: {'; '.join(missed)}.", "--fail-under", "")


def _loaded(model: Path) -> Any:
    from axw.models import load

    return load(model)


def _rows(file: Path, fitted: Any) -> tuple[Table, pd.DataFrame]:
    """The table, in the types that the model learned from."""
    from axw.cli import tables

    table = tables.read(file, tables.text_columns(fitted))
    return table, table.frame


def _unseen(fitted: Any, frame: pd.DataFrame) -> dict[str, int]:
    """Column: how many rows have a level that has no column of its own."""
    reader = getattr(fitted, "_reader", None)
    return {} if reader is None else dict(reader.columns.unseen(frame))


def _ids(fitted: Any, table: Table) -> tuple[str, list[Any]]:
    """What the rows are called: by the model's id column, else by their number from 1."""
    if fitted.id is None:
        return "row", list(range(1, len(table.frame) + 1))
    if fitted.id not in table.frame.columns:
        what = f"{table.name} has no column {fitted.id!r}, by which the model knows the rows."
        raise DataError(what, table.name, "Add the column.")
    from axw.data.values import value_text

    names = _plain(table.frame[fitted.id])
    return str(fitted.id), [value_text(name) if isinstance(name, date) else name for name in names]


def _plain(values: Any) -> Any:
    return values.tolist() if hasattr(values, "tolist") else values


def _write(output: Path | None, text: str) -> None:
    if output is None or str(output) == "-":
        result(text)
        return
    from axw.storage import write_text

    write_text(output, text)
