"""The page: plain HTML, one style sheet and modules that the browser loads as they are. Read once, at the start."""

from __future__ import annotations

from importlib import resources

from fastapi import FastAPI
from fastapi.responses import Response

from axw.show.style import CHART, COLOURS

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}


def page_files() -> dict[str, tuple[bytes, str]]:
    """Address -> (content, media type) of every file of the page."""
    found = {}
    for file in resources.files(__package__).iterdir():
        ending = file.name[file.name.rfind(".") :]
        if ending in _TYPES:
            content = file.read_bytes()
            if ending == ".css":
                content = (COLOURS + CHART).encode() + content
            found["/" if file.name == "index.html" else f"/page/{file.name}"] = (content, _TYPES[ending])
    return found


def add_page(app: FastAPI) -> None:
    """The addresses of the page's files; there are no others below /page."""

    def add(address: str, content: bytes, kind: str) -> None:
        async def file() -> Response:
            return Response(content, media_type=kind)

        app.add_api_route(address, file, methods=["GET"], include_in_schema=False)

    for address, (content, kind) in page_files().items():
        add(address, content, kind)
