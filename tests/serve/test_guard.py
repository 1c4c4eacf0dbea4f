"""Who may ask, with what; and the headers of every answer."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi")

from axw.serve.guard import HEADERS
from axw.serve.limits import Limits
from tests.serve import tiny

JSON = {"content-type": "application/json"}
BODY = b'{"lines": ["ein"]}'
PATH = "/v1/models/translation/translate"
REFUSED = [
    ({"host": "evil.com"}, 421),
    ({"host": "evil.com:8765"}, 421),
    ({"host": "127.0.0.1.evil.com"}, 421),
    ({"host": ""}, 421),
    ({"origin": "https://evil.com"}, 403),
    ({"origin": "null"}, 403),
    ({"origin": "http://127.0.0.1:8766"}, 403),
    ({"origin": "https://127.0.0.1:8765"}, 403),
    ({"sec-fetch-site": "cross-site"}, 403),
    ({"content-type": "text/plain"}, 415),
    ({"content-type": "application/x-www-form-urlencoded"}, 415),
    ({"content-type": "application/json; charset=utf-16"}, 415),
    ({"content-type": ""}, 415),
    ({"content-encoding": "gzip"}, 415),
]
TAKEN = [
    {},
    {"host": "localhost"},
    {"host": "LOCALHOST:1"},
    {"host": "[::1]:8765"},
    {"origin": "http://127.0.0.1:8765"},
    {"content-type": "application/json; charset=UTF-8"},
    {"sec-fetch-site": "same-origin"},
]


def test_host_origin_and_type_are_checked_even_here():
    async def use(client):
        for headers, status in REFUSED:
            answer = await client.post(PATH, content=BODY, headers=JSON | headers)
            assert answer.status_code == status, (headers, answer.text)
        for headers in TAKEN:
            answer = await client.post(PATH, content=BODY, headers=JSON | headers)
            assert answer.status_code == 200, (headers, answer.text)
        assert (await client.get("/v1/models", headers={"host": "evil.com"})).status_code == 421
        for method in ("PUT", "DELETE", "PATCH"):
            assert (await client.request(method, PATH, content=BODY, headers=JSON)).status_code == 405

    tiny.run(tiny.service("translation"), use)


def test_every_answer_has_the_headers_that_keep_a_page_safe_and_none_opens_it_to_others():
    async def use(client):
        for path in (
            "/",
            "/page/page.css",
            "/page/main.js",
            "/healthz",
            "/v1/models",
            "/openapi.json",
            "/nope",
            "/metrics",
        ):
            for method in ("GET", "OPTIONS", "HEAD"):
                answer = await client.request(method, path)
                assert {name: answer.headers[name] for name in HEADERS} == HEADERS, path
                assert answer.headers["x-request-id"]
                assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "'unsafe" not in HEADERS["content-security-policy"]

    tiny.run(tiny.service("table"), use)


def test_a_body_is_not_read_beyond_its_limit():
    taken = 0

    async def endless():
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1024

    async def use(client):
        answer = await client.post(PATH, content=b"x" * 5000, headers=JSON)
        assert (
            answer.status_code == 413
            and answer.json()["error"]["limit"] == 4096
            and answer.json()["error"]["got"] == 5000
        )
        assert (await client.post(PATH, content=endless(), headers=JSON)).status_code == 413
        assert taken <= 6

    tiny.run(tiny.service("translation", limits=Limits(body=4096)), use)


PATHS = [
    "../x",
    "..%2f..%2fetc",
    "%252e%252e%252f",
    "....//",
    "\\..\\",
    "%00",
    "/etc/passwd",
    "C:",
    "con",
    "．．",
    "x" * 4000,
]
PATHS += [
    "http:%2f%2f169.254.169.254",
    "file:%2f%2f%2fetc%2fpasswd",
    "Translation",
    " translation",
    "translation%20",
    "translation/",
]


def test_an_id_is_one_of_the_list_or_nothing(monkeypatch):
    opened = []

    def noted(file, *rest, **named):
        opened.append(file)
        raise AssertionError("the server opened a file")

    async def use(client):
        monkeypatch.setattr("builtins.open", noted)
        for path in PATHS:
            for address in (f"/v1/models/{path}", f"/v1/models/{path}/translate", f"/page/{path}"):
                answer = await client.request(
                    "POST" if "translate" in address[-10:] else "GET", address, json={"lines": ["a"]}
                )
                assert answer.status_code in (404, 405), (address, answer.text)
        monkeypatch.undo()

    tiny.run(tiny.service("translation"), use)
    assert not opened


def test_going_down_refuses_what_is_new_and_says_so():
    serving = tiny.service("table")

    async def use(client):
        serving.draining = True
        for answer in (await client.get("/readyz"), await tiny.post(client, "table", "predict", {"rows": [tiny.ROW]})):
            assert answer.status_code == 503 and answer.headers["retry-after"] == "5"
            assert answer.json()["error"]["code"] == "draining" and answer.headers["connection"] == "close"
        assert (await client.get("/healthz")).status_code == 200

    tiny.run(serving, use)


def test_what_breaks_in_the_server_itself_is_a_plain_500(caplog):
    serving = tiny.service("table")

    def broken(*_):
        raise KeyError("/secret")

    async def use(client):
        serving.find = broken
        answer = await tiny.post(client, "table", "predict", {"rows": [tiny.ROW]})
        assert answer.status_code == 500 and answer.json()["error"]["code"] == "failed" and "secret" not in answer.text
        assert answer.headers["content-security-policy"]

    tiny.run(serving, use)
    assert "failed: KeyError" in caplog.text
