"""Translators that teach another one what they hold likely: several become one, or a large one a small one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axw.data.vocabulary import Vocabulary
from axw.equation.whole_blocks import whole_blocks
from axw.errors import UsageError
from axw.learning import fingerprint_of_bytes
from axw.learning.projected import Taught
from axw.models.members import same_vocabularies
from axw.models.translation.settings import TranslationSettings

_SAME = ("vocabulary", "pieces", "joint", "both_directions")  # settings that a vocabulary follows from


class Teacher(NamedTuple):
    """A translator that has learned."""

    settings: TranslationSettings
    vocabularies: Mapping[str, Vocabulary]
    network: nn.Module

    def fingerprint(self) -> str:
        """SHA-256 of its weights and vocabularies."""
        weights = (p.detach().cpu().float().numpy().tobytes() for p in self.network.parameters())
        return fingerprint_of_bytes([*weights, *(one.to_bytes() for _, one in sorted(self.vocabularies.items()))])


def in_pieces_of(settings: TranslationSettings, teacher: TranslationSettings) -> TranslationSettings:
    """The settings, with those of the teacher's that its vocabulary follows from."""
    return replace(settings, **{name: getattr(teacher, name) for name in _SAME})


def check_teachers(settings: TranslationSettings, teachers: Sequence[Teacher]) -> None:
    """`UsageError` where they do not write in the same pieces, or not in those that the settings ask for, or read less."""
    if teachers:
        same_vocabularies([teacher.vocabularies for teacher in teachers], "teachers", "text", "In the teachers.")
    for teacher in teachers:
        wrong = [name for name in _SAME if getattr(teacher.settings, name) != getattr(settings, name)]
        if wrong:
            told = ", ".join(
                f"{n} is {getattr(settings, n)!r}, the teachers' {getattr(teacher.settings, n)!r}" for n in wrong
            )
            raise UsageError(
                f"{told}; allowed: the same, for what is said likely is said of pieces.",
                "In the settings of the translator.",
                "Set " + ", ".join(f"{n}={str(getattr(teacher.settings, n)).lower()}" for n in wrong) + ".",
            )
        if teacher.settings.longest < settings.longest:
            raise UsageError(
                f"longest is {settings.longest}; allowed with these teachers: {teacher.settings.longest} or less.",
                "In the settings of the translator.",
                f"Set longest={teacher.settings.longest}.",
            )
    if teachers and settings.r_drop:
        raise UsageError(
            f"r_drop is {settings.r_drop} beside teachers; allowed: one of the two.",
            "In the settings of the translator.",
            "Set r_drop=0, or leave the teachers away.",
        )


class Teaching:
    """q(v) = mean over the teachers of p(v | what is read), by networks on the student's device, in the precision it trains in.

    student   one of its weights
    rows      (network, batch) -> the rows (t d) before the projection
    """

    def __init__(
        self,
        teachers: Sequence[Teacher],
        settings: TranslationSettings,
        student: Tensor,
        rows: Callable[[Any, Any], Tensor],
    ) -> None:
        self.share, self._rows = settings.taught, rows
        dtype = torch.bfloat16 if settings.train.precision == "bf16" else student.dtype
        self._networks: list[Any] = [
            copy.deepcopy(t.network).to(student.device, dtype).eval().requires_grad_(False) for t in teachers
        ]

    @torch.no_grad()
    def of(self, batch: Any) -> Taught:
        """What the teachers hold likely of the batch that the student reads: the same words, dropped ones too."""
        read = [(network, whole_blocks(self._rows(network, batch))) for network in self._networks]

        def q(part: slice) -> Tensor:
            first, *others = (_likely(network, rows[part]) for network, rows in read)
            for other in others:
                first += other
            return first.div_(len(read))

        return Taught(self.share, q)


@torch.no_grad()
def _likely(network: Any, rows: Tensor) -> Tensor:
    """softmax of the logits (r V), in their place."""
    logits = F.linear(rows, network.projection, network.output_bias)
    return torch.softmax(logits, -1, out=logits)
