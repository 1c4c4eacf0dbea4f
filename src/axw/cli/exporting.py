"""`axw export` and `axw import`: the same network for other programs, and theirs for ours."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axw.cli.exporting_tables import export_table
from axw.cli.options import Json, examples
from axw.cli.output import result, result_json, say, writable_folder
from axw.errors import ModelError, UsageError

if TYPE_CHECKING:
    from axw.export.questions import Questions, Subject

EXPORT = examples(
    "axw export words.run --to huggingface --save words.hf",
    "axw export de-en.run --to ctranslate2 --save de-en.ct2",
    "axw export de-en.run --to onnx --save de-en.onnx --lines valid.de --beam 2",
    "axw export de-en.run --to safetensors --save de-en.weights",
    "axw export family.axw --to scorecard --save family.card --rows test.csv",
    "axw export family.axw --to sql --save family.sql --rows test.csv",
)
IMPORT = examples(
    "axw import bert.folder --save bert.axw",
    "axw import marian.folder --save en-de.axw",
    "axw import bert.folder --save again.axw --json",
)
_MOST = 1000  # validation lines of a run that are asked


class To(StrEnum):
    """The programs that an export is for."""

    huggingface = "huggingface"
    ctranslate2 = "ctranslate2"
    onnx = "onnx"
    safetensors = "safetensors"
    scorecard = "scorecard"
    sql = "sql"


def export(  # noqa: PLR0913 (a command line has as many parameters as it has options)
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run that has ended, or a saved model.")],
    to: Annotated[To | None, typer.Option("--to", help="The program that it is for.")] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="The new folder that will hold the export.", metavar="FOLDER")
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Weights of 8 bits: smaller and faster; for ctranslate2 and onnx.")
    ] = False,
    lines: Annotated[
        Path | None,
        typer.Option("--lines", help="What both are asked in the proof. Default: the run's validation lines."),
    ] = None,
    references: Annotated[
        Path | None, typer.Option("--references", help="The right translation of each of --lines, for --int8.")
    ] = None,
    beam: Annotated[int, typer.Option("--beam", min=2, max=100, help="Hypotheses that the proof follows.")] = 5,
    check: Annotated[
        Path | None,
        typer.Option("--check", help="Instead: prove an export again that is there.", metavar="FOLDER"),
    ] = None,
    rows: Annotated[
        Path | None,
        typer.Option("--rows", help="For a table model: the rows that both are asked in the proof.", metavar="FILE"),
    ] = None,
    json: Json = False,
) -> None:
    """Write a model for another program, and prove that it says the same there.

    The export is loaded by that program and asked the validation lines, or --rows of a table. Whatever it says otherwise is an
    error that names the line, and then nothing is left behind. Needs pip install 'axw[export]', but for safetensors, scorecard
    and sql; sql needs 'axw[sql]'.

    Text goes to huggingface, ctranslate2, onnx and safetensors. Tables: linear and graph rungs to scorecard (CSV of feature,
    weight, points) and sql (one SELECT for DuckDB), attention rungs to onnx.
    """
    _together(to, save, check, int8)
    if save is not None:
        _new_folder(save)
    from axw.export.exporting import export as write
    from axw.export.exporting import prove_again
    from axw.export.questions import subject
    from axw.models import load

    model = load(run)
    if hasattr(model, "memory_"):
        export_table(model, run, to, save, rows, json)
        return
    if rows is not None:
        raise UsageError("--rows is for table models, and this is one of text.", "--rows", "Give --lines FILE.")
    given = subject(model)
    asked = _questions(given, run, lines, references)
    say(f"lines asked in the proof: {len(asked.sources):,}")
    if check is not None:
        proof = prove_again(model, check, asked, beam=beam)
        text = f"{check} says what {run} says: {proof}"
    else:
        proof = write(model, str(to), save, asked, int8=int8, beam=beam)  # type: ignore[arg-type]
        text = f"exported {save}: {proof}"
    if json:
        result_json(proof.to_json())
    else:
        result(text)


def import_folder(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A BERT or a Marian as Hugging Face's library saves it.")
    ],
    save: Annotated[Path, typer.Option("--save", help="The new folder that will hold the model.", metavar="FOLDER")],
    json: Json = False,
) -> None:
    """Bring in a BERT (masked words) or a Marian (translator) of Hugging Face's library, from a folder on this machine.

    What was imported is a model like any other: axw fill, axw translate, axw explain; axw fit --from goes on with it. Where that
    library is installed, it is asked made-up lines, and the model is saved only if it says the same. Nothing is downloaded.
    """
    _new_folder(save)
    from axw.export.imported.importing import import_model

    found = import_model(folder)
    found.model.save(save)
    asked = "transformers is not installed, so nothing was compared with it"
    if found.difference is not None:
        asked = f"its log p are those of transformers within {found.difference:.1e}"
    if json:
        result_json({"schema": "axw.import/1", "kind": found.model.kind, "difference": found.difference})
    else:
        result(f"imported {save}: {type(found.model).__name__}; {asked}")


def _new_folder(save: Path) -> None:
    """Say now, and not after the proof, that nothing can be written here."""
    if save.is_symlink() or save.exists():
        raise UsageError(f"{save} is there already.", str(save), "Name another folder, or move this one away.")
    writable_folder(save)


def _together(to: To | None, save: Path | None, check: Path | None, int8: bool) -> None:
    """Options that mean nothing without each other."""
    todo = "Write: axw export RUN --to TARGET --save FOLDER, or axw export RUN --check FOLDER"
    if check is not None and (to is not None or save is not None or int8):
        raise UsageError("--check is given beside --to, --save or --int8.", "--check", todo)
    if check is None and (to is None or save is None):
        missing = " and ".join(name for name, value in (("--to", to), ("--save", save)) if value is None)
        raise UsageError(f"{missing} is missing.", "axw export", todo)


def _questions(given: Subject, run: Path, lines: Path | None, references: Path | None) -> Questions:
    from axw.data import read_lines
    from axw.export.questions import questions

    if lines is None and references is not None:
        raise UsageError("--references is given without --lines.", "--references", "Add --lines FILE.")
    if lines is not None:
        right = None if references is None else list(read_lines(str(references)))
        return questions(given, list(read_lines(str(lines))), right)
    asked, right = _of_run(given, run)
    return questions(given, asked[:_MOST], None if right is None else right[:_MOST])


def _of_run(given: Subject, run: Path) -> tuple[list[str], list[str] | None]:
    """The lines that the training was watched on, and their translations. `UsageError` where they are not known."""
    from axw.data import read_lines
    from axw.models.text_model import kind_of_run
    from axw.models.translation.data import translation_data
    from axw.models.words.masked_words import words_data

    todo = "Give lines like those that it was trained on: --lines FILE"
    if not (run / "run.json").is_file():
        raise UsageError("A saved model does not say what it was validated on, and a run does.", f"In {run}.", todo)
    kind, _, files = kind_of_run(run)
    gone = [path for path in files.values() if not Path(path).exists()]
    if gone:
        raise UsageError(f"The run was validated on lines of {gone[0]}, which is not there.", f"In {run}.", todo)
    read: dict[str, Any] = {name: list(read_lines(path)) for name, path in files.items() if name != "from"}
    if kind == "translation":
        valid = (read["valid_source"], read["valid_target"]) if "valid_source" in read else None
        pairs = translation_data(read["source"], read["target"], valid).valid
        return list(pairs.source), list(pairs.target)
    if kind != "words":
        raise ModelError(f"A run of kind {kind!r} has no lines to ask.", f"In {run}.", todo)
    return words_data(read["train"], read.get("valid")).valid, None
