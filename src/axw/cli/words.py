"""`axw fit words` and `axw fill`: a model that guesses hidden words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axw.cli.options import Json, examples
from axw.cli.output import result, result_json, say, writable_folder
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
    prepare,
    say_where,
    settings_of,
    told,
)
from axw.errors import UsageError

if TYPE_CHECKING:
    from axw.models.text_model import Place

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

    The pieces of words are learned from the text first. Ctrl-C saves; axw resume goes on.
    """
    from axw.learning import to_dict
    from axw.models.text_model import Place
    from axw.models.words_settings import WordsSettings

    if str(file) == "-" or str(valid) == "-":
        raise UsageError("A run reads its text again when it is resumed, so stdin will not do.", "-", "Name a file.")
    budget = Budget(steps, tokens, minutes, checkpoint_every, seed, threads, on_nan)
    settings = settings_of(WordsSettings(), change, budget)
    writable_folder(save, overwrite=False)
    files = {"train": str(file.absolute())}
    files |= {"valid": str(valid.absolute())} if valid is not None else {}
    prepare()
    text = learn(to_dict(settings), files, Place(save, files=files, hooks=[told()]))
    result(text)
    say_where(save, [f'axw fill {save} "... [MASK] ..."', f"axw evaluate {save} FILE"])


def learn(settings: Mapping[str, Any], files: Mapping[str, str], place: Place) -> str:
    """Train in a run folder, newly begun or resumed; the line that says what came of it."""
    from axw.data import read_lines
    from axw.learning import from_dict
    from axw.models.words import MaskedLanguageModel
    from axw.models.words_settings import WordsSettings

    found = {}
    for name, path in files.items():
        stream = read_lines(path)
        found[name] = list(stream)
        say(stream.report.to_text())
    model = MaskedLanguageModel(from_dict(WordsSettings, settings)).fit(found["train"], found.get("valid"), place)
    measures = "  ".join(f"{name} {value:.4f}" for name, value in model.facts["validation"].items())
    return (
        f"saved {place.folder}: {model.facts['training']['steps']} steps, {model.facts['training']['took']}  {measures}"
    )


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
    from axw.models.words import MaskedLanguageModel

    loaded = MaskedLanguageModel.load(model)
    if line != "-":
        lines = [line]
    else:
        lines = list(read_lines("-"))
    for number, text in enumerate(lines):
        filled = loaded.fill(text, top=top, order=order.value)
        if filled.cut:
            say(f"line {number + 1}: {filled.cut} pieces far from the masks were not read")
        if json:
            result_json(filled.to_json())
        else:
            result(filled.to_text())
