"""`axw ladder words`: train every rung on a text, and say which one pays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from axw.cli.options import Json, examples, listed
from axw.cli.output import Progress, result, result_json
from axw.cli.report_place import NoReport, Place, ReportFile, checked, stem, usual
from axw.cli.training import Budget, Minutes, RunSeed, Set, Steps, Threads, settings_of
from axw.errors import UsageError

if TYPE_CHECKING:
    from axw.ladders.words_result import WordsLadder
    from axw.learning import TrainSettings

EPILOG = examples(
    "axw ladder words corpus.txt --valid valid.txt --steps 5 --set network.d_model=32 --set vocabulary=400",
    "axw ladder words corpus.txt --valid valid.txt --steps 5 --set network.d_model=32 --set vocabulary=400 "
    "--rung unigram,A=I --rung '+ heads' --json",
    "axw ladder words corpus.txt --valid valid.txt --steps 5 --set network.d_model=32 --set vocabulary=400 "
    "--rung unigram --rung 'A X W' --seeds 2 --report words.html",
)


def ladder_words(  # noqa: PLR0913 (a command line has as many parameters as it has options)
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="TRAIN", help="The text, one sentence a line.")],
    valid: Annotated[
        Path, typer.Option("--valid", help="Lines whose hidden words every rung is asked for.", metavar="FILE")
    ],
    steps: Steps = None,
    minutes: Minutes = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How often each rung is trained.")] = 1,
    rung: Annotated[
        list[str] | None, typer.Option("--rung", help="Only these rungs, by name; repeatable.", metavar="RUNGS")
    ] = None,
    seed: RunSeed = None,
    threads: Threads = None,
    json: Json = False,
    report: ReportFile = None,
    no_report: NoReport = False,
    change: Set = None,
) -> None:
    """Train the whole ladder on a text, the simplest rung first, and say which rung pays.

    From counting words over fixed neighbours and attention to every feed-forward kind, at equal numbers of weights: the same
    steps, the same batches, the same hidden words. The budget is that of one rung and seed. The report is TRAIN-ladder.html in
    the folder that one is in.
    """
    from axw.cli.words import read_told
    from axw.ladders.words import ladder_settings, words_ladder, words_rungs
    from axw.learning.allocator import ready_to_train

    if "-" in (str(file), str(valid)):
        raise UsageError("The ladder needs two texts, and stdin is one.", "-", "Name two files.")
    settings = settings_of(ladder_settings(), change, Budget(steps, None, minutes, None, seed, threads))
    names = None if rung is None else named(rung, [each.name.strip() for each in words_rungs(settings.network)])
    place = checked(report, no_report) or usual(Path(), f"{stem(file)}-ladder")
    ready_to_train()
    findings: list[str] = []
    with Progress() as progress:
        found = words_ladder(
            read_told(str(file), findings),
            read_told(str(valid), findings),
            settings=settings,
            seeds=seeds,
            rungs=names,
            progress=progress,
        )
    if json:
        result_json(found.to_json())
    else:
        result(found.to_text())
    if place.page is not None:
        with place.attempt():
            _write_report(found, place, valid, _command(context, settings.train), findings)


def _command(context: typer.Context, train: TrainSettings) -> str:
    """What was typed, with the budget, the seed and the threads that it left to be chosen."""
    import torch

    from axw.cli.again import typed_again

    chosen = {name: getattr(train, name) for name in ("steps", "minutes", "seed")}
    return typed_again(context, **chosen, threads=train.threads or torch.get_num_threads())


def _write_report(found: WordsLadder, place: Place, valid: Path, command: str, findings: list[str]) -> None:
    from axw.cli.climbing import versions
    from axw.show.ladder_samples import of_words_ladder
    from axw.show.text_ladder import About
    from axw.show.words_ladder import words_page

    title = f"Hidden words of {valid.name}: which rung pays"
    about = About(title, command, findings, of_words_ladder(found), versions())
    place.write(words_page(found, about), about.value(found))


def named(texts: list[str], offered: list[str]) -> list[str]:
    """The names in `--rung`: one name a time, or several with commas where no rung is called so; blanks do not count."""
    places = {_key(name): name for name in offered}
    found = []
    for text in texts:
        parts = [text] if _key(text) in places else listed([text])
        found += [places.get(_key(part), part) for part in parts]
    return found


def _key(name: str) -> str:
    return "".join(name.split())
