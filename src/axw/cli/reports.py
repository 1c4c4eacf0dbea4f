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
) -> None:
    """FOLDER/report.html of a model of a table that was fitted now, on its training rows, each held out in turn.

    Y   (n targets)
    """
    from axw.show.evaluation import CAUTION, IN_TURN, evaluation_report, targets_report
    from axw.show.table_samples import held_out_answers, of_table

    known, answers = held_out_answers(model)
    if not known.any():
        say("no row was held out, so there is no report")
        return
    asked, truth = X[known], Y[known]
    title, source, notes = f"{save.name}: rows held out in turn", _source(model, table, command), (IN_TURN, CAUTION)
    if Y.shape[1] > 1:
        found = _of_targets(model, asked, truth, answers)
        page, value = targets_report(found, source, title=title, findings=told(findings), notes=notes)
    else:
        y = truth.iloc[:, 0].to_numpy()
        page, value = evaluation_report(
            of_table(model, asked, y, answers),
            model_measures(model, y, answers),
            source,
            title=title,
            findings=told(findings),
            notes=notes,
            unit="row",
        )
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
    """The report of a model of a table on rows whose answers are known."""
    from axw.data import check
    from axw.show.evaluation import evaluation_report, targets_report
    from axw.show.table_samples import of_table

    X = known.drop(columns=list(targets))
    findings = list(dict.fromkeys(each for target in targets for each in check(known, target)))
    title, source = f"{', '.join(targets)} in {Path(table.name).name}", _source(model, table, command)
    if len(targets) > 1:
        found = _of_targets(model, X, known[list(targets)], model.predict(X))
        page, value = targets_report(found, source, title=title, findings=told(findings))
    else:
        samples = of_table(model, X, known[targets[0]].to_numpy())
        page, value = evaluation_report(samples, measures, source, title=title, findings=told(findings), unit="row")
    place.write(page, value)


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
