"""The libraries of other programs, or an error with the line to type where one is not installed."""

from __future__ import annotations

import importlib
import os
import warnings
from importlib.util import find_spec
from types import ModuleType

from axw.errors import UsageError

PACKAGES = ("transformers", "ctranslate2", "onnx", "onnxruntime")


def is_installed(package: str) -> bool:
    """Whether the package could be imported, without doing so."""
    return find_spec(package) is not None


def installed(package: str) -> ModuleType:
    """The package, imported. `UsageError` with the pip line where it is missing."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a folder is read, and nothing is asked of a server
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a library says of its own future is not the reader's business
            return importlib.import_module(package)
    except ImportError as error:
        raise UsageError(
            f"The package {package!r} is not installed; exporting to it, and proving the export, needs it.",
            "axw export",
            "pip install 'axw[export]'",
        ) from error
