"""The tree of commands: one file a verb, and this file only puts them together."""

from __future__ import annotations

from typing import Annotated

import typer

from axw.cli import (
    aligning,
    check,
    demo,
    doctor,
    exporting,
    fit,
    ladder,
    resume,
    serve,
    translating,
    translation,
    trees,
    using,
    words,
)
from axw.cli.options import examples
from axw.version import __version__

_EPILOG = examples(
    "axw demo --folds 3",
    "axw check train.csv --target survived",
    "axw ladder table train.csv --target survived --drop name --relation same:family,class --folds 3",
)

app = typer.Typer(
    name="axw",
    rich_markup_mode=None,  # plain help: a quarter of the import time, and it reads the same in a log
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"axw {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Y = A X W: who attends to whom, from the linear model to the Transformer.

    Results go to stdout, everything else to stderr. Exit codes: 0 ok, 1 a bug in axw, 2 usage, 3 bad data, 4 model missing
    or damaged, 5 training not finite, 6 no disk, memory or permission, 7 a quality gate not met, 8 busy.
    """


app.command(epilog=demo.EPILOG)(demo.demo)
app.command(epilog=check.EPILOG)(check.check)
app.add_typer(ladder.app, name="ladder")
fit.app.command("words", epilog=words.FIT)(words.fit_words)
fit.app.command("translation", epilog=translation.FIT)(translation.fit_translation)
fit.app.command("trees", epilog=trees.FIT)(trees.fit_trees)
app.add_typer(fit.app, name="fit")
app.command(epilog=resume.EPILOG)(resume.resume)
app.command(epilog=words.FILL)(words.fill)
app.command(epilog=translating.TRANSLATE)(translating.translate)
app.command(epilog=aligning.ALIGN)(aligning.align)
app.command(epilog=trees.PARSE)(trees.parse)
app.command(epilog=using.PREDICT)(using.predict)
app.command(epilog=using.EXPLAIN)(using.explain)
app.command(epilog=using.EVALUATE)(using.evaluate)
app.command(epilog=exporting.EXPORT)(exporting.export)
app.command("import", epilog=exporting.IMPORT)(exporting.import_folder)
app.command(epilog=serve.SERVE)(serve.serve)
app.command(epilog=doctor.EPILOG)(doctor.doctor)
