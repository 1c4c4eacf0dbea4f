"""`axw ladder translation`: Luong's translators step by step, then the Transformer, under one budget; and which step pays."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axw.cli.options import Json, examples, listed
from axw.cli.output import Progress, result, result_json, say
from axw.cli.training import Set, Threads, refuse_stdin, told
from axw.errors import DataError

if TYPE_CHECKING:
    from axw.ladders.translation import Gold
    from axw.ladders.translation_result import TranslationLadder

EPILOG = examples(
    "axw ladder translation train.de train.en --valid valid.de valid.en --out rungs --steps 2 --rungs base,6,14",
    "axw ladder translation train.de train.en --valid valid.de valid.en --out rungs --steps 2 --rungs 6,14 --json",
    "axw ladder translation train.de train.en --valid valid.de valid.en --out seeds --steps 2 --rungs 1 --seeds 2",
)
Two = tuple[Path, Path]


def translation(  # noqa: PLR0913 (a command line has as many parameters as it has options)
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The text, one sentence a line.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Its translation, line for line.")],
    valid: Annotated[Two, typer.Option("--valid", help="Pairs that training is watched on.", metavar="S T")],
    out: Annotated[
        Path, typer.Option("--out", help="A run of each rung and seed; a second call goes on there.", metavar="FOLDER")
    ],
    test: Annotated[
        Two | None, typer.Option("--test", help="Pairs that are measured. Default: those of --valid.", metavar="S T")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Budget of each rung: updates.")] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", min=0.01, help="Budget of each rung: time.")] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of each rung, with seeds 0, 1, ...")] = 1,
    alignment: Annotated[
        Path | None,
        typer.Option(
            "--alignment", help="Hand-made links: test.X, test.Y and X-Y.wa, X and Y languages.", metavar="FOLDER"
        ),
    ] = None,
    rungs: Annotated[
        list[str] | None,
        typer.Option("--rungs", help="Only these: names or numbers from 1, with commas; repeatable.", metavar="RUNGS"),
    ] = None,
    threads: Threads = None,
    change: Set = None,
    json: Json = False,
) -> None:
    """Train every rung under one budget, and say which one pays.

    Base LSTM, + reverse, + dropout, + attention with each score, + input feeding, + local windows (Luong et al. 2015, Tables 1
    and 4), Transformer, Transformer with SwiGLU. Each is compared with the rung below on the same sentences, in BLEU. FOLDER gets
    a report.html.
    """
    from dataclasses import replace

    import torch

    from axw.cli.again import typed_again
    from axw.cli.climbing import versions
    from axw.cli.report_place import Place
    from axw.ladders.translation import Corpus, equal_budget, translation_ladder
    from axw.learning import with_settings
    from axw.learning.allocator import ready_to_train
    from axw.models.translation.settings import TranslationSettings
    from axw.show.again import beside
    from axw.show.text_ladder import About
    from axw.show.translation_ladder import translation_page, verdict

    settings = equal_budget(with_settings(TranslationSettings(), change or []), steps=steps, minutes=minutes)
    if threads is not None:
        settings = replace(settings, train=replace(settings.train, threads=threads))
    gold = None if alignment is None else read_gold(alignment, source, target)
    sides = {"": (source, target), "valid_": valid, "test_": test or valid}
    files = {
        f"{name}{end}": str(path.absolute())
        for name, pair in sides.items()
        for end, path in zip(("source", "target"), pair, strict=True)
    }
    findings: list[str] = []
    read = {pair: _lines(pair, findings) for pair in dict.fromkeys(sides.values())}
    corpus = Corpus(read[source, target], read[valid], read[test or valid], files)
    ready_to_train()
    with Progress() as progress:
        found = translation_ladder(
            corpus, out, settings, rungs=listed(rungs), seeds=seeds, gold=gold, hooks=[told()], progress=progress
        )
    if json:
        result_json(found.to_json())
    else:
        result(found.to_text())
    train = settings.train
    chosen = {"steps": train.steps, "minutes": train.minutes, "threads": train.threads or torch.get_num_threads()}
    command = typed_again(context, out=beside(out), **chosen)
    title = f"{source.name} to {target.name}: which rung pays"
    about = About(title, command, findings, _looked(found), versions())
    page, value = translation_page(found, about), {**about.value(found), "verdict": verdict(found)}
    Place(out / "report.html", asked=True).write(page, value)


def _looked(found: TranslationLadder) -> dict[str, Any] | None:
    """What the best rung made of the measured pairs, and the alignment of one of them by its run."""
    from axw.errors import AxwError
    from axw.models.loading import load
    from axw.show.ladder_samples import of_translation_ladder

    model = None
    if found.held_out is not None:
        try:
            model = load(found.held_out.run)
        except AxwError as error:  # the run may be gone, while its result is kept
            say(f"no alignment is drawn: {error.what}")
    return of_translation_ladder(found, model)


def read_gold(folder: Path, source: Path, target: Path) -> Gold:
    """The sentences and links of a folder, turned so that they lead from the source's language to the target's.

    A language is how the name of a file ends, .gz left out: train.tok.de.gz is de. `DataError` where there are no such files.
    """
    from axw.ladders.translation import Gold
    from axw.measures.alignment import Alignment, read_pairs

    languages = [re.sub(r"\.gz$", "", path.name).rpartition(".")[2] for path in (source, target)]
    for first, second in (languages, languages[::-1]):
        links = folder / f"{first}-{second}.wa"
        if not links.is_file():
            continue
        lines = {name: _text(folder / f"test.{name}") for name in languages}
        given = read_pairs(_text(links), str(links))
        if len({len(given), *map(len, lines.values())}) != 1:
            what = f"{links.name} has {len(given)} lines, " + ", ".join(f"test.{n} {len(t)}" for n, t in lines.items())
            raise DataError(f"{what}; allowed: as many of each.", str(folder), "Give the files that belong together.")
        if first != languages[0]:
            given = [Alignment(_turned(links.sure), _turned(links.possible)) for links in given]
        return Gold(lines[languages[0]], lines[languages[1]], given)
    raise DataError(
        f"There are no links between {languages[0]} and {languages[1]}.",
        str(folder),
        f"Name a folder with test.{languages[0]}, test.{languages[1]} and {languages[0]}-{languages[1]}.wa.",
    )


def _turned(links: frozenset[tuple[int, int]]) -> frozenset[tuple[int, int]]:
    return frozenset((j, i) for i, j in links)


def _text(path: Path) -> list[str]:
    from axw.data import read_lines

    return list(read_lines(str(path)))


def _lines(pair: Two, findings: list[str]) -> tuple[list[str], list[str]]:
    from axw.data import PairFile

    refuse_stdin("A ladder reads its text again when it goes on", *pair)
    with PairFile(*pair) as pairs:
        findings.append(pairs.report.to_text())
        say(findings[-1])
        found = list(pairs)
    return [each.source for each in found], [each.target for each in found]
