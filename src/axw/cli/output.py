"""What a command says, and where: results on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import io
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from axw.errors import DataWarning, Notice, ResourceError, UsageError
from axw.show.escaping import visible

if TYPE_CHECKING:
    import rich.progress


def speak_utf8() -> None:
    """UTF-8 whatever the locale says; what cannot be encoded is shown as \\xNN rather than ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def say(line: str) -> None:
    """One or more lines of talk, on stderr."""
    if sys.stderr is None:  # closed by whoever started us; print(file=None) would speak on stdout
        return
    with contextlib.suppress(OSError, ValueError):
        for part in line.split("\n"):
            print(visible(part, most=4000), file=sys.stderr)


def result(text: str) -> None:
    """A result, on stdout. On a terminal, control characters that come from the data are shown, not obeyed."""
    if sys.stdout is None:
        return
    if sys.stdout.isatty():
        text = "\n".join(visible(line, most=100_000) for line in text.split("\n"))
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def result_json(value: Any) -> None:
    """A result for a program: keys sorted, and `null` for what is not a finite number."""
    result(to_json(value))


def to_json(value: Any) -> str:
    """The text of `result_json`, for a file."""
    from axw.storage import json_to_bytes

    return json_to_bytes(value).decode("utf-8")


@contextlib.contextmanager
def counted_warnings(everything: bool) -> Iterator[None]:
    """Inside, warnings are collected; at the end each is one line with its count.

    What says that something takes a while is said at once. Warnings of `axw` about the data are always shown, those of the
    libraries below except about their own future.
    """
    seen: Counter[str] = Counter()

    def collect(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
        if issubclass(category, Notice):
            say(str(message))
            return
        future = issubclass(category, DeprecationWarning | PendingDeprecationWarning | FutureWarning)
        if everything or not future:
            label = "warning" if issubclass(category, DataWarning) else category.__name__
            seen[f"{label}: {' '.join(str(message).split())}"] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = collect
        try:
            yield
        finally:
            for line, count in seen.items():
                say(line + (f" ({count} times)" if count > 1 else ""))


class Progress:
    """`progress(done, total, what)`: a bar on a terminal, else one plain line at most every ten seconds, on stderr.

    `total` is None where nobody knows it.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.clock = clock
        self.spoke = clock()
        self.bar = self._bar() if self.stream is not None and self.stream.isatty() else None

    def _bar(self) -> rich.progress.Progress:
        from rich import progress
        from rich.console import Console

        columns = (progress.BarColumn(), progress.MofNCompleteColumn(), progress.TextColumn("{task.description}"))
        bar = progress.Progress(*columns, console=Console(file=self.stream), transient=True)
        self.task = bar.add_task("", total=None)
        return bar

    def __call__(self, done: int, total: int | None, what: str = "") -> None:
        if self.bar is not None:
            from rich.markup import escape

            described = escape(visible(what, most=60))
            self.bar.update(self.task, completed=done, total=total, description=described)
        elif self.stream is not None and self.clock() - self.spoke >= 10:
            self.spoke = self.clock()
            print(
                visible(f"{done}{'' if total is None else f'/{total}'} {what}".rstrip()), file=self.stream, flush=True
            )

    def __enter__(self) -> Progress:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *fault: object) -> None:
        if self.bar is not None:
            self.bar.stop()  # and takes the bar away, so that what comes next starts on a clean line


def writable_file(path: Path) -> None:
    """Say now, and not after an hour of fitting, that a file cannot be written here. Leaves nothing behind."""
    if str(path) == "-":
        return
    if path.is_dir():
        raise UsageError(f"{path} is a folder, and a file is to be written.", str(path), "Name a file.")
    _probe(path)


def writable_folder(path: Path, overwrite: bool | None = None) -> None:
    """The same for a folder that will hold a model; one that is there already is kept unless `--overwrite` is given.

    None: the command has no such option.
    """
    if path.is_symlink() or path.exists():
        if path.is_file():
            raise UsageError(f"{path} is a file, and a folder is to be written.", str(path), "Name a folder.")
        if not overwrite and any(path.iterdir()):
            others = (
                "" if overwrite is None else ", or say --overwrite to replace this one when the new one is complete"
            )
            todo = f"Name another folder{others}."
            raise UsageError(f"The folder {path} is there already and is not empty.", str(path), todo)
    _probe(path)


def _probe(path: Path) -> None:
    folder = path.absolute().parent
    if not folder.is_dir():
        todo = f"Make it first: mkdir -p {folder}"
        raise UsageError(f"There is no folder {folder} to write into.", str(path), todo)
    why = refusal(folder, path)
    if why is not None:
        what = f"Nothing can be written here: {why}."
        raise ResourceError(what, str(path), "Check free space and permission, or name another place.")


def refusal(folder: Path, path: Path | None = None) -> str | None:
    """Why no new file can be made in the folder, or the file `path` in it not be changed; None where both can."""
    import tempfile

    try:
        with tempfile.NamedTemporaryFile(prefix=".axw-", dir=folder):
            pass
        if path is not None and path.is_file():
            with path.open("r+b"):
                pass
    except OSError as refused:
        return refused.strerror or str(refused)
    return None
