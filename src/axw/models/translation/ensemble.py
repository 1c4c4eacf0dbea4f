"""Several translators as one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
import torch
from torch import nn

from axw.errors import UsageError
from axw.models.members import of_one, same_vocabularies
from axw.models.text_model import Place
from axw.models.translation.learned import LearnedFromPairs
from axw.models.translation.lesson import per_piece
from axw.models.translation.readings import Reading
from axw.models.translation.teaching import Teacher
from axw.models.translation.translator import Translator


class TranslatorEnsemble(Translator):
    """Several translators with the same vocabularies as one: the mean of what they hold likely (Luong et al. 2015, section 4).

    It translates, scores, evaluates and aligns. What is one network's, `fit`, `save` and `attention`, is asked of a member.
    """

    def __init__(self, translators: Sequence[Translator]) -> None:
        same_vocabularies([t._vocabularies for t in translators], "translators", "text", "In an ensemble.")
        super().__init__(translators[0].settings)
        self.translators = list(translators)
        self._vocabularies = translators[0]._vocabularies
        self._network = translators[0].network

    def _as_teachers(self) -> tuple[Teacher, ...]:
        return tuple(teacher for translator in self.translators for teacher in translator._as_teachers())

    def _networks(self) -> list[nn.Module]:
        return [translator.network for translator in self.translators]

    def evaluate(self, source: Sequence[str], target: Sequence[str]) -> dict[str, float]:
        """loss (nats per piece) and perplexity of the pairs, of the mean of what the members hold likely."""
        count = int((self._sides("forward")[1].encode(target).lengths + 1).sum())
        return per_piece(-float(self.score(source, target).sum()), count)

    def _readings(self) -> list[Reading]:
        """What every member with attention offers."""
        offered = [found for translator in self.translators if (found := translator._readings())]
        return [reading for reading in (offered[0] if offered else []) if all(reading in found for found in offered)]

    def _rows_read(self, source: torch.Tensor, read: torch.Tensor, reading: Reading | None) -> np.ndarray:
        """The mean over the members with attention, each read where it is read alone, if nothing else is said."""
        asked = [translator for translator in self.translators if translator._readings()] or self.translators[:1]
        return np.asarray(np.mean([translator._rows_read(source, read, reading) for translator in asked], axis=0))

    def attention(self, source: str, target: str) -> dict[str, np.ndarray]:
        raise self._of_one("has no A of its own", "attention")

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        raise self._of_one("is no model of its own", "save")

    def fit(
        self,
        source: Iterable[str],
        target: Iterable[str],
        valid: tuple[Iterable[str], Iterable[str]] | None = None,
        place: Place | None = None,
        *,
        teachers: Sequence[LearnedFromPairs] = (),
    ) -> Self:
        raise self._of_one("cannot be trained as one", "fit")

    def _of_one(self, why: str, name: str) -> UsageError:
        return of_one(len(self.translators), "translators", why, name)
