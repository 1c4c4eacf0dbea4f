"""What every request passes first, and every answer last: whose it is, what it carries, and the headers that keep a page safe."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from itertools import count
from typing import Any

from axw.serve.limits import CHUNK
from axw.serve.metrics import Metrics
from axw.serve.refusals import Refusal
from axw.serve.service import VERBS, Service
from axw.storage import json_to_bytes

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

log = logging.getLogger("axw.serve")
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_RAW = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
_OURS = {name.encode() for name in HEADERS} | {b"x-request-id"}
_PLAIN = ("/", "/healthz", "/readyz", "/v1/models", "/metrics", "/openapi.json")


class Guard:
    """An ASGI application around another one.

    hosts   names by which the server may be called, without the port
    """

    def __init__(self, app: App, service: Service, metrics: Metrics, hosts: Iterable[str] = LOOPBACK) -> None:
        self.app, self.service, self.metrics = app, service, metrics
        self.hosts = frozenset(host.lower() for host in hosts)
        self._numbers = count(1)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        request, began = f"{next(self._numbers):08x}", time.monotonic()
        scope.setdefault("state", {})["request_id"] = request
        answer = _Answer(send, request)
        self.service.in_flight += 1
        try:
            late = (
                self.service.draining
            )  # one that has come before the signal is in progress, also where its body has not
            receive = await self._body(scope, receive)  # first: a refusal before it would reset the connection
            self._check(scope, late)
            await self.app(scope, receive, answer.send)
        except Refusal as refusal:
            await answer.refuse(refusal)
        except Exception as fault:
            log.error("request %s failed: %s", request, type(fault).__name__, exc_info=fault)
            await answer.refuse(Refusal("failed"))
        finally:
            self.service.in_flight -= 1
            self.metrics.count(_asked(scope["path"]), answer.status, time.monotonic() - began)

    def _check(self, scope: MutableMapping[str, Any], late: bool) -> None:
        headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or _without_port(hosts[0]) not in self.hosts:
            raise Refusal("wrong_host")
        own = f"{scope.get('scheme', 'http')}://{hosts[0]}".lower()
        if any(name == b"origin" and value.lower() != own for name, value in headers):
            raise Refusal("foreign_origin")
        if any(name == b"sec-fetch-site" and value == "cross-site" for name, value in headers):
            raise Refusal("foreign_origin")
        if scope["path"] == "/metrics" and not _is_loopback(scope.get("client")):
            raise Refusal("only_here")
        if late and scope["path"] != "/healthz":
            raise Refusal("draining")
        if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            found = dict(headers)
            kind, _, rest = found.get(b"content-type", "").partition(";")
            plain = rest.strip().lower().replace('"', "") in ("", "charset=utf-8")
            if (
                kind.strip().lower() != "application/json"
                or not plain
                or found.get(b"content-encoding", "identity") != "identity"
            ):
                raise Refusal("json_only")

    async def _body(self, scope: MutableMapping[str, Any], receive: Receive) -> Receive:
        """The body read as a whole, within its bounds; afterwards only the news that the client has left."""
        limits = self.service.limits
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return receive
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if declared.isdigit() and int(declared[:20]) > limits.body:
            raise Refusal("body_too_large", limit=limits.body, got=float(declared[:20]))
        parts, size = [], 0
        try:
            async with asyncio.timeout(limits.receive):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Left
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > limits.body:
                        raise Refusal("body_too_large", limit=limits.body)
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise Refusal("too_slow", limit=limits.receive) from None
        except _Left:
            return _replay([{"type": "http.disconnect"}], receive)
        return _replay([{"type": "http.request", "body": b"".join(parts), "more_body": False}], receive)


class _Left(Exception):
    """The client went before it had asked."""


class _Answer:
    """Adds the headers to what is sent, cuts it into pieces that a slow reader can be waited for with, and notes the status."""

    def __init__(self, send: Send, request: str) -> None:
        self._send, self._request = send, request
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            theirs = ((name.lower(), value) for name, value in message.get("headers", []))
            headers = [header for header in theirs if header[0] not in _OURS]
            await self._send({**message, "headers": [*headers, *_RAW, (b"x-request-id", self._request.encode())]})
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        while len(body) > CHUNK:
            await self._send({"type": "http.response.body", "body": body[:CHUNK], "more_body": True})
            body = body[CHUNK:]
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def refuse(self, refusal: Refusal) -> None:
        """A refusal instead of an answer, unless one has begun."""
        if self.status:
            return
        body = json_to_bytes(refusal.to_json(self._request), indent=None)
        headers = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers()}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body})


def _replay(messages: list[Message], receive: Receive) -> Receive:
    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    return again


def _without_port(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() and (name.startswith("[") or ":" not in name) else host.lower()


def _is_loopback(client: Any) -> bool:
    try:
        return client is None or ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


def _asked(path: str) -> str:
    """A label of few values, whatever the path is."""
    if path in _PLAIN:
        return path
    last = path.rsplit("/", 1)[-1]
    return (
        last if path.startswith("/v1/models/") and last in VERBS else "page" if path.startswith("/page/") else "other"
    )
