"""A translator that is asked line by line: its weights are laid out for steps once, and not for each question."""

from __future__ import annotations

from typing import Any

from axw.models.translation.translator import Translator
from axw.networks.products import Precision
from axw.networks.steps import steps_of


class LaidOutTranslator(Translator):
    """The same translations in fp32, the first line as fast as the hundredth; the weights are in memory twice.

    steps   what searches step with (`steps_of`), one for each network
    """

    def __init__(self, base: Translator) -> None:
        super().__init__(base.settings)
        self._become(base)
        self.steps = tuple(steps_of(network) for network in base._networks())

    def _searched_by(self, precision: Precision, lines: int) -> list[Any]:
        return list(self.steps) if precision == "fp32" else super()._searched_by(precision, lines)
