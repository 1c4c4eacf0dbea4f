"""`axw fit trees` and `axw parse`: a constituency parser trained on the user's own trees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axw.cli.options import Json, examples
from axw.cli.output import result, result_json, say, writable_file
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
    from axw.models.trees.parser import ConstituencyParser

FIT = examples(
    "axw fit trees train.mrg --save trees.run",
    "axw fit trees train.mrg --valid valid.mrg --save quick.run --minutes 10 --seed 3",
    "axw fit trees train.mrg --save luong.run --steps 5000 --set architecture=luong --set leaves=XX",
)
PARSE = examples(
    "axw parse trees.run < sentences",
    "axw parse trees.run sentences --beam 1 --json",
    "axw parse trees.run sentences --svg tree.svg --word 2",
)


def fit_trees(  # noqa: PLR0913 (a command line has as many parameters as it has options)
    file: Annotated[Path, typer.Argument(metavar="TREES", help="The treebank: trees in brackets, also .gz.")],
    save: RunFolder,
    valid: Annotated[
        Path | None,
        typer.Option("--valid", help="Trees to watch the training on. Default: some of TREES.", metavar="TREES"),
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
    """Train a constituency parser on your own trees.

    Traces and function tags are left away, as is usual. Ctrl-C saves; axw resume goes on.
    """
    from axw.learning import to_dict
    from axw.models.text_model import Place
    from axw.models.trees.settings import ParserSettings

    refuse_stdin("A run reads its trees again when it is resumed", file, valid)
    budget = Budget(steps, tokens, minutes, checkpoint_every, seed, threads, on_nan)
    settings = settings_of(ParserSettings(), change, budget)
    if settings.pretrained is not None:
        settings = replace(settings, pretrained=str(Path(settings.pretrained).absolute()))
    files = {"train": str(file.absolute())}
    files |= {"valid": str(valid.absolute())} if valid is not None else {}
    prepare(save)
    text = learn(to_dict(settings), files, Place(save, files=files, hooks=[told()]))
    finish(text, save, [f"axw parse {save} < sentences", f"axw evaluate {save} TREES"])


def learn(settings: Mapping[str, Any], files: Mapping[str, str], place: Place) -> str:
    """Train in a run folder, newly begun or resumed; the line that says what came of it."""
    from axw.data import TreeFile
    from axw.learning import from_dict
    from axw.models.trees.parser import ConstituencyParser
    from axw.models.trees.settings import ParserSettings

    found, findings = {}, []
    for name, path in files.items():
        found[name] = TreeFile(path)
        findings.append(f"{len(found[name]):,} trees; {found[name].report.to_text()}")
        say(findings[-1])
    model = ConstituencyParser(from_dict(ParserSettings, settings)).fit(found["train"], found.get("valid"), place)
    write_report(model, place, findings)
    return saved_line(place, model.facts)


def parse(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The run that `axw fit trees` made, or its model.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Sentences, a blank between words; - or nothing is stdin.")
    ] = Path("-"),
    beam: Annotated[int | None, typer.Option("--beam", help="Trees followed at once; 1 is greedy.")] = None,
    others: Annotated[
        list[Path] | None,
        typer.Option("--with", help="Parse with the mean of several models, repeatable.", metavar="MODEL"),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Draw the tree of the first sentence to this file.", metavar="FILE")
    ] = None,
    word: Annotated[
        int | None, typer.Option("--word", min=1, help="With --svg: draw what this word, from 1, attends to.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option("--layer", help='With --word: whose attention, such as "encoder 2", "cross 1".')
    ] = None,
    json: Json = False,
) -> None:
    """Parse: one tree in brackets for each sentence, in order; an empty line for an empty one."""
    from axw.data import read_lines
    from axw.models.trees.ensemble import ParserEnsemble
    from axw.models.trees.parser import ConstituencyParser

    if (word is not None and svg is None) or (layer is not None and word is None):
        raise UsageError("--word is for --svg, and --layer for --word.", "axw parse", "Add --svg FILE --word N")
    if svg is not None:
        writable_file(svg)
    loaded: ConstituencyParser = ConstituencyParser.load(model)
    if others:
        loaded = ParserEnsemble([loaded, *(ConstituencyParser.load(other) for other in others)])
    lines = list(read_lines(str(file)))
    answers = loaded.hypotheses((line for line in lines if line.strip()), beam=beam)
    drawn = False
    for number, line in enumerate(lines, 1):
        best = next(answers)[0] if line.strip() else None
        if best is not None and svg is not None and not drawn:
            _draw(loaded, line, best.tree.to_string(), svg, word, layer)
            drawn = True
        if not json:
            result(best.tree.to_string() if best is not None else "")
        elif best is not None:
            result_json({"schema": "axw.parse/1", "line": number, **best._asdict(), "tree": best.tree.to_string()})
        else:
            result_json({"schema": "axw.parse/1", "line": number, "tree": None})
    if svg is not None and not drawn:
        raise DataError("There is no sentence to draw.", str(file), "Give one with words.")


def _draw(model: ConstituencyParser, sentence: str, tree: str, file: Path, word: int | None, layer: str | None) -> None:
    """The tree as a picture, with the attention of one word as bars where one is named."""
    from axw.data.trees import Tree
    from axw.show.picture_file import picture_file
    from axw.show.tree_nodes import Attention
    from axw.show.tree_svg import tree_svg
    from axw.storage import write_text

    attention, title = None, f"The tree of: {sentence.strip()[:120]}"
    if word is not None:
        weights = model.word_attention(sentence, word - 1, layer, tree)
        attention = Attention(weights.tolist(), word - 1)
        title += f" What word {word} attends to{f' in {layer}' if layer else ''}."
    write_text(file, picture_file(tree_svg(Tree.from_string(tree), attention, title=title)))
    say(f"drawn: {file}")
