"""The tables that come with the package: small, real, and told where they are from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pandas as pd

from axw.data.tables import read_table
from axw.errors import UsageError, did_you_mean

_NAMES = ("titanic",)


def path(name: str) -> Path:
    """The file of a bundled sample; beside it NAME.ORIGIN.md says where it is from.

    Raises `UsageError` for a name that is not bundled.
    """
    if name not in _NAMES:
        raise UsageError(f"There is no sample {name!r}.", "parameter name", did_you_mean(name, _NAMES))
    return Path(str(files(__name__) / f"{name}.csv"))


def titanic() -> pd.DataFrame:
    """1,309 passengers: passenger (row id), name, family, title, sex, age, class, survived (yes or no).

    `SameValue("family", "class")` relates passengers of one family name in one class.
    """
    return read_table(path("titanic"))
