"""`main`: run one command, and turn whatever happens into an exit code and at most three lines.

Exit codes: 0 ok, 1 a bug in axw, 2 usage, 3 bad data, 4 model missing or damaged, 5 training not finite, 6 no disk, memory
or permission, 7 a quality gate not met, 8 busy, 130 and 143 stopped by Ctrl-C and SIGTERM, 141 the reader of a pipe left.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from axw.cli.allocating import start_again
from axw.cli.faults import FAULTS, closed_stdout, report, terminates
from axw.cli.output import counted_warnings, speak_utf8


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `axw` with these arguments (the process's own by default) and return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    words, debug = _without_debug(given)
    speak_utf8()
    try:
        with terminates(), counted_warnings(everything=debug):
            if arguments is None:
                start_again(words)
            code = _run(words)
            if sys.stdout is not None:
                sys.stdout.flush()  # a full disk or a closed pipe behind stdout shows here, and not in the interpreter's exit
        return code
    except BrokenPipeError:
        closed_stdout()
        return 141
    except FAULTS as fault:
        return report(fault, given, debug)


def _without_debug(words: Sequence[str]) -> tuple[list[str], bool]:
    """`--debug` may stand before or after the verb; after `--` it is a file name like any other."""
    end = words.index("--") if "--" in words else len(words)
    return [w for w in words[:end] if w != "--debug"] + list(words[end:]), "--debug" in words[:end]


def _run(words: list[str]) -> int:
    import typer

    from axw.cli.app import app

    if "_AXW_COMPLETE" in os.environ:  # the shell asks for completions
        app(words, prog_name="axw")
    # make_context and invoke, not the command's own main: that one would turn a closed pipe into exit code 1
    command = typer.main.get_command(app)
    try:
        with command.make_context("axw", words, obj=words) as context:
            command.invoke(context)
    except typer.Exit as left:
        return left.exit_code
    return 0
