"""Shapes are checked in the tests: every jaxtyping annotation of the core becomes a runtime check here."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "2")

from jaxtyping import install_import_hook

install_import_hook("axw.equation", "beartype.beartype")
