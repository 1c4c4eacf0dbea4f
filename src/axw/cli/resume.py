"""`axw resume`: go on with a run that was stopped, to the very numbers that it would have had without the stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from axw.cli.options import examples, listed
from axw.cli.output import result
from axw.cli.training import Budget, Minutes, Steps, Tokens, leads, longer, told
from axw.errors import ModelError

EPILOG = examples(
    "axw resume words.run",
    "axw resume de-en.run --minutes 90",
    "axw resume de-en.run --accept threads",
    "axw resume words.run --accept machine,version",
)


def resume(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `axw fit ... --save` was given.")],
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", help="What may differ from the start: data, settings, threads, version, machine."),
    ] = None,
    steps: Steps = None,
    tokens: Tokens = None,
    minutes: Minutes = None,
) -> None:
    """Go on with a run that was stopped or killed, or train one for longer.

    Weights and history end up as if it had not been stopped, or the command refuses and says what differs. A run that has
    ended is left as it is, unless a larger budget is given: that of the whole run, from its first step. One that was stopped
    ends where it is with a budget that is used up, such as --steps 1.
    """
    from axw.learning.allocator import ready_to_train
    from axw.models.text_model import Place, kind_of_run

    kind, settings, files = kind_of_run(run)
    accepted, budget = listed(accept), Budget(steps, tokens, minutes)
    if budget != Budget():
        # To ask for a budget is to accept that it differs.
        settings, accepted = longer(settings, budget), [*accepted, "budget"]
    ready_to_train()
    place = Place(run, resume=True, files=files, hooks=[told()], accept=tuple(accepted))
    if kind == "words":
        from axw.cli.words import learn

        text = learn(settings, files, place)
    elif kind == "sentences":
        from axw.cli.sentences import learn

        text = learn(settings, files, place)
    elif kind == "translation":
        from axw.cli.translation import learn

        text = learn(settings, files, place)
    elif kind == "trees":
        from axw.cli.trees import learn

        text = learn(settings, files, place)
    else:
        raise ModelError(
            f"The run trains {kind!r}, which this axw does not know.", f"In {str(run)!r}.", "Use a newer axw."
        )
    if leads():
        result(text)
