"""What the server says instead of an answer. The words are a fixed table: no path, no traceback, no other client's text."""

from __future__ import annotations

from typing import Any, NamedTuple


class Said(NamedTuple):
    """The status of a refusal, and its one sentence."""

    status: int
    message: str


KINDS: dict[str, Said] = {
    "bad_json": Said(400, "The body is not strict JSON in UTF-8."),
    "not_found": Said(404, "There is nothing here. GET /v1/models lists the models and what each can do."),
    "method_not_allowed": Said(405, "This address does not take that method."),
    "too_slow": Said(408, "The body did not arrive in time."),
    "body_too_large": Said(413, "The body is larger than the server reads."),
    "json_only": Said(415, "Send the body as application/json, neither compressed nor in another character set."),
    "wrong_host": Said(421, "The server does not answer to this host name; its operator can add it with --allow-host."),
    "foreign_origin": Said(403, "The request comes from a page of another origin."),
    "only_here": Said(403, "This is for the machine that the server runs on."),
    "invalid": Said(422, "The question does not have the form that it should have; GET /openapi.json describes it."),
    "too_long": Said(422, "The text is longer than the server takes at once."),
    "unusable": Said(422, "The model cannot use this."),
    "not_offered": Said(404, "The model does not do this. GET /v1/models lists what each can do."),
    "failed": Said(500, "The model failed on this; the server's log has the request's id."),
    "not_finite": Said(500, "The model's answer holds a number that is not finite."),
    "busy": Said(503, "Too many requests are waiting; come again."),
    "loading": Said(503, "The model is being loaded; come again."),
    "damaged": Said(503, "The model could not be loaded; the server's log says why."),
    "draining": Said(503, "The server is going down."),
    "deadline": Said(504, "The answer took longer than the server gives a request."),
}
RETRY_AFTER = {"busy": 1, "loading": 2, "draining": 5}  # seconds


class Refusal(Exception):
    """No answer, and why.

    code    a key of `KINDS`
    detail  what is wrong with this request in particular, from this request alone
    limit, got   the bound, and what was asked for
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        limit: float | None = None,
        got: float | None = None,
        item: int | None = None,
    ) -> None:
        super().__init__(code)
        self.code, self.detail, self.limit, self.got, self.item = code, detail, limit, got, item

    @property
    def status(self) -> int:
        return KINDS[self.code].status

    def headers(self) -> dict[str, str]:
        """Retry-After where it makes sense to come again, and the end of the connection where its body was not read."""
        found = {}
        if self.code in RETRY_AFTER:
            found["retry-after"] = str(RETRY_AFTER[self.code])
        if self.code in ("body_too_large", "too_slow", "draining"):
            found["connection"] = "close"
        return found

    def to_json(self, request: str) -> dict[str, Any]:
        """{"error": {code, message, request_id, and limit, got, item where there are any}}"""
        message = KINDS[self.code].message
        told: dict[str, Any] = {
            "code": self.code,
            "message": f"{message} {self.detail[:600]}" if self.detail else message,
            "request_id": request,
        }
        for name in ("limit", "got", "item"):
            if getattr(self, name) is not None:
                told[name] = getattr(self, name)
        return {"error": told}
