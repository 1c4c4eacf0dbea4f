"""The HTTP API: what is asked where."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, get_type_hints

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from axw.errors import ModelError
from axw.serve import questions
from axw.serve.guard import LOOPBACK, Guard
from axw.serve.metrics import Metrics
from axw.serve.page import add_page
from axw.serve.refusals import KINDS, Refusal
from axw.serve.service import Service
from axw.serve.table_answers import RowItem
from axw.serve.text_answers import FillKey, LineItem, LookKey, SearchKey
from axw.storage import json_from_bytes, json_to_bytes
from axw.version import __version__

_REFUSED: dict[int | str, dict[str, Any]] = {
    status: {
        "model": questions.Error,
        "description": "; ".join(said.message for said in KINDS.values() if said.status == status),
    }
    for status in sorted({said.status for said in KINDS.values()})
}


class _StrictRoute(APIRoute):
    """A question's JSON has every key once, no NaN, and no depth without end; then its schema is checked, and it is asked.

    FastAPI writes the schema of the API from the same endpoint. Its own way to call one looks for parameters in the query, in
    headers and in dependencies, of which no question has any.
    """

    def get_route_handler(self) -> Callable[[Request], Any]:
        if self.body_field is None:
            return super().get_route_handler()
        endpoint, schema = self.endpoint, TypeAdapter(get_type_hints(self.endpoint)["question"])

        async def ask(request: Request) -> Response:
            body = await request.body()
            try:
                question = schema.validate_python(json_from_bytes(body, "the body") if body else None)
            except ModelError as error:
                raise Refusal("bad_json", error.what) from None
            except ValidationError as fault:
                raise _invalid(fault.errors(include_url=False, include_context=False)[0]) from None
            return await endpoint(request, request.path_params["id"], question)

        return ask


def _invalid(fault: Mapping[str, Any], skip: int = 0) -> Refusal:
    """What the first fault that the schema found is, and where, without the first `skip` steps of the way there."""
    where = ".".join(str(part)[:40] for part in fault["loc"][skip:])
    return Refusal("invalid", f"{where}: {fault['msg']}" if where else str(fault["msg"]))


def make_app(service: Service, hosts: Sequence[str] = LOOPBACK, metrics: Metrics | None = None) -> Guard:
    """The whole application, guarded; its lifespan starts and stops the service.

    hosts   names by which the server may be called, without the port
    """
    metrics = metrics or Metrics()

    @asynccontextmanager
    async def alive(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = FastAPI(
        title="axw",
        version=__version__,
        description="Saved models over HTTP: predictions, words, translations, trees, and who attended to whom.",
        docs_url=None,
        redoc_url=None,
        lifespan=alive,
        redirect_slashes=False,
    )
    app.router.route_class = _StrictRoute
    _say_refusals(app)
    _add_verbs(app, service)  # before the others: routes are tried in their order
    _add_state(app, service, metrics)
    add_page(app)
    _name_ids(app, sorted(service.models))
    return Guard(app, service, metrics, hosts)


def _name_ids(app: FastAPI, ids: Sequence[str]) -> None:
    """The schema says which ids there are: they do not change while the server runs."""
    plain = app.openapi

    def named() -> dict[str, Any]:
        schema = plain()
        for path in schema["paths"].values():
            for parameter in (each for asked in path.values() for each in asked.get("parameters", [])):
                if parameter["name"] == "id":
                    parameter["schema"]["enum"] = list(ids)
        return schema

    app.openapi = named  # type: ignore[method-assign]


def _json(value: Any, status: int = 200) -> Response:
    return Response(json_to_bytes(value, indent=None), status, media_type="application/json")


def _say_refusals(app: FastAPI) -> None:
    def refuse(request: Request, refusal: Refusal) -> Response:
        found = _json(refusal.to_json(request.state.request_id), refusal.status)
        found.headers.update(refusal.headers())
        return found

    async def refused(request: Request, fault: Exception) -> Response:
        assert isinstance(fault, Refusal)
        return refuse(request, fault)

    async def invalid(request: Request, fault: Exception) -> Response:
        assert isinstance(fault, RequestValidationError)
        return refuse(request, _invalid(fault.errors()[0], skip=1))

    async def http(request: Request, fault: Exception) -> Response:
        assert isinstance(fault, HTTPException)
        codes = {400: "bad_json", 405: "method_not_allowed"}
        found = refuse(request, Refusal(codes.get(fault.status_code, "not_found")))
        found.headers.update({k: v for k, v in (fault.headers or {}).items() if k.lower() == "allow"})
        return found

    async def failed(request: Request, fault: Exception) -> Response:
        return refuse(request, Refusal("failed"))  # the guard hears of it too, and writes the log

    app.add_exception_handler(Exception, failed)
    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def _add_state(app: FastAPI, service: Service, metrics: Metrics) -> None:
    @app.get("/healthz", summary="The process is alive.")
    async def healthz() -> Response:
        return _json({"status": "ok", "version": __version__})

    @app.get(
        "/readyz",
        summary="Every model is loaded; 503 with the state of each before, and where one is damaged none is left.",
    )
    async def readyz() -> Response:
        states = {served.id: served.state for served in service.models.values()}
        fit = service.loaded and "ready" in states.values()
        return _json({"status": "ready" if fit else "not ready", "models": states}, 200 if fit else 503)

    @app.get("/v1/models", summary="The models, what each can do, and the columns that it asks for.")
    async def models() -> Response:
        return _json({"models": [served.to_json() for served in service.models.values()]})

    @app.get("/v1/models/{id}", summary="One model.", responses={404: _REFUSED[404]})
    async def model(id: str) -> Response:
        if id not in service.models:
            raise Refusal("not_found")
        return _json(service.models[id].to_json())

    @app.get("/metrics", summary="Counts for Prometheus; for the machine itself only.")
    async def counts() -> Response:
        waiting = sum(served.batcher.waiting for served in service.models.values() if served.batcher)
        sizes = [size for served in service.models.values() if served.batcher for size in served.batcher.sizes]
        gauges = {
            "waiting_requests": waiting,
            "requests_in_flight": service.in_flight,
            "batch_size_mean": sum(sizes) / max(len(sizes), 1),
            "resident_bytes": _resident(),
        }
        return Response(metrics.to_text(gauges), media_type="text/plain; version=0.0.4")


def _add_verbs(app: FastAPI, service: Service) -> None:
    """`POST /v1/models/{id}/{verb}`, each with its own schema."""

    async def lines(request: Request, id: str, verb: str, key: Hashable, texts: Sequence[str]) -> Response:
        return await _answer(service, request, id, verb, key, [LineItem(line) for line in texts])

    def post(verb: str, summary: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        return app.post(
            f"/v1/models/{{id}}/{verb}",
            summary=summary,
            response_model=questions.Answered,
            responses=_REFUSED,
            operation_id=verb,
        )

    @post("predict", "Predict rows of a table, or the classes of lines.")
    async def predict(
        request: Request, id: str, question: questions.RowsQuestion | questions.LinesQuestion
    ) -> Response:
        if isinstance(question, questions.LinesQuestion):
            _of_kind(service, id, "predict", lines=True)
            return await lines(request, id, "predict", None, question.lines)
        _of_kind(service, id, "predict", lines=False)
        return await _answer(service, request, id, "predict", None, _rows(question))

    @post("fill", "Guess the words behind [MASK].")
    async def fill(request: Request, id: str, question: questions.FillQuestion) -> Response:
        return await lines(request, id, "fill", FillKey(question.top, question.order), question.lines)

    @post("translate", "Translate lines.")
    async def translate(request: Request, id: str, question: questions.TranslateQuestion) -> Response:
        _nbest(question)
        return await lines(request, id, "translate", SearchKey(question.beam, question.nbest), question.lines)

    @post("parse", "A constituency tree for each sentence.")
    async def parse(request: Request, id: str, question: questions.ParseQuestion) -> Response:
        return await lines(request, id, "parse", SearchKey(question.beam, 1), question.lines)

    @post("explain", "What the answer for a row is the sum of; which word reads which.")
    async def explain(
        request: Request, id: str, question: questions.ExplainRowsQuestion | questions.ExplainLineQuestion
    ) -> Response:
        if isinstance(question, questions.ExplainLineQuestion):
            _of_kind(service, id, "explain", lines=True)
            key = LookKey(question.pictures, question.unit)
            return await _answer(service, request, id, "explain", key, [LineItem(question.line, question.target)])
        _of_kind(service, id, "explain", lines=False)
        return await _answer(service, request, id, "explain", LookKey(question.pictures), _rows(question))


def _rows(question: questions.RowsQuestion | questions.ExplainRowsQuestion) -> list[RowItem]:
    names = question.ids if question.ids is not None else [None] * len(question.rows)
    if len(names) != len(question.rows):
        raise Refusal("invalid", "ids: there is one for each row.", limit=len(question.rows), got=len(names))
    return [RowItem(row, name) for row, name in zip(question.rows, names, strict=True)]


def _of_kind(service: Service, id: str, verb: str, *, lines: bool) -> None:
    found = service.find(id, verb)
    assert found.ready is not None
    if (found.ready.kind == "table") == lines:
        wanted = "rows" if lines else "lines" if verb == "predict" else "line"
        raise Refusal("invalid", f"A model of kind {found.ready.kind} is asked with {wanted!r}.")


def _nbest(question: questions.TranslateQuestion) -> None:
    if question.beam is not None and question.nbest > question.beam:
        raise Refusal("invalid", "nbest: at most the beam.", limit=question.beam, got=question.nbest)


async def _answer(
    service: Service, request: Request, id: str, verb: str, key: Hashable, items: Sequence[Any]
) -> Response:
    """The answers; where the client leaves before, its items leave the queue."""
    asking = asyncio.current_task()
    assert asking is not None
    watched = _Watched(asking)
    watch = asyncio.create_task(watched.until_left(request))
    try:
        answers = await service.ask(service.find(id, verb), verb, key, items)
    except asyncio.CancelledError:
        if not watched.left:
            raise
        asking.uncancel()
        return Response(status_code=499)  # nobody reads it
    finally:
        watched.asking = None
        watch.cancel()
    return _json({"model": id, "answers": answers})


@dataclass
class _Watched:
    """The task that asks for a client, which is cancelled when the client leaves before it is done."""

    asking: asyncio.Task[Any] | None
    left: bool = False

    async def until_left(self, request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        if self.asking is not None:
            self.left = True
            self.asking.cancel()


def _resident() -> int:
    """Bytes of memory that the process holds; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
