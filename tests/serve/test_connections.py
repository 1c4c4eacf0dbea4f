"""Clients that are slow, stall, talk nonsense or do not read: cut off in time, while the others are served."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

pytest.importorskip("fastapi")

from axw.serve import Limits  # noqa: E402
from tests.serve import tiny  # noqa: E402
from tests.serve.real import listening, until  # noqa: E402

HEAD = b"POST /v1/models/table/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
QUICK = Limits(head=0.4, receive=0.4, write=0.4)


@pytest.fixture(scope="module")
def port():
    with listening(tiny.service("table", limits=QUICK)) as port:
        yield port


def connected(port):
    found = socket.create_connection(("127.0.0.1", port), timeout=20)
    found.settimeout(20)
    return found


def rest(client):
    """All that comes until the server closes."""
    found = b""
    while True:
        try:
            part = client.recv(1 << 16)
        except ConnectionResetError:
            return found
        if not part:
            return found
        found += part


@pytest.mark.parametrize("sent", [b"", b"G", GET[:-2], HEAD, GET + b"GET /healthz HTTP/1.1\r\nx:"])
def test_a_head_that_does_not_come_is_not_waited_for(port, sent):
    with connected(port) as client:
        client.sendall(sent)
        answer = rest(client)
        assert answer.count(b"200 OK") == (1 if sent.startswith(GET) else 0)


def test_a_head_that_drips_is_not_waited_for(port):
    with connected(port) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ")
        client.settimeout(0.05)

        def closed():
            try:
                client.sendall(b"a")
                return client.recv(10) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        until(closed)


@pytest.mark.parametrize("body", [b"", b'{"ro'])
def test_a_body_that_does_not_come_is_408(port, body):
    with connected(port) as client:
        client.sendall(HEAD + b"content-length: 50\r\n\r\n" + body)
        answer = rest(client)
        assert b"408" in answer.split(b"\r\n")[0] and b'"too_slow"' in answer


def test_an_answer_that_is_not_read_is_cut_off(port):
    with connected(port) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.settimeout(0.05)
        asked = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n" * 20

        def closed():
            try:
                client.sendall(asked)
            except TimeoutError:
                return False
            except OSError:
                return True
            return False

        until(closed)


NONSENSE = [
    b"\x00\x01\x02\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/0.9\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 70_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x: a\r\n" * 5000 + b"\r\n",
    HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"content-length: -1\r\n\r\n",
    HEAD + b"content-length: 99999999999999999999\r\n\r\n",
    HEAD + b"transfer-encoding: chunked\r\n\r\nZZ\r\n",
    b"BREW / HTTP/1.1\r\nhost: localhost\r\n\r\n",
    b"GET http://169.254.169.254/ HTTP/1.1\r\nhost: 169.254.169.254\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
]


@pytest.mark.parametrize("sent", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_is_refused_and_harms_nobody(port, sent):
    with connected(port) as client:
        try:
            client.sendall(sent)
        except OSError:
            pass
        answer = rest(client)
        first = answer.split(b"\r\n")[0]
        assert not answer or first.split()[1][:1] in (b"2", b"4") and b"Traceback" not in answer, first
    with connected(port) as client:
        client.sendall(GET)
        assert b"200 OK" in client.recv(1000)


def test_requests_one_behind_the_other_are_answered_in_order(port):
    body = json.dumps({"rows": [tiny.ROW]}).encode()
    ask = HEAD + f"content-length: {len(body)}\r\n\r\n".encode() + body
    with connected(port) as client:
        client.sendall((GET + ask) * 20)
        answer = rest(client)
        assert answer.count(b"HTTP/1.1 200 OK") == 40
        order = [b"prediction" in part for part in answer.split(b"HTTP/1.1 200 OK")[1:]]
        assert order == [False, True] * 20


def test_too_many_at_once_are_told_to_come_again_without_being_read():
    serving = tiny.service("table", limits=Limits(queue=1, batch=1))
    body = json.dumps({"rows": [tiny.ROW]}).encode()
    ask = HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    with listening(serving) as port, connected(port) as client:
        serving.crowd.inside += 2
        for _ in range(3):
            answer = one_answer(client, ask)
            assert answer.startswith(b"HTTP/1.1 503") and b"retry-after: 1" in answer and b'"code":"busy"' in answer
        assert one_answer(client, GET).startswith(b"HTTP/1.1 200")
        serving.crowd.inside -= 2
        assert one_answer(client, ask).startswith(b"HTTP/1.1 200")
        until(lambda: serving.crowd.inside == 0)


def test_bodies_that_are_on_their_way_take_nobodys_place():
    serving = tiny.service("table", limits=Limits(queue=1, batch=1))
    body = json.dumps({"rows": [tiny.ROW]}).encode()
    head = HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode()
    with listening(serving) as port, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connected(port)) for _ in range(5)]
        for client in slow:
            client.sendall(head + body[:-1])
        until(lambda: serving.in_flight == 5)
        with connected(port) as client:
            assert one_answer(client, head + body).startswith(b"HTTP/1.1 200")
        assert one_answer(slow[0], body[-1:]).startswith(b"HTTP/1.1 200") and serving.crowd.inside == 0


def one_answer(client, sent):
    client.sendall(sent)
    found = b""
    while b"\r\n\r\n" not in found or not found.endswith(b"}\n"):
        found += client.recv(4096)
    return found


MAIN = "import sys; from axw.cli import main; sys.exit(main())"


@pytest.mark.slow
def test_sigterm_lets_what_is_in_progress_end_and_leaves_with_0(tmp_path):
    tiny.table().save(tmp_path / "table.axw")
    command = [sys.executable, "-c", MAIN, "serve", str(tmp_path / "table.axw"), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        told = ""
        while not told.endswith("}\n") or told.count("{") != told.count("}"):
            told += process.stdout.readline()
        port = int(json.loads(told)["url"].rsplit(":", 1)[1].strip("/"))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
            assert answer.status == 200
        body = json.dumps({"rows": [tiny.ROW] * 64}).encode()
        with connected(port) as client:
            client.sendall(HEAD + f"content-length: {len(body)}\r\n\r\n".encode() + body[:-1])
            until(lambda: in_flight(port) >= 2)
            os.kill(process.pid, signal.SIGTERM)
            client.sendall(body[-1:])
            assert rest(client).startswith(b"HTTP/1.1 200")
        assert process.wait(30) == 0
        assert process.stderr.read().endswith("stopped\n")


def in_flight(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return float(answer.read().decode().split("\naxw_requests_in_flight ")[1].split()[0])
