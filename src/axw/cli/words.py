"""`axw fit words` and `axw fill`: a model that guesses hidden words, and a classifier of lines that goes on from one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axw.cli.options import Json, examples
from axw.cli.output import result, result_json, say
from axw.cli.training import (
    Budget,
    CheckpointEvery,
    Minutes,
    OnNanOption,
    RunFolder,
    RunSeed,
    Set,
    Steps,
    Threads,
    Tokens,
    finish,
    prepare,
    refuse_stdin,
    saved_line,
    settings_of,
    told,
    write_report,
)
from axw.errors import DataError, UsageError

if TYPE_CHECKING:
    from axw.models.text_model import Place
    from axw.models.words.masked_words import MaskedLanguageModel

FIT = examples(
    "axw fit words corpus.txt --save words.run",
    "axw fit words corpus.txt --valid valid.txt --save longer.run --minutes 40 --checkpoint-every 100",
    "axw fit words corpus.txt --save spans.run --set masks=spans --set ratio=0.3 --seed 3 --threads 2",
)
FILL = examples(
    'axw fill words.run "I like to [MASK] in the winter."',
    'axw fill words.run --top 3 --json "I like to [MASK] in the [MASK]."',
    'axw fill words.run --order left-to-right "I like to [MASK] in the [MASK]."',
)


class Task(StrEnum):
    """What is learned: to guess hidden words one by one, or to write what stood in gaps of any length."""

    words = "words"
    fill_spans = "fill-spans"


class Order(StrEnum):
    """How several [MASK] in one line are filled."""

    together = "together"
    left_to_right = "left-to-right"


def fit_words(  # noqa: PLR0913 (a command line has as many parameters as it has options)
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The text, one sentence a line.")],
    save: RunFolder,
    valid: Annotated[
        Path | None,
        typer.Option("--valid", help="Lines to watch the training on. Default: some of FILE.", metavar="FILE"),
    ] = None,
    task: Annotated[
        Task | None, typer.Option("--task", help="Guess hidden words, or write what stood in gaps. Default: words.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="A label for each line of FILE: learn to classify lines.", metavar="FILE"),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from", help="The model to go on from: to learn more words, or with --labels to classify.", metavar="RUN"
        ),
    ] = None,
    valid_labels: Annotated[
        Path | None,
        typer.Option("--valid-labels", help="With --labels: a label for each line of --valid.", metavar="FILE"),
    ] = None,
    steps: Steps = None,
    tokens: Tokens = None,
    minutes: Minutes = None,
    checkpoint_every: CheckpointEvery = None,
    seed: RunSeed = None,
    threads: Threads = None,
    on_nan: OnNanOption = None,
    change: Set = None,
) -> None:
    """Train a model that guesses hidden words, on your own text.

    The pieces of words are learned from the text first. Ctrl-C saves; axw resume goes on. With --from, a model that was trained
    or imported learns more; with --labels too, it learns to say to which class a line belongs.
    """
    budget = Budget(steps, tokens, minutes, checkpoint_every, seed, threads, on_nan)
    changes = [*([f"task={task.value}"] if task is not None else []), *(change or [])]
    paths = {"train": file, "valid": valid, "labels": labels, "valid_labels": valid_labels, "from": start}
    refuse_stdin("A run reads its text again when it is resumed", *paths.values())
    files = {name: str(path.absolute()) for name, path in paths.items() if path is not None}
    _together(paths)
    if labels is not None:
        from axw.cli.sentences import fit_sentences

        fit_sentences(save, files, changes, budget)
        return
    from axw.learning import to_dict
    from axw.models.text_model import Place
    from axw.models.words.settings import WordsSettings

    settings = settings_of(WordsSettings() if start is None else _started(str(start)).settings, changes, budget)
    prepare(save)
    text = learn(to_dict(settings), files, Place(save, files=files, hooks=[told()]))
    finish(text, save, [f'axw fill {save} "... [MASK] ..."', f"axw evaluate {save} FILE"])


def _together(paths: Mapping[str, Path | None]) -> None:
    """Options that mean nothing without each other."""
    given = {name for name, path in paths.items() if path is not None}
    if "labels" in given and "from" not in given:
        todo = "Train one first: axw fit words FILE --save RUN; then add --from RUN --labels LABELS."
        raise UsageError("--labels is given without --from.", "In axw fit words.", todo)
    if "valid_labels" in given and not {"labels", "valid"} <= given or {"labels", "valid"} <= given < {*paths}:
        raise UsageError(
            "--valid and --valid-labels are given one without the other.",
            "In axw fit words --labels.",
            "Give both, or neither: then every 10th line is held out.",
        )


def learn(settings: Mapping[str, Any], files: Mapping[str, str], place: Place) -> str:
    """Train in a run folder, newly begun or resumed; the line that says what came of it."""
    from axw.data import LineFile
    from axw.learning import from_dict
    from axw.models.words.masked_words import MaskedLanguageModel, words_data
    from axw.models.words.settings import WordsSettings
    from axw.show.evaluation import HeldOut

    place = replace(place, start=_started(files["from"]) if "from" in files else None)
    with LineFile(files["train"]) as lines:
        findings = [lines.report.to_text()]
        say(findings[0])
        valid = read_told(files["valid"], findings) if "valid" in files else None
        model = MaskedLanguageModel(from_dict(WordsSettings, settings)).fit(lines, valid, place)
        held = list(words_data(lines, valid).valid)
    write_report(model, place, findings, HeldOut(held))
    return saved_line(place, model.facts)


def _started(path: str) -> MaskedLanguageModel:
    """The model that is gone on from."""
    from axw.models.words.masked_words import MaskedLanguageModel

    return MaskedLanguageModel.load(path)


def read_told(path: str, findings: list[str] | None = None) -> list[str]:
    """The lines of a file; what was met in it is said on stderr, and kept in `findings`."""
    from axw.data import read_lines

    stream = read_lines(path)
    lines = list(stream)
    say(stream.report.to_text())
    if findings is not None:
        findings.append(stream.report.to_text())
    return lines


def fill(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="The run that `axw fit words` made, or its model folder.")
    ],
    line: Annotated[
        str, typer.Argument(metavar="LINE", help="A line with [MASK] in it; - or nothing: each line of stdin.")
    ] = "-",
    top: Annotated[int, typer.Option("--top", min=1, max=1000, help="Words for each [MASK].")] = 5,
    order: Annotated[
        Order, typer.Option("--order", help="Several [MASK]: each on its own, or from left to right.")
    ] = Order.together,
    json: Json = False,
) -> None:
    """Guess the words behind [MASK]: the best ones, their probabilities, and what each guess attended to."""
    from axw.data import read_lines
    from axw.models.words.masked_words import MaskedLanguageModel

    filler = MaskedLanguageModel.load(model).filler()
    lines = [line] if line != "-" else read_lines("-")
    for number, text in enumerate(lines, 1):
        try:
            filled = filler.fill(text, top=top, order=order.value)
        except DataError as error:
            where = error.where if line != "-" else f"Line {number} of stdin: {error.where}"
            raise DataError(error.what, where, error.todo) from error
        for note in filled.notes:
            say(f"note, line {number}: {note}" if line == "-" else f"note: {note}")
        if json:
            result_json(filled.to_json())
        else:
            result(filled.answer())
