"""`axw translate`: one line out for each line in, on all cores, and gone on with where it was stopped."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axw.cli.aligning import read_dictionary
from axw.cli.options import Json, examples
from axw.cli.output import Progress, result, say, to_json, writable_file
from axw.errors import DataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from axw.models.translation.many import Job, Part
    from axw.storage.kept import KeptText

TRANSLATE = examples(
    "axw translate de-en.run < valid.de",
    "axw translate de-en.run valid.de --beam 1 --set search.no_repeat_ngram=3",
    "axw translate de-en.run valid.de --out valid.out.en --precision int8",
    "axw translate de-en.run valid.de --beam 2 --nbest 2 --json",
)
ENGINES = ("auto", "torch", "ctranslate2")


def translate(  # noqa: PLR0913 (a command line has as many parameters as it has options)
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="The run that `axw fit translation` made, or its model.")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The lines; - or nothing is stdin.")] = Path("-"),
    beam: Annotated[int | None, typer.Option("--beam", help="Hypotheses followed at once; 1 is greedy.")] = None,
    nbest: Annotated[int | None, typer.Option("--nbest", help="Translations of each line, with --json.")] = None,
    alpha: Annotated[
        float | None, typer.Option("--alpha", help="Exponent of the length penalty: more, and longer lines are said.")
    ] = None,
    others: Annotated[
        list[Path] | None,
        typer.Option("--with", help="Translate with the mean of several models, repeatable.", metavar="MODEL"),
    ] = None,
    dictionary: Annotated[
        Path | None,
        typer.Option("--dictionary", help="What axw align --dictionary wrote: words for unknown ones.", metavar="FILE"),
    ] = None,
    prefix: Annotated[
        Path | None,
        typer.Option(
            "--prefix", help="What each translation begins with: a line for each line, or empty.", metavar="FILE"
        ),
    ] = None,
    direction: Annotated[
        str, typer.Option("--direction", help="forward, or backward for a model that learned both_directions.")
    ] = "forward",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write here and not to stdout; stopped, the same command goes on from there."
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option("--engine", metavar="NAME", help="auto (the fastest with the same answers), torch, ctranslate2."),
    ] = "auto",
    precision: Annotated[
        str,
        typer.Option("--precision", metavar="NAME", help="fp32, or bf16 or int8: faster, not quite the same answers."),
    ] = "fp32",
    processes: Annotated[
        int | None, typer.Option("--processes", metavar="N", help="Of one thread each. Default: one a core.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting of the search, repeatable.", metavar="NAME=VALUE"),
    ] = None,
    json: Json = False,
) -> None:
    """Translate: one line out for each line in, in order.

    A line that is longer than the model has learned from is translated in parts. A model of whole words writes the source word
    where it does not know a word, or what --dictionary says for it. With --out, what is done stays done: stopped, killed or out
    of disk, the same command goes on behind the last lines that were written.
    """
    from axw.data import read_lines

    if out is not None:
        writable_file(out)
    if str(out) == "-":
        raise UsageError("--out - is stdout.", "--out", "Leave --out away to write to stdout, or name a file.")
    job, translator = _job(
        model, others or [], {"beam": beam, "nbest": nbest, "alpha": alpha}, change or [], precision, engine
    )
    job = job._replace(
        dictionary=None if dictionary is None else read_dictionary(dictionary),
        prefix=None if prefix is None else tuple(read_lines(str(prefix))),
        direction=direction,  # type: ignore[arg-type]  # the translator says what is allowed
    )
    with ExitStack() as stack:
        kept = None if out is None else stack.enter_context(_kept(out, job, json, engine))
        lines: Iterator[str] = iter(read_lines(str(file)))
        first = 0 if kept is None else _done_before(kept, lines, str(file))
        if engine == "auto":
            job, translator, lines = _fastest(job, translator, lines, processes, json)
        bar = stack.enter_context(Progress()) if _on_terminal(out) else None
        for part in _parts(job, translator, lines, processes, first):
            text = "".join(_lines(part, first, json))
            first += len(part.lines)
            if kept is None:
                result(text)
            else:
                kept.add(text.encode("utf-8", "backslashreplace"), _note(part.lines))
            if bar is not None:
                bar(first, None, "lines")
        if job.prefix is not None and len(job.prefix) > first:
            raise DataError(
                f"There are {len(job.prefix)} prefixes for {first} lines.",
                str(prefix),
                "Give one for each line, or an empty line.",
            )
        if kept is not None:
            kept.finish()
            result(f"{first} lines in {out}")


def _job(
    model: Path, others: list[Path], given: dict[str, Any], change: list[str], precision: str, engine: str
) -> tuple[Job, Any]:
    """What is to be done, and the translator that does it here; all that can be wrong with it is said now."""
    from dataclasses import replace

    from axw.learning import with_settings
    from axw.models.translation.many import Job, load
    from axw.models.translation.translator import Translator
    from axw.networks.products import PRECISIONS

    for name, value, allowed in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value not in allowed:
            raise UsageError(f"--{name} is {value!r}.", f"--{name}", did_you_mean(value, allowed))
    base: Any = Translator.load(model)
    settings = replace(
        with_settings(base.settings.search, [text.removeprefix("search.") for text in change]),
        **{name: value for name, value in given.items() if value is not None},
    )
    if given["alpha"] is not None and settings.length_penalty not in ("gnmt", "power"):
        raise UsageError(
            f"--alpha is given, and the length penalty is {settings.length_penalty!r}, which has no exponent.",
            "--alpha",
            "Leave it out, or give --set length_penalty=power (or gnmt) too.",
        )
    job = Job((model, *others), settings, precision, load=_loader(engine))  # type: ignore[arg-type]
    translator = job.load(job) if others or job.load is not load else base
    translator.check(settings, precision)
    return job, translator


def _loader(engine: str) -> Any:
    """What loads the models; for auto, with torch at first."""
    if engine == "ctranslate2":
        from axw.export.engine import load

        return load
    from axw.models.translation.many import load as with_torch

    return with_torch


def _fastest(
    job: Job, translator: Any, lines: Iterator[str], processes: int | None, json: bool
) -> tuple[Job, Any, Iterator[str]]:
    """The job and the translator of the fastest engine; few lines are not worth a measurement, and torch translates them."""
    import torch

    from axw.models.translation.many import MANY, cores

    begin = list(islice(lines, MANY))
    if len(begin) < MANY:
        return job, translator, iter(begin)
    if json:
        say("engine torch: --json shows log-probabilities, and those of CTranslate2 are a little greater")
        return job, translator, chain(begin, lines)
    from axw.export.fastest import fastest

    threads = torch.get_num_threads()
    torch.set_num_threads(threads if processes == 1 or cores() == 1 else 1)
    try:
        choice = fastest(job, translator, begin)
    finally:
        torch.set_num_threads(threads)
    say(f"engine {choice.why}")
    return choice.job, choice.translator, chain(begin, lines)


def _parts(job: Job, translator: Any, lines: Iterator[str], processes: int | None, first: int) -> Iterator[Part]:
    from axw.models.translation.many import cores, translate_parts

    return translate_parts(job, translator, lines, processes=cores() if processes is None else processes, first=first)


def _lines(part: Part, first: int, json: bool) -> Iterator[str]:
    for number, answers in enumerate(part.answers, first + 1):
        if json:
            value = {"schema": "axw.translate/1", "line": number, "translations": [a._asdict() for a in answers]}
            yield to_json(value)
        else:
            yield (answers[0].text.replace("\n", " ") if answers else "") + "\n"


# -------------------------------------------------------------------------------------------------- what is done stays done


def _kept(out: Path, job: Job, json: bool, engine: str) -> KeptText:
    from axw.learning import to_dict
    from axw.models.text_model import model_folder
    from axw.storage import read_folder
    from axw.storage.kept import KeptText

    asked = {
        "model": [read_folder(model_folder(path)).manifest_sha256 for path in job.models],
        "search": to_dict(job.search),
        "precision": job.precision,
        "engine": "torch" if engine == "auto" else engine,  # which has the same answers
        "dictionary": None if job.dictionary is None else dict(job.dictionary),
        "prefix": None if job.prefix is None else _note(list(job.prefix)),
        "direction": job.direction,
        "json": json,
    }
    return KeptText(out, asked)


def _note(lines: list[str]) -> dict[str, Any]:
    return {
        "lines": len(lines),
        "sha256": hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest(),
    }


def _done_before(kept: KeptText, lines: Iterator[str], name: str) -> int:
    """How many lines are done. `DataError` where those of the file are others than those that were translated."""
    first = 0
    for note in kept.parts:
        read = list(islice(lines, int(note["lines"])))
        if _note(read) != note:
            raise DataError(
                f"Lines {first + 1} to {first + int(note['lines'])} are not those that were translated before.",
                f"In {name}.",
                f"Name the file of before to go on, or begin anew: rm -r {kept.folder}",
            )
        first += len(read)
    if first:
        say(f"going on after line {first}")
    return first


def _on_terminal(out: Path | None) -> bool:
    """A bar is for whoever watches, and not where the lines themselves run by."""
    streams = [sys.stderr, *([sys.stdout] if out is None else [])]
    shown = [stream is not None and stream.isatty() for stream in streams]
    return shown[0] and not any(shown[1:])
