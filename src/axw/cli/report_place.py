"""Where a report goes: beside the model or into the folder one is in, to the file of `--report`, or nowhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from axw.cli.output import refusal, say, writable_file
from axw.errors import AxwError, UsageError

ReportFile = Annotated[
    Path | None, typer.Option("--report", help="The page of the report; its JSON lies beside it.", metavar="FILE.html")
]
NoReport = Annotated[bool, typer.Option("--no-report", help="Write no report.")]


class Place(NamedTuple):
    """The page that is to be written, None for none; `asked`: whether it was named, so that it must be written."""

    page: Path | None
    asked: bool = False

    def write(self, page: str, value: Mapping[str, Any]) -> None:
        """The page, and beside it the same name with .json."""
        from axw.storage import write_json, write_text

        assert self.page is not None
        write_json(self.page.with_suffix(".json"), value)
        write_text(self.page, page)
        say(f"report: {self.page}")

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Inside, a report is made. Where nobody asked for one there, what stands in its way is said and not raised."""
        try:
            yield
        except AxwError as error:
            if self.asked or self.page is None:
                raise
            _without(self.page, error.what)


def checked(report: Path | None, no_report: bool) -> Place | None:
    """The place that the command line names, before anything is computed; None where it leaves that to us.

    Raises `UsageError` for a file that is no report of axw, which is never replaced, and for a name that no page can have.
    """
    if report is None:
        return Place(None) if no_report else None
    if no_report:
        raise UsageError("Both --report and --no-report are given.", "--report, --no-report", "Say one of them.")
    if report.suffix == ".json" or str(report) == "-":
        raise UsageError(f"A page is a file such as report.html, not {str(report)!r}.", "--report", "Name a FILE.html.")
    for path in (report, report.with_suffix(".json")):
        writable_file(path)
    if why := _taken(report):
        raise UsageError(why, "--report", "Name another file, or move that one away.")
    return Place(report, asked=True)


def usual(folder: Path, name: str) -> Place:
    """FOLDER/name.html, where it can be written; where not, why not is said, and the command goes on without a report."""
    page = folder / f"{name}.html"
    why = _taken(page) or refusal(folder, page) or refusal(folder, page.with_suffix(".json"))
    if why is None:
        return Place(page)
    _without(page, why)
    return Place(None)


def none_of_stdin() -> Place:
    """A report needs its data a second time."""
    say("no report is written of data from stdin: name a file")
    return Place(None)


def stem(file: Path) -> str:
    """What a file is called without its ending: test of test.csv, brown.valid of brown.valid.txt.gz, stdin of -."""
    name = "stdin" if str(file) == "-" else Path(file.name.removesuffix(".gz")).stem
    # The longest names of files leave no room for an ending.
    return os.fsencode(name)[:200].decode("utf-8", errors="replace")


def _taken(page: Path) -> str | None:
    """Why the page or its JSON would take the place of something else."""
    from axw.storage.beside import is_report

    for path in (page, page.with_suffix(".json")):
        if (path.exists() or path.is_symlink()) and not is_report(path):
            return f"{path} is there already, and is not a report of axw."
    return None


def _without(page: Path, why: str) -> None:
    say(f"no report at {page}: {why.rstrip('.')}; --report FILE.html names another place, --no-report writes none")
