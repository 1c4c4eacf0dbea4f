"""FastAPI and uvicorn, or an error with the line to type where they are not installed."""

from __future__ import annotations

import importlib

from axw.errors import UsageError

NEEDED = ("fastapi", "uvicorn")


def check_installed() -> None:
    """Raises `UsageError` with the pip line where a package of the extra is missing."""
    for package in NEEDED:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise UsageError(
                f"The package {package!r} is not installed; serving over HTTP needs it.",
                "axw serve",
                "pip install 'axw[serve]'",
            ) from error
