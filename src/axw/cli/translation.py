"""`axw fit translation` and `axw translate`: a translator trained on the user's own pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axw.cli.aligning import read_dictionary
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
from axw.errors import DataError

if TYPE_CHECKING:
    from axw.models.text_model import Place
    from axw.models.translation.translator import Translator

FIT = examples(
    "axw fit translation train.de train.en --save de-en.run",
    "axw fit translation train.de train.en --valid valid.de valid.en --save quick.run --minutes 10 --seed 3",
    "axw fit translation train.de train.en --save luong.run --steps 5000 --set architecture=luong --set luong.window=local-p",
)
TRANSLATE = examples(
    "axw translate de-en.run < valid.de",
    "axw translate de-en.run valid.de --beam 1 --set search.no_repeat_ngram=3",
    "axw translate de-en.run valid.de --beam 2 --nbest 2 --json",
)


def fit_translation(  # noqa: PLR0913 (a command line has as many parameters as it has options)
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The text, one sentence a line.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Its translation, line for line.")],
    save: RunFolder,
    valid: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--valid", help="Pairs to watch the training on. Default: some of the training pairs.", metavar="S T"
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", help="Go on from this translator: its pieces, its form, its weights.", metavar="RUN"),
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
    """Train a translator on your own pairs of sentences.

    Raw text in, translator out: the pieces of words are learned from the text first. Ctrl-C saves; axw resume goes on. With
    --from, a translator that was trained or imported learns more.
    """
    from axw.learning import to_dict
    from axw.models.text_model import Place
    from axw.models.translation.settings import TranslationSettings

    refuse_stdin("A run reads its text again when it is resumed", source, target, *(valid or ()))
    budget = Budget(steps, tokens, minutes, checkpoint_every, seed, threads, on_nan)
    settings = settings_of(TranslationSettings() if start is None else _started(str(start)).settings, change, budget)
    files = {"source": str(source.absolute()), "target": str(target.absolute())}
    if valid is not None:
        files |= {"valid_source": str(valid[0].absolute()), "valid_target": str(valid[1].absolute())}
    if start is not None:
        files["from"] = str(start.absolute())
    prepare(save)
    text = learn(to_dict(settings), files, Place(save, files=files, hooks=[told()]))
    finish(text, save, [f"axw translate {save} < in > out", f"axw evaluate {save} SOURCE REFERENCE"])


def learn(settings: Mapping[str, Any], files: Mapping[str, str], place: Place) -> str:
    """Train in a run folder, newly begun or resumed; the lines that say what came of it."""
    from axw.data import PairFile
    from axw.learning import from_dict
    from axw.models.translation.settings import TranslationSettings
    from axw.models.translation.translator import Translator

    place = replace(place, start=_started(files["from"]) if "from" in files else None)
    with PairFile(files["source"], files["target"]) as pairs:
        say(pairs.report.to_text())
        valid = _pairs(files["valid_source"], files["valid_target"]) if "valid_source" in files else None
        model = Translator(from_dict(TranslationSettings, settings)).fit(pairs.source, pairs.target, valid, place)
    write_report(model, place)
    return "\n".join([saved_line(place, model.facts), *(scores(model, *valid) if valid is not None else [])])


def _started(path: str) -> Translator:
    """The translator that is gone on from."""
    from axw.models.translation.translator import Translator

    return Translator.load(path)


def scores(model: Any, source: list[str], reference: list[str]) -> list[str]:
    """BLEU and chrF of the model's translations, each with its protocol."""
    from axw.measures.translation import bleu_chrf, public_bleu4, tokenised_note

    said = model.translate(source)
    if note := tokenised_note(reference):
        say(note)
    return [str(score) for score in (*bleu_chrf(said, reference), public_bleu4(said, reference))]


def _pairs(source: str, target: str) -> tuple[list[str], list[str]]:
    from axw.data import PairFile

    with PairFile(source, target) as pairs:
        say(pairs.report.to_text())
        found = list(pairs)
    return [pair.source for pair in found], [pair.target for pair in found]


def translate(  # noqa: PLR0913
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="The run that `axw fit translation` made, or its model.")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The lines; - or nothing is stdin.")] = Path("-"),
    beam: Annotated[int | None, typer.Option("--beam", help="Hypotheses followed at once; 1 is greedy.")] = None,
    nbest: Annotated[int | None, typer.Option("--nbest", help="Translations of each line, with --json.")] = None,
    alpha: Annotated[float | None, typer.Option("--alpha", help="Length penalty ((5 + n) / 6)^alpha.")] = None,
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
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting of the search, repeatable.", metavar="NAME=VALUE"),
    ] = None,
    json: Json = False,
) -> None:
    """Translate: one line out for each line in, in order.

    A line that is longer than the model has learned from is translated in parts. A model of whole words writes the source word
    where it does not know a word, or what --dictionary says for it.
    """
    from dataclasses import replace

    from axw.data import read_lines
    from axw.learning import with_settings
    from axw.models.translation.translator import Translator, TranslatorEnsemble

    loaded: Translator = Translator.load(model)
    if others:
        loaded = TranslatorEnsemble([loaded, *(Translator.load(other) for other in others)])
    given = {"beam": beam, "nbest": nbest, "alpha": alpha}
    settings = replace(
        with_settings(loaded.settings.search, [text.removeprefix("search.") for text in change or []]),
        **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
    )
    words = None if dictionary is None else read_dictionary(dictionary)
    begun, number = None if prefix is None else list(read_lines(str(prefix))), 0
    found = loaded.hypotheses(
        _counted(iter(read_lines(str(file)))),
        search=settings,
        prefix=begun,
        direction=direction,  # type: ignore[arg-type]  # the translator says what is allowed
        dictionary=words,
    )
    for number, answers in enumerate(found, 1):
        if json:
            result_json({"schema": "axw.translate/1", "line": number, "translations": [a._asdict() for a in answers]})
        else:
            result(answers[0].text.replace("\n", " ") if answers else "")
    if begun is not None and len(begun) > number:
        raise DataError(
            f"There are {len(begun)} prefixes for {number} lines.",
            str(prefix),
            "Give one for each line, or an empty line.",
        )


def _counted(lines: Iterator[str], every: int = 10_000) -> Iterator[str]:
    """The lines, and a word on stderr after each ten thousand."""
    for done, line in enumerate(lines, 1):
        yield line
        if done % every == 0:
            say(f"{done:,} lines read")
