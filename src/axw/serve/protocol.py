"""Deadlines of a connection, which uvicorn does not have: for the head of a request, and for a client that reads slowly."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from axw.serve.limits import CHUNK, Limits
from axw.serve.refusals import Refusal
from axw.storage import json_to_bytes

_WHOLE = re.compile(
    rb"POST /v1/models/[^\r\n]*\r\n(?:[^\r\n]+\r\n)*?content-length: *(\d{1,7})\r\n(?:[^\r\n]+\r\n)*\r\n", re.I
)


def _busy() -> bytes:
    body = json_to_bytes(Refusal("busy").to_json("none"), indent=None)
    head = f"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"{head}cache-control: no-store\r\nx-content-type-options: nosniff\r\nretry-after: 1\r\n\r\n".encode() + body


BUSY = _busy()


@dataclass(eq=False)
class Crowd:
    """Questions that have come as a whole: how many are being answered, and how many may be before one more is refused unread."""

    most: int
    inside: int = 0


class PatientProtocol(H11Protocol):
    """Closes a connection whose next request has not come, and cuts one whose answer is not read."""

    limits = Limits()
    crowd = Crowd(1024)
    refused: Callable[[], None]
    _inside = False
    _head: asyncio.TimerHandle | None = None
    _write: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=CHUNK)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Where more is in progress than the queues hold, a whole question is refused without being read: a thousand refusals at
        once must not keep the server from saying that it is well. It is counted here, as it comes, since a thousand may come
        before the first of them is looked at; one whose body is still on its way takes nobody's place."""
        if not self._inside and self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            found = _WHOLE.match(data)
            if found is not None and len(data) == found.end() + int(found[1]):
                if self.crowd.inside >= self.crowd.most:
                    self.transport.write(BUSY)
                    self.refused()
                    self._forget_head()
                    self._await_head()
                    return
                self._enter()
        super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget_head()

    def on_response_complete(self) -> None:
        self._leave()
        super().on_response_complete()
        if self.transport.is_closing():  # it stays open until all is read, which may be never
            self._await_reader()
        elif self.cycle.response_complete:
            self._await_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._forget_reader()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        self._forget_reader()
        self._leave()
        super().connection_lost(exc)

    def _enter(self) -> None:
        self._inside = True
        self.crowd.inside += 1

    def _leave(self) -> None:
        if self._inside:
            self._inside = False
            self.crowd.inside -= 1

    def _await_head(self) -> None:
        self._head = self._head or self.loop.call_later(self.limits.head, self._no_request)

    def _await_reader(self) -> None:
        self._write = self._write or self.loop.call_later(self.limits.write, self.transport.abort)

    def _forget_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _forget_reader(self) -> None:
        if self._write is not None:
            self._write.cancel()
            self._write = None

    def _no_request(self) -> None:
        self._head = None
        if not self.transport.is_closing():
            self.transport.close()
            self._await_reader()


def patient_protocol(limits: Limits, crowd: Crowd, refused: Callable[[], None] = lambda: None) -> type[PatientProtocol]:
    """uvicorn's protocol with the deadlines of these limits. A body's deadline is the guard's.

    crowd   what all connections count together;  refused: is called for each question that is refused unread
    """
    own = {"limits": limits, "crowd": crowd, "refused": staticmethod(refused)}
    return type("Protocol", (PatientProtocol,), own)
