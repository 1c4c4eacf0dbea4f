"""The reports that `axw fit table` and `axw evaluate` write: one page, and beside it the JSON with every number of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axw.cli.output import say
from axw.cli.report_place import Place

if TYPE_CHECKING:
    import pandas as pd

    from axw.cli.tables import Table
    from axw.data import Finding
    from axw.show.evaluation import OfTarget


def of_fit(  # noqa: PLR0913 (what a fit knows)
    model: Any,
    table: Table,
    X: pd.DataFrame,
    Y: pd.DataFrame,
    save: Path,
    command: str,
    findings: Sequence[Finding] = (),
    clear: bool = True,
) -> None:
    """FOLDER/report.html of a model of a table that was fitted now, on its training rows, each held out in turn.

    Y   (n targets);  clear: whether rows may be shown in it
    """
    from axw.show.evaluation import CAUTION, IN_TURN, OfTarget
    from axw.show.table_samples import held_out_answers, of_table

    known, answers = held_out_answers(model)
    if not known.any():
        say("no row was held out, so there is no report")
        return
    asked, truth = X[known], Y[known]
    if Y.shape[1] > 1:
        found = _of_targets(model, asked, truth, answers)
    else:
        y = truth.iloc[:, 0].to_numpy()
        found = {str(Y.columns[0]): OfTarget(of_table(model, asked, y, answers), model_measures(model, y, answers))}
    title, source = f"{save.name}: rows held out in turn", _source(model, table, command)
    page, value = _of_rows(found, source, title, findings, clear, (IN_TURN, CAUTION))
    Place(save / "report.html", asked=True).write(page, value)


def of_table_evaluation(
    model: Any,
    table: Table,
    known: pd.DataFrame,
    targets: Sequence[str],
    measures: Mapping[str, float],
    place: Place,
    command: str,
) -> None:
    """The report of a model of a table on rows whose answers are known.

    A folder of a model that was saved without its rows in the clear gets none of these rows either, unless it was named.
    """
    from axw.data import check
    from axw.show.evaluation import CAUTION, ELSEWHERE, OfTarget
    from axw.show.table_samples import of_table

    X = known.drop(columns=list(targets))
    findings = list(dict.fromkeys(each for target in targets for each in check(known, target)))
    title, source = f"{', '.join(targets)} in {Path(table.name).name}", _source(model, table, command)
    if len(targets) > 1:
        found = _of_targets(model, X, known[list(targets)], model.predict(X))
    else:
        found = {targets[0]: OfTarget(of_table(model, X, known[targets[0]].to_numpy()), measures)}
    hashed, empty = model._reader.hashing is not None, not len(model.memory_.rows.ids)
    place.write(*_of_rows(found, source, title, findings, place.asked or not (hashed or empty), (ELSEWHERE, CAUTION)))


def _of_rows(
    targets: Mapping[str, OfTarget],
    source: Any,
    title: str,
    findings: Sequence[Finding],
    clear: bool,
    notes: Sequence[str],
) -> tuple[str, dict[str, Any]]:
    """Page and value of one target or of several; clear: whether rows may be shown."""
    from axw.show.evaluation import evaluation_report, targets_report
    from axw.show.table_samples import WITHOUT_ROWS, without_rows

    if not clear:
        targets = {name: found._replace(samples=without_rows(found.samples)) for name, found in targets.items()}
    missing, said = [] if clear else [WITHOUT_ROWS], told(findings)
    if len(targets) > 1:
        return targets_report(targets, source, title=title, findings=said, not_computed=missing, notes=notes)
    (only,) = targets.values()
    return evaluation_report(
        only.samples, only.measures, source, title=title, findings=said, unit="row", not_computed=missing, notes=notes
    )


def _of_targets(model: Any, X: pd.DataFrame, Y: pd.DataFrame, answers: Any) -> dict[str, OfTarget]:
    """Samples and measures of each target; answers (n targets)."""
    from axw.show.evaluation import OfTarget
    from axw.show.table_samples import of_targets

    truth = Y.to_numpy(dtype=float)
    found = of_targets(model, X, truth, answers)
    return {
        target: OfTarget(samples, model_measures(model, truth[:, k], answers[:, k]))
        for k, (target, samples) in enumerate(found.items())
    }


def of_text_evaluation(
    model: Any, file: Path, reference: Path | None, measures: Mapping[str, float], place: Place, command: str
) -> None:
    """The report of a model of text on lines, pairs or trees."""
    from axw.cli.climbing import versions
    from axw.data import TreeFile
    from axw.learning import to_dict
    from axw.show.evaluation import HeldOut, Source, evaluation_report, samples_of

    findings: list[str] = []
    if model.kind == "trees":
        trees = TreeFile(file)
        held = HeldOut([tree.to_string() for tree in trees])
        findings.append(f"{len(trees):,} trees; {trees.report.to_text()}")
    else:
        lines = _lines(file, findings)
        held = HeldOut(lines, None if reference is None else _lines(reference, findings))
    data = {"file": str(file), **({} if reference is None else {"reference": str(reference)}), "lines": len(held.lines)}
    source = Source(command, versions(), data, to_dict(model.settings))
    page, value = evaluation_report(
        samples_of(model, held), measures, source, title=f"{model.kind}: {file.name}", findings=findings
    )
    place.write(page, value)


def told(findings: Sequence[Finding]) -> list[str]:
    return [f"{found.severity}: {found.what} ({found.where}) {found.todo}" for found in findings]


def _lines(path: Path, findings: list[str]) -> list[str]:
    """The lines of a file; what was met in it is kept in `findings`."""
    from axw.data import read_lines

    stream = read_lines(str(path))
    lines = list(stream)
    findings.append(stream.report.to_text())
    return lines


def model_measures(model: Any, truth: Any, answers: Any) -> dict[str, float]:
    """The measures of `model.evaluate`, of answers that are there."""
    import numpy as np

    from axw.measures import calibration_error, classification_metrics, regression_metrics

    if not hasattr(model, "classes_"):
        return dict(regression_metrics(np.asarray(truth, dtype=float), answers))
    codes = np.searchsorted(model.classes_, truth)
    return {**classification_metrics(codes, answers), "calibration_error": calibration_error(codes, answers)}


def _source(model: Any, table: Table, command: str) -> Any:
    from axw.cli.climbing import versions
    from axw.show.evaluation import Source

    settings = {key: _plain(value) for key, value in model.get_params(deep=False).items()}
    return Source(command, versions(), table.facts(), settings, model.random_state)


def _plain(value: Any) -> Any:
    """A setting as JSON holds it; a relation by its name."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int | float | bool) else getattr(value, "name", str(value))
