"""Ibis, which writes one expression as SQL for many engines; an error with the line to type where it is not installed."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType

from axw.errors import UsageError

EXTRAS = {"ibis": "sql", "duckdb": "sql", "pyspark": "spark"}


def installed(package: str) -> ModuleType:
    """The package, imported. Raises `UsageError` with the pip line where it is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a library says of its own future is not the reader's business
            return importlib.import_module(package)
    except ImportError as error:
        extra = EXTRAS[package.partition(".")[0]]
        raise UsageError(
            f"The package {package!r} is not installed; tables beyond memory need it.",
            "axw.sql",
            f"pip install 'axw[{extra}]'",
        ) from error


ibis = installed("ibis")
