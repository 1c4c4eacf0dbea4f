"""`axw explain` for models of text: why a line was answered so, as text, JSON, a page or a picture."""

from __future__ import annotations

from typing import Any

from axw.cli.output import to_json
from axw.errors import UsageError


def tell_text(fitted: Any, text: str | None, target: str | None, unit: Any, format: str) -> str:
    """The faces of `axw.show.explain`. `UsageError` without a text, and for a target that the kind of model has not."""
    from axw.show import explain

    if text is None:
        raise UsageError(
            "A model of text is asked about a line.", "axw explain", 'Say which: axw explain RUN --text "..."'
        )
    if target is not None and fitted.kind not in ("translation", "trees"):
        raise UsageError("Only a translator and a parser have a --target.", f"--target {target!r}", "Leave it away.")
    return face(explain(fitted, text, target, unit=unit), format)


def face(shown: Any, format: str) -> str:
    """One face of a display."""
    faces = {"txt": shown.to_text, "html": shown.to_html, "svg": shown.to_svg, "json": lambda: to_json(shown.to_json())}
    return str(faces[format]())
