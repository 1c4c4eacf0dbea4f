"""A translator that is asked line by line: its weights are laid out for steps once, and not for each question."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from axw.models.translation.readings import Reading
from axw.models.translation.translator import Translator
from axw.networks.products import Precision
from axw.networks.steps import steps_of


class LaidOutTranslator(Translator):
    """The same translations in one precision, the first line as fast as the hundredth; the weights are in memory twice.

    base    a translator, or several as one
    steps   what searches step with (`steps_of`), one for each network
    """

    def __init__(self, base: Translator, precision: Precision = "fp32") -> None:
        super().__init__(base.settings)
        self._become(base)
        self.base, self.precision = base, precision
        self.steps = tuple(steps_of(network, precision) for network in base._networks())

    def _networks(self) -> list[nn.Module]:
        return self.base._networks()

    def _readings(self) -> list[Reading]:
        return self.base._readings()

    def _rows_read(self, source: torch.Tensor, read: torch.Tensor, reading: Reading | None) -> np.ndarray:
        return self.base._rows_read(source, read, reading)

    def _searched_by(self, precision: Precision, lines: int) -> list[Any]:
        return list(self.steps) if precision == self.precision else super()._searched_by(precision, lines)
