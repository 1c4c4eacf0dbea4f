"""`axw fit translation`: a translator trained on the user's own pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axw.cli.options import examples
from axw.cli.output import say
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

if TYPE_CHECKING:
    from axw.models.text_model import Place
    from axw.models.translation.translator import Translator

FIT = examples(
    "axw fit translation train.de train.en --save de-en.run",
    "axw fit translation train.de train.en --valid valid.de valid.en --save quick.run --minutes 10 --seed 3",
    "axw fit translation train.de train.en --save luong.run --steps 5000 --set architecture=luong --set luong.window=local-p",
    "axw fit translation train.de train.en --save small.run --teacher de-en.run --set transformer.d_model=64",
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
    teachers: Annotated[
        list[Path] | None,
        typer.Option(
            "--teacher",
            help="Learn what this translator holds likely too, repeatable: several become one.",
            metavar="RUN",
        ),
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
    --from, a translator that was trained or imported learns more. With --teacher, it learns from other translators as well, in
    their pieces, so that several become one, or a large one a small one.
    """
    from axw.learning import to_dict
    from axw.models.text_model import Place
    from axw.models.translation.settings import TranslationSettings
    from axw.models.translation.teaching import in_pieces_of

    refuse_stdin("A run reads its text again when it is resumed", source, target, *(valid or ()))
    budget = Budget(steps, tokens, minutes, checkpoint_every, seed, threads, on_nan)
    usual = TranslationSettings() if start is None else _started(str(start)).settings
    if teachers:
        usual = in_pieces_of(usual, _started(str(teachers[0])).settings)
    settings = settings_of(usual, change, budget)
    files = {"source": str(source.absolute()), "target": str(target.absolute())}
    if valid is not None:
        files |= {"valid_source": str(valid[0].absolute()), "valid_target": str(valid[1].absolute())}
    if start is not None:
        files["from"] = str(start.absolute())
    files |= {f"teacher {number}": str(path.absolute()) for number, path in enumerate(teachers or [], 1)}
    prepare(save)
    text = learn(to_dict(settings), files, Place(save, files=files, hooks=[told()]))
    finish(text, save, [f"axw translate {save} < in > out", f"axw evaluate {save} SOURCE REFERENCE"])


def learn(settings: Mapping[str, Any], files: Mapping[str, str], place: Place) -> str:
    """Train in a run folder, newly begun or resumed; the lines that say what came of it."""
    from axw.data import PairFile
    from axw.learning import from_dict
    from axw.models.translation.data import translation_data
    from axw.models.translation.settings import TranslationSettings
    from axw.models.translation.translator import Translator
    from axw.show.evaluation import HeldOut

    place = replace(place, start=_started(files["from"]) if "from" in files else None)
    teachers = [_started(path) for name, path in files.items() if name.startswith("teacher ")]
    with PairFile(files["source"], files["target"]) as pairs:
        findings = [pairs.report.to_text()]
        say(findings[0])
        valid = _pairs(files["valid_source"], files["valid_target"], findings) if "valid_source" in files else None
        student = Translator(from_dict(TranslationSettings, settings))
        model = student.fit(pairs.source, pairs.target, valid, place, teachers=teachers)
        held = translation_data(pairs.source, pairs.target, valid).valid
    write_report(model, place, findings, HeldOut(list(held.source), list(held.target)))
    return "\n".join([saved_line(place, model.facts), *(scores(model, *valid) if valid is not None else [])])


def _started(path: str) -> Translator:
    """The translator that is gone on from, or learned from."""
    from axw.models.translation.translator import Translator

    return Translator.load(path)


def scores(model: Any, source: list[str], reference: list[str]) -> list[str]:
    """BLEU and chrF of the model's translations, each with its protocol."""
    from axw.measures.translation import bleu_chrf, public_bleu4, tokenised_note

    said = model.translate(source)
    if note := tokenised_note(reference):
        say(note)
    return [str(score) for score in (*bleu_chrf(said, reference), public_bleu4(said, reference))]


def _pairs(source: str, target: str, findings: list[str]) -> tuple[list[str], list[str]]:
    """The pairs of two files; what was met in them is said on stderr, and kept in `findings`."""
    from axw.data import PairFile

    with PairFile(source, target) as pairs:
        findings.append(pairs.report.to_text())
        say(findings[-1])
        found = list(pairs)
    return [pair.source for pair in found], [pair.target for pair in found]
