"""`axw serve`: saved models over HTTP, and a page to try them on."""

from __future__ import annotations

import logging
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from axw.cli.options import Json, examples
from axw.cli.output import result, result_json, say
from axw.errors import UsageError

if TYPE_CHECKING:
    from axw.serve import Service

SERVE = examples(
    "axw serve family.axw --check",
    "axw serve family.axw words.run --port 8080 --check",
    "axw serve people=family.axw --host 0.0.0.0 --allow-host models.example.org --check",
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(  # noqa: PLR0913 (a command line has as many parameters as it has options)
    models: Annotated[
        list[Path], typer.Argument(metavar="MODELS", help="Saved models, runs, folders of them, or ID=FOLDER.")
    ],
    host: Annotated[str, typer.Option("--host", help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 8765,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="A name by which clients may call the server, repeatable.", metavar="NAME"),
    ] = None,
    queue: Annotated[int, typer.Option("--queue", min=1, max=100_000, help="Requests that wait for one model.")] = 64,
    batch: Annotated[int, typer.Option("--batch", min=1, max=4096, help="Rows or lines answered together.")] = 64,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, max=3600, help="From a request to its answer; then 504.")
    ] = 10.0,
    drain: Annotated[
        float, typer.Option("--drain", min=0.1, max=3600, help="Seconds that requests may end in after SIGTERM.")
    ] = 20.0,
    threads: Annotated[int | None, typer.Option("--threads", min=1, max=1024, help="Threads of one model.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Load the models, say what they can do, and end.")] = False,
    json: Json = False,
) -> None:
    """Serve saved models over HTTP: an API, and a page to try them on.

    Without --allow-host, it answers to this machine alone. There is no password: an address that others can reach needs a
    proxy in front that asks for one. SIGTERM or Ctrl-C lets what is in progress end. Needs pip install 'axw[serve]'.
    """
    if host not in _LOOPBACK and not allow_host:
        raise UsageError(
            f"The address {host} can be reached by others, and no name is given by which they may call the server.",
            "--host",
            "Add --allow-host NAME, and put a proxy in front that asks for a password; or leave --host away.",
        )
    from axw.serve import Limits, Service, find_models, listen
    from axw.serve.guard import LOOPBACK

    service = Service(
        find_models(models), Limits(queue=queue, batch=batch, seconds=seconds, drain=drain, threads=threads)
    )
    if check:
        _check(service, json)
        return
    sock = listen(host, port)
    _run(service, sock, [*LOOPBACK, *(allow_host or [])], json)


def _run(service: Service, sock: socket.socket, hosts: list[str], json: bool) -> None:
    from axw.serve import serve as run

    address, port = sock.getsockname()[:2]
    url = f"http://{f'[{address}]' if ':' in address else address}:{port}/"
    logging.getLogger("axw.serve").addHandler(_Said())

    def told() -> None:
        for line in _states(service):
            say(line)
        if json:
            result_json(
                {"schema": "axw.serve/1", "url": url, "models": [each.to_json() for each in service.models.values()]}
            )
        else:
            result(f"serving {url}")
        if sys.stdout is not None:
            sys.stdout.flush()

    run(service, sock, hosts, told)
    say("stopped")


def _check(service: Service, json: bool) -> None:
    """Load every model as a server would, and say how it went. `ModelError` for the first that cannot be."""
    from axw.models import load
    from axw.serve.service import ready

    for served in service.models.values():
        served.ready = ready(load(served.path))
    if json:
        told = [{**each.to_json(), "state": "ready"} for each in service.models.values()]
        result_json({"schema": "axw.serve/1", "models": told})
        return
    result("\n".join(_states(service)))


def _states(service: Service) -> list[str]:
    lines = []
    for each in service.models.values():
        found = each.ready
        what = f"{found.kind}: {', '.join(found.verbs)}" if found is not None else f"could not be loaded ({each.fault})"
        lines.append(f"{each.id}  {what}")
    return lines


class _Said(logging.Handler):
    """What the server has to say of its own accord: on stderr, each record one line, whatever it holds."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"{record.levelname.lower()}: {record.getMessage()}".replace("\n", " "))
