"""What can go wrong while a command runs, and what is said about it."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from axw.cli.output import say
from axw.errors import AxwError, ResourceError, UsageError
from axw.version import __version__

if TYPE_CHECKING:
    from types import FrameType

# The OSErrors that mean "no disk, memory or permission": the reader's machine, not a bug.
_NAMES = """ENOSPC EDQUOT EFBIG EROFS EACCES EPERM EMFILE ENFILE EIO ENOMEM ENAMETOOLONG ENODEV ENXIO ETXTBSY EBUSY"""
_RESOURCES = {getattr(errno, name) for name in _NAMES.split() if hasattr(errno, name)}  # not every system has them all


class Terminated(BaseException):
    """SIGTERM arrived. Not an `Exception`, so that no `except Exception` on the way swallows it."""


FAULTS = (Exception, KeyboardInterrupt, Terminated)


@contextlib.contextmanager
def terminates() -> Iterator[None]:
    """Inside, SIGTERM raises `Terminated`, so that files are closed and half-written ones removed; then as it was."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def closed_stdout() -> None:
    """Nobody reads stdout any more: let the interpreter flush what is left into nothing, without a word."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def report(fault: BaseException, words: Sequence[str], debug: bool) -> int:
    """Say on stderr what went wrong, and return the exit code."""
    if debug and not isinstance(fault, KeyboardInterrupt | Terminated):
        import traceback

        traceback.print_exception(fault, file=sys.stderr)
    if isinstance(fault, KeyboardInterrupt):
        say("stopped by Ctrl-C")
        return 130
    if isinstance(fault, Terminated):
        say("stopped by SIGTERM")
        return 143
    known = _as_axw_error(fault)
    if known is not None:
        say("\n".join(line for line in (known.what, known.where, known.todo) if line))
        return known.exit_code
    return _bug(fault, words)


def _as_axw_error(fault: BaseException) -> AxwError | None:
    if isinstance(fault, AxwError):
        return fault
    if isinstance(fault, MemoryError):
        return ResourceError(
            "There is not enough memory.",
            str(fault),
            "Use fewer rows or columns, a smaller --rank, or a machine with more memory.",
        )
    if isinstance(fault, OSError) and fault.errno in _RESOURCES:
        return ResourceError(
            f"The system refused: {fault.strerror}.",
            str(fault.filename or ""),
            "Check free space and permission, or name another place.",
        )
    return _usage(fault)


def _usage(fault: BaseException) -> UsageError | None:
    """The UsageError for what the argument parser found, or None where it was not the parser that spoke."""
    import typer

    parser_error = typer.BadParameter.__mro__[2]  # ClickException, wherever this version of Typer keeps it
    if not isinstance(fault, parser_error):
        return None
    context = getattr(fault, "ctx", None)
    path = context.command_path if context is not None else "axw"
    if type(fault).__name__ == "NoArgsIsHelpError":
        return UsageError(context.get_help() if context is not None else "")
    message = fault.format_message()  # type: ignore[attr-defined]
    near = sorted(getattr(fault, "possibilities", None) or [])
    if near:
        message = f"No such option: {fault.option_name}. Did you mean {near[0]}?"  # type: ignore[attr-defined]
    todo = f"See: {path} --help"
    if context is not None and "No such command" in message:
        todo = f"Commands: {', '.join(context.command.commands)}. See: {path} --help"
    return UsageError(message, path, todo)


def _bug(fault: BaseException, words: Sequence[str]) -> int:
    number = os.urandom(4).hex()
    what = f"this is a bug in axw ({type(fault).__name__}), id {number}"
    try:
        where = _crash_file(fault, words, number)
    except OSError as refused:
        say(f"{what}; no crash file could be written ({refused.strerror}), --debug shows the traceback")
        return 1
    say(f"{what}; what happened is in {where}: please report it")
    return 1


def _crash_file(fault: BaseException, words: Sequence[str], number: str) -> str:
    """Written with the plain system calls: the room that writes files safely may be what broke."""
    import platform
    import tempfile
    import traceback

    handle, path = tempfile.mkstemp(prefix=f"axw-crash-{number}-", suffix=".txt")
    lines = [
        f"axw {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"axw {' '.join(words)}",
        "",
        *traceback.format_exception(fault),
    ]
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write("\n".join(lines))
    return path
