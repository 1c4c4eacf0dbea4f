"""What a document shows, in its order: Python and commands are run, what stands below them is compared, pictures are kept.

```python           is run
```text             below it: the end of what it printed
```sh               each command that begins with axw is run in the same folder; of the others see `SHOWN_ONLY`
<!-- run            is run and not shown: what the page says that you have, such as your own text, in small
<!-- slow -->       what follows is run by `pytest -m slow`
<!-- needs NAME --> what follows is run where these packages are installed
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

from axw.cli.app import app
from tests.workshop import run as run_command

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(
    r"^```(\w*)\n(.*?)^```$|^<!-- (run)\n(.*?)^-->$|^<!-- (slow|needs)( [\w ]+)? -->$", re.MULTILINE | re.DOTALL
)
PICTURE = re.compile(r"!\[[^\]]*\]\((img/\w+/[\w-]+\.svg)\)")
SHELL = ("sh", "bash")
# They install, serve for ever, measure for hours, or need other machines. `.ci/run` runs the first two.
SHOWN_ONLY = ("python3 -m venv", ".venv/bin/", "pip install", "curl ", "torchrun ", "python ", "zcat ", "[print")
# Ladders train every rung, and the demo is a ladder: what is written is only looked at. Help pages and .ci/run run some.
NOT_RUN = ("demo", "ladder")


class Step(NamedTuple):
    """One block: its kind, what stands in it, and where in the page it begins and ends."""

    kind: str
    text: str
    line: int
    span: tuple[int, int]


def steps(name: str) -> list[Step]:
    """Every block of a page."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = []
    for block in BLOCK.finditer(text):
        language, shown, hidden, told, mark, named = block.groups()
        group = 4 if hidden else 2
        kind = hidden or mark or language
        content = (told if hidden else named if mark else shown) or ""
        found.append(Step(kind, content, text.count("\n", 0, block.start()) + 1, block.span(group)))
    return found


def pictures(name: str) -> list[str]:
    """The pictures that the page's own code draws, `img/PAGE/NAME.svg`, as the page names them."""
    found = PICTURE.findall((ROOT / name).read_text(encoding="utf-8"))
    return [picture for picture in found if Path(picture).parent.name == Path(name).stem]


def play(name: str, folder: Path, patch: pytest.MonkeyPatch, *, slow: bool) -> Iterator[tuple[Step, str]]:
    """Run a page in a folder: each text block that follows Python, and what that printed. `slow` = to its end."""
    names: dict[str, object] = {}
    printed = None
    patch.chdir(folder)
    for step in steps(name):
        if step.kind == "slow" and not slow:
            return
        if step.kind == "needs" and any(find_spec(package) is None for package in step.text.split()):
            return
        if step.kind in ("python", "run"):
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile("\n" * step.line + step.text, name, "exec"), names)  # noqa: S102 (our own documents)
            printed = out.getvalue()
        elif step.kind in SHELL:
            shell(step, folder, patch, run=slow)
            printed = None
        elif step.kind == "text" and printed is not None:
            yield step, printed
            printed = None


def commands(step: Step) -> list[str]:
    """The lines of a shell block, joined where they end in a backslash, without variables before them."""
    lines = [line for line in step.text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]
    return [re.sub(r"^(\w+=\S+ )+", "", line) for line in lines]


def shell(step: Step, folder: Path, patch: pytest.MonkeyPatch, *, run: bool) -> None:
    """Run, or only look at, each command of a block."""
    for line in commands(step):
        if not line.startswith("axw "):
            assert line.startswith(SHOWN_ONLY), f"line {step.line}: what is {line!r}?"
            found = re.match(r"python (-m )?([\w./]*benchmarks[\w./]*)", line)
            path = found and (f"{found[2].replace('.', '/')}.py" if found[1] else found[2])
            assert not path or (ROOT / path).is_file(), f"line {step.line}: there is no {path}"
            continue
        words = shlex.split(line, comments=True)[1:]
        if not run or words[0] in NOT_RUN:
            understood([word for word in words if word not in "<>"])
            continue
        with patch.context() as inner:
            code = run_command(f"{line} --check" if words[0] == "serve" else line, folder, inner)
        assert code == 0 or (code == 7 and "--fail-under" in line), f"line {step.line}: {line} ended with {code}"


def understood(words: list[str]) -> None:
    """Every option of a command is one that it has."""
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    command.make_context("axw", words)
