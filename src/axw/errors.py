"""What every error says: what was got and what is allowed, where, and what to do.

An error is three short lines and an exit code; the command line prints the lines, Python shows them as the message.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AxwError(Exception):
    """Base of every error that `axw` raises on purpose.

    what   what was got, and what is allowed
    where  the file, line, column, row or parameter
    todo   what the reader can do about it
    """

    exit_code = 1

    def __init__(self, what: str, where: str = "", todo: str = "") -> None:
        super().__init__("\n".join(line for line in (what, where, todo) if line))
        self.what, self.where, self.todo = what, where, todo


class UsageError(AxwError, ValueError):
    """A setting, flag or argument that is not allowed."""

    exit_code = 2


class DataError(AxwError, ValueError):
    """The data cannot be used as they are."""

    exit_code = 3


class ModelError(AxwError):
    """A model or checkpoint is missing, damaged, or was made by something newer."""

    exit_code = 4


class NotFiniteError(AxwError, ArithmeticError):
    """Training met a loss, gradient or weight that is not a finite number."""

    exit_code = 5


class ResourceError(AxwError):
    """Disk, memory or permission is missing."""

    exit_code = 6


class GateError(AxwError):
    """A quality gate that the user set was not met."""

    exit_code = 7


class BusyError(AxwError):
    """Somebody else holds the run or the port."""

    exit_code = 8


class DataWarning(UserWarning):
    """The data can be used, but something in them was counted and is worth a look."""


class Notice(UserWarning):
    """What is done now takes a while, and why; said at once."""


def did_you_mean(got: str, allowed: Iterable[str]) -> str:
    """`Allowed: a, b. Did you mean 'a'?`, the second sentence only where a name is near."""
    names = sorted(allowed)
    near = difflib.get_close_matches(got, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"Allowed: {', '.join(names)}.{hint}"
