"""A server on a real socket, in a thread of the test."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from axw.serve import Service, listen
from axw.serve.running import make_server


@contextlib.contextmanager
def listening(service: Service) -> Iterator[int]:
    """The port of a server that answers while inside; its models are loaded."""
    sock = listen("127.0.0.1", 0)
    loaded = threading.Event()
    server = make_server(service, told=loaded.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    port = sock.getsockname()[1]
    thread.start()
    try:
        assert loaded.wait(60)
        yield port
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def until(true, seconds: float = 60.0) -> None:
    """Wait until it is true; fails after that long."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        threading.Event().wait(0.01)
