"""The process: a socket, a server around it, and an end that waits for what is in progress."""

from __future__ import annotations

import errno
import gc
import logging
import socket
import time
from collections.abc import Callable, Sequence
from types import FrameType

import uvicorn

from axw.errors import BusyError, ModelError, ResourceError, UsageError
from axw.serve.app import make_app
from axw.serve.guard import LOOPBACK
from axw.serve.metrics import Metrics
from axw.serve.protocol import patient_protocol
from axw.serve.service import Service


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound, and listens. Raises `BusyError` where the port is taken, `UsageError` for a wrong address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by its name: asyncio turns the delay of Nagle off where it reads TCP there, or an answer waits 40 ms between
    # its head and its body.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(1024)
    except OSError as error:
        found.close()
        where = f"{host}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise BusyError(
                "The port is taken.", where, "Name another with --port; --port 0 takes a free one."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise ResourceError("The system does not give this port.", where, "Name one above 1023.") from error
        raise UsageError(
            f"The server cannot listen there: {error.strerror or error}.", where, "Use 127.0.0.1."
        ) from error
    return found


class _Server(uvicorn.Server):
    """On a signal it says that it goes down, lets what is in progress end, and then goes. A second one does not wait."""

    def __init__(self, config: uvicorn.Config, service: Service, told: Callable[[], None]) -> None:
        super().__init__(config)
        self.service, self.told = service, told
        self._until = 0.0
        self._told = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.service.draining:
            self.should_exit = self.force_exit = True
        self.service.draining = True
        self._until = time.monotonic() + self.service.limits.drain

    async def on_tick(self, counter: int) -> bool:
        if self.service.loaded and not self._told:
            self._told = True
            self.told()
            if not any(served.state == "ready" for served in self.service.models.values()):
                self.should_exit = True
        if self.service.draining and (self.service.in_flight == 0 or time.monotonic() > self._until):
            self.should_exit = True
        return await super().on_tick(counter)


def make_server(
    service: Service, hosts: Sequence[str] = LOOPBACK, told: Callable[[], None] = lambda: None
) -> uvicorn.Server:
    """A uvicorn server with the deadlines of the service; `run(sockets=[...])` answers until `should_exit`."""
    limits, metrics = service.limits, Metrics()
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # what clients send wrong is not the operator's news
    config = uvicorn.Config(
        make_app(service, hosts, metrics),
        http=patient_protocol(limits, service.crowd, lambda: metrics.count("refused", 503, 0.0)),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
        limit_concurrency=limits.connections,
        h11_max_incomplete_event_size=16 << 10,
    )
    return _Server(config, service, told)


def serve(
    service: Service, sock: socket.socket, hosts: Sequence[str] = LOOPBACK, told: Callable[[], None] = lambda: None
) -> None:
    """Answer until a signal comes; `told` is called once the models are loaded.

    Raises `ModelError` where none of them can be.
    """

    def settled() -> None:
        gc.collect()
        gc.freeze()  # models stay: looking through a million objects of theirs would hold every client up, time and again
        told()

    make_server(service, hosts, settled).run(sockets=[sock])
    if service.loaded and not any(served.ready for served in service.models.values()):
        why = ", ".join(f"{served.id}: {served.fault}" for served in service.models.values())
        raise ModelError("None of the models could be loaded.", why, "What went wrong with each is said above.")
