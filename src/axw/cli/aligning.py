"""`axw align`: which word was translated by which."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from axw.cli.options import Json, examples
from axw.cli.output import result, result_json, say, writable_file
from axw.errors import DataError

ALIGN = examples(
    "axw align de-en.run valid.de valid.en",
    "axw align de-en.run valid.de valid.en --json",
    "axw align de-en.run train.de train.en --dictionary words.tsv",
)
_AT_ONCE = 2048


def align(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="The run that `axw fit translation` made, or its model.")
    ],
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The text, one sentence a line.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Its translation, line for line.")],
    dictionary: Annotated[
        Path | None,
        typer.Option("--dictionary", help="Also write, for each source word, its usual translation.", metavar="FILE"),
    ] = None,
    json: Json = False,
) -> None:
    """Align words: for each pair one line of links such as 0-0 1-2, source word and target word, counted from 0.

    The model is made to say TARGET, and each target word is linked with the source word that it read most.
    """
    from axw.data import PairFile
    from axw.models.translation.aligning import align as aligned
    from axw.models.translation.aligning import learn_dictionary
    from axw.models.translation.translator import Translator
    from axw.storage import write_text

    if dictionary is not None:
        writable_file(dictionary)
    loaded, kept = Translator.load(model), []
    with PairFile(str(source), str(target)) as pairs:
        say(pairs.report.to_text())
        for start in range(0, len(pairs), _AT_ONCE):
            some = pairs[start : start + _AT_ONCE]
            for number, found in enumerate(
                aligned(loaded, [p.source for p in some], [p.target for p in some]), start + 1
            ):
                if json:
                    result_json({"schema": "axw.align/1", "pair": number, **found.to_json()})
                else:
                    result(found.pharaoh())
                if dictionary is not None:
                    kept.append(found._replace(soft=found.soft[:0]))
    if dictionary is not None:
        words = learn_dictionary(kept)
        write_text(dictionary, "".join(f"{word}\t{said}\n" for word, said in words.items()))
        say(f"{len(words)} words in {dictionary}: axw translate {model} --dictionary {dictionary}")


def read_dictionary(path: Path) -> dict[str, str]:
    """`word TAB translation`, one a line. `DataError` names the line that is not so."""
    from axw.data import read_lines
    from axw.data.words import BLANKS

    words = {}
    for number, line in enumerate(read_lines(str(path)), 1):
        word, tab, said = line.partition("\t")
        word, said = word.strip(BLANKS), said.strip(BLANKS)
        if not line.strip(BLANKS):
            continue
        if not tab or not word or not said:
            raise DataError(
                f"{line[:60]!r} is not an entry; allowed: a word, a tab, and its translation.",
                f"Line {number} of {path}.",
                "Write a dictionary with axw align --dictionary, or correct the line.",
            )
        words[word] = said
    return words
