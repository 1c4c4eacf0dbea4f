"""Values of a config of which nothing is believed: each is asked for by name and type, and what is wrong is said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from axw.errors import ModelError, did_you_mean
from axw.version import __version__

FORMAT = 1


class _Advice(NamedTuple):
    todo: str


not_written_by_axw = _Advice("Copy the folder again from where it came from, or fit the model again.")


class Fields:
    """A JSON object of which nothing is believed: each value is asked for by name and type."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise ModelError(f"{where} is {short(value)}; allowed: an object.")
        self._value, self._where = value, where

    def only(self, names: Sequence[str]) -> Fields:
        missing, unknown = [n for n in names if n not in self._value], sorted(set(self._value) - set(names))
        # A later format may well have other keys: that it is later is the better answer.
        if self._where == "config.json" and isinstance(self._value.get("format"), int):
            _check_format(self._value)
        if missing or unknown:
            parts = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"unknown: {', '.join(unknown)[:80]}"] * bool(
                unknown
            )
            raise ModelError(f"The keys of {self._where} are not those of a saved model; {'; '.join(parts)}.")
        return self

    def get(self, name: str, *types: type) -> Any:
        value = self._value.get(name)
        if name not in self._value or type(value) not in types:
            allowed = " or ".join(kind.__name__ for kind in types)
            raise ModelError(f"{name!r} of {self._where} is {short(value)}; allowed: {allowed}.")
        return value

    def number(self, name: str, *, above: float = -math.inf, least: float = -math.inf) -> float:
        value = float(self.get(name, float, int))
        if not (math.isfinite(value) and value > above and value >= least):
            raise ModelError(
                f"{name!r} of {self._where} is {value}; allowed: {'above' if above == 0 else 'at least'} 0."
            )
        return value

    def part(self, name: str) -> Fields:
        return Fields(self.get(name, dict), name)

    def one_of(self, name: str, allowed: Sequence[str]) -> str:
        value = self.get(name, str)
        if value not in allowed:
            raise ModelError(f"{name!r} of {self._where} is {short(value)}. {did_you_mean(value, allowed)}")
        return str(value)

    def texts(self, name: str) -> list[str]:
        value = self.get(name, list)
        if not all(isinstance(item, str) for item in value):
            raise ModelError(f"{name!r} of {self._where} is {short(value)}; allowed: a list of texts.")
        return list(value)


def _check_format(config: Mapping[str, Any]) -> None:
    if config["format"] > FORMAT:
        maker = str(config.get("axw", "a later version"))[:40]
        raise ModelError(
            f"A model of format {config['format']}, made by axw >= {maker}; this is axw {__version__}, which reads up to"
            f" {FORMAT}.",
            todo=f"Install axw >= {maker}.",
        )


def short(value: Any) -> str:
    return repr(value)[:60]
