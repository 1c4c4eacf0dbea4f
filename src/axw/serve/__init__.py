"""The HTTP API and its page: saved models, asked over HTTP, many requests answered as one batch.

    service = Service(find_models(["models/"]));  serve(service, listen("127.0.0.1", 8765))

`axw serve` is this with options. Needs the extra `axw[serve]`: FastAPI and uvicorn.
"""

from __future__ import annotations

from axw.serve.installed import check_installed

check_installed()

from axw.serve.app import make_app  # noqa: E402  (the two packages are looked for first)
from axw.serve.limits import Limits  # noqa: E402
from axw.serve.running import listen, serve  # noqa: E402
from axw.serve.service import Service, find_models  # noqa: E402

__all__ = ["Limits", "Service", "find_models", "listen", "make_app", "serve"]
