"""`axw doctor`: what this machine offers, and what is missing."""

from __future__ import annotations

import typer

from axw.cli.options import Json, examples
from axw.cli.output import result, result_json

EPILOG = examples("axw doctor", "axw doctor --json", "axw doctor --debug")


def doctor(json: Json = False) -> None:
    """Print versions, processor, threads, devices, disk, folders and extras, and what to do about each that is missing.

    Nothing leaves the machine. Exit code 6 where something is missing that every command needs: a package, or a folder to
    write into.
    """
    from axw.cli.machine import examine, to_text

    found = examine()
    if json:
        result_json(found)
    else:
        result(to_text(found))
    if found["problems"]:
        raise typer.Exit(6)
